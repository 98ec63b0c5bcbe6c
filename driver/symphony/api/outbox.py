"""outbox: claiming, leases and status (role symphony_executor unless said otherwise)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from symphony.api.connection import Connection, call

WAKE_CHANNEL = "symphony_outbox_due"


@dataclass(frozen=True, slots=True, repr=False)
class Claim:
    """One leased instruction. `action` is DISPATCH or ENQUIRE; `parties` holds personal data."""

    participant_id: str
    outbox_id: UUID
    sequence_id: int
    instruction_id: str
    rail: str
    action: str
    attempt_no: int
    lease_token: UUID
    lease_expires_at: datetime
    claimed_at: datetime
    accepted_at: datetime
    due_at: datetime
    amount_minor: int
    currency: str
    creditor_participant_id: str | None
    end_to_end_id: str | None
    purpose: str | None
    uetr: UUID | None
    parties: str | None
    salt: bytes | None

    @property
    def reference(self) -> str:
        """Our reference to the rail: 32 hexadecimal characters (fits ISO 20022 Max35Text)."""
        return self.outbox_id.hex


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one instruction as its participant may see it; times are the database's."""

    instruction_id: str
    outbox_id: UUID
    sequence_id: int
    state: str
    rail: str
    amount_minor: int
    currency: str
    attempts: int
    rail_reference: str | None
    reason_code: str | None
    received_at: datetime
    updated_at: datetime


_CLAIM = (
    "select participant_id, outbox_id, sequence_id, instruction_id, rail, action::text, attempt_no, lease_token,"
    " lease_expires_at, claimed_at, accepted_at, due_at, amount_minor, currency, creditor_participant_id,"
    " end_to_end_id, purpose, uetr, parties, salt"
    " from outbox.claim_outbox_batch(p_worker => %s, p_limit => %s, p_rail => %s, p_lease => %s)"
)


async def claim_outbox_batch(
    connection: Connection, *, worker: str, limit: int, rail: str, lease_ms: int
) -> list[Claim]:
    """Lease up to `limit` due instructions of one rail, within the policy's caps."""
    params = (worker, limit, rail, timedelta(milliseconds=lease_ms))
    rows = await call(connection, role="symphony_executor", query=_CLAIM, params=params)
    return [Claim(*row) for row in rows]


async def extend_leases(
    connection: Connection, *, worker: str, leases: Sequence[tuple[str, UUID, UUID]], lease_ms: int
) -> list[tuple[str, UUID]]:
    """Renew leases (participant_id, outbox_id, lease_token); returns those still held."""
    query = (
        "select participant_id, outbox_id from outbox.extend_leases(p_worker => %s, p_leases => (select"
        " array_agg(row(u.*)::outbox.lease) from unnest(%b::text[], %b::uuid[], %b::uuid[]) as u), p_lease => %s)"
    )
    params = (
        worker,
        *[list(column) for column in zip(*leases, strict=True)],
        timedelta(milliseconds=lease_ms),
    )
    rows = await call(connection, role="symphony_executor", query=query, params=params)
    return [(row[0], row[1]) for row in rows]


async def repair_expired_leases(connection: Connection, *, limit: int) -> int:
    """Take back expired leases as ENQUIRE items; returns how many."""
    query = "select count(*) from outbox.repair_expired_leases(p_limit => %s)"
    rows = await call(connection, role="symphony_executor", query=query, params=(limit,))
    return int(rows[0][0])


async def wake_executors(connection: Connection) -> None:
    """NOTIFY the executors, in a transaction of its own (role symphony_ingest): after the accept has committed."""
    await call(connection, role="symphony_ingest", query="select outbox.wake_executors()")


async def instruction_status(connection: Connection, *, participant_id: str, instruction_id: str) -> Status | None:
    """The state of the participant's own instruction (role symphony_ingest), or None."""
    query = (
        "select instruction_id, outbox_id, sequence_id, state, rail, amount_minor, currency, attempts, rail_reference,"
        " reason_code, received_at, updated_at"
        " from outbox.instruction_status(p_participant_id => %s, p_instruction_id => %s)"
    )
    rows = await call(connection, role="symphony_ingest", query=query, params=(participant_id, instruction_id))
    return Status(*rows[0]) if rows else None
