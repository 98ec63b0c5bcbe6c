"""A cell ready for payments, instructions to put in, and the books to check afterwards."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.rows import TupleRow

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Decision, Item
from tests.sandbox_process import PARTIES, SandboxProcess
from tests.worker_process import wait_for

PARTICIPANTS = ("ZM-BANK-A", "ZM-BANK-B", "ZM-MNO-C")
_RESPONSES = Path(api.__file__).parent.parent / "rails" / "sandbox.responses.json"
_TERMINAL = "('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL')"


def policy_document(*, version: int = 1, participant_in_flight_cap: int = 10_000, **rail: object) -> dict[str, object]:
    """A policy with three participants and a quick sandbox rail; `rail` replaces the rail's budgets."""
    limits = [
        {
            "currency": "ZMW",
            "transaction_max_minor": 10**9,
            "day_value_max_minor": 10**15,
            "day_count_max": 10**9,
        }
    ]
    return {
        "version": version,
        "time_zone": "Africa/Lusaka",
        "caps": {"in_flight_global": 100_000},
        "rails": [
            {
                "rail": "sandbox",
                "currencies": ["ZMW"],
                "in_flight_cap": 10_000,
                "lease_ms": 2_000,
                "settle_ms": 700,
                "retry_max": 8,
                "retry_base_ms": 20,
                "retry_cap_ms": 200,
                "enquiry_after_ms": [30, 60, 150, 300, 500],
                **rail,
            }
        ],
        "participants": [
            {
                "participant_id": participant_id,
                "tenant_id": "T-1",
                "home_cell_id": "cell-test",
                "home_cell_epoch": 1,
                "status": "ACTIVE",
                "in_flight_cap": participant_in_flight_cap,
                "rails": ["sandbox"],
                "limits": limits,
            }
            for participant_id in PARTICIPANTS
        ],
    }


async def establish(connection: Connection, document: dict[str, object]) -> None:
    """Name the cell, make the partitions, publish what the sandbox's answers mean, activate the policy."""
    await connection.execute("select core.establish_cell(p_cell_id => 'cell-test', p_epoch => 1)")
    await api.ops.ensure_partitions(connection, months_ahead=1)
    responses: dict[str, object] = json.loads(_RESPONSES.read_bytes())
    await api.rails.publish_response_classes(connection, document=responses, operator="test")
    await activate(connection, document)


async def activate(connection: Connection, document: dict[str, object]) -> None:
    """Make this policy the active one."""
    checksum = await api.policy.propose(connection, document=document, operator="test")
    version = int(str(document["version"]))
    await api.policy.activate(connection, version=version, checksum=checksum, operator="test")


def item(instruction_id: str, *, participant_id: str = PARTICIPANTS[0], amount_minor: int = 12_550) -> Item:
    """One good instruction as the ingress hands it over."""
    now = datetime.now(UTC)
    return Item(
        participant_id=participant_id,
        tenant_id="T-1",
        instruction_id=instruction_id,
        idempotency_key=instruction_id,
        rail="sandbox",
        currency="ZMW",
        amount_minor=amount_minor,
        creditor_participant_id=PARTICIPANTS[1],
        end_to_end_id=None,
        purpose="SALA",
        uetr=None,
        requires_proxy=False,
        parties=PARTIES,
        client_id="test",
        cert_sha256=None,
        token_iss=None,
        token_aud=None,
        token_kid=None,
        token_jti_sha256=None,
        cnf=None,
        pop_mode="DEV_HEADER",
        body_sha256=sha256(instruction_id.encode()).digest(),
        signature_key_id=None,
        signature_alg=None,
        db_role="symphony_ingest",
        correlation_id=uuid.uuid4(),
        received_at=now,
        verified_at=now,
    )


async def accept(connection: Connection, number: int, *, wake: bool = True) -> list[Decision]:
    """Accept `number` new instructions, spread over the participants; each must be accepted."""
    items = [item(f"I-{uuid.uuid4().hex}", participant_id=PARTICIPANTS[n % len(PARTICIPANTS)]) for n in range(number)]
    decisions: list[Decision] = []
    for begin in range(0, number, 500):
        decisions += await api.ingress.accept(connection, items=items[begin : begin + 500])
    assert {d.decision for d in decisions} <= {"ACCEPT"}, {d.reason_code for d in decisions}
    if wake:
        await api.outbox.wake_executors(connection)
    return decisions


def drained(books: Books, *, seconds: float = 60.0) -> None:
    """Wait until nothing is queued or leased."""
    with psycopg.connect(
        books.url, autocommit=True
    ) as connection:  # one: a session for each look costs more than the look
        wait_for(lambda: books.open_items(connection) == 0, f"drained; {books.states()}", seconds=seconds)


def called(rail: SandboxProcess, decisions: Iterable[Decision]) -> int:
    """How many of these instructions the rail has had a call about."""
    seen = {row[0] for row in rail.rows("select distinct reference from calls")}
    return sum(1 for reference in references(decisions) if reference in seen)


def references(decisions: Iterable[Decision]) -> list[str]:
    """Our references to the rail."""
    return [decision.outbox_id.hex for decision in decisions if decision.outbox_id is not None]


