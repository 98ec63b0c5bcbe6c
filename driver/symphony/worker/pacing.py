"""Waiting that a stop request ends, back-off with full jitter, and one log line per outage of a loop."""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from symphony.errors import DatabaseRefused, OutcomeUnknown, SymphonyError
from symphony.metrics import Metrics

_log = structlog.get_logger(__name__)


def lease_clock() -> float:
    """Seconds of a local clock that never steps and also counts while the machine sleeps (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, or return at once when `stop` is set meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


class Backoff:
    """Back-off of one loop that needs the database: full jitter below a doubling bound.

    Each outage is logged once when it starts and once when it ends, and every failed try is counted
    in `database_errors_total{point, kind}`.
    """

    def __init__(
        self,
        *,
        point: str,
        metrics: Metrics,
        min_ms: int,
        max_ms: int,
        stop: asyncio.Event | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._point = point
        self._metrics = metrics
        self._min_ms = min_ms
        self._max_ms = max_ms
        self._stop = stop or asyncio.Event()
        self._rng = rng or random.Random()  # noqa: S311 (jitter, not a secret)
        self._failures = 0
        self._since_s = 0.0

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def failed(self, error: SymphonyError) -> float:
        """Count one failed try; returns the seconds to wait before the next."""
        if not self._failures:
            self._since_s = lease_clock()
            level = _log.error if isinstance(error, DatabaseRefused) else _log.warning
            level("database_trouble_began", loop=self._point, exc_info=error)
        self._failures += 1
        self._metrics.database_errors_total.labels(point=self._point, kind=_kind(error)).inc()
        bound_ms = min(self._max_ms, self._min_ms * 2 ** min(self._failures - 1, 20))
        return self._rng.uniform(0, bound_ms) / 1000

    async def wait(self, error: SymphonyError) -> None:
        """Count one failed try and wait before the next, or until a stop is asked for."""
        await pause(self._stop, self.failed(error))

    def succeeded(self) -> None:
        """Forget earlier failures; logs the end of the outage, if there was one."""
        if self._failures:
            seconds = round(lease_clock() - self._since_s, 3)
            _log.info("database_trouble_ended", loop=self._point, tries=self._failures, lasted_seconds=seconds)
            self._failures = 0


def _kind(error: SymphonyError) -> str:
    if isinstance(error, OutcomeUnknown):
        return "outcome_unknown"
    return "refused" if isinstance(error, DatabaseRefused) else "unavailable"
