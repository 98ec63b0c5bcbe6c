"""evidence: what auditors read (role symphony_auditor)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from symphony.api.connection import Connection, call


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One step in an instruction's life; `facts` holds hashes, ids and codes, never personal data."""

    happened_at: datetime
    kind: str
    state: str | None
    attempt_no: int | None
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class InstructionOutcome:
    """A recorded instruction and its terminal outcome; `state` is None while it has none."""

    instruction_id: str
    outbox_id: UUID
    sequence_id: int
    currency: str
    amount_minor: int
    recorded_at: datetime
    state: str | None
    reason_code: str | None
    rail_reference: str | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class AliasAnswer:
    """What was said of an instruction's alias; `dispatched_at` is set where a dispatch rested on it."""

    outbox_id: UUID
    status: str
    reason_code: str | None
    beneficiary_participant_id: str | None
    source: str
    source_version: str | None
    from_cache: bool
    observed_at: datetime
    expires_at: datetime | None
    recorded_at: datetime
    dispatched_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case that waits for a person's decision."""

    case_id: UUID
    kind: str
    outbox_id: UUID | None
    opened_at: datetime
    next_action: str


FIRST: Final = UUID(int=0)


async def timeline(connection: Connection, *, participant_id: str, instruction_id: str) -> list[TimelineEntry]:
    """Everything recorded about one instruction, in order."""
    query = (
        "select happened_at, kind, state, attempt_no, facts from evidence.instruction_timeline"
        " where participant_id = %s and instruction_id = %s order by happened_at, step_no"
    )
    rows = await call(connection, role="symphony_auditor", query=query, params=(participant_id, instruction_id))
    return [TimelineEntry(*row) for row in rows]


async def refusals(connection: Connection, *, participant_id: str, instruction_id: str) -> list[TimelineEntry]:
    """The decisions that recorded nothing under this id: what there is of an instruction that was refused."""
    query = (
        "select recorded_at, 'ATTESTATION', decision, null::integer, pg_catalog.jsonb_build_object('attestation_id',"
        " attestation_id, 'reason_code', reason_code, 'client_id', client_id, 'body_sha256', body_sha256,"
        " 'correlation_id', correlation_id, 'commitment', commitment) from evidence.refusals"
        " where participant_id = %s and instruction_id = %s order by recorded_at"
    )
    rows = await call(connection, role="symphony_auditor", query=query, params=(participant_id, instruction_id))
    return [TimelineEntry(*row) for row in rows]


async def outcomes(
    connection: Connection, *, participant_id: str, after: UUID = FIRST, limit: int = 1_000
) -> list[InstructionOutcome]:
    """A participant's instructions in the order recorded, a page at a time: `after` is the last outbox_id seen."""
    query = (
        "select instruction_id, outbox_id, sequence_id, currency, amount_minor, recorded_at, state, reason_code,"
        " rail_reference, ended_at from evidence.outcomes where participant_id = %s and outbox_id > %s"
        " order by outbox_id limit %s"
    )
    rows = await call(connection, role="symphony_auditor", query=query, params=(participant_id, after, limit))
    return [InstructionOutcome(*row) for row in rows]


async def alias_answers(connection: Connection, *, participant_id: str, limit: int = 10_000) -> list[AliasAnswer]:
    """What was said of the aliases of a participant's instructions, in the order recorded."""
    query = (
        "select r.outbox_id, r.status, r.reason_code, r.beneficiary_participant_id, r.source, r.source_version,"
        " r.from_cache, r.observed_at, r.expires_at, r.recorded_at,"
        " (select min(a.recorded_at) from evidence.attempts as a where a.participant_id = r.participant_id"
        " and a.outbox_id = r.outbox_id and a.resolution_id = r.resolution_id)"
        " from evidence.proxy_resolutions as r where r.participant_id = %s order by r.recorded_at, r.outbox_id limit %s"
    )
    rows = await call(connection, role="symphony_auditor", query=query, params=(participant_id, limit))
    return [AliasAnswer(*row) for row in rows]


async def open_cases(connection: Connection, *, participant_id: str) -> list[OpenCase]:
    """A participant's cases without a decision, oldest first."""
    query = (
        "select case_id, kind, outbox_id, opened_at, next_action from evidence.case_list"
        " where participant_id = %s and decision is null order by opened_at"
    )
    rows = await call(connection, role="symphony_auditor", query=query, params=(participant_id,))
    return [OpenCase(*row) for row in rows]
