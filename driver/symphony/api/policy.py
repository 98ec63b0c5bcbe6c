"""policy: versions and halts (roles symphony_policy_admin and symphony_operator)."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from symphony.api.connection import Connection, call


async def propose(connection: Connection, *, document: dict[str, object], operator: str) -> bytes:
    """Record a policy document as a DRAFT version; returns its SHA-256 checksum (RFC 8785 form)."""
    query = "select policy.propose(p_document => %s::jsonb, p_operator => %s)"
    rows = await call(connection, role="symphony_policy_admin", query=query, params=(json.dumps(document), operator))
    return bytes(rows[0][0])


async def activate(connection: Connection, *, version: int, checksum: bytes, operator: str) -> None:
    """Make a DRAFT version the one ACTIVE version; the checksum says which content was meant."""
    query = "select policy.activate(p_version => %s, p_checksum => %s, p_operator => %s)"
    await call(connection, role="symphony_policy_admin", query=query, params=(version, checksum, operator))


async def active(connection: Connection) -> tuple[int, bytes, datetime] | None:
    """The active policy's version, checksum and activation time (role symphony_ingest): the boot query."""
    query = "select policy_version, checksum, activated_at from policy.get_active()"
    rows = await call(connection, role="symphony_ingest", query=query)
    return (int(rows[0][0]), bytes(rows[0][1]), rows[0][2]) if rows else None


async def halt(
    connection: Connection,
    *,
    scope: str,
    operator: str,
    reason: str,
    rail: str | None = None,
    participant_id: str | None = None,
    direction: str = "BOTH",
) -> UUID:
    """Stop everything (GLOBAL), a RAIL, or a PARTICIPANT (SEND, RECEIVE, BOTH); returns the halt's id."""
    query = (
        "select policy.halt(p_scope => %s::policy.halt_scope, p_rail => %s, p_participant_id => %s,"
        " p_direction => %s::policy.halt_direction, p_operator => %s, p_reason => %s)"
    )
    params = (scope, rail, participant_id, direction, operator, reason)
    rows = await call(connection, role="symphony_operator", query=query, params=params)
    return UUID(str(rows[0][0]))


async def lift_halt(connection: Connection, *, halt_id: UUID, operator: str, reason: str) -> None:
    """Lift a halt that is in force."""
    query = "select policy.lift_halt(p_halt_id => %s, p_operator => %s, p_reason => %s)"
    await call(connection, role="symphony_operator", query=query, params=(halt_id, operator, reason))
