"""The micro-batcher: when it flushes, what it never puts together, and who gets which answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import psycopg
import pytest

from symphony.api.ingress import Decision, Item
from symphony.errors import DatabaseUnavailable, Invalid, OutcomeUnknown, RetryLater
from symphony.ingress.batcher import Batcher, Overloaded, Unrecordable, is_caused_by_content
from tests.ingress_items import accepted, item


class Recording:
    """Stands for the flush: remembers every batch, and can be held, so that a test decides when it ends."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[Item]] = []
        self.open = asyncio.Event()
        self.at_once = 0
        self.most_at_once = 0
        if not held:
            self.open.set()

    async def __call__(self, items: Sequence[Item]) -> list[Decision]:
        self.batches.append(list(items))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
            return [accepted(one) for one in items]
        finally:
            self.at_once -= 1

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(10):
        await asyncio.sleep(0)


def sql_error(state: str) -> DatabaseUnavailable:
    """The api's error for a SQLSTATE, with the driver's exception as its cause."""
    error = DatabaseUnavailable(f"refused with {state}")
    error.__cause__ = psycopg.errors.lookup(state)("database text")
    return error


async def test_idle_means_immediate() -> None:
    flush = Recording()
    batcher = Batcher(flush, max_flush_s=60.0)
    decision = await asyncio.wait_for(batcher.submit(item(1)), 1.0)
    assert decision.attestation_id == item(1).correlation_id
    assert flush.sizes == [1]


async def test_items_of_one_loop_iteration_share_the_first_batch() -> None:
    flush = Recording()
    batcher = Batcher(flush, max_flush_s=60.0)
    decisions = await asyncio.gather(*(batcher.submit(item(n)) for n in range(7)))
    assert flush.sizes == [7]
    assert [d.attestation_id for d in decisions] == [item(n).correlation_id for n in range(7)]


async def test_flush_by_size_while_another_flush_runs() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, max_batch=5, max_flush_s=60.0)
    waiters = [batcher.enqueue(item(0))]
    await settle()
    waiters += [batcher.enqueue(item(n)) for n in range(1, 5)]
    await settle()
    assert flush.sizes == [1], "four items are less than a batch and no time has passed"
    waiters.append(batcher.enqueue(item(5)))
    await settle()
    assert flush.sizes == [1, 5]
    flush.open.set()
    await asyncio.gather(*waiters)


async def test_flush_by_time_while_another_flush_runs() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, max_batch=100, max_flush_s=0.03)
    waiters = [batcher.enqueue(item(0))]
    await settle()
    started = asyncio.get_running_loop().time()
    waiters += [batcher.enqueue(item(n)) for n in (1, 2)]
    while len(flush.batches) < 2:
        await asyncio.sleep(0.001)
    waited = asyncio.get_running_loop().time() - started
    assert flush.sizes == [1, 2]
    assert 0.025 <= waited < 0.5
    flush.open.set()
    await asyncio.gather(*waiters)


async def test_flushes_in_parallel_are_bounded_and_none_is_larger_than_max_batch() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, max_batch=4, max_flush_s=0.0, parallel=2)
    waiters = [batcher.enqueue(item(n)) for n in range(40)]
    await settle()
    assert flush.sizes == [4, 4]
    flush.open.set()
    await asyncio.gather(*waiters)
    assert flush.most_at_once == 2
    assert max(flush.sizes) == 4
    assert sum(flush.sizes) == 40


@pytest.mark.parametrize("same", ["key", "instruction_id"])
async def test_same_key_or_id_waits_for_the_next_flush(same: str) -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, max_flush_s=0.0)
    twins = [item(1, **{same: "SAME"}), item(2, **{same: "SAME"})]
    waiters = [batcher.enqueue(one) for one in (*twins, item(3))]
    await asyncio.sleep(0.02)
    assert [[i.correlation_id.int for i in batch] for batch in flush.batches] == [[1, 3]]
    flush.open.set()
    decisions = await asyncio.gather(*waiters)
    assert [[i.correlation_id.int for i in batch] for batch in flush.batches] == [[1, 3], [2]]
    assert [d.attestation_id.int for d in decisions] == [1, 2, 3]


async def test_same_key_of_another_participant_shares_a_batch() -> None:
    flush = Recording()
    batcher = Batcher(flush)
    pair = [item(1, key="SAME"), item(2, key="SAME", participant_id="ZM-BANK-B")]
    await asyncio.gather(*(batcher.submit(one) for one in pair))
    assert flush.sizes == [2]


async def test_refusals_are_never_separated() -> None:
    flush = Recording()
    batcher = Batcher(flush)
    await asyncio.gather(*(batcher.submit(item(n, key="K", reject_reason="JSON_INVALID")) for n in range(3)))
    assert flush.sizes == [3]


async def test_a_parked_item_does_not_keep_others_from_flushing_by_time() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, max_flush_s=0.02)
    waiters = [batcher.enqueue(item(1, key="SAME"))]
    await settle()
    waiters.append(batcher.enqueue(item(2, key="SAME")))
    await asyncio.sleep(0.03)
    waiters.append(batcher.enqueue(item(3)))
    await asyncio.sleep(0.05)
    assert [[i.correlation_id.int for i in batch] for batch in flush.batches] == [[1], [3]]
    flush.open.set()
    await asyncio.gather(*waiters)


