"""NEG-DBL-01..03: at most one terminal outcome, with real sessions racing for it."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from uuid import UUID

import psycopg
import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.outbox import Claim
from symphony.api.rails import Outcome
from tests.payments import accept, establish
from tests.sql_cell import answer, claim, complete, policy, sessions
from tests.test_replay_races import until_waiting

TERMINAL = "('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL')"
CODES = {"DISPATCHED": "ACCEPTED", "FAILED": "REJECTED_AC04", "VOIDED": "REFUSED_BEFORE_CALL"}
ROUNDS = [pytest.param(8, id="short"), pytest.param(200, id="long", marks=pytest.mark.slow)]
ITEMS = 12


@pytest.fixture
async def cell(fresh_database: str) -> str:
    """An established cell."""
    async with await api.connect(fresh_database, application_name="establish") as connection:
        await establish(connection, policy(rail={"enquiry_after_ms": [60_000], "settle_ms": 60_000}))
    return fresh_database


async def terminals(connection: Connection) -> dict[UUID, list[str]]:
    """The terminal states of every instruction."""
    cursor = await connection.execute(
        "select i.outbox_id, coalesce(array_agg(a.state::text) filter (where a.state is not null), '{}')"
        " from outbox.payment_instructions as i left join outbox.payment_outbox_attempts as a"
        f" on a.participant_id = i.participant_id and a.outbox_id = i.outbox_id and a.state in {TERMINAL}"
        " group by i.outbox_id"
    )
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def check_books(connection: Connection) -> None:
    """No gap in a sequence; every instruction is in one place: queued, leased or ended."""
    cursor = await connection.execute(
        "select participant_id from outbox.payment_instructions join outbox.participant_outbox_sequences"
        " using (participant_id) group by participant_id, last_sequence_id"
        " having min(sequence_id) <> 1 or max(sequence_id) <> last_sequence_id or count(*) <> last_sequence_id"
        " or count(distinct sequence_id) <> last_sequence_id"
    )
    assert await cursor.fetchall() == []
    cursor = await connection.execute(
        "select i.outbox_id, count(p.*) + count(f.*) + count(a.*) from outbox.payment_instructions as i"
        " left join outbox.payment_outbox_pending as p using (participant_id, outbox_id)"
        " left join outbox.payment_outbox_in_flight as f using (participant_id, outbox_id)"
        " left join outbox.payment_outbox_attempts as a on a.participant_id = i.participant_id"
        f" and a.outbox_id = i.outbox_id and a.state in {TERMINAL}"
        " group by i.outbox_id having count(p.*) + count(f.*) + count(a.*) <> 1"
    )
    assert await cursor.fetchall() == []


async def answer_all(connection: Connection, claims: Sequence[Claim], state: str) -> list[Outcome]:
    """Answer so that each becomes `state`, after a moment of chance."""
    await asyncio.sleep(random.random() * 0.002)
    answers = [answer(one, CODES[state], **({"phase": "NONE"} if state == "VOIDED" else {})) for one in claims]
    return await api.rails.record_answers(connection, worker="w", answers=answers)


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_neg_dbl_01_two_workers_ending_the_same_items_end_each_once(cell: str, rounds: int) -> None:
    async with sessions(cell, 3) as (one, other, judge):
        for number in range(rounds):
            await accept(judge, ITEMS, wake=False)
            claims = await claim(one)
            assert len(claims) == ITEMS
            mine, yours = random.sample(sorted(CODES), 2)
            results = await asyncio.gather(answer_all(one, claims, mine), answer_all(other, claims[::-1], yours))
            ended = await terminals(judge)
            by_item = {(o.outbox_id, o.outcome) for result in results for o in result}
            for held in claims:
                assert len(ended[held.outbox_id]) == 1, f"round {number}: {ended[held.outbox_id]}"
                state = ended[held.outbox_id][0]
                assert {outcome for outbox_id, outcome in by_item if outbox_id == held.outbox_id} == {
                    state,
                    "LEASE_LOST",
                }
        await check_books(judge)


async def test_neg_dbl_02_a_second_terminal_row_is_refused_even_to_a_superuser(cell: str) -> None:
    async with sessions(cell, 1) as (judge,):
        await accept(judge, 3, wake=False)
        for held, state in zip(await claim(judge), CODES, strict=True):
            await answer_all(judge, [held], state)
            for mode, second in itertools.product(("origin", "replica"), (*CODES, "PENDING_MANUAL")):
                with pytest.raises(psycopg.errors.UniqueViolation) as caught:
                    async with judge.transaction():
                        await judge.execute(f"set local session_replication_role = {mode}".encode())
                        await judge.execute(
                            "insert into outbox.payment_outbox_attempts (participant_id, outbox_id, entry_no, attempt_no,"
                            " state, action, reason_code, claimed_by, lease_token, rail, rail_reference, recorded_at,"
                            " commitment) values (%s, %s, 99, 1, %s, 'DISPATCH', 'RAIL_REJECTED', 'evil', uuidv7(),"
                            " 'sandbox', 'R', now(), sha256(''))",
                            (held.participant_id, held.outbox_id, second),
                        )
                # On a partitioned table the violated name is the leaf's index: its columns are what tells it.
                assert str(caught.value.diag.table_name).startswith("payment_outbox_attempts_")
                assert "(participant_id, outbox_id)=" in str(caught.value.diag.message_detail)
        assert sorted(state for states in (await terminals(judge)).values() for state in states) == sorted(CODES)


async def expire(connection: Connection, *, in_ms: int) -> None:
    """Let every lease end in so many milliseconds, by the database's clock."""
    await connection.execute(
        "update outbox.payment_outbox_in_flight set claimed_at = claimed_at - interval '1 hour',"
        " lease_expires_at = clock_timestamp() + %s * interval '1 ms'",
        (in_ms,),
    )


