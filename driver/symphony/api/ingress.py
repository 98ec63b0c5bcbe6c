"""ingress: recording decisions about instructions (role symphony_ingest), and attested reads (their own roles)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from symphony.api.connection import Connection, call
from symphony.api.outbox import Status
from symphony.api.proxy import ANSWERS, AliasAnswer, answer_columns

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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Proof:
    """What the ingress verified of a request besides what its item says: `ingress.proof`, in the type's order.

    Times are epoch seconds as they were signed, hashes are 32 bytes. An item with a `reject_reason` needs none.
    """

    token_expires_at: int | None = None
    dpop_jkt: bytes | None = None
    dpop_jti_sha256: bytes | None = None
    dpop_issued_at: int | None = None
    signature_nonce_sha256: bytes | None = None
    signature_created: int | None = None


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


@dataclass(frozen=True, slots=True)
class Read:
    """How a read was decided: READ, or REJECT with a reason."""

    decision: str
    reason_code: str | None
    attestation_id: UUID


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
    "token_expires_at": "int8",
    "dpop_jkt": "bytea",
    "dpop_jti_sha256": "bytea",
    "dpop_issued_at": "int8",
    "signature_nonce_sha256": "bytea",
    "signature_created": "int8",
}
_ITEM = tuple(field.name for field in fields(Item))
_PROOF = tuple(field.name for field in fields(Proof))


def _rows(names: Sequence[str], composite: str) -> str:
    """The composite array made of one array a member; ROWS FROM pads a missing one with nulls."""
    arrays = ", ".join(f"unnest(%b::{_TYPES.get(name, 'text')}[])" for name in names)
    return f"(select array_agg(row(u.*)::{composite}) from rows from ({arrays}) as u)"


def _row(names: Sequence[str], composite: str) -> str:
    return f"row({', '.join(f'%b::{_TYPES.get(name, "text")}' for name in names)})::{composite}"


_DECISION = (
    "select a.decision::text, a.reason_code, a.attestation_id, a.outbox_id, a.sequence_id, a.state, a.received_at,"
    " a.policy_version, a.receipt_hash from "
)
_ACCEPT = f"{_DECISION}ingress.accept(p_items => {_rows(_ITEM, 'ingress.item')}) as a order by a.item_no"
_ACCEPT_PROVEN = (
    f"{_DECISION}ingress.accept_proven(p_items => {_rows(_ITEM, 'ingress.item')},"
    f" p_proofs => {_rows(_PROOF, 'ingress.proof')}) as a order by a.item_no"
)
_ACCEPT_RESOLVED = (
    f"{_DECISION}ingress.accept_resolved(p_items => {_rows(_ITEM, 'ingress.item')},"
    f" p_proofs => {_rows(_PROOF, 'ingress.proof')}, p_answers => {ANSWERS}) as a order by a.item_no"
)
_ACCEPT_RESOLVED_UNPROVEN = (
    f"{_DECISION}ingress.accept_resolved(p_items => {_rows(_ITEM, 'ingress.item')}, p_proofs => null,"
    f" p_answers => {ANSWERS}) as a order by a.item_no"
)
_READ = f"(p_item => {_row(_ITEM, 'ingress.item')}, p_proof => {_row(_PROOF, 'ingress.proof')}) as r"
_READ_STATUS = (
    "select r.decision::text, r.refusal_code, r.attestation_id, r.instruction_id, r.outbox_id, r.sequence_id, r.state,"
    " r.rail, r.amount_minor, r.currency, r.attempts, r.rail_reference, r.reason_code, r.received_at, r.updated_at"
    f" from ingress.read_status{_READ}"
)
_READ_EVIDENCE = (
    f"select r.decision::text, r.refusal_code, r.attestation_id, r.entries from ingress.read_evidence{_READ}"
)


def _column(rows: Sequence[object], name: str) -> list[object] | None:
    values = [getattr(row, name) for row in rows]
    # ROWS FROM pads a missing array with nulls, so a column without values costs nothing.
    return values if any(value is not None for value in values) else None


async def accept(
    connection: Connection,
    *,
    items: Sequence[Item],
    proofs: Sequence[Proof] | None = None,
    answers: Sequence[AliasAnswer | None] | None = None,
) -> list[Decision]:
    """Record a decision for every item, in order; the commit has happened when this returns.

    Args:
        proofs: one an item, in the same order; None is for development, and refused where proof is required.
        answers: what the registry said of the items' aliases, one an item, where it was asked already (policy SYNC).

    Raises: Invalid (more than 500 items, not one proof an item), DatabaseUnavailable, OutcomeUnknown (retry under
        the same keys, proven anew).
    """
    if not items:
        return []
    params: list[object] = [_column(items, name) for name in _ITEM]
    if proofs is not None:
        params += [[getattr(proof, name) for proof in proofs] for name in _PROOF]
    if answers is None:
        query = _ACCEPT if proofs is None else _ACCEPT_PROVEN
    else:
        query = _ACCEPT_RESOLVED_UNPROVEN if proofs is None else _ACCEPT_RESOLVED
        params += answer_columns(answers)
    rows = await call(connection, role="symphony_ingest", query=query, params=params)
    return [Decision(*row) for row in rows]


async def read_status(connection: Connection, *, item: Item, proof: Proof | None) -> tuple[Read, Status | None]:
    """Read and attest the state of one of the participant's own instructions (role symphony_status_reader).

    Raises: DatabaseUnavailable, OutcomeUnknown.
    """
    row = await _read(connection, role="symphony_status_reader", query=_READ_STATUS, item=item, proof=proof)
    return Read(*row[:3]), Status(*row[3:]) if row[0] == "READ" else None


async def read_evidence(
    connection: Connection, *, item: Item, proof: Proof | None
) -> tuple[Read, list[dict[str, Any]] | None]:
    """Read and attest the timeline of one of the participant's own instructions (role symphony_evidence_reader).

    Raises: DatabaseUnavailable, OutcomeUnknown.
    """
    row = await _read(connection, role="symphony_evidence_reader", query=_READ_EVIDENCE, item=item, proof=proof)
    return Read(*row[:3]), row[3]


async def _read(connection: Connection, *, role: str, query: str, item: Item, proof: Proof | None) -> tuple[Any, ...]:
    params = [getattr(item, name) for name in _ITEM] + [getattr(proof, name, None) for name in _PROOF]
    rows = await call(connection, role=role, query=query, params=params)
    return rows[0]
