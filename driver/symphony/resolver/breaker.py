"""Circuit breaker of one alias registry: opens after failures in a row, then asks once in a while."""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class RegistryBreaker:
    """CLOSED: ask. OPEN: ask nobody until the pause is over, then one probe; each failed probe doubles the pause.

    `may_ask()` before a call, `answered()` or `failed()` after it. A probe that is abandoned without either is
    replaced when the pause has passed once more.

    Args:
        failures: calls in a row that fail before it opens.
        pause_min_s, pause_max_s: the first pause and the longest, of which up to half is cut off at random.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        pause_min_s: float = 1.0,
        pause_max_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        on_change: Callable[[bool], None] = lambda is_open: None,
    ) -> None:
        self._limit = failures
        self._pause_min_s = pause_min_s
        self._pause_max_s = pause_max_s
        self._clock = clock
        self._jitter = jitter
        self._on_change = on_change
        self._in_a_row = 0
        self._pause_s = 0.0
        self._ask_at_s = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the registry counts as away; a probe may be due all the same."""
        return self._pause_s > 0

    @property
    def is_probing(self) -> bool:
        """Whether a probe is under way: soon more is known."""
        return self._probing

    def wait_s(self) -> float:
        """Seconds until the next probe; 0 when closed or due, and while one is under way (soon more is known)."""
        return max(0.0, self._ask_at_s - self._clock()) if self.is_open and not self._probing else 0.0

    def may_ask(self) -> bool:
        """Whether to make this call; while open, True makes it the probe."""
        if not self.is_open:
            return True
        if self._ask_at_s > self._clock():
            return False
        self._ask_at_s = self._clock() + self._pause_s
        self._probing = True
        return True

    def answered(self) -> None:
        """The registry is at work, whatever it said."""
        self._in_a_row = 0
        self._probing = False
        if self.is_open:
            self._pause_s = 0.0
            self._on_change(False)

    def failed(self) -> None:
        """The registry did not answer. Calls that were under way when it opened say nothing new."""
        self._in_a_row += 1
        if self.is_open and self._probing:
            self._probing = False
            self._pause(min(self._pause_max_s, self._pause_s * 2))
        elif not self.is_open and self._in_a_row >= self._limit:
            self._pause(self._pause_min_s)
            self._on_change(True)

    def _pause(self, pause_s: float) -> None:
        self._pause_s = pause_s
        self._ask_at_s = self._clock() + pause_s * (0.5 + self._jitter() / 2)
