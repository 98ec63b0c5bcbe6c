"""Recording answers: batches by size or time, repeats after trouble, a poisoned answer alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from io import StringIO

import pytest
import structlog

from symphony import logs
from symphony.api.rails import RailAnswer
from symphony.errors import DatabaseUnavailable, Invalid, OutcomeUnknown
from symphony.worker.settings import WorkerSettings
from tests.worker_bench import Bench, Clock, answer_for, running, settings, until


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What was logged, as JSON lines."""
    stream = StringIO()
    logs.configure("worker-test", stream=stream)
    yield stream
    structlog.reset_defaults()


def endless(**changes: int) -> WorkerSettings:
    """Settings whose window outlasts every test: what is recorded did not wait for its end."""
    made = settings(**changes)
    object.__setattr__(made, "completion_flush_ms", 3_600_000)
    return made


class Standing:
    """A loop's time that stands still: no pause of the machine takes anything from a window."""

    def time(self) -> float:
        return 1_000.0


async def test_an_idle_completer_records_one_answer_at_once() -> None:
    bench = Bench(endless())

    async def steps() -> None:
        bench.put()
        await bench.drain()

    await running(bench, steps)
    assert bench.record.recorded == [1]
    assert len(bench.settled) == 1
    assert bench.count("attempts_total", state="DISPATCHED", rail="sandbox") == 1


async def test_a_busy_completer_waits_for_the_window_then_sends_one_batch() -> None:
    bench = Bench(settings(completion_flush_ms=100))

    async def steps() -> None:
        bench.completer._loop = Standing()  # type: ignore[assignment]
        bench.put()
        await bench.drain()
        started = asyncio.get_running_loop().time()
        for _ in range(10):
            bench.put()
        await bench.drain()
        assert asyncio.get_running_loop().time() - started > 0.05

    await running(bench, steps)
    assert bench.record.recorded == [1, 10]


async def test_a_full_batch_does_not_wait_for_the_window() -> None:
    bench = Bench(endless(completion_batch_items=20))

    async def steps() -> None:
        bench.put()
        await bench.drain()
        bench.put(40)
        await bench.drain()

    await running(bench, steps)
    assert bench.record.recorded == [1, 20, 20]


@pytest.mark.parametrize("error", [DatabaseUnavailable("away"), OutcomeUnknown("no answer")])
async def test_a_failed_batch_is_recorded_again_with_the_same_answers(error: Exception) -> None:
    bench = Bench(settings())
    bench.record.trouble = lambda _: error if len(bench.record.batches) < 4 else None

    async def steps() -> None:
        bench.put(8)
        await bench.drain()

    await running(bench, steps)
    first = {a.lease_token for a in bench.record.batches[0]}
    assert {a.lease_token for batch in bench.record.batches[3:] for a in batch} == first
    assert len(bench.settled) == 8
    kind = "outcome_unknown" if isinstance(error, OutcomeUnknown) else "unavailable"
    assert bench.count("database_errors_total", point="completion", kind=kind) == 3


async def test_a_poisoned_answer_does_not_hold_up_its_batch_mates() -> None:
    bench = Bench(settings())

    def trouble(answers: Sequence[RailAnswer]) -> Exception | None:
        if any(a.rail_code == "POISON" for a in answers):
            return Invalid(sqlstate="SV001", message="refused")
        return None

    bench.record.trouble = trouble

    async def steps() -> None:
        (poison,) = bench.put(code="POISON")
        good = bench.put(50)
        async with asyncio.timeout(30):
            await until(lambda: len(bench.settled) == 50)
        assert set(bench.settled) == set(good)
        assert poison not in bench.settled
        assert bench.completer.unrecorded == 1

    await running(bench, steps)


async def test_an_answer_nobody_takes_is_given_up_loudly_long_after_its_lease(logged: StringIO) -> None:
    clock = Clock()
    bench = Bench(settings(), clock=clock)
    bench.record.trouble = lambda _: DatabaseUnavailable("away")

    async def steps() -> None:
        bench.put()
        await asyncio.sleep(0.05)
        clock.now_s += 31.0
        await asyncio.sleep(0.05)
        assert not bench.settled, "a late answer is still evidence"
        clock.now_s += 300.0
        await bench.drain()

    await running(bench, steps)
    assert len(bench.settled) == 1
    assert bench.count("database_errors_total", point="completion", kind="given_up") == 1
    assert "answer_given_up" in logged.getvalue()


async def test_answers_that_come_while_one_batch_is_recorded_go_together() -> None:
    bench = Bench(settings(completion_flush_ms=0))
    bench.record.gate.clear()

    async def steps() -> None:
        bench.put()
        await asyncio.sleep(0.01)
        bench.put(30)
        assert bench.completer.unrecorded == 31
        bench.record.gate.set()
        await bench.drain()

    await running(bench, steps)
    assert bench.record.recorded == [1, 30]


async def test_two_answers_of_one_item_go_in_two_batches_in_their_order() -> None:
    bench = Bench(settings())
    (late,) = bench.put()
    again = bench.leases.hold(late.claim, asked_at_s=bench.leases.now_s())
    bench.completer.put(answer_for(again, code="NOT_FOUND"), again)
    bench.put(3)

    await running(bench, bench.drain)
    assert bench.record.recorded == [4, 1]
    assert [a.rail_code for a in bench.record.batches[1]] == ["NOT_FOUND"]
    assert len(bench.settled) == 5
