"""Access tokens that were verified before: a token's text does not change, so its signature is checked once for a key.

What changes is checked at every use: whether the issuer's key still stands, and the clock.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from symphony.trust.access_token import AccessToken
from symphony.trust.keys import VerificationKey

MAX_KEPT: Final = 4_096
"""The oldest make room; a sender with more tokens at once only has them verified again."""


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token whose signature and claims held under `key`, the very record that the key set had then."""

    token: AccessToken
    key: VerificationKey


class KnownTokens:
    """By SHA-256 of the text as received; the text itself is not kept. Only what was verified is put in."""

    def __init__(self, *, max_kept: int = MAX_KEPT) -> None:
        self._max_kept = max_kept
        self._known: dict[bytes, KnownToken] = {}  # oldest first

    def find(self, wire: str) -> KnownToken | None:
        """Return what is known of exactly this text; the caller checks key and clock."""
        return self._known.get(hashlib.sha256(wire.encode()).digest())

    def keep(self, token: AccessToken, key: VerificationKey) -> None:
        """Remember a token that `check_access_token` returned for this key."""
        self._known.pop(token.wire_sha256, None)
        while len(self._known) >= self._max_kept:
            del self._known[next(iter(self._known))]
        self._known[token.wire_sha256] = KnownToken(token, key)
