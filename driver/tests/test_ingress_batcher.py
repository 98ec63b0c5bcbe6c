"""The micro-batcher: when it flushes, what it never puts together, and who gets which answer."""

from __future__ import annotations

import asyncio

import pytest

from symphony.errors import DatabaseUnavailable
from symphony.ingress.batcher import Batcher, Overloaded
from tests.ingress_items import Recording, item, settle


async def test_idle_means_immediate() -> None:
    flush = Recording()
    batcher = Batcher(flush, max_flush_s=60.0)
    decision = await asyncio.wait_for(batcher.submit(item(1)), 20)
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
    await asyncio.wait_for(flush.reached(2), 20)
    waited = asyncio.get_running_loop().time() - started
    assert flush.sizes == [1, 2]
    assert 0.025 <= waited < 20
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
async def test_same_key_or_id_shares_a_batch_but_never_two_flushes_at_once(same: str) -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, max_flush_s=0.0, parallel=2)
    twins = [item(1, **{same: "SAME"}), item(2, **{same: "SAME"})]
    waiters = [batcher.enqueue(one) for one in (*twins, item(3))]
    await settle()
    assert [[i.correlation_id.int for i in batch] for batch in flush.batches] == [[1, 2, 3]], (
        "twins are the database's matter"
    )
    waiters += [batcher.enqueue(one) for one in (item(4, **{same: "SAME"}), item(5))]
    await settle()
    assert [[i.correlation_id.int for i in batch] for batch in flush.batches] == [[1, 2, 3], [5]], (
        "the key is in flight"
    )
    flush.open.set()
    decisions = await asyncio.gather(*waiters)
    assert [[i.correlation_id.int for i in batch] for batch in flush.batches] == [[1, 2, 3], [5], [4]]
    assert [d.attestation_id.int for d in decisions] == [1, 2, 3, 4, 5]


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
    batcher = Batcher(flush, max_flush_s=0.02, max_wait_s=60.0)
    waiters = [batcher.enqueue(item(1, key="SAME"))]
    await settle()
    waiters.append(batcher.enqueue(item(2, key="SAME")))
    await asyncio.sleep(0.03)
    waiters.append(batcher.enqueue(item(3)))
    await asyncio.wait_for(flush.reached(2), 20)
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


async def test_an_item_no_flush_takes_in_time_fails_unrecorded() -> None:
    flush = Recording(held=True)
    batcher = Batcher(flush, parallel=1, max_wait_s=1.0)
    running = batcher.enqueue(item(1, key="SAME"))
    await settle()
    assert flush.sizes == [1]
    parked, queued = batcher.enqueue(item(2, key="SAME")), batcher.enqueue(item(3))
    for late in (parked, queued):
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(late, 20)
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
    await asyncio.wait_for(closing, 20)
    assert all(waiter.done() and waiter.exception() is None for waiter in waiters)
    assert sum(flush.sizes) == 5
