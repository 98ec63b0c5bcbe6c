"""Keyed hashes of aliases: what ledgers and the cache know an alias by.

An alias is hashed as HMAC-SHA-256 of `proxy:<TYPE>:<value>`; a second HMAC, of `proxy-secret:<TYPE>:<value>`, is its
secret (symphony.resolver.sealing) and is never stored. The key is OpenBao's and never leaves it; a hash goes with its
key's name and version. A bare hash of a telephone number would be broken in seconds.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from symphony.bao.access import ENVIRONMENT
from symphony.bao.errors import BaoRefused, BaoUnavailable
from symphony.bao.rights import PROXY_HASH
from symphony.errors import SymphonyError
from symphony.operator_error import OperatorError
from symphony.resolver.aliases import Alias

if TYPE_CHECKING:  # hvac takes half a second to import: only who asks OpenBao pays for it
    from symphony.bao.session import Keyed, Session

_DOMAINS: Final = (b"proxy", b"proxy-secret")


class HashingUnavailable(SymphonyError):
    """Aliases cannot be hashed now: give the leases back and try again later. The message names no alias."""


@dataclass(frozen=True, slots=True, repr=False)
class Hashed:
    """An alias under one version of the key; without a repr, for alias and secret are nobody's business."""

    alias: Alias
    key_id: str
    hash: bytes
    secret: bytes


class AliasHasher(Protocol):
    """Whoever can hash aliases."""

    async def hash(self, aliases: Sequence[Alias]) -> list[list[Hashed]]:
        """For each alias its hash under the latest version of the key, then under the previous one if there is one.

        Raises:
            HashingUnavailable: none was hashed.
        """
        ...


class TransitHasher:
    """Hashes in OpenBao's transit engine: one call for the latest version, a second while there is a previous one.

    A rotation is noticed in the answers, which name their version; only then, and at first, the versions are read.
    """

    def __init__(self, session: Session, *, key: str = PROXY_HASH) -> None:
        self._session = session
        self._key = key
        self._versions = range(0)

    async def hash(self, aliases: Sequence[Alias]) -> list[list[Hashed]]:
        """See AliasHasher."""
        if not aliases:
            return []
        messages = [_message(domain, alias) for alias in aliases for domain in _DOMAINS]
        try:
            latest = await self._session.hmac(self._key, messages)
            version = latest[0].key_version
            if self._versions.stop != version + 1:
                self._versions = await self._session.usable_versions(self._key)
            answers = [latest]
            if version - 1 in self._versions:
                answers.append(await self._session.hmac(self._key, messages, key_version=version - 1))
        except (BaoUnavailable, BaoRefused) as error:
            self._versions = range(0)  # a refusal may be about a version that an operator has ended
            raise HashingUnavailable(f"OpenBao does not hash aliases now: {error}") from None
        hashed = [self._hashed(aliases, answer) for answer in answers]
        return [list(versions) for versions in zip(*hashed, strict=True)]

    def _hashed(self, aliases: Sequence[Alias], answer: Sequence[Keyed]) -> list[Hashed]:
        made = zip(aliases, answer[::2], answer[1::2], strict=True)
        return [Hashed(alias, f"{self._key}:v{h.key_version}", h.value, s.value) for alias, h, s in made]


class LocalHasher:
    """Hashes with keys in this process, for development only; a key of version n stands under n.

    Raises:
        OperatorError: LOCAL_KEYS_REFUSED outside SYMPHONY_ENVIRONMENT=dev, or for keys that are not 32 bytes each.
    """

    def __init__(self, keys: Mapping[int, bytes], *, environment: str | None = None) -> None:
        if (os.environ.get(ENVIRONMENT) if environment is None else environment) != "dev":
            raise _refused(f"{ENVIRONMENT} is not dev")
        if not keys or any(version < 1 or len(key) != 32 for version, key in keys.items()):
            raise _refused("each key has a version of 1 or more and 32 bytes")
        self._keys = dict(keys)

    async def hash(self, aliases: Sequence[Alias]) -> list[list[Hashed]]:
        """See AliasHasher."""
        latest = max(self._keys)
        versions = [version for version in (latest, latest - 1) if version in self._keys]
        return [[self._hashed(alias, version) for version in versions] for alias in aliases]

    def _hashed(self, alias: Alias, version: int) -> Hashed:
        made = (hmac.digest(self._keys[version], _message(domain, alias), "sha256") for domain in _DOMAINS)
        return Hashed(alias, f"{PROXY_HASH}:v{version}", *made)


def _message(domain: bytes, alias: Alias) -> bytes:
    return b":".join((domain, alias.type.encode("ascii"), alias.value.encode("utf-8")))


def _refused(reason: str) -> OperatorError:
    return OperatorError(
        "LOCAL_KEYS_REFUSED",
        thing="alias hash keys in this process",
        reason=reason,
        next_action="use OpenBao (--bao-enrolment); local keys are for development",
    )
