"""The cell fence: a participant at home in another cell or epoch is refused and attested, and nothing is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from symphony import api
from symphony.api.connection import Connection
from tests.payments import activate, establish, item
from tests.sql_cell import A, B, C, policy, row_counts

HOMES: dict[str, dict[str, object]] = {
    A: {"home_cell_id": "cell-other"},
    B: {"home_cell_epoch": 2},
    C: {"home_cell_id": "cell-other", "home_cell_epoch": 2},
}


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new database."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        yield connection


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """The tables with more or fewer rows, leaves under their table's name, and by how many."""
    changes: dict[str, int] = {}
    for name in after:
        table = name.rstrip("0123456789").rstrip("_")
        changes[table] = changes.get(table, 0) + after[name] - before.get(name, 0)
    return {table: change for table, change in changes.items() if change}


async def test_a_participant_that_is_not_at_home_is_refused_attested_and_nothing_is_recorded(
    fresh_database: str, judge: Connection
) -> None:
    await establish(judge, policy(participants=HOMES))
    before = row_counts(fresh_database)
    for participant_id in HOMES:
        items = [item("I-1"), item("I-2"), item("I-1", amount_minor=7)]
        items = [replace(one, participant_id=participant_id) for one in items]
        decisions = await api.ingress.accept(judge, items=items)
        assert [(d.decision, d.reason_code) for d in decisions] == [
            ("REJECT", "CELL_NOT_HOME"),
            ("REJECT", "CELL_NOT_HOME"),
            ("REJECT", "DUPLICATE_IN_BATCH"),
        ]
        assert all(d.outbox_id is None and d.sequence_id is None for d in decisions)
        cursor = await judge.execute(
            "select participant_id, reason_code, cell_id, cell_epoch from ingress.ingress_attestations"
            " where attestation_id = %s",
            (decisions[0].attestation_id,),
        )
        assert await cursor.fetchall() == [(participant_id, "CELL_NOT_HOME", "cell-test", 1)]
    changes = grown(before, row_counts(fresh_database))
    changes.pop("outbox.participant_outbox_sequences", None)  # the participant's lock, not a record
    assert changes == {"ingress.ingress_attestations": 9}


async def test_the_fence_holds_inside_a_batch_of_others(judge: Connection) -> None:
    await establish(judge, policy(participants={A: {"home_cell_id": "cell-other"}}))
    items = [item(f"I-{n}", participant_id=(A, B)[n % 2]) for n in range(20)]
    decisions = await api.ingress.accept(judge, items=items)
    assert [d.decision for d in decisions] == ["REJECT", "ACCEPT"] * 10
    assert [d.sequence_id for d in decisions[1::2]] == list(range(1, 11))


async def test_raising_the_epoch_sends_participants_away_until_the_policy_brings_them_home(
    judge: Connection,
) -> None:
    await establish(judge, policy())
    (first,) = await api.ingress.accept(judge, items=[item("I-1")])
    await judge.execute("select core.establish_cell(p_cell_id => 'cell-test', p_epoch => 2)")
    refused, replayed = await api.ingress.accept(judge, items=[item("I-2"), item("I-1")])
    assert (refused.decision, refused.reason_code) == ("REJECT", "CELL_NOT_HOME")
    assert (replayed.decision, replayed.outbox_id) == ("REPLAY", first.outbox_id), "what is recorded stays answerable"
    await activate(judge, policy(version=2, participants={A: {"home_cell_epoch": 2}}))
    (accepted,) = await api.ingress.accept(judge, items=[item("I-2")])
    assert (accepted.decision, accepted.sequence_id) == ("ACCEPT", 2)


async def attest(connection: Connection, instruction_id: str) -> UUID:
    """Attest an ACCEPT of an instruction of A without recording it, as a service does that enqueues by itself."""
    cursor = await connection.execute(
        "with made as materialized (select array[v] as items, i.intent from jsonb_populate_record(null::ingress.item, %s) as v,"
        " ingress.list_intents(p_items => array[v]) as i)"
        " select (m.intent).attestation_id, ingress.attest(p_items => m.items, p_intents => array[m.intent],"
        " p_reasons => array[null], p_recorded => array[null]::outbox.recorded[], p_policy_version => a.policy_version,"
        " p_checksum => a.checksum, p_item_nos => null) from made as m, policy.get_active() as a",
        (
            Jsonb(
                {
                    "participant_id": A,
                    "instruction_id": instruction_id,
                    "idempotency_key": instruction_id,
                    "rail": "sandbox",
                    "currency": "ZMW",
                    "amount_minor": 5,
                    "requires_proxy": False,
                    "parties": "{}",
                    "pop_mode": "NONE",
                    "body_sha256": f"\\x{'00' * 32}",
                    "db_role": "test",
                    "correlation_id": str(UUID(int=1)),
                    "received_at": "2026-11-21T12:00:00Z",
                    "verified_at": "2026-11-21T12:00:00Z",
                }
            ),
        ),
    )
    (row,) = await cursor.fetchall()
    attestation_id: UUID = row[0]
    return attestation_id


async def test_a_single_enqueue_meets_the_same_fence(fresh_database: str, judge: Connection) -> None:
    await establish(judge, policy())
    attestation_id = await attest(judge, "I-2")
    await activate(judge, policy(version=2, participants={A: {"home_cell_id": "cell-other"}}))
    before = row_counts(fresh_database)
    cursor = await judge.execute(
        "select decision, reason_code, outbox_id from outbox.enqueue_payment_outbox(p_participant_id => %s,"
        " p_attestation_id => %s, p_instruction_id => 'I-2', p_idempotency_key => 'I-2', p_rail => 'sandbox',"
        " p_currency => 'ZMW', p_amount_minor => 5, p_parties => '{}', p_received_at => now())",
        (A, attestation_id),
    )
    assert await cursor.fetchall() == [("REJECT", "CELL_NOT_HOME", None)]
    changes = grown(before, row_counts(fresh_database))
    changes.pop("outbox.participant_outbox_sequences", None)  # the participant's lock, not a record
    assert changes == {}
