"""Recording what rails answered: batched by size or time, retried, never dropped in silence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from symphony.api.rails import Outcome, RailAnswer
from symphony.errors import SymphonyError
from symphony.metrics import Metrics
from symphony.worker.leases import HeldLease, HeldLeases
from symphony.worker.pacing import Backoff
from symphony.worker.settings import WorkerSettings

_log = structlog.get_logger(__name__)
_LATE_EVIDENCE_LEASES = 10

type Record = Callable[[Sequence[RailAnswer]], Awaitable[list[Outcome]]]


@dataclass(slots=True, eq=False)
class Answered:
    """One answer waiting to be recorded."""

    answer: RailAnswer
    lease: HeldLease
    arrived_s: float
    tries: int = 0


class Completer:
    """Takes answers from the dispatch tasks and hands them to `record` in batches.

    A batch goes when it is full, or when its oldest answer has waited `completion_flush_ms`, or at once when
    nothing was flushed in the last `completion_flush_ms` (an idle worker does not wait).

    A failed batch is kept and tried again with back-off. Its items go to the tail and the next batch is half
    as large, so that one answer the database cannot take ends up alone and does not hold up the others. A
    repeated answer whose first try did commit is fenced in the database: LEASE_LOST. After its lease an
    answer is still evidence, so it is given up, loudly, only ten lease times later.
    """

    def __init__(
        self,
        *,
        record: Record,
        settle: Callable[[HeldLease], None],
        settings: WorkerSettings,
        leases: HeldLeases,
        metrics: Metrics,
        backoff: Backoff,
    ) -> None:
        self._record = record
        self._settle = settle
        self._settings = settings
        self._leases = leases
        self._metrics = metrics
        self._backoff = backoff
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Answered] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._batch_limit = settings.completion_batch_items
        self._last_flush_s = float("-inf")
        self._under_way: list[Answered] = []

    @property
    def unrecorded(self) -> int:
        """Answers not yet recorded."""
        return len(self._waiting) + len(self._under_way)

    def put(self, answer: RailAnswer, lease: HeldLease) -> None:
        """Take one answer; never waits. The number of answers is bounded by the number of leases."""
        lease.answered_at_s = self._leases.now_s()
        self._waiting.append(Answered(answer, lease, self._loop.time()))
        self._drained.clear()
        self._arrived.set()
        if len(self._waiting) >= self._batch_limit:
            self._full.set()

    async def run(self) -> None:
        """Record answers until cancelled."""
        while True:
            await self._wait_until_due()
            batch = self._take_batch()
            await self._flush(batch)
            if not self._waiting:
                self._arrived.clear()
                self._drained.set()

    async def drain(self) -> None:
        """Return when everything taken so far is recorded (or given up)."""
        await self._drained.wait()

    async def _wait_until_due(self) -> None:
        await self._arrived.wait()
        window_s = self._settings.completion_flush_ms / 1000
        due_s = min(self._waiting[0].arrived_s, self._last_flush_s) + window_s
        left_s = due_s - self._loop.time()
        self._full.clear()
        if left_s <= 0 or len(self._waiting) >= self._batch_limit:
            return
        try:
            async with asyncio.timeout(left_s):
                await self._full.wait()
        except TimeoutError:
            return

    def _take_batch(self) -> list[Answered]:
        """The oldest answers, one for an item: the database matches a batch's outcomes by item.

        Two of one item wait together when this process lost a lease, claimed the item again as an enquiry,
        and the late call and the enquiry end at once; the later one goes with the next batch.
        """
        batch: dict[tuple[str, UUID], Answered] = {}
        deferred: list[Answered] = []
        while self._waiting and len(batch) < self._batch_limit:
            item = self._waiting.popleft()
            key = (item.answer.participant_id, item.answer.outbox_id)
            if key in batch:
                deferred.append(item)
            else:
                batch[key] = item
        self._waiting.extendleft(reversed(deferred))
        return list(batch.values())

    async def _flush(self, batch: list[Answered]) -> None:
        self._last_flush_s = started_s = self._loop.time()
        try:
            self._under_way = batch
            outcomes = await self._record([item.answer for item in batch])
            self._under_way = []
        except SymphonyError as error:
            self._under_way = []
            self._batch_limit = max(1, len(batch) // 2)
            for item in batch:
                item.tries += 1
                self._keep_or_give_up(item, error)
            await self._backoff.wait(error)
            return
        self._backoff.succeeded()
        self._batch_limit = min(self._settings.completion_batch_items, self._batch_limit * 2)
        self._metrics.flush_latency_seconds.labels(point="completion").observe(self._loop.time() - started_s)
        self._metrics.batch_size.labels(point="completion").observe(len(batch))
        self._count(batch, outcomes)
        for item in batch:
            self._settle(item.lease)

    def _keep_or_give_up(self, item: Answered, error: SymphonyError) -> None:
        late_s = _LATE_EVIDENCE_LEASES * self._settings.lease_ms / 1000
        if not self._leases.expired(item.lease, ago_s=late_s):
            self._waiting.append(item)
            return
        self._metrics.database_errors_total.labels(point="completion", kind="given_up").inc()
        _log.error("answer_given_up", tries=item.tries, exc_info=error, **_facts(item))
        self._settle(item.lease)

    def _count(self, batch: list[Answered], outcomes: list[Outcome]) -> None:
        by_item = {(item.answer.participant_id, item.answer.outbox_id): item for item in batch}
        for outcome in outcomes:
            item = by_item.get((outcome.participant_id, outcome.outbox_id))
            if item is None:
                _log.error("outcome_of_unknown_item", outbox_id=outcome.outbox_id, outcome=outcome.outcome)
                continue
            self._metrics.attempts_total.labels(state=outcome.outcome, rail=item.answer.rail).inc()
            if outcome.outcome == "LEASE_LOST":
                level = _log.debug if item.tries else _log.warning
                level("answer_after_lease", next="kept as evidence", **_facts(item))


def _facts(item: Answered) -> dict[str, object]:
    answer = item.answer
    return {
        "participant_id": answer.participant_id,
        "outbox_id": answer.outbox_id,
        "rail": answer.rail,
        "phase": answer.phase,
        "rail_code": answer.rail_code,
    }
