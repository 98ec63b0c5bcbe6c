"""Claims within the slots, calls within the lease, and the orderly stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from symphony import logs
from tests.worker_bench import Clock, ExecutorBench, claim, settings, until


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What was logged, as JSON lines."""
    stream = StringIO()
    logs.configure("worker-test", stream=stream)
    yield stream
    structlog.reset_defaults()


async def test_claims_never_exceed_the_free_slots_and_follow_at_once_when_full() -> None:
    bench = ExecutorBench(settings(claim_batch_items=4, in_flight_items=10))
    bench.batches = [[claim() for _ in range(4)] for _ in range(4)]
    bench.rail.gate.clear()

    async def steps() -> None:
        await until(lambda: len(bench.rail.calls) == 10)
        await asyncio.sleep(0.1)
        assert bench.limits == [4, 4, 2], "the slots are full: no more claims"
        assert bench.count("in_flight", rail="sandbox") == 10
        bench.rail.gate.set()
        await until(lambda: len(bench.settled) == 14)

    await bench.run(steps)
    assert bench.count("in_flight", rail="sandbox") == 0
    assert bench.count("wakeup_latency_seconds_count") == 14


async def test_freed_slots_lead_to_a_claim_before_the_poll_because_a_cap_may_have_room_again() -> None:
    bench = ExecutorBench(settings(poll_ms=60_000), poll_ms=60_000)
    bench.batches = [[claim()] for _ in range(5)]  # a cap of one at a time: never a full claim

    async def steps() -> None:
        await until(lambda: len(bench.settled) == 5)
        await asyncio.sleep(0.3)

    await bench.run(steps)
    assert len(bench.limits) <= 7, "an empty queue is not asked again and again"
    assert bench.count("notify_wakeups_total") == 0


async def test_enquiries_query_and_dispatches_submit() -> None:
    bench = ExecutorBench(settings())
    bench.batches = [[claim(), claim(action="ENQUIRE")]]

    async def steps() -> None:
        await until(lambda: len(bench.settled) == 2)

    await bench.run(steps)
    assert sorted(bench.rail.calls) == ["query", "submit"]
    assert sorted(bench.answers) == [("QUERY", "ACCEPTED"), ("SUBMIT", "ACCEPTED")]
    assert bench.count("wakeup_latency_seconds_count") == 1


async def test_an_item_whose_lease_ended_before_the_call_is_neither_called_nor_recorded() -> None:
    clock = Clock()
    bench = ExecutorBench(settings(), clock=clock)
    bench.batches = [[claim()]]
    bench.before_return = lambda: setattr(clock, "now_s", clock.now_s + 31.0)

    async def steps() -> None:
        await until(lambda: len(bench.limits) > 1)

    await bench.run(steps)
    assert bench.rail.calls == []
    assert bench.answers == []
    assert len(bench.leases) == 0
    assert bench.count("in_flight", rail="sandbox") == 0


async def test_an_item_inside_the_safety_margin_is_given_back_uncalled() -> None:
    clock = Clock()
    bench = ExecutorBench(settings(), clock=clock)
    bench.batches = [[claim()]]
    bench.before_return = lambda: setattr(clock, "now_s", clock.now_s + 28.0)

    async def steps() -> None:
        await until(lambda: len(bench.settled) == 1)

    await bench.run(steps)
    assert bench.rail.calls == []
    assert bench.answers == [("NONE", "RELEASED")]


async def test_items_claimed_while_a_stop_was_asked_for_are_given_back() -> None:
    bench = ExecutorBench(settings())
    bench.batches = [[claim() for _ in range(3)]]
    bench.before_return = bench.end

    async def steps() -> None:
        await until(lambda: len(bench.settled) == 3)

    await bench.run(steps)
    assert bench.rail.calls == []
    assert bench.answers == [("NONE", "RELEASED")] * 3


async def test_a_call_under_way_is_finished_within_the_grace_time() -> None:
    bench = ExecutorBench(settings(grace_ms=60_000))
    bench.batches = [[claim()]]
    bench.rail.gate.clear()

    async def steps() -> None:
        await until(lambda: len(bench.rail.calls) == 1)
        bench.end()
        await asyncio.sleep(0.05)
        bench.rail.gate.set()

    await bench.run(steps)
    assert bench.answers == [("SUBMIT", "ACCEPTED")]


async def test_a_call_that_outlasts_the_grace_time_is_recorded_as_uncertain() -> None:
    bench = ExecutorBench(settings(grace_ms=50))
    bench.batches = [[claim()]]
    bench.rail.gate.clear()

    async def steps() -> None:
        await until(lambda: len(bench.rail.calls) == 1)

    await bench.run(steps)
    assert bench.answers == [("SUBMIT", "CONNECTION_LOST")]


async def test_an_adapter_that_raises_is_uncertain_and_its_message_is_not_logged(logged: StringIO) -> None:
    bench = ExecutorBench(settings())
    bench.batches = [[claim()]]
    bench.rail.error = ValueError("account 12345678 of Chanda")

    async def steps() -> None:
        await until(lambda: len(bench.settled) == 1)

    await bench.run(steps)
    assert bench.answers == [("SUBMIT", "UNREADABLE_ANSWER")]
    assert "adapter_raised" in logged.getvalue()
    assert "Chanda" not in logged.getvalue()


async def test_a_refusal_before_the_call_is_recorded_with_phase_none() -> None:
    bench = ExecutorBench(settings())
    bench.batches = [[claim()]]
    bench.rail.code = "REFUSED_BEFORE_CALL"

    async def steps() -> None:
        await until(lambda: len(bench.settled) == 1)

    await bench.run(steps)
    assert bench.answers == [("NONE", "REFUSED_BEFORE_CALL")]
