"""Access tokens from an issuer: client credentials over mutual TLS (RFC 6749 4.4, RFC 8705 2), bound to a DPoP key."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import aiohttp

from symphony.client.proofs import DpopKey
from symphony.errors import SymphonyError
from symphony.trust import base64url

_TIMEOUT_S: Final = 10.0
_MOST_BYTES: Final = 16_384
_SPARE_S: Final = 15
"""A token is not used in its last seconds: the request must still arrive within its life."""


class TokenUnavailable(SymphonyError):
    """The issuer gave no token; the message says why, and holds neither the token nor what was sent.

    Attributes:
        final: the issuer refused, and asking again would not help.
    """

    def __init__(self, said: str, *, final: bool) -> None:
        super().__init__(f"no access token: {said}")
        self.final = final


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token and how it is sent.

    Attributes:
        authorization: the field's whole value.
        ath: SHA-256 of the token in base64url, for the proof; None for a token that no DPoP key is bound to.
        use_until: epoch seconds from which it is not used any more; 0 for one that is good for one request.
    """

    authorization: str = field(repr=False)
    ath: str | None
    use_until: int


def token_of(text: str, *, dpop: bool, use_until: int) -> Token:
    """Return a token as it is sent."""
    if not dpop:
        return Token(authorization=f"Bearer {text}", ath=None, use_until=0)
    ath = base64url.encode(hashlib.sha256(text.encode("ascii")).digest())
    return Token(authorization=f"DPoP {text}", ath=ath, use_until=use_until)


class TokenSource(Protocol):
    """Where tokens come from."""

    async def token(self) -> Token:
        """Return a token for the next request; raises TokenUnavailable."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class IssuerTokens:
    """Tokens of one issuer: one for many requests with a DPoP key, a new one for each request without.

    Args:
        context: TLS with the client certificate.
        clock: epoch seconds.
    """

    def __init__(
        self,
        *,
        url: str,
        scopes: tuple[str, ...],
        dpop_key: DpopKey | None,
        context: ssl.SSLContext,
        clock: Callable[[], int],
    ) -> None:
        self._url = url
        self._scopes = scopes
        self._dpop_key = dpop_key
        self._context = context
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._current: Token | None = None
        self._asking = asyncio.Lock()

    async def token(self) -> Token:
        """Return a token for the next request; several that wait ask the issuer once. Raises TokenUnavailable."""
        if self._dpop_key is None:
            return await self._ask()  # single use: ingress.seen_jti refuses its second request
        if (current := self._usable()) is not None:
            return current
        async with self._asking:
            if (current := self._usable()) is None:
                current = self._current = await self._ask()
            return current

    async def close(self) -> None:
        """Close the connections to the issuer."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _usable(self) -> Token | None:
        current = self._current
        return current if current is not None and self._clock() < current.use_until else None

    async def _ask(self) -> Token:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._context),
                timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        now = self._clock()
        headers = {}
        if self._dpop_key is not None:
            headers["DPoP"] = self._dpop_key.proof(method="POST", htu=self._url, now=now)
        form = {"grant_type": "client_credentials", "scope": " ".join(self._scopes)}
        try:
            async with self._session.post(self._url, data=form, headers=headers, allow_redirects=False) as answer:
                status, raw = answer.status, await answer.content.read(_MOST_BYTES)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise TokenUnavailable(f"the issuer did not answer ({type(error).__name__})", final=False) from None
        return self._read(status, _object(raw), now)

    def _read(self, status: int, said: Mapping[str, Any], now: int) -> Token:
        """RFC 6749 5.1, RFC 9449 5."""
        if status != 200:
            code = said.get("error")
            name = code if isinstance(code, str) and code.isascii() and code.isidentifier() else "no reason"
            raise TokenUnavailable(f"the issuer answered {status} ({name})", final=400 <= status < 500)
        text, kind, seconds = (said.get(name) for name in ("access_token", "token_type", "expires_in"))
        wanted = "bearer" if self._dpop_key is None else "dpop"
        if not isinstance(text, str) or not text.isascii() or not isinstance(kind, str) or type(seconds) is not int:
            raise TokenUnavailable("the issuer's answer is no token", final=True)
        if kind.lower() != wanted:
            # A DPoP key and a token that is not bound to it: whoever steals it could use it (RFC 9449 5).
            raise TokenUnavailable(f"the issuer gave another type of token than {wanted}", final=True)
        return token_of(text, dpop=wanted == "dpop", use_until=now + max(seconds - _SPARE_S, seconds // 2))


def _object(raw: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
