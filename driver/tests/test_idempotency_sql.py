"""Idempotency and day limits of ingress.accept, with real sessions at once."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Decision, Item
from tests.payments import activate, establish, item
from tests.sql_cell import A, B, C, answer, claim, complete, policy, row_counts, sessions


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new, established cell."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


async def one(connection: Connection, wanted: Item) -> Decision:
    """Accept one item alone."""
    (decision,) = await api.ingress.accept(connection, items=[wanted])
    return decision


def same_answer(left: Decision, right: Decision) -> bool:
    """Whether two answers have the same 202 body."""
    return replace(left, decision="") == replace(right, decision="")


async def usage(connection: Connection, participant_id: str = A) -> tuple[int, int]:
    """Value and count used of the participant's days."""
    cursor = await connection.execute(
        "select coalesce(sum(value_minor), 0)::bigint, coalesce(sum(item_count), 0)::bigint from policy.limit_usage"
        " where participant_id = %s",
        (participant_id,),
    )
    rows = await cursor.fetchall()
    return int(rows[0][0]), int(rows[0][1])


async def test_sixteen_sessions_with_one_key_record_one_instruction(fresh_database: str, judge: Connection) -> None:
    async with sessions(fresh_database, 16) as callers:
        for number in range(5):
            wanted = item(f"I-{number}")
            decisions = await asyncio.gather(*(one(caller, wanted) for caller in callers))
            assert Counter(d.decision for d in decisions) == {"ACCEPT": 1, "REPLAY": 15}
            assert all(same_answer(d, decisions[0]) for d in decisions)
    counts = row_counts(fresh_database)
    assert sum(n for name, n in counts.items() if name.startswith("outbox.payment_instructions_")) == 5
    assert sum(n for name, n in counts.items() if name.startswith("ingress.ingress_attestations_")) == 80
    assert await usage(judge) == (5 * 12_550, 5)


async def test_sixteen_sessions_with_one_key_and_different_content_record_one(
    fresh_database: str, judge: Connection
) -> None:
    async with sessions(fresh_database, 16) as callers:
        decisions = await asyncio.gather(
            *(one(caller, item("I-1", amount_minor=100 + n)) for n, caller in enumerate(callers))
        )
    assert Counter((d.decision, d.reason_code) for d in decisions) == {
        ("ACCEPT", None): 1,
        ("REJECT", "IDEMPOTENCY_CONFLICT"): 15,
    }
    cursor = await judge.execute("select count(*) from outbox.payment_instructions")
    assert await cursor.fetchone() == (1,)


async def test_batches_in_opposite_order_never_wait_in_a_ring(fresh_database: str, judge: Connection) -> None:
    async with sessions(fresh_database, 8) as callers:

        async def send(caller: Connection) -> None:
            for number in range(6):
                items = [item(f"I-{number}-{n}", participant_id=(A, B, C)[n % 3]) for n in range(30)]
                random.shuffle(items)
                await api.ingress.accept(caller, items=items)

        await asyncio.gather(*(send(caller) for caller in callers))
    cursor = await judge.execute(
        "select participant_id, count(*), max(sequence_id), min(sequence_id) from outbox.payment_instructions group by 1"
    )
    assert sorted(await cursor.fetchall()) == [(A, 60, 60, 1), (B, 60, 60, 1), (C, 60, 60, 1)]


async def test_a_replay_gets_the_original_answer_in_every_state(judge: Connection) -> None:
    wanted = [item(f"I-{n}") for n in range(5)]
    originals = await api.ingress.accept(judge, items=wanted)
    claims = {c.instruction_id: c for c in await claim(judge, limit=4)}
    held = [claims[f"I-{n}"] for n in range(4)]
    await api.rails.record_answers(
        judge,
        worker="w",
        answers=[
            answer(held[0]),
            answer(held[1], "REJECTED_AC04"),
            answer(held[2], "REFUSED_BEFORE_CALL", phase="NONE"),
            answer(held[3], "TIMEOUT"),
        ],
    )
    await api.policy.halt(judge, scope="GLOBAL", operator="test", reason="test")
    await activate(judge, policy(version=2, limits={"transaction_max_minor": 1, "day_count_max": 1}))
    again = await api.ingress.accept(judge, items=wanted)
    assert [d.decision for d in again] == ["REPLAY"] * 5
    assert all(same_answer(before, after) for before, after in zip(originals, again, strict=True))
    await activate(judge, policy(version=3, participants={A: {"status": "SUSPENDED"}}))
    assert same_answer(await one(judge, wanted[0]), originals[0]), "also for a suspended participant"


CHANGES: list[tuple[dict[str, object], tuple[str, str | None]]] = [
    ({}, ("REPLAY", None)),
    ({"correlation_id": item("x").correlation_id, "body_sha256": bytes(32)}, ("REPLAY", None)),
    ({"idempotency_key": "another-key"}, ("REPLAY", None)),
    ({"participant_id": B}, ("ACCEPT", None)),
    ({"instruction_id": "I-2"}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"amount_minor": 12_551}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"creditor_participant_id": C}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"creditor_participant_id": None}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"purpose": None}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"end_to_end_id": "E2E"}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"parties": '{"creditor":{"account":"other"}}'}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"idempotency_key": "another-key", "amount_minor": 1}, ("REJECT", "IDEMPOTENCY_CONFLICT")),
    ({"instruction_id": "I-2", "idempotency_key": "third-key"}, ("ACCEPT", None)),
]


