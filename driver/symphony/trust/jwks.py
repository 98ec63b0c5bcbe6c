"""The issuer's keys (RFC 7517 5): fetched without blocking, bounded in every direction, and refused when too old.

A fetch follows no redirect and believes only a small JSON key set over https. A refused or failed fetch leaves the
last good set in use until it is `max_stale_s` old; then every token is refused. One fetch at a time, one per cooldown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from symphony.strict_json import InvalidInput, read_json
from symphony.trust.keys import VerificationKey, key_from_jwk, refuse_published
from symphony.trust.refusal import Reason, TrustRefused

_MEDIA_TYPES: Final = frozenset({"application/json", "application/jwk-set+json"})
_CHUNK: Final = 16_384
_SECRET_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksSettings:
    """Where the keys come from and within which bounds.

    Raises TrustRefused (TRUST_CONFIGURATION_REFUSED), above all for an address that is not https outside development.

    Attributes:
        dev: development only: http is allowed.
        max_bytes, max_keys: a larger set is refused whole.
        timeout_s: for one fetch, from connecting to the last byte.
        cooldown_s: least time between two fetches, whatever asks for one.
        refresh_after_s: age from which the next lookup fetches anew.
        max_stale_s: age from which nothing is believed any more.
    """

    url: str
    dev: bool = False
    max_bytes: int = 65_536
    max_keys: int = 20
    timeout_s: float = 5.0
    cooldown_s: int = 30
    refresh_after_s: int = 300
    max_stale_s: int = 3_600

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (self.dev and parts.scheme == "http"):
            raise TrustRefused(Reason.TRUST_CONFIGURATION_REFUSED, "the key set's address is not https")
        if not parts.hostname or parts.username is not None or parts.fragment:
            raise TrustRefused(Reason.TRUST_CONFIGURATION_REFUSED, "the key set's address is not plain")
        if not 0 < self.cooldown_s <= self.refresh_after_s <= self.max_stale_s:
            raise TrustRefused(
                Reason.TRUST_CONFIGURATION_REFUSED, "cooldown_s, refresh_after_s, max_stale_s must not decrease"
            )


class Jwks:
    """The current keys of one issuer.

    Args:
        session: whose requests the fetches are; its redirects are not used.
        clock: epoch seconds.
    """

    def __init__(self, *, settings: JwksSettings, session: aiohttp.ClientSession, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._session = session
        self._clock = clock
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at: int | None = None
        self._tried_at: int | None = None
        self._failure: TrustRefused | None = TrustRefused(Reason.JWKS_UNAVAILABLE, "never fetched")
        self._fetching: asyncio.Task[None] | None = None

    @property
    def age_s(self) -> int | None:
        """Seconds since the last good fetch; None before it. A clock that stepped back makes keys old, not young."""
        return None if self._fetched_at is None else abs(self._clock() - self._fetched_at)

    async def key(self, kid: str | None) -> VerificationKey:
        """Return the issuer's current key of this name.

        Raises:
            TrustRefused: TOKEN_KEY_UNKNOWN; JWKS_STALE; before the first good fetch JWKS_UNAVAILABLE or JWKS_REFUSED.
        """
        age_s = self.age_s
        due = age_s is None or age_s >= self._settings.refresh_after_s
        fresh = age_s is not None and age_s < self._settings.max_stale_s
        running = self._fetching is not None and not self._fetching.done()
        if kid not in self._keys or not fresh or (due and not running):
            await self._fetch_unless_cooling()
        return self._current(kid)

    async def refresh(self) -> None:
        """Fetch now, whatever the cooldown says: at start-up, to refuse to start without keys.

        Raises:
            TrustRefused: JWKS_UNAVAILABLE, JWKS_REFUSED; the last good set stays.
        """
        await self._fetch()
        if self._failure is not None:
            raise TrustRefused(self._failure.reason, self._failure.detail)

    def _current(self, kid: str | None) -> VerificationKey:
        age_s = self.age_s
        if age_s is None and self._failure is not None:
            raise TrustRefused(self._failure.reason, self._failure.detail)
        if age_s is None or age_s >= self._settings.max_stale_s:
            raise TrustRefused(Reason.JWKS_STALE, f"the keys are {self._settings.max_stale_s} s old or more")
        key = None if kid is None else self._keys.get(kid)
        if key is None:
            raise TrustRefused(Reason.TOKEN_KEY_UNKNOWN, "the current key set has no such kid")
        return key

    async def _fetch_unless_cooling(self) -> None:
        running = self._fetching is not None and not self._fetching.done()
        cooling = self._tried_at is not None and abs(self._clock() - self._tried_at) < self._settings.cooldown_s
        if running or not cooling:
            await self._fetch()

    async def _fetch(self) -> None:
        """Wait for the running fetch, or for a new one; whoever leaves early takes no fetch and no cooldown away."""
        if self._fetching is None or self._fetching.done():
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch_once())
        await asyncio.shield(self._fetching)

    async def _fetch_once(self) -> None:
        try:
            keys = keys_of(await self._read(), max_keys=self._settings.max_keys)
        except TrustRefused as refused:
            self._failure = refused
        else:
            self._keys, self._fetched_at, self._failure = keys, self._clock(), None

    async def _read(self) -> bytes:
        try:
            async with self._session.get(
                self._settings.url,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
                headers={"Accept": ", ".join(sorted(_MEDIA_TYPES)), "Accept-Encoding": "identity"},
            ) as answer:
                return await self._body(answer)
        except TrustRefused:
            raise
        except Exception as failure:  # whatever goes wrong, nothing was learned; its text may hold the address
            said = type(failure).__name__
        raise TrustRefused(Reason.JWKS_UNAVAILABLE, f"the fetch failed: {said}")

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        if answer.status != 200:
            raise TrustRefused(Reason.JWKS_UNAVAILABLE, f"the issuer answered {answer.status}")
        if answer.content_type not in _MEDIA_TYPES:
            raise TrustRefused(Reason.JWKS_REFUSED, "the answer is no JSON")
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise TrustRefused(Reason.JWKS_REFUSED, "the answer is compressed, which was not asked for")
        body = bytearray()
        async for chunk in answer.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._settings.max_bytes:
                raise TrustRefused(Reason.JWKS_REFUSED, f"longer than {self._settings.max_bytes} bytes")
        return bytes(body)


def keys_of(document: bytes, *, max_keys: int) -> Mapping[str, VerificationKey]:
    """Return the usable keys of a key set by kid.

    A key for another use, type, curve, size or algorithm is left out, as RFC 7517 5 has it; so is one without kid,
    which no token can name. A set that shows carelessness is refused whole: a private or symmetric key, a kid given
    twice, a published example key, or nothing usable.

    Raises:
        TrustRefused: JWKS_REFUSED.
    """
    entries = _entries(document, max_keys)
    names = [entry["kid"] for entry in entries if isinstance(entry.get("kid"), str)]
    if len(set(names)) != len(names):
        raise TrustRefused(Reason.JWKS_REFUSED, "a kid is given twice")
    usable: dict[str, VerificationKey] = {}
    for entry in entries:
        if not _SECRET_MEMBERS.isdisjoint(entry) or entry.get("kty") == "oct":
            raise TrustRefused(Reason.JWKS_REFUSED, "a private or symmetric key is in it")
        try:
            key = key_from_jwk(entry)
        except TrustRefused:
            continue
        refuse_published(key.thumbprint, reason=Reason.JWKS_REFUSED)
        if key.kid is not None:
            usable[key.kid] = key
    if not usable:
        raise TrustRefused(Reason.JWKS_REFUSED, "it has no key that we may use")
    return MappingProxyType(usable)


def _entries(document: bytes, max_keys: int) -> list[dict[str, object]]:
    try:
        value = read_json(document)
    except InvalidInput:  # not chained: it may name a member
        value = None
    entries = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise TrustRefused(Reason.JWKS_REFUSED, "it is not a strict JSON object with an array of keys")
    if len(entries) > max_keys:
        raise TrustRefused(Reason.JWKS_REFUSED, f"more than {max_keys} keys")
    return entries
