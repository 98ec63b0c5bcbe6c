"""ingress: recording decisions about instructions (role symphony_ingest)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from symphony.api.connection import Connection, call

MAX_ITEMS = 500


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Item:
    """One request as the ingress judged it: `ingress.item`. Field order is the composite type's order.

    `reject_reason` set means the ingress itself refused: only an attestation is written, and payment
    fields may be None. `parties` is RFC 8785 canonical JSON and holds personal data.
    """

    participant_id: str | None
    tenant_id: str | None
    instruction_id: str | None
    idempotency_key: str | None
    rail: str | None
    currency: str | None
    amount_minor: int | None
    creditor_participant_id: str | None
    end_to_end_id: str | None
    purpose: str | None
    uetr: UUID | None
    requires_proxy: bool
    parties: str | None
    client_id: str | None
    cert_sha256: bytes | None
    token_iss: str | None
    token_aud: str | None
    token_kid: str | None
    token_jti_sha256: bytes | None
    cnf: str | None
    pop_mode: str
    body_sha256: bytes
    signature_key_id: str | None
    signature_alg: str | None
    db_role: str
    correlation_id: UUID
    received_at: datetime
    verified_at: datetime
    reject_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was recorded for one item. On REPLAY every field repeats the original answer."""

    decision: str
    reason_code: str | None
    attestation_id: UUID
    outbox_id: UUID | None
    sequence_id: int | None
    state: str | None
    received_at: datetime | None
    policy_version: int | None
    receipt_hash: bytes | None


_TYPES = {
    "amount_minor": "int8",
    "uetr": "uuid",
    "correlation_id": "uuid",
    "requires_proxy": "bool",
    "cert_sha256": "bytea",
    "token_jti_sha256": "bytea",
    "body_sha256": "bytea",
    "received_at": "timestamptz",
    "verified_at": "timestamptz",
}
_FIELD_NAMES = tuple(field.name for field in fields(Item))
_ARRAYS = ", ".join(f"unnest(%b::{_TYPES.get(name, 'text')}[])" for name in _FIELD_NAMES)
_ACCEPT = (
    "select a.decision::text, a.reason_code, a.attestation_id, a.outbox_id, a.sequence_id, a.state, a.received_at,"
    " a.policy_version, a.receipt_hash from ingress.accept(p_items => (select array_agg(row(u.*)::ingress.item)"
    f" from rows from ({_ARRAYS}) as u)) as a order by a.item_no"
)


def _column(items: Sequence[Item], name: str) -> list[object] | None:
    values = [getattr(item, name) for item in items]
    # ROWS FROM pads a missing array with nulls, so a column without values costs nothing.
    return values if any(value is not None for value in values) else None


async def accept(connection: Connection, *, items: Sequence[Item]) -> list[Decision]:
    """Record a decision for every item, in order; the commit has happened when this returns.

    Raises: Invalid (more than 500 items), DatabaseUnavailable, OutcomeUnknown (retry under the same keys).
    """
    if not items:
        return []
    columns = [_column(items, name) for name in _FIELD_NAMES]
    rows = await call(connection, role="symphony_ingest", query=_ACCEPT, params=columns)
    return [Decision(*row) for row in rows]
