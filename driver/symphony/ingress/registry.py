"""Who is registered, as the database knows it: a cache that says how old it is and is not believed when too old.

A notification of a change is a hint that the next poll comes at once; the polled version is what counts. The database
looks again inside the accepting transaction, so this cache only refuses early and never lets anybody in alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn

import structlog

from symphony.api import connect, trust, wakeups
from symphony.api.connection import Connection, Dsn
from symphony.api.trust import REGISTRY_CHANNEL, ClientCert, RegisteredKey, RegistryState
from symphony.errors import SymphonyError
from symphony.ingress.problems import Refusal
from symphony.ingress.trust_settings import TrustSettings

_RETRY_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """One reading of the registry.

    Attributes:
        state: its version, and until when what is known about revocations holds.
        certificates: by SHA-256 of their DER.
        keys: those of signed requests that were not ended, by their id.
    """

    state: RegistryState
    certificates: Mapping[bytes, ClientCert]
    keys: Mapping[str, RegisteredKey]


class RegistryCache:
    """The last registry read and when it was last known to be the current one.

    Args:
        on_change: called with every registry read, before it is served.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        database: Dsn,
        *,
        settings: TrustSettings,
        on_change: Callable[[Registry], None] = lambda registry: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._poll_s = settings.registry_poll_ms / 1000
        self._reload_s = settings.registry_reload_ms / 1000
        self._max_age_s = settings.registry_max_age_ms / 1000
        self._on_change = on_change
        self._clock = clock
        self._log = structlog.get_logger()
        self._registry: Registry | None = None
        self._read_at = self._confirmed_at = float("-inf")
        self._revocations_at = clock()
        self._connection: Connection | None = None

    @property
    def age_s(self) -> float:
        """Seconds since the database last said that this is the current registry."""
        return self._clock() - self._confirmed_at

    @property
    def revocation_age_s(self) -> float:
        """Seconds since the database last knew longer than before that revocations are fresh, or since the start."""
        return self._clock() - self._revocations_at

    @property
    def is_fresh(self) -> bool:
        """Whether it may be believed now."""
        return self._registry is not None and self.age_s <= self._max_age_s

    def current(self) -> Registry:
        """Return the registry; raises Refusal (REGISTRY_STALE) when it is older than its limit."""
        if self._registry is None or not self.is_fresh:
            raise Refusal("REGISTRY_STALE")
        return self._registry

    async def open(self) -> Registry:
        """Connect and read it for the first time; raises what the database raises."""
        try:
            await self._connect()
            return await self._load()
        except BaseException:
            await self.close()
            raise

    async def run(self) -> NoReturn:
        """Keep it current until cancelled, over as many connections as it takes."""
        while True:
            try:
                async with asyncio.timeout(self._max_age_s):
                    if self._connection is None:
                        await self._connect()
                    await self._confirm()
                if self.age_s <= self._poll_s:  # what was long in coming is nearly too old again: ask at once
                    await self._wait()
            except (SymphonyError, TimeoutError) as error:
                self._log.warning("registry not read", error=error, age_s=round(self.age_s, 1))
                await self.close()
                await asyncio.sleep(min(_RETRY_S, self._poll_s))

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connect(self) -> None:
        self._connection = await connect(self._database, application_name="symphony-ingress-registry")
        await wakeups.listen(self._connection, channel=REGISTRY_CHANNEL)

    async def _confirm(self) -> None:
        """Ask for its state; read it whole when it has changed, or when it is time to."""
        if self._connection is None or self._registry is None:
            await self._load()
            return
        asked_at = self._clock()
        state = await trust.registry_state(self._connection)
        if state.version != self._registry.state.version or asked_at - self._read_at >= self._reload_s:
            await self._load()
            return
        # The same clients and keys; how fresh the revocations are changes without a new version.
        current = Registry(state=state, certificates=self._registry.certificates, keys=self._registry.keys)
        self._keep(current, asked_at)

    async def _load(self) -> Registry:
        if self._connection is None:
            raise ValueError("the registry is read over a connection")
        asked_at = self._clock()  # before asking: what we know is never younger than we say
        registry = await read_registry(self._connection)
        if self._registry is None or registry.state.version != self._registry.state.version:
            self._log.info("registry read", version=registry.state.version, certificates=len(registry.certificates))
        self._on_change(registry)
        self._read_at = asked_at
        self._keep(registry, asked_at)
        return registry

    def _keep(self, registry: Registry, asked_at: float) -> None:
        known = None if self._registry is None else self._registry.state.revocation_fresh_until
        fresh_until = registry.state.revocation_fresh_until
        if fresh_until is not None and (known is None or fresh_until > known):
            self._revocations_at = asked_at
        self._registry, self._confirmed_at = registry, asked_at

    async def _wait(self) -> None:
        """Wait for a notification, at most one poll interval."""
        if self._connection is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s), aclosing(wakeups.notifications(self._connection)) as heard:
                await anext(heard)


async def read_registry(connection: Connection) -> Registry:
    """Read all of it; the state first, so that a change meanwhile shows as a newer version at the next poll."""
    state = await trust.registry_state(connection)
    certificates = await trust.list_client_certs(connection)
    keys = await trust.list_signature_keys(connection)
    return Registry(
        state=state,
        certificates=MappingProxyType({one.cert_sha256: one for one in certificates}),
        keys=MappingProxyType({one.key_id: one for one in keys if one.retired_at is None}),
    )
