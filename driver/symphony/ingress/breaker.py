"""Circuit breaker in front of the database: CLOSED, OPEN, HALF_OPEN with one probe."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from symphony.errors import SymphonyError


class BreakerState(IntEnum):
    """The value is the gauge `breaker_state`."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class BreakerOpen(SymphonyError):
    """The breaker sheds this request before any database work.

    Attributes:
        retry_after_s: whole seconds for the Retry-After header, jittered.
    """

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(f"the database is failing; the breaker sheds requests; retry in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class Breaker:
    """Opens after `failures` failed batches within `window_s`, lets one probe through after `probe_after_s`.

    `enter()` at the start of a request, `leave(probe)` at its end, whatever happened; the batches report
    `record_success()` and `record_failure()`. A probe that ends without either gives its place to the next.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        window_s: float = 10.0,
        probe_after_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        on_change: Callable[[BreakerState], None] = lambda state: None,
    ) -> None:
        self._failures = failures
        self._window_s = window_s
        self._probe_after_s = probe_after_s
        self._clock = clock
        self._jitter = jitter
        self._on_change = on_change
        self._recent: deque[float] = deque(maxlen=failures)
        self._opened_at = 0.0
        self._probing = False
        self.state = BreakerState.CLOSED

    def enter(self) -> bool:
        """Admit a request; True means it is the probe. Raises BreakerOpen."""
        if self.state is BreakerState.CLOSED:
            return False
        remaining = self._opened_at + self._probe_after_s - self._clock()
        if remaining > 0 or self._probing:
            raise BreakerOpen(retry_after_s=self.retry_after_s(minimum_s=max(remaining, 0.0)))
        self._probing = True
        self._change(BreakerState.HALF_OPEN)
        return True

    def leave(self, probe: bool) -> None:
        """End a request; a probe that reached no verdict lets another request probe."""
        if probe and self._probing:
            self._probing = False

    def record_success(self) -> None:
        """A database batch was answered: a probe closes the breaker; a late answer while OPEN does not."""
        if self.state is BreakerState.HALF_OPEN:
            self._probing = False
            self._recent.clear()
            self._change(BreakerState.CLOSED)

    def record_failure(self) -> None:
        """A database batch failed for the database's own reasons (never for its content)."""
        now = self._clock()
        if self.state is BreakerState.HALF_OPEN:
            self._open(now)
        elif self.state is BreakerState.CLOSED:
            self._recent.append(now)
            if len(self._recent) == self._failures and now - self._recent[0] <= self._window_s:
                self._open(now)

    def retry_after_s(self, *, minimum_s: float = 0.0) -> int:
        """Whole seconds until a retry makes sense: minimum_s, and up to one probe interval more."""
        return max(1, math.ceil(minimum_s + self._jitter() * self._probe_after_s))

    def _open(self, now: float) -> None:
        self._opened_at = now
        self._probing = False
        self._recent.clear()
        self._change(BreakerState.OPEN)

    def _change(self, state: BreakerState) -> None:
        if state is not self.state:
            self.state = state
            self._on_change(state)
