"""rails: what the rails answered, and what their answers mean (role symphony_executor)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from uuid import UUID

from symphony.api.connection import Connection, call


@dataclass(frozen=True, slots=True, kw_only=True)
class RailAnswer:
    """One exchange with a rail: `rails.answer`, field order is the composite type's. The database classifies it."""

    participant_id: str
    outbox_id: UUID
    lease_token: UUID
    rail: str
    phase: str
    rail_code: str
    rail_reference: str | None = None
    echoed_amount_minor: int | None = None
    echoed_currency: str | None = None
    request_sha256: bytes | None = None
    response_sha256: bytes | None = None
    latency_us: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the database made of one answer; LEASE_LOST means the caller no longer held the item."""

    participant_id: str
    outbox_id: UUID
    outcome: str
    reason_code: str | None


_TEXT, _UUID, _INT8, _BYTEA = "text", "uuid", "int8", "bytea"
_COLUMN_TYPES = (_TEXT, _UUID, _UUID, _TEXT, _TEXT, _TEXT, _TEXT, _INT8, _TEXT, _BYTEA, _BYTEA, _INT8)
_RECORD = (
    "select participant_id, outbox_id, outcome, reason_code from rails.record_answers(p_worker => %b, p_answers =>"
    " (select array_agg(row(u.*)::rails.answer)"
    f" from rows from ({', '.join(f'unnest(%b::{t}[])' for t in _COLUMN_TYPES)}) as u))"
)
_FIELD_NAMES = tuple(field.name for field in fields(RailAnswer))


async def record_answers(connection: Connection, *, worker: str, answers: Sequence[RailAnswer]) -> list[Outcome]:
    """Record answers and complete the attempts they end, all in one transaction."""
    if not answers:
        return []
    columns = [[getattr(answer, name) for answer in answers] for name in _FIELD_NAMES]
    rows = await call(connection, role="symphony_executor", query=_RECORD, params=[worker, *columns])
    return [Outcome(*row) for row in rows]


async def publish_response_classes(connection: Connection, *, document: dict[str, object], operator: str) -> int:
    """Publish the next version of a rail's response classes (role symphony_policy_admin); returns rows written."""
    query = "select rails.publish_response_classes(p_document => %s::jsonb, p_operator => %s)"
    rows = await call(connection, role="symphony_policy_admin", query=query, params=(json.dumps(document), operator))
    return int(rows[0][0])
