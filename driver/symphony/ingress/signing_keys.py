"""Keys of signed requests as the registry names them; secrets that are shared with a client come from OpenBao."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

import structlog

from symphony.api.trust import RegisteredKey
from symphony.bao.errors import BaoRefused, BaoUnavailable
from symphony.ingress.registry import Registry
from symphony.trust.refusal import TrustRefused
from symphony.trust.signature_keys import SignatureKey, public_signature_key, secret_signature_key

SECRETS: Final = "ingress/signature-keys"
_RETRY_S: Final = 5.0
type ReadSecret = Callable[[str], Awaitable[Mapping[str, Any]]]


class SigningKeys:
    """The current keys by keyid. A key that cannot be used is left out and logged by its id: never its material.

    Args:
        read_secret: a secret of ours at OpenBao by its path (`Session.secret`); None: no shared secrets are served.
    """

    def __init__(self, read_secret: ReadSecret | None) -> None:
        self._read_secret = read_secret
        self._log = structlog.get_logger()
        self._keys: dict[str, SignatureKey] = {}
        self._wanted: dict[str, RegisteredKey] = {}
        self._changed = asyncio.Event()
        self._complete = True
        self.current: Mapping[str, SignatureKey] = MappingProxyType({})

    def follow(self, registry: Registry) -> None:
        """Take the keys of this registry: public ones at once; `run` fetches secrets, a known one serves until then."""
        keys: dict[str, SignatureKey] = {}
        self._wanted = {}
        for key_id, registered in registry.keys.items():
            if registered.public_jwk is None:
                self._wanted[key_id] = registered
                known = self._keys.get(key_id)
                if known is not None and isinstance(known.material, bytes):
                    self._make(keys, registered, known.material)
            else:
                self._make(keys, registered, registered.public_jwk)
        self._publish(keys)
        self._changed.set()

    async def fetch(self) -> None:
        """Fetch every shared secret that the registry names now; `run` asks again for what could not be had."""
        self._changed.clear()
        self._complete = True
        for key_id, registered in self._wanted.items():
            secret = await self._secret(key_id)
            if self._changed.is_set():  # the registry changed meanwhile: begin again
                return
            if secret is None:
                self._complete = False
                continue
            keys = dict(self._keys)
            self._make(keys, registered, secret)
            self._publish(keys)

    async def run(self) -> NoReturn:
        """Fetch what is named after each change, and again what could not be had, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self._complete else _RETRY_S):
                    await self._changed.wait()
            await self.fetch()

    def _publish(self, keys: dict[str, SignatureKey]) -> None:
        self._keys = keys
        self.current = MappingProxyType(keys)

    def _make(self, keys: dict[str, SignatureKey], registered: RegisteredKey, material: str | bytes) -> None:
        days: dict[str, Any] = {
            "keyid": registered.key_id,
            "client_id": registered.client_id,
            "active_from": int(registered.active_from.timestamp()),
            "active_until": None if registered.active_until is None else int(registered.active_until.timestamp()),
        }
        refused = ""
        try:
            if isinstance(material, bytes):
                key = secret_signature_key(material, **days)
            else:
                key = public_signature_key(json.loads(material), **days)
        except TrustRefused as error:
            refused = error.detail
        except ValueError:
            refused = "its JWK is no JSON"
        else:
            if key.alg == registered.alg:
                keys[registered.key_id] = key
                return
            refused = f"it is registered as {registered.alg} and is {key.alg}"
        keys.pop(registered.key_id, None)
        self._log.error("signature key left out", key_id=registered.key_id, reason=refused)

    async def _secret(self, key_id: str) -> bytes | None:
        if self._read_secret is None or not key_id.strip("."):  # dots alone would be another path
            self._log.error("signature key left out", key_id=key_id, reason="no place to fetch its secret from")
            return None
        reason = ""
        try:
            found = await self._read_secret(f"{SECRETS}/{key_id}")
            return base64.b64decode(found["secret"], validate=True)
        except (BaoUnavailable, BaoRefused) as error:
            reason = type(error).__name__
        except (KeyError, TypeError, binascii.Error):
            reason = "it has no member secret in base64"
        self._log.error("signature key left out", key_id=key_id, reason=reason)
        return None
