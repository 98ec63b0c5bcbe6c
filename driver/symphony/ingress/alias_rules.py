"""How a participant's aliases are resolved under the active policy, as the database last said it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from symphony.api.proxy import ProxyRule

MAX_AGE_S: Final = 1.0


class AliasRules:
    """The rules read within the last second: a new policy is followed that soon, and a second costs one read.

    Args:
        read: asks the database; one call at a time, for everybody who waits.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Awaitable[list[ProxyRule]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._rules: dict[str, tuple[float, ProxyRule]] = {}
        self._wanted: set[str] = set()
        self._reading = asyncio.Lock()

    async def rule(self, participant_id: str) -> ProxyRule:
        """The participant's rule; raises what the database raises."""
        known = self._known(participant_id)
        if known is not None:
            return known
        self._wanted.add(participant_id)
        async with self._reading:
            known = self._known(participant_id)
            return known or await self._load(participant_id)

    async def _load(self, participant_id: str) -> ProxyRule:
        wanted, self._wanted = self._wanted | {participant_id}, set()
        asked_at = self._clock()  # before asking: what we know is never younger than we say
        read = {rule.participant_id: rule for rule in await self._read(sorted(wanted))}
        young = {name: known for name, known in self._rules.items() if asked_at - known[0] <= MAX_AGE_S}
        self._rules = young | {name: (asked_at, rule) for name, rule in read.items()}
        return read[participant_id]

    def _known(self, participant_id: str) -> ProxyRule | None:
        found = self._rules.get(participant_id)
        return None if found is None or self._clock() - found[0] > MAX_AGE_S else found[1]
