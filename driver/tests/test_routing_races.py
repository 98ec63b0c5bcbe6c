"""INV-019 in real time and with real sessions: one decision at a time, and traffic that does not follow flapping health."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from symphony import api
from symphony.api import routing
from symphony.api.connection import Connection
from symphony.errors import Conflict
from tests.routing_cell import BAD, GOOD, begin, kinds, ledger, sample
from tests.sql_cell import row_counts, sessions

# Sessions are made and rows waited for between the samples and the evaluation: a busy machine takes its time.
PATIENT = {
    "window_ms": 10_000, "hold_down_ms": 10_000, "hold_down_max_ms": 80_000, "cooldown_ms": 10_000,
    "heartbeat_interval_ms": 10_000, "sample_keep_ms": 100_000,
}  # fmt: skip


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new database."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        yield connection


async def window(connection: Connection, *, green: dict[str, int], seconds: float = 0.11) -> routing.Evaluation:
    """Let a window pass in real time, record both colours, evaluate."""
    await asyncio.sleep(seconds)
    await routing.record_health(connection, samples=[sample("blue", **GOOD), sample("green", **green)])
    return await routing.evaluate(connection, actor="controller")


async def window_passed(connection: Connection) -> None:
    """Let the window of PATIENT be over."""
    await connection.execute("update routing.current set judged_to = judged_to - interval '10 seconds'")


async def test_two_evaluations_at_once_make_one_decision(fresh_database: str, judge: Connection) -> None:
    await begin(judge, **PATIENT, breach_windows=1)
    await window_passed(judge)
    await routing.record_health(judge, samples=[sample("blue", **GOOD), sample("green", **BAD)])
    async with sessions(fresh_database, 3) as (holder, first, second):
        async with holder.transaction():
            await holder.execute("select from routing.current for update")
            waiting = [
                asyncio.create_task(routing.evaluate(session, actor=name))
                for session, name in ((first, "one"), (second, "two"))
            ]
            await asyncio.sleep(0.2)
            assert not any(task.done() for task in waiting), "an evaluation decided without the row"
        found = await asyncio.gather(*waiting)
    assert sorted(evaluation.changed for evaluation in found) == [False, True]
    assert {(evaluation.mode, evaluation.blue_weight_pct) for evaluation in found} == {("FALLBACK_ACTIVE", 100)}
    assert kinds(fresh_database) == ["CANARY_BEGUN", "FALLBACK"]


async def test_an_override_and_an_evaluation_at_once_do_not_mix(fresh_database: str, judge: Connection) -> None:
    await begin(judge, **PATIENT, breach_windows=1)
    await window_passed(judge)
    await routing.record_health(judge, samples=[sample("blue", **GOOD), sample("green", **BAD)])
    async with sessions(fresh_database, 1) as (other,):
        async with judge.transaction():
            await routing.override(judge, blue_weight_pct=40, operator="A. Lice", reason="test", duration_ms=30_000)
            waiting = asyncio.create_task(routing.evaluate(other, actor="controller"))
            await asyncio.sleep(0.2)
            assert not waiting.done()
        evaluation = await waiting
    assert (evaluation.mode, evaluation.blue_weight_pct) == ("FALLBACK_ACTIVE", 40), "the person's weights stay"
    assert [row[:4] for row in ledger(fresh_database)][1:] == [
        ("OVERRIDE_SET", "A. Lice", 80, 40), ("FALLBACK", "controller", 40, 40),
    ]  # fmt: skip


async def test_two_canaries_at_once_are_one(fresh_database: str, judge: Connection) -> None:
    await begin(judge)
    before = row_counts(fresh_database)
    async with sessions(fresh_database, 2) as pair:
        results = await asyncio.gather(
            *(routing.begin_canary(s, candidate="green", operator="o", reason="r") for s in pair),
            return_exceptions=True,
        )
    assert [r.sqlstate for r in results if isinstance(r, Conflict)] == ["SC703", "SC703"]
    assert row_counts(fresh_database) == before


async def test_health_that_oscillates_each_window_moves_no_traffic(fresh_database: str, judge: Connection) -> None:
    await begin(judge, **PATIENT)
    await judge.execute(
        "create or replace function core.now() returns timestamptz language sql volatile parallel safe"
        " return clock_timestamp() + coalesce(nullif(current_setting('test.ahead', true), ''), '0')::interval"
    )
    weights = []
    for n in range(24):
        await judge.execute(f"set test.ahead = '{(n + 1) * 10_100} milliseconds'")
        weights.append((await window(judge, green=BAD if n % 2 else GOOD, seconds=0)).blue_weight_pct)
    assert set(weights) == {80}, weights
    assert kinds(fresh_database) == ["CANARY_BEGUN"]


@pytest.mark.slow
async def test_slow_oscillation_is_damped_by_a_hold_down_that_grows(fresh_database: str, judge: Connection) -> None:
    """Bad whenever it has traffic, healthy whenever it has none: the worst a candidate can do to a controller."""
    await begin(judge)
    loop = asyncio.get_running_loop()
    until, weights = loop.time() + 12, [80]
    async with asyncio.timeout(90):
        while loop.time() < until or kinds(fresh_database).count("FALLBACK") < 4:
            healthy = weights[-1] == 100
            evaluation = await window(judge, green={} if healthy else BAD)
            weights.append(evaluation.blue_weight_pct)
    changes = sum(before != after for before, after in itertools.pairwise(weights))
    holds = [row[4] for row in ledger(fresh_database) if row[0] == "FALLBACK"]
    print(f"{len(weights)} evaluations, {changes} changes of weight, hold-downs {holds} ms")
    # Without damping it would go there and back in every four windows: about 50 changes.
    assert holds[:4] == [400, 800, 1_600, 3_200]
    assert set(holds[4:]) <= {3_200}, "the ceiling"
    assert changes <= 2 * len(holds) <= 14


async def test_the_hold_down_is_kept_in_real_time(fresh_database: str, judge: Connection) -> None:
    await begin(judge, breach_windows=1)
    async with asyncio.timeout(60):
        while (await window(judge, green=BAD)).mode != "FALLBACK_ACTIVE":
            pass  # a sample that is two windows old when it is judged says nothing
        modes: list[str] = []
        while not modes or modes[-1] != "NORMAL":
            modes.append((await window(judge, green={})).mode)
    assert list(dict.fromkeys(modes)) == ["FALLBACK_ACTIVE", "COOLDOWN", "NORMAL"]
    with psycopg.connect(fresh_database) as connection:
        rows = connection.execute("select kind, decided_at from routing.routing_decisions").fetchall()
    times: dict[str, Any] = dict(rows)
    assert (times["COOLDOWN_BEGUN"] - times["FALLBACK"]).total_seconds() >= 0.4
    assert (times["CANARY_RESUMED"] - times["COOLDOWN_BEGUN"]).total_seconds() >= 0.2


async def test_an_override_expires_by_itself_in_the_controllers_name(fresh_database: str, judge: Connection) -> None:
    await begin(judge)
    await routing.override(judge, blue_weight_pct=0, operator="A. Lice", reason="drill", duration_ms=30_000)
    assert (await window(judge, green=GOOD)).blue_weight_pct == 0
    await judge.execute("update routing.current set override_until = core.now()")
    evaluation = await window(judge, green=GOOD)
    assert evaluation.blue_weight_pct == 80
    assert [row[:4] for row in ledger(fresh_database)][1:] == [
        ("OVERRIDE_SET", "A. Lice", 80, 0), ("OVERRIDE_EXPIRED", "controller", 0, 80),
    ]  # fmt: skip


async def test_a_repeatable_read_transaction_is_refused(fresh_database: str, judge: Connection) -> None:
    await begin(judge)
    before = kinds(fresh_database)
    with pytest.raises(psycopg.Error) as caught:
        async with judge.transaction():
            await judge.execute("set transaction isolation level repeatable read")
            await judge.execute("select * from routing.evaluate('controller')")
    assert caught.value.sqlstate == "SV003", "who waited would not see what was decided meanwhile"
    assert kinds(fresh_database) == before
