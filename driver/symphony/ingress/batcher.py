"""Micro-batcher: many waiting requests become few database batches, and each gets its own decision."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import psycopg

from symphony.api.ingress import Decision, Item
from symphony.errors import (
    DatabaseRefused,
    DatabaseUnavailable,
    OutcomeUnknown,
    RetryLater,
    SymphonyError,
)

type Flush = Callable[[Sequence[Item]], Awaitable[list[Decision]]]


class Overloaded(SymphonyError):
    """The queue is full, or the ingress is stopping: the item was not taken. Retry later."""


class Unrecordable(SymphonyError):
    """The database cannot store this one item; nothing was written for it. Its batch mates were recorded."""


@dataclass(slots=True, eq=False)
class _Waiting:
    item: Item
    keys: tuple[tuple[str, str | None, str | None], ...]
    answer: asyncio.Future[Decision]
    queued_at: float


class Batcher:
    """Collects items and flushes them at `max_batch` items or after `max_flush_s`, whichever is first.

    Idle means immediate: when no flush is running, a flush starts at the end of the current loop iteration.
    At most `parallel` flushes run at once. Two items with the same (participant, idempotency key) or the same
    (participant, instruction id) are never in two flushes at once: the later one waits for the earlier answer.
    An item that no flush took within `max_wait_s` fails with DatabaseUnavailable, certainly unrecorded.
    A cancelled waiter whose item is not yet in a flush is dropped; a running flush is never cancelled by it.
    """

    def __init__(
        self,
        flush: Flush,
        *,
        max_batch: int = 200,
        max_flush_s: float = 0.010,
        parallel: int = 2,
        max_queued: int = 10_000,
        max_wait_s: float = 2.0,
    ) -> None:
        self._flush = flush
        self._max_batch = max_batch
        self._max_flush_s = max_flush_s
        self._parallel = parallel
        self._max_queued = max_queued
        self._max_wait_s = max_wait_s
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._parked: deque[_Waiting] = deque()  # their keys are in flight; back in front when a flush ends
        self._busy_keys: set[tuple[str, str | None, str | None]] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.Handle | None = None
        self._pump_soon = False
        self._closing = False

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    @property
    def room(self) -> int:
        """How many more items the queue takes now."""
        return 0 if self._closing else self._max_queued - len(self._queue) - len(self._parked)

    def enqueue(self, item: Item) -> asyncio.Future[Decision]:
        """Queue one item; the future brings its decision, after the commit.

        Raises Overloaded at once; the future raises DatabaseUnavailable, OutcomeUnknown, RetryLater or
        Unrecordable.
        """
        if self._closing:
            raise Overloaded("the ingress is stopping; send the request to another one, or later")
        if self.room <= 0:
            raise Overloaded(f"{self._max_queued} items are already waiting; retry later")
        answer: asyncio.Future[Decision] = self._loop.create_future()
        self._queue.append(_Waiting(item, _keys(item), answer, self._loop.time()))
        if len(self._queue) == 1 or not self._running or len(self._queue) >= self._max_batch:
            self._schedule()
        return answer

    async def submit(self, item: Item) -> Decision:
        """Queue one item and wait for its decision; raises what `enqueue` and its future raise."""
        return await self.enqueue(item)

    async def close(self) -> None:
        """Take nothing more, flush what is queued, and wait for the answers."""
        self._closing = True
        self._pump()
        while self._running:
            await asyncio.wait(set(self._running))
            await asyncio.sleep(0)  # let the done callbacks start what was parked

    def _schedule(self) -> None:
        if not self._pump_soon:
            self._pump_soon = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pump_soon = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        self._expire(self._parked, now)
        self._expire(self._queue, now)
        while self._queue and len(self._running) < self._parallel and self._is_due(now):
            batch = self._take()
            if batch:
                self._start(batch)
        deadlines = [waiting[0].queued_at + self._max_wait_s for waiting in (self._queue, self._parked) if waiting]
        if self._queue and len(self._running) < self._parallel:
            deadlines.append(self._queue[0].queued_at + self._max_flush_s)
        if deadlines:
            self._timer = self._loop.call_at(min(deadlines), self._pump)

    def _is_due(self, now: float) -> bool:
        return (
            self._closing
            or not self._running
            or len(self._queue) >= self._max_batch
            or now - self._queue[0].queued_at >= self._max_flush_s
        )

    def _expire(self, waiting: deque[_Waiting], now: float) -> None:
        while waiting and now - waiting[0].queued_at >= self._max_wait_s:
            error = DatabaseUnavailable("no database batch could take the request in time")
            _fail([waiting.popleft()], error)

    def _take(self) -> list[_Waiting]:
        """The next batch in queue order; an item whose key is in flight is parked, and so are its followers.

        Twins inside one batch are the database's matter: `ingress.accept` answers the second like a replay.
        """
        batch: list[_Waiting] = []
        held: set[tuple[str, str | None, str | None]] = set()
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue.popleft()
            if waiting.answer.done():
                continue
            if any(key in self._busy_keys or key in held for key in waiting.keys):
                self._parked.append(waiting)
                held.update(waiting.keys)
            else:
                batch.append(waiting)
        return batch

    def _start(self, batch: list[_Waiting]) -> None:
        keys = {key for waiting in batch for key in waiting.keys}
        self._busy_keys |= keys

        def ended(task: asyncio.Task[None]) -> None:
            self._running.discard(task)
            self._busy_keys.difference_update(keys)
            self._queue.extendleft(reversed(self._parked))
            self._parked.clear()
            self._pump()

        task = self._loop.create_task(self._record(batch))
        self._running.add(task)
        task.add_done_callback(ended)

    async def _record(self, batch: list[_Waiting], *, may_retry: bool = True) -> None:
        try:
            decisions = await self._flush([waiting.item for waiting in batch])
            if len(decisions) != len(batch):
                raise OutcomeUnknown(f"the database answered {len(decisions)} of {len(batch)} items")
        except Exception as error:
            if may_retry and sqlstate_of(error) in {"40001", "40P01"}:
                await self._record(batch, may_retry=False)
            elif not is_caused_by_content(error):
                _fail(batch, error if isinstance(error, SymphonyError) else OutcomeUnknown(_named(error)))
            elif len(batch) == 1:
                _fail(batch, Unrecordable(f"the database cannot store this instruction: {_named(error)}"))
            else:
                middle = len(batch) // 2
                await self._record(batch[:middle])
                await self._record(batch[middle:])
        else:
            for waiting, decision in zip(batch, decisions, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(decision)


def is_caused_by_content(error: Exception) -> bool:
    """Whether an item's content, and not the database's health, made a batch fail: then it is cut in halves.

    SQLSTATE classes 22 (data exception) and 23 (integrity), registered refusals except "retry later", and
    values that the driver itself cannot send (lone surrogates, NUL). Not 23514 without a constraint's name: a
    month without a partition is nobody's content.
    """
    if isinstance(error, DatabaseRefused):
        return not isinstance(error, RetryLater)
    state = sqlstate_of(error)
    if state is not None:
        return state[:2] in {"22", "23"} and not _is_partition_missing(error.__cause__)
    return isinstance(error, ValueError | OverflowError) or isinstance(error.__cause__, psycopg.DataError)


def _is_partition_missing(cause: BaseException | None) -> bool:
    return isinstance(cause, psycopg.errors.CheckViolation) and cause.diag.constraint_name is None


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE behind an api error, which keeps the driver's own exception as its cause."""
    state = getattr(error.__cause__, "sqlstate", None)
    return state if isinstance(state, str) else None


def _named(error: Exception) -> str:
    state = sqlstate_of(error) or getattr(error, "sqlstate", None)
    return f"SQLSTATE {state}" if state else type(error).__name__


def _keys(item: Item) -> tuple[tuple[str, str | None, str | None], ...]:
    if item.reject_reason is not None:
        return ()
    return (
        ("key", item.participant_id, item.idempotency_key),
        ("id", item.participant_id, item.instruction_id),
    )


def _fail(batch: Sequence[_Waiting], error: SymphonyError) -> None:
    for waiting in batch:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
