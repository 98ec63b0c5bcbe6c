"""Token buckets per participant: how many refusals may be written to the ledger."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class TokenBuckets:
    """One bucket per name, refilled at `rate_per_s` up to `burst`.

    At most `max_names` buckets are kept; the one unused for longest is forgotten. A second level, one bucket
    for everybody at ten times the rate and burst, bounds a flood that invents names.
    """

    def __init__(
        self,
        *,
        rate_per_s: float,
        burst: float,
        max_names: int = 4_096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._max_names = max_names
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._everybody = (burst * 10.0, clock())

    def take(self, name: str) -> bool:
        """Take one token of this name; False when the name, or everybody together, has none left."""
        now = self._clock()
        level, everybody = self._level(name, now), self._everybody_level(now)
        if level < 1.0 or everybody < 1.0:
            return False
        self._put(name, level - 1.0, now)
        self._everybody = (everybody - 1.0, now)
        return True

    def charge(self, name: str) -> None:
        """Take one token that was already spent: the level may fall below zero, to one burst of debt."""
        now = self._clock()
        self._put(name, max(self._level(name, now) - 1.0, -self._burst), now)

    def wait_s(self, name: str) -> float:
        """Seconds until this name has a token again; 0 when it has one."""
        return max(0.0, (1.0 - self._level(name, self._clock())) / self._rate_per_s)

    def _level(self, name: str, now: float) -> float:
        level, at = self._levels.get(name, (self._burst, now))
        return min(self._burst, level + (now - at) * self._rate_per_s)

    def _everybody_level(self, now: float) -> float:
        level, at = self._everybody
        return min(self._burst * 10.0, level + (now - at) * self._rate_per_s * 10.0)

    def _put(self, name: str, level: float, now: float) -> None:
        self._levels[name] = (level, now)
        self._levels.move_to_end(name)
        if len(self._levels) > self._max_names:
            self._levels.popitem(last=False)
