"""A database login that OpenBao lends: renewed before its end, replaced before it is too old, refused after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

import structlog
from psycopg.conninfo import make_conninfo

from symphony.bao.errors import BaoRefused, BaoUnavailable, LoginLeaseEnded
from symphony.bao.session import LoginGrant, Session

_RETRY_S: Final = 1.0


class LeasedLogin:
    """The one current login of a service. OpenBao may be away as long as the lease lasts, and not longer.

    `dsn` may be given to psycopg_pool as its conninfo: each new connection then uses the current login.

    Args:
        session: the service's own.
        capability: which database role the login may become.
        place: conninfo or URL without a user and a password: where the database is.
        on_replaced: called when there is a new login; the pool's `drain` belongs here, before the old login ends.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        session: Session,
        *,
        capability: str,
        place: str,
        on_replaced: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._capability = capability
        self._place = place
        self._on_replaced = on_replaced
        self._clock = clock
        self._log = structlog.get_logger()
        self._grant: LoginGrant | None = None
        self._dsn = ""
        self._ends_at = 0.0
        self._full_s = 0
        self._confirmed_at = 0.0
        self.generation = 0

    @property
    def ends_at(self) -> float:
        """When it ends unless it is renewed, in seconds of the clock; 0 before the first one."""
        return self._ends_at

    @property
    def age_s(self) -> float:
        """Seconds since OpenBao last confirmed the login."""
        return self._clock() - self._confirmed_at

    def check(self) -> None:
        """Raise LoginLeaseEnded unless the login still lasts: cheap enough for every request."""
        if self._clock() >= self._ends_at:
            raise LoginLeaseEnded(f"the database login for {self._capability} has ended and OpenBao gave no other")

    def dsn(self) -> str:
        """The conninfo of the current login. Raises LoginLeaseEnded."""
        self.check()
        return self._dsn

    async def open(self) -> None:
        """Get the first login. Raises BaoUnavailable, BaoRefused."""
        await self._obtain()

    async def run(self) -> NoReturn:
        """Keep it alive until cancelled. An OpenBao that is away is asked again, also after the end.

        Raises:
            LoginLeaseEnded: somebody revoked the login or our token. There is no other until the service
                is enrolled anew: answer 503, and end.
        """
        while True:
            remaining_s = self._ends_at - self._clock()
            # A third of its life after each renewal; what fails is tried again soon.
            await asyncio.sleep(max(min(self._full_s / 3, remaining_s / 2), min(_RETRY_S, self._full_s / 10)))
            try:
                await self._keep()
            except BaoUnavailable as error:
                left_s = round(self._ends_at - self._clock(), 1)
                self._log.warning("openbao is away", error=error, capability=self._capability, lease_left_s=left_s)
            except BaoRefused as error:
                self._ends_at = 0.0
                self._log.error("database login revoked", error=error, capability=self._capability)
                raise LoginLeaseEnded(f"the database login for {self._capability} was revoked") from None

    async def _keep(self) -> None:
        await self._session.renew_token()
        asked_at = self._clock()
        if self._grant is None or asked_at >= self._ends_at:
            await self._replace()
            return
        seconds = await self._session.renew_login(self._grant.lease_id, seconds=self._full_s)
        self._ends_at, self._confirmed_at = asked_at + seconds, asked_at
        if seconds < self._full_s:  # cut short by its greatest age: the last renewal it gets
            await self._replace()

    async def _replace(self) -> None:
        await self._obtain()
        self._log.info("database login replaced", capability=self._capability, generation=self.generation)
        if self._on_replaced is not None:
            await self._on_replaced()

    async def _obtain(self) -> None:
        asked_at = self._clock()  # before asking: our end is never later than OpenBao's
        grant = await self._session.grant_login(self._capability)
        self._dsn = make_conninfo(self._place, user=grant.username, password=grant.password)
        self._grant, self._full_s, self._ends_at = grant, grant.seconds, asked_at + grant.seconds
        self._confirmed_at = asked_at
        self.generation += 1