async def test_what_is_a_replay_and_what_a_conflict(judge: Connection) -> None:
    await one(judge, item("I-1"))
    for change, expected in CHANGES:
        decision = await one(judge, replace(item("I-1"), **change))  # type: ignore[arg-type]
        assert (decision.decision, decision.reason_code) == expected, change


async def test_a_key_of_one_instruction_and_the_id_of_another_is_a_conflict(judge: Connection) -> None:
    await api.ingress.accept(judge, items=[item("I-1"), item("I-2")])
    decision = await one(judge, replace(item("I-1"), idempotency_key="I-2"))
    assert (decision.decision, decision.reason_code) == ("REJECT", "IDEMPOTENCY_CONFLICT")


async def test_twins_in_a_batch_and_a_poisoned_item_leave_their_mates_alone(judge: Connection) -> None:
    poisoned = [
        replace(item("P-1"), amount_minor=-1), replace(item("P-2"), parties="{"), replace(item("P-3"), rail="None Such"),
        replace(item("P-4"), purpose="TOO LONG"), replace(item("x" * 65)), replace(item("P-5"), currency="ZM"),
        replace(item("P-6"), end_to_end_id="e" * 36), replace(item("P-7"), idempotency_key="é"),
        replace(item("P-8"), participant_id="x" * 5_000, instruction_id="y" * 5_000),
    ]  # fmt: skip
    good = [item(f"G-{n}") for n in range(9)]
    batch = [each for pair in zip(poisoned, good, strict=True) for each in pair] + [item("G-0")]
    decisions = await api.ingress.accept(judge, items=batch)
    assert [d.decision for d in decisions] == ["REJECT", "ACCEPT"] * 9 + ["REPLAY"]
    assert {d.reason_code for d in decisions[0:18:2]} == {"ITEM_INVALID"}
    assert [d.sequence_id for d in decisions[1:18:2]] == list(range(1, 10))
    assert same_answer(decisions[18], decisions[1])


async def test_an_unusable_participant_id_does_not_fail_its_batch_mates(judge: Connection) -> None:
    noise = "".join(random.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") for _ in range(9_000))
    decisions = await api.ingress.accept(judge, items=[replace(item("P"), participant_id=noise), item("G")])
    assert [d.decision for d in decisions] == ["REJECT", "ACCEPT"]


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        ({"day_count_max": 37}, 37),
        ({"day_value_max_minor": 3_755}, 37),
        pytest.param({"day_value_max_minor": 3_700}, 37, marks=pytest.mark.slow),
    ],
)
async def test_day_limits_are_exact_with_sixteen_sessions_at_once(
    fresh_database: str, judge: Connection, limits: dict[str, int], passed: int
) -> None:
    noon = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"  # where no day ends within the test; the sign is POSIX's
    await activate(judge, policy(version=2, limits=limits, time_zone=noon))
    reason = "LIMIT_DAY_COUNT" if "day_count_max" in limits else "LIMIT_DAY_VALUE"
    async with sessions(fresh_database, 16) as callers:
        results = await asyncio.gather(
            *(
                api.ingress.accept(caller, items=[item(f"I-{n}-{k}", amount_minor=100) for k in range(5)])
                for n, caller in enumerate(callers)
            )
        )
    decisions = [decision for result in results for decision in result]
    assert Counter((d.decision, d.reason_code) for d in decisions) == {
        ("ACCEPT", None): passed,
        ("REJECT", reason): 80 - passed,
    }
    assert await usage(judge) == (passed * 100, passed)
    claims = await claim(judge)
    assert len(claims) == passed
    await complete(judge, claims[:10], "REJECTED_AC04")
    await api.rails.record_answers(
        judge, worker="w", answers=[answer(c, "REFUSED_BEFORE_CALL", phase="NONE") for c in claims[10:20]]
    )
    await complete(judge, claims[20:30])
    assert await usage(judge) == ((passed - 20) * 100, passed - 20), "FAILED and VOIDED give it back"
    again = await api.ingress.accept(judge, items=[item(f"J-{n}", amount_minor=100) for n in range(25)])
    assert Counter(d.decision for d in again) == {"ACCEPT": 20, "REJECT": 5}


async def test_the_transaction_limit_is_exact(judge: Connection) -> None:
    await activate(judge, policy(version=2, limits={"transaction_max_minor": 500}))
    decisions = await api.ingress.accept(judge, items=[item("I-1", amount_minor=500), item("I-2", amount_minor=501)])
    assert [(d.decision, d.reason_code) for d in decisions] == [("ACCEPT", None), ("REJECT", "LIMIT_TRANSACTION")]


async def test_another_isolation_level_is_refused_and_nothing_is_written(
    fresh_database: str, judge: Connection
) -> None:
    before = row_counts(fresh_database)
    calls = (
        "select ingress.accept(null)",
        "select outbox.claim_outbox_batch('w', 1, 'sandbox')",
        "select outbox.enqueue_payment_outbox('P', uuidv7(), 'I', 'K', 'sandbox', 'ZMW', 1, '{}', now())",
    )
    for level, call in itertools.product(("repeatable read", "serializable"), calls):
        await judge.execute(f"begin isolation level {level}".encode())
        with pytest.raises(Exception, match="isolation_not_read_committed") as caught:
            await judge.execute(call.encode())
        assert getattr(caught.value, "sqlstate", None) == "SV003"
        await judge.execute("rollback")
    assert row_counts(fresh_database) == before