@pytest.mark.parametrize("rounds", ROUNDS)
async def test_neg_dbl_03_zombie_repair_against_a_success_leaves_one_of_the_two(cell: str, rounds: int) -> None:
    won = {"DISPATCHED": 0, "ZOMBIE_REQUEUE": 0}
    async with sessions(cell, 4) as (worker, repairer, other, judge):
        for number in range(rounds):
            await accept(judge, ITEMS, wake=False)
            claims = [held for held in await claim(worker) if held.action == "DISPATCH"]
            await expire(judge, in_ms=random.randint(0, 6 * (1 + number % 5)))

            async def repair(connection: Connection) -> None:
                for _ in range(8):
                    await api.outbox.repair_expired_leases(connection, limit=5)
                    await asyncio.sleep(random.random() * 0.001)

            outcomes, _, _ = await asyncio.gather(
                answer_all(worker, claims, "DISPATCHED"), repair(repairer), repair(other)
            )
            await expire(judge, in_ms=0)
            await api.outbox.repair_expired_leases(judge, limit=1000)
            ended = await terminals(judge)
            cursor = await judge.execute(
                "select outbox_id from outbox.payment_outbox_attempts where state = 'ZOMBIE_REQUEUE' group by 1"
            )
            zombies = {row[0] for row in await cursor.fetchall()}
            for outcome in outcomes:
                if outcome.outcome == "DISPATCHED":
                    assert ended[outcome.outbox_id] == ["DISPATCHED"], f"round {number}"
                    assert outcome.outbox_id not in zombies
                    won["DISPATCHED"] += 1
                else:
                    assert outcome.outcome == "LEASE_LOST"
                    assert ended[outcome.outbox_id] == [], f"round {number}: a stale worker wrote"
                    assert outcome.outbox_id in zombies
                    won["ZOMBIE_REQUEUE"] += 1
            await complete(judge, await claim(judge, limit=1000, worker="w2"), worker="w2")
        await check_books(judge)
    assert sum(won.values()) == rounds * ITEMS
    if rounds > 100:
        assert min(won.values()) > 0, "the race never went both ways"


async def test_a_completion_waiting_behind_a_repair_writes_nothing(cell: str) -> None:
    async with sessions(cell, 3) as (worker, repairer, judge):
        await accept(judge, 4, wake=False)
        claims = await claim(worker)
        async with repairer.transaction():
            await repairer.execute("select 1 from outbox.payment_outbox_in_flight for update")
            completion = asyncio.create_task(answer_all(worker, claims, "DISPATCHED"))
            await until_waiting(judge, completion)  # for the rows, under leases that hold
            await expire(repairer, in_ms=0)
            await repairer.execute("select outbox.repair_expired_leases(100)")
            assert not completion.done()
        assert {outcome.outcome for outcome in await completion} == {"LEASE_LOST"}
        assert all(states == [] for states in (await terminals(judge)).values())
        await check_books(judge)


async def test_repair_passes_by_leases_that_are_being_completed_or_extended(cell: str) -> None:
    async with sessions(cell, 3) as (worker, repairer, judge):
        await accept(judge, 4, wake=False)
        claims = await claim(worker)
        async with worker.transaction():
            await worker.execute(
                "select * from outbox.extend_leases(p_worker => 'w', p_lease => '1 minute', p_leases => array(select"
                " row(f.participant_id, f.outbox_id, f.lease_token)::outbox.lease from outbox.payment_outbox_in_flight as f))"
            )
            await repairer.execute("set lock_timeout = '1s'")
            assert await api.outbox.repair_expired_leases(repairer, limit=100) == 0
        assert {o.outcome for o in await answer_all(worker, claims, "DISPATCHED")} == {"DISPATCHED"}
        assert await api.outbox.repair_expired_leases(repairer, limit=100) == 0
        await check_books(judge)


async def test_completion_and_extension_of_the_same_leases_never_wait_in_a_ring(cell: str) -> None:
    async with sessions(cell, 3) as (one, other, judge):
        await other.execute("set deadlock_timeout = '10ms'")
        for _ in range(10):
            await accept(judge, 60, wake=False)
            claims = await claim(one)
            leases = [(c.participant_id, c.outbox_id, c.lease_token) for c in random.sample(claims, len(claims))]
            _, outcomes = await asyncio.gather(
                api.outbox.extend_leases(other, worker="w", leases=leases, lease_ms=30_000),
                answer_all(one, claims, "DISPATCHED"),
            )
            assert {outcome.outcome for outcome in outcomes} == {"DISPATCHED"}
        await check_books(judge)
