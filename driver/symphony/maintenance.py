"""The maintenance loop: partitions ahead of time, spent proofs retired, aliases tended, logins and health watched."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from symphony.api import Dsn, connect, ops, proxy, trust
from symphony.api.connection import Connection
from symphony.bao.overdue import report_overdue
from symphony.clock_check import clock_offset_s, require_same_clock
from symphony.errors import DatabaseRefused, DatabaseUnavailable, OutcomeUnknown, SymphonyError
from symphony.metrics import Metrics

_log = structlog.get_logger(__name__)
_STALE_AFTER_INTERVALS: Final = 3
_OVERDUE_GRACE_S: Final = 60.0
_FORGET_LIMIT: Final = 10_000
_TEND_LIMIT: Final = 500
type Work = Callable[[Connection], Awaitable[None]]


class Duty(NamedTuple):
    """One task: its name in the metrics, what it does on a connection of its own, how often, and for how long at most.

    Without a limit of its own it has that of the settings.
    """

    task: str
    work: Work
    interval_ms: int
    limit_ms: int | None = None


class InvalidSettings(SymphonyError):
    """A maintenance setting cannot work; the message names it, its value and the allowed range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceSettings:
    """How often what is done; raises InvalidSettings when a value is out of its range.

    Attributes:
        months_ahead: months after the current one for which partitions are kept ready.
        upkeep_interval_ms: between two looks at spent proofs, at overdue logins and at cached aliases that expired.
        aliases_interval_ms: between two looks at instructions that waited too long for their alias.
        retry_ms: the wait after a failed task; never longer than the task's own interval.
        attempt_limit_ms: a task longer than this is abandoned and counted as failed.
    """

    months_ahead: int = 3
    partitions_interval_ms: int = 3_600_000
    health_interval_ms: int = 5_000
    upkeep_interval_ms: int = 60_000
    aliases_interval_ms: int = 5_000
    retry_ms: int = 30_000
    attempt_limit_ms: int = 20_000

    def __post_init__(self) -> None:
        bounds = {
            "months_ahead": (1, 24),
            "partitions_interval_ms": (100, 86_400_000),
            "health_interval_ms": (100, 3_600_000),
            "upkeep_interval_ms": (100, 3_600_000),
            "aliases_interval_ms": (100, 600_000),
            "retry_ms": (100, 3_600_000),
            "attempt_limit_ms": (100, 600_000),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidSettings(f"{name} is {value}; use a value from {low} to {high}")


class Maintenance:
    """Keeps one database maintained. Its tasks are idempotent, so it needs no leader: two do no harm.

    Args:
        duties: tasks beside its own.
        wall: the machine's clock in Unix time, held to the database's.
    """

    def __init__(
        self,
        *,
        database: Dsn,
        metrics: Metrics,
        settings: MaintenanceSettings,
        duties: Sequence[Duty] = (),
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._duties = duties
        self._wall = wall
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._stale_after_s = (_STALE_AFTER_INTERVALS * settings.health_interval_ms + settings.retry_ms) / 1_000
        self._stop = asyncio.Event()
        self._health_read_at: float | None = None
        self._left_out: frozenset[str] = frozenset()

    def stop(self) -> None:
        """Ask for the end; a task under way is finished first."""
        self._stop.set()

    def not_ready(self) -> str | None:
        """Why the loop is of no use now, or None."""
        if self._health_read_at is None:
            return "the database's health has not been read yet"
        age_s = self._clock() - self._health_read_at
        if age_s * 1_000 > _STALE_AFTER_INTERVALS * self._settings.health_interval_ms + self._settings.retry_ms:
            return f"the database's health was last read {age_s:.0f} s ago"
        return None

    async def run(self, *, announce_ready: Callable[[], None] = lambda: None) -> None:
        """Work until stop(); `announce_ready` once partitions are there and health is read for the first time.

        Raises:
            OperatorError: CLOCKS_APART at the start; later the difference is a metric.
        """
        await self._check_clock()
        waiting = {"partitions", "health"}

        def succeeded(task: str) -> None:
            if task in waiting:
                waiting.remove(task)
                if not waiting:
                    announce_ready()

        settings = self._settings
        duties = [
            Duty("partitions", self._ensure_partitions, settings.partitions_interval_ms),
            Duty("health", self._read_health, settings.health_interval_ms),
            Duty("replay", self._retire_spent_proofs, settings.upkeep_interval_ms),
            Duty("logins", self._find_overdue_logins, settings.upkeep_interval_ms),
            Duty("proxy_cache", self._forget_expired_aliases, settings.upkeep_interval_ms),
            Duty("aliases", self._tend_aliases, settings.aliases_interval_ms),
            *self._duties,
        ]
        async with asyncio.TaskGroup() as group:
            for duty in duties:
                group.create_task(self._repeat(duty, succeeded))

    async def _check_clock(self) -> None:
        try:
            async with await connect(self._database, application_name="symphony-maintain") as connection:
                await require_same_clock(connection, wall=self._wall)
        except DatabaseUnavailable as error:  # it may come later than we do
            _log.warning("the clocks could not be compared", exc_info=error, next="see clock_offset_seconds")

    async def _repeat(self, duty: Duty, succeeded: Callable[[str], None]) -> None:
        while not self._stop.is_set():
            ok = await self._attempt(duty)
            self._metrics.maintenance_runs_total.labels(task=duty.task, result="ok" if ok else "failed").inc()
            if ok:
                succeeded(duty.task)
            wait_ms = duty.interval_ms if ok else min(duty.interval_ms, self._settings.retry_ms)
            try:
                async with asyncio.timeout(wait_ms / 1_000):
                    await self._stop.wait()
            except TimeoutError:
                continue

    async def _attempt(self, duty: Duty) -> bool:
        limit_ms = self._settings.attempt_limit_ms if duty.limit_ms is None else duty.limit_ms
        try:
            async with asyncio.timeout(limit_ms / 1_000):
                # A connection for each attempt: what it costs is nothing beside never holding a dead one.
                connection = await connect(self._database, application_name="symphony-maintain")
                async with connection:
                    await duty.work(connection)
        except (SymphonyError, TimeoutError) as error:
            if isinstance(error, DatabaseRefused | DatabaseUnavailable | OutcomeUnknown | TimeoutError):
                self._metrics.database_errors_total.labels(point="maintain", kind=_kind(error)).inc()
            _log.warning(
                "maintenance task failed",
                task=duty.task,
                exc_info=error,
                next="it is tried again; see symphony status",
            )
            return False
        return True

    async def _ensure_partitions(self, connection: Connection) -> None:
        added = await ops.ensure_partitions(connection, months_ahead=self._settings.months_ahead)
        self._metrics.partitions_added_total.inc(len(added))
        if added:
            _log.info("partitions added", partitions=added)

    async def _retire_spent_proofs(self, connection: Connection) -> None:
        await trust.retire_seen(connection)

    async def _find_overdue_logins(self, connection: Connection) -> None:
        overdue = await report_overdue(connection, grace_s=_OVERDUE_GRACE_S, alarm=lambda login: None)
        self._metrics.overdue_logins.set(overdue)

    async def _forget_expired_aliases(self, connection: Connection) -> None:
        while await proxy.forget_expired(connection, limit=_FORGET_LIMIT) == _FORGET_LIMIT:
            pass

    async def _tend_aliases(self, connection: Connection) -> None:
        """What the resolvers do too: an overdue instruction is voided also when none of them runs."""
        while True:
            returned, voided = await proxy.tend_resolutions(
                connection, worker="symphony-maintain", limit=_TEND_LIMIT, role="symphony_maintainer"
            )
            if returned or voided:
                _log.info("resolutions tended", expired=returned, voided=voided)
            if max(returned, voided) < _TEND_LIMIT:
                return

    async def _read_health(self, connection: Connection) -> None:
        left_out = frozenset(self._metrics.update_from_health(await ops.health(connection)))
        self._metrics.clock_offset_seconds.set(await clock_offset_s(connection, wall=self._wall))
        self._metrics.health_read_timestamp_seconds.set_to_current_time()
        self._health_read_at = self._clock()
        if left_out - self._left_out:
            _log.warning(
                "health samples are not in the metrics catalogue",
                samples=sorted(left_out),
                next="migrate the database and this program to the same version",
            )
        self._left_out = left_out


def _kind(error: Exception) -> str:
    if isinstance(error, OutcomeUnknown):
        return "outcome_unknown"
    return "unavailable" if isinstance(error, DatabaseUnavailable | TimeoutError) else "refused"