async def test_a_cancelled_waiter_does_not_cancel_the_flush() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush)
    first, second = (asyncio.create_task(batcher.submit(item(n))) for n in (1, 2))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    flush.open.set()
    assert (await second).attestation_id == item(2).correlation_id
    assert flush.sizes == [2]


async def test_a_waiter_cancelled_before_its_flush_is_dropped() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, parallel=1)
    running = batcher.enqueue(item(1))
    await settle()
    gone, stays = batcher.enqueue(item(2)), batcher.enqueue(item(3))
    gone.cancel()
    flush.open.set()
    await asyncio.gather(running, stays)
    assert [[i.correlation_id.int for i in batch] for batch in flush.batches] == [[1], [3]]


@pytest.mark.parametrize("error", [DatabaseUnavailable("down"), OutcomeUnknown("?"), sql_error("57014")])
async def test_a_database_failure_reaches_every_waiter_and_is_not_repeated(error: Exception) -> None:
    calls = 0

    async def flush(items: Sequence[Item]) -> list[Decision]:
        nonlocal calls
        calls += 1
        raise error

    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [type(error)] * 5
    assert calls == 1


def failing_on(
    poisoned: set[int], error: Exception
) -> tuple[list[int], Callable[..., Awaitable[list[Decision]]]]:
    sizes: list[int] = []

    async def flush(items: Sequence[Item]) -> list[Decision]:
        sizes.append(len(items))
        if any(one.correlation_id.int in poisoned for one in items):
            raise error
        return [accepted(one) for one in items]

    return sizes, flush


@pytest.mark.parametrize(
    "error",
    [
        sql_error("22021"),
        sql_error("23514"),
        Invalid(sqlstate="SV501", message="item_missing"),
        UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed"),
    ],
    ids=["data", "integrity", "registered", "driver"],
)
async def test_a_poisoned_item_alone_is_refused(error: Exception) -> None:
    sizes, flush = failing_on({13}, error)
    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(32)), return_exceptions=True)
    refused = [n for n, result in enumerate(results) if isinstance(result, BaseException)]
    assert refused == [13]
    assert isinstance(results[13], Unrecordable)
    assert sizes[0] == 32
    assert len(sizes) <= 1 + 2 * 5, "halving, not one by one"


async def test_registered_retry_later_is_not_the_content() -> None:
    sizes, flush = failing_on({1}, RetryLater(sqlstate="SR201", message="no_active_policy"))
    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(4)), return_exceptions=True)
    assert all(isinstance(result, RetryLater) for result in results)
    assert sizes == [4]


@pytest.mark.parametrize("state", ["40P01", "40001"])
@pytest.mark.parametrize("failures", [1, 2])
async def test_deadlock_and_serialization_failure_are_retried_once(state: str, failures: int) -> None:
    sizes: list[int] = []

    async def flush(items: Sequence[Item]) -> list[Decision]:
        sizes.append(len(items))
        if len(sizes) <= failures:
            raise sql_error(state)
        return [accepted(one) for one in items]

    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(3)), return_exceptions=True)
    assert sizes == [3, 3]
    expected = Decision if failures == 1 else DatabaseUnavailable
    assert all(isinstance(result, expected) for result in results)


async def test_a_short_answer_is_an_unknown_outcome() -> None:
    async def flush(items: Sequence[Item]) -> list[Decision]:
        return []

    with pytest.raises(OutcomeUnknown):
        await Batcher(flush).submit(item(1))


async def test_an_item_no_flush_takes_in_time_fails_unrecorded() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, parallel=1, max_wait_s=0.03)
    running = batcher.enqueue(item(1, key="SAME"))
    await settle()
    parked, queued = batcher.enqueue(item(2, key="SAME")), batcher.enqueue(item(3))
    for late in (parked, queued):
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(late, 1.0)
    flush.open.set()
    await running
    assert flush.sizes == [1]


async def test_the_queue_is_bounded() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, parallel=1, max_queued=3)
    waiters = [batcher.enqueue(item(0))]
    await settle()
    waiters += [batcher.enqueue(item(n)) for n in (1, 2, 3)]
    assert batcher.room == 0
    with pytest.raises(Overloaded):
        batcher.enqueue(item(4))
    flush.open.set()
    await asyncio.gather(*waiters)


async def test_close_drains_the_queue_and_takes_nothing_more() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, max_batch=2, max_flush_s=60.0, parallel=1)
    waiters = [batcher.enqueue(item(n, key="SAME" if n < 2 else None)) for n in range(5)]
    await settle()
    closing = asyncio.create_task(batcher.close())
    await settle()
    with pytest.raises(Overloaded):
        batcher.enqueue(item(9))
    flush.open.set()
    await asyncio.wait_for(closing, 1.0)
    assert all(waiter.done() and waiter.exception() is None for waiter in waiters)
    assert sum(flush.sizes) == 5


@pytest.mark.parametrize(
    ("state", "expected"),
    [("22001", True), ("23503", True), ("40001", False), ("57014", False), ("53100", False)],
)
def test_what_counts_as_content(state: str, expected: bool) -> None:
    assert is_caused_by_content(sql_error(state)) is expected
