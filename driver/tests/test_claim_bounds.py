"""Claims: never more than the limit, caps exact under every plan and with many claimers, halts and locks respected."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.outbox import Claim
from tests.payments import accept, activate, establish, item
from tests.sql_cell import A, B, C, answer, claim, complete, policy, sessions

CLAIM = "outbox.claim_outbox_batch(text, integer, text, interval)"
PLANS: dict[str, dict[str, str] | None] = {
    "pinned": None,
    "unpinned": {},
    "nested loops": {"enable_hashjoin": "off", "enable_mergejoin": "off"},
    "nested loops over sequential scans": {
        "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_indexscan": "off", "enable_bitmapscan": "off",
        "enable_indexonlyscan": "off", "enable_material": "off",
    },
    "hash joins": {"enable_nestloop": "off", "enable_mergejoin": "off"},
    "merge joins": {"enable_nestloop": "off", "enable_hashjoin": "off"},
    "sequential scans": {"enable_indexscan": "off", "enable_bitmapscan": "off", "enable_indexonlyscan": "off"},
    "bitmap scans": {"enable_indexscan": "off", "enable_seqscan": "off", "enable_indexonlyscan": "off"},
    "custom plans": {"plan_cache_mode": "force_custom_plan"},
}  # fmt: skip


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new database, whose tables were never analysed."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        cursor = await connection.execute(
            "select count(*) from pg_class where relnamespace = 'outbox'::regnamespace and relkind = 'r' and reltuples > 0"
        )
        assert await cursor.fetchone() == (0,)
        yield connection


async def force(connection: Connection, settings: dict[str, str] | None) -> None:
    """Take the pinned planner settings off the claim, and pin these instead."""
    if settings is None:
        return
    await connection.execute(f"alter function {CLAIM} reset all".encode())
    await connection.execute(f"alter function {CLAIM} set search_path = pg_catalog, pg_temp".encode())
    for name, value in settings.items():
        await connection.execute(f"alter function {CLAIM} set {name} = {value}".encode())


def senders(claims: list[Claim]) -> Counter[str]:
    """How many of each participant."""
    return Counter(one.participant_id for one in claims)


QUICK_PLANS = ("pinned", "unpinned", "nested loops over sequential scans")


@pytest.mark.parametrize(
    "plan", [pytest.param(name, marks=[] if name in QUICK_PLANS else pytest.mark.slow) for name in PLANS]
)
async def test_limits_caps_and_halts_hold_under_every_plan(fresh_database: str, judge: Connection, plan: str) -> None:
    await force(judge, PLANS[plan])
    await establish(judge, policy(rail={"in_flight_cap": 17}, participants={A: {"in_flight_cap": 6}}))
    await accept(judge, 150, wake=False)  # 50 of each, A, B, C in turn; B is every creditor
    await api.policy.halt(
        judge, scope="PARTICIPANT", participant_id=C, direction="SEND", operator="test", reason="test"
    )
    async with sessions(fresh_database, 1) as (worker,):
        taken: list[Claim] = []
        for expected in (5, 5, 5, 2, 0):
            got = await claim(worker, limit=5)
            assert len(got) <= 5, "never more than the limit"
            taken += got
            assert expected == 0 or got, "there was room and work"
        for _ in range(20):  # what one claim leaves in a crowded batch, a later one finds
            if len(taken) == 17:
                break
            await asyncio.sleep(0.1)
            taken += await claim(worker, limit=5)
    assert len(taken) == 17, "the rail's cap, exactly"
    assert senders(taken) == {A: 6, B: 11}, "the participant's cap, exactly, and nothing of the halted sender"
    assert len({one.outbox_id for one in taken}) == 17
    cursor = await judge.execute("select count(*) from outbox.payment_outbox_in_flight")
    assert await cursor.fetchone() == (17,)
    cursor = await judge.execute("select count(*) from outbox.payment_outbox_pending")
    assert await cursor.fetchone() == (133,)


async def test_eight_claimers_at_once_fill_every_cap_exactly_and_share_nothing(
    fresh_database: str, judge: Connection
) -> None:
    await establish(
        judge,
        policy(
            rails=("sandbox", "backup"),
            rail={"in_flight_cap": 37},
            global_cap=60,
            participants={A: {"in_flight_cap": 10}},
        ),
    )
    for rail in ("sandbox", "backup"):
        items = [replace(item(f"{rail}-{n}", participant_id=(A, B, C)[n % 3]), rail=rail) for n in range(240)]
        decisions = await api.ingress.accept(judge, items=items)
        assert {d.decision for d in decisions} == {"ACCEPT"}
    async with sessions(fresh_database, 8) as workers:
        for rail in ("sandbox", "backup"):
            held = await claim(judge, limit=1, rail=rail)  # the gate of each rail exists from its first claim on
            await api.rails.record_answers(
                judge, worker="w", answers=[answer(one, "RELEASED", phase="NONE") for one in held]
            )

        async def work(number: int, connection: Connection) -> list[Claim]:
            got: list[Claim] = []
            for _ in range(12):
                batch = await claim(connection, limit=9, rail=("sandbox", "backup")[number % 2], worker=f"w{number}")
                assert len(batch) <= 9
                got += batch
                await asyncio.sleep(0.12)
            return got

        results = await asyncio.gather(*(work(n, connection) for n, connection in enumerate(workers)))
    taken = [one for result in results for one in result]
    assert len({one.outbox_id for one in taken}) == len(taken), "no item was given to two workers"
    rails = Counter(one.rail for one in taken)
    assert max(rails.values()) <= 37
    assert senders(taken)[A] == 10
    assert len(taken) == 60, "the global cap, exactly"


async def test_the_global_cap_holds_between_the_first_claims_ever_of_two_rails(
    fresh_database: str, judge: Connection
) -> None:
    await establish(judge, policy(rails=("sandbox", "backup"), global_cap=5))
    for rail in ("sandbox", "backup"):
        items = [replace(item(f"{rail}-{n}"), rail=rail) for n in range(8)]
        await api.ingress.accept(judge, items=items)
    async with sessions(fresh_database, 2) as (one, other):
        async with one.transaction():
            cursor = await one.execute("select count(*) from outbox.claim_outbox_batch('w1', 10, 'sandbox', '30 s')")
            assert await cursor.fetchone() == (5,)
            second = asyncio.create_task(claim(other, limit=10, rail="backup", worker="w2"))
            await asyncio.sleep(0.3)
        got = await second
    assert got == [], "the global cap was full"


async def test_completed_work_makes_room_at_once(fresh_database: str, judge: Connection) -> None:
    await establish(judge, policy(rail={"in_flight_cap": 4}))
    await accept(judge, 12, wake=False)
    async with sessions(fresh_database, 1) as (worker,):
        for _ in range(3):
            claims = await claim(worker)
            assert len(claims) == 4
            assert await claim(worker) == [], "a full cap gives nothing and raises nothing"
            await complete(worker, claims)
        assert await claim(worker) == []


async def test_only_what_is_due_is_claimed_oldest_first(judge: Connection) -> None:
    await establish(judge, policy())
    await accept(judge, 10, wake=False)
    await judge.execute(
        "update outbox.payment_outbox_pending set due_at = clock_timestamp() + interval '1 hour' where sequence_id > 2"
    )
    cursor = await judge.execute(
        "select outbox_id from outbox.payment_outbox_pending where sequence_id <= 2 order by due_at, sequence_id"
    )
    due = [row[0] for row in await cursor.fetchall()]
    assert {one.outbox_id for one in await claim(judge, limit=2)} <= set(due)
    assert len(await claim(judge)) == len(due) - 2
    assert await claim(judge) == []
    await judge.execute("update outbox.payment_outbox_pending set due_at = clock_timestamp() + interval '100 ms'")
    await asyncio.sleep(0.2)
    assert len(await claim(judge)) == 10 - len(due)


HALTS: list[tuple[dict[str, str], set[str]]] = [
    ({"scope": "GLOBAL"}, {A, B, C}),
    ({"scope": "RAIL", "rail": "sandbox"}, {A, B, C}),
    ({"scope": "RAIL", "rail": "backup"}, set()),
    ({"scope": "PARTICIPANT", "participant_id": A, "direction": "SEND"}, {A}),
    ({"scope": "PARTICIPANT", "participant_id": A, "direction": "RECEIVE"}, set()),
    ({"scope": "PARTICIPANT", "participant_id": B, "direction": "RECEIVE"}, {A, B, C}),
    ({"scope": "PARTICIPANT", "participant_id": B, "direction": "SEND"}, {B}),
    ({"scope": "PARTICIPANT", "participant_id": B, "direction": "BOTH"}, {A, B, C}),
]


async def test_a_halt_stops_dispatches_and_lets_enquiries_go_on(judge: Connection) -> None:
    await establish(judge, policy(rails=("sandbox", "backup"), rail={"enquiry_after_ms": [1, 1, 1]}))
    for scope, halted in HALTS:
        await accept(judge, 3, wake=False)  # everything to B
        await complete(judge, await claim(judge), "TIMEOUT")
        await accept(judge, 6, wake=False)
        halt_id = await api.policy.halt(judge, operator="test", reason="test", **scope)
        await asyncio.sleep(0.02)
        claims = await claim(judge)
        assert senders([one for one in claims if one.action == "ENQUIRE"]) == {A: 1, B: 1, C: 1}, scope
        assert {one.participant_id for one in claims if one.action == "DISPATCH"} == {A, B, C} - halted, scope
        await api.policy.lift_halt(judge, halt_id=halt_id, operator="test", reason="over")
        waited = await claim(judge)
        assert {one.participant_id for one in waited} == halted, "after the lift they flow"
        await complete(judge, [*claims, *waited])


async def test_locked_rows_are_passed_by(fresh_database: str, judge: Connection) -> None:
    await establish(judge, policy())
    await accept(judge, 20, wake=False)
    async with sessions(fresh_database, 1) as (worker,), judge.transaction():
        cursor = await judge.execute(
            "select outbox_id from outbox.payment_outbox_pending order by due_at limit 10 for update"
        )
        locked = {row[0] for row in await cursor.fetchall()}
        await worker.execute("set lock_timeout = '1s'")
        claims = await claim(worker)
    assert len(claims) == 10
    assert not locked & {one.outbox_id for one in claims}


async def test_a_new_policy_changes_the_caps_for_the_next_claim(judge: Connection) -> None:
    await establish(judge, policy(rail={"in_flight_cap": 2}))
    await accept(judge, 10, wake=False)
    assert len(await claim(judge)) == 2
    await activate(judge, policy(version=2, rail={"in_flight_cap": 7}))
    assert len(await claim(judge)) == 5
    await activate(judge, policy(version=3, rail={"in_flight_cap": 1}))
    assert await claim(judge) == [], "over a lowered cap nothing is claimed"