@dataclass(frozen=True, slots=True)
class Books:
    """Reads the ledgers as a superuser, to judge: the instructions recorded after `since`, a uuidv7."""

    url: str
    since: uuid.UUID = uuid.UUID(int=0)

    @classmethod
    def beginning_now(cls, url: str) -> Self:
        """Books without what happened before."""
        with psycopg.connect(url) as connection:
            row = connection.execute("select uuidv7()").fetchone()
        assert row is not None
        return cls(url, row[0])

    def rows(self, query: str, *parameters: object) -> list[TupleRow]:
        """One query's rows."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def number(self, query: str, *parameters: object) -> int:
        """One query's only number."""
        return int(self.rows(query, *parameters)[0][0])

    def open_items(self, connection: psycopg.Connection | None = None) -> int:
        """Instructions queued or leased, in one snapshot: they move from one table to the other."""
        query = (
            "select (select count(*) from outbox.payment_outbox_pending where outbox_id > %s)"
            " + (select count(*) from outbox.payment_outbox_in_flight where outbox_id > %s)"
        )
        if connection is None:
            return self.number(query, self.since, self.since)
        (row,) = connection.execute(query, (self.since, self.since)).fetchall()
        return int(row[0])

    def leased(self) -> int:
        """Instructions under lease."""
        return self.number("select count(*) from outbox.payment_outbox_in_flight where outbox_id > %s", self.since)

    def end_leases(self) -> None:
        """Let every lease end at this moment, by the database's clock."""
        self.rows(
            "update outbox.payment_outbox_in_flight set claimed_at = claimed_at - interval '1 hour',"
            " lease_expires_at = clock_timestamp() where outbox_id > %s returning 1",
            self.since,
        )

    def states(self) -> dict[str, int]:
        """How many attempt rows each state has."""
        query = "select state::text, count(*) from outbox.payment_outbox_attempts where outbox_id > %s group by 1"
        return {str(state): int(count) for state, count in self.rows(query, self.since)}

    def workers(self, state: str) -> set[str]:
        """Who wrote the attempt rows of a state."""
        query = (
            "select distinct claimed_by from outbox.payment_outbox_attempts"
            " where outbox_id > %s and state = %s::outbox.attempt_state"
        )
        return {str(row[0]) for row in self.rows(query, self.since, state)}

    def story(self, reference: str) -> list[str]:
        """The attempt states of one instruction in order."""
        query = "select state::text from outbox.payment_outbox_attempts where outbox_id = %s::uuid order by entry_no"
        return [str(row[0]) for row in self.rows(query, reference)]

    def cases(self) -> dict[str, str]:
        """Reference to kind, of every case."""
        query = "select outbox_id, kind from evidence.cases where outbox_id > %s"
        return {row[0].hex: str(row[1]) for row in self.rows(query, self.since)}

    def check(self, rail: SandboxProcess, *, acknowledged: Sequence[tuple[str, str]] = ()) -> dict[str, int]:
        """Check that everything drained is right by the rail's own ledger; returns the terminal states' counts.

        Every instruction has one terminal, PENDING_MANUAL only with a case; the rail executed each reference at
        most once, and exactly those the books call DISPATCHED (or leave to a person); no sequence has a gap; no
        acknowledged (participant, instruction) is missing.
        """
        recorded = {
            (str(p), str(i))
            for p, i in self.rows("select participant_id, instruction_id from outbox.payment_instructions")
        }
        assert set(acknowledged) <= recorded, "an acknowledged instruction is missing"
        terminals = self.rows(
            "select i.outbox_id, array_agg(a.state::text) filter (where a.state is not null)"
            " from outbox.payment_instructions as i left join outbox.payment_outbox_attempts as a"
            f" on a.participant_id = i.participant_id and a.outbox_id = i.outbox_id and a.state in {_TERMINAL}"
            " where i.outbox_id > %s group by i.outbox_id",
            self.since,
        )
        cases, executed = self.cases(), _executions(rail)
        counts: dict[str, int] = {}
        for outbox_id, states in terminals:
            reference = outbox_id.hex
            assert states is not None and len(states) == 1, f"{reference} has terminals {states}"
            counts[states[0]] = counts.get(states[0], 0) + 1
            assert states[0] != "PENDING_MANUAL" or reference in cases, f"{reference} waits without a case"
            assert states[0] != "DISPATCHED" or executed.get(reference) == 1, f"{reference} not executed"
            assert states[0] not in ("FAILED", "VOIDED") or reference not in executed, f"{reference} executed"
        known = {row[0].hex for row in terminals}
        twice = {reference: times for reference, times in executed.items() if times != 1 and reference in known}
        assert not twice, f"executed more than once: {twice}"
        assert self.since.int or set(executed) <= known, "the rail executed what nobody recorded"
        self._check_sequences()
        return counts

    def _check_sequences(self) -> None:
        gaps = self.rows(
            "select i.participant_id, min(i.sequence_id), max(i.sequence_id), count(*), count(distinct i.sequence_id),"
            " s.last_sequence_id from outbox.payment_instructions as i"
            " join outbox.participant_outbox_sequences as s on s.participant_id = i.participant_id"
            " group by i.participant_id, s.last_sequence_id"
        )
        for participant_id, first, last, count, distinct, given in gaps:
            assert first == 1 and last == count == distinct == given, f"gap in the sequence of {participant_id}"


def _executions(rail: SandboxProcess) -> dict[str, int]:
    rows: list[tuple[Any, ...]] = rail.rows("select reference, count(*) from executions group by reference")
    return {str(reference): int(times) for reference, times in rows}
