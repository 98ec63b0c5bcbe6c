"""proxy: resolving the aliases of recorded instructions (role symphony_resolver unless said otherwise)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from uuid import UUID

from symphony.api.connection import Connection, call

MAX_ITEMS = 1_000
_ROLE = "symphony_resolver"


@dataclass(frozen=True, slots=True)
class Lease:
    """One leased alias; times are the database's."""

    participant_id: str
    outbox_id: UUID
    proxy_type: str
    accepted_at: datetime
    lease_token: UUID
    claimed_at: datetime
    lease_expires_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class LeasedAlias:
    """An alias in clear, with the creditor's participant where the payer named it. Personal data."""

    participant_id: str
    outbox_id: UUID
    type: str
    value: str
    creditor_participant_id: str | None


@dataclass(frozen=True, slots=True, repr=False)
class Cached:
    """A cached answer that may be believed until `expires_at`; the beneficiary is sealed."""

    participant_id: str
    proxy_type: str
    proxy_hash: bytes
    sealed_beneficiary: bytes
    beneficiary_participant_id: str
    observed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AliasAnswer:
    """What a registry or the cache said: `outbox.alias_answer`, in the type's order.

    Attributes:
        outbox_id, lease_token: None where the ingress asks before it records (`api.ingress.accept`).
        cached_hash: the hash under which the cache answered; None of a fresh answer.
        response_sha256: of the registry's answer; of a cached one, SHA-256 of the sealed beneficiary that was opened.
        reason_code: None of RESOLVED only.
        beneficiary: RFC 8785 JSON with account and, where known, agent and name. Personal data.
    """

    participant_id: str
    outbox_id: UUID | None = None
    lease_token: UUID | None = None
    proxy_hash: bytes
    hash_key_id: str
    cached_hash: bytes | None = None
    status: str
    reason_code: str | None = None
    beneficiary_participant_id: str | None = None
    beneficiary: str | None = None
    sealed_beneficiary: bytes | None = None
    source: str
    source_version: str | None = None
    response_sha256: bytes | None = None
    latency_us: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one answer: RESOLVED, VOIDED, RETRY, or STALE (the cache moved on; ask again)."""

    participant_id: str
    outbox_id: UUID
    lease_token: UUID
    outcome: str
    reason_code: str | None


@dataclass(frozen=True, slots=True)
class ProxyRule:
    """How a participant's aliases are resolved; times in milliseconds."""

    participant_id: str
    mode: str
    ttl_ms: int
    pending_max_ms: int
    sync_budget_ms: int
    misses_per_hour_max: int


_ANSWER = tuple(field.name for field in fields(AliasAnswer))
_ANSWER_TYPES = {
    "outbox_id": "uuid",
    "lease_token": "uuid",
    "proxy_hash": "bytea",
    "cached_hash": "bytea",
    "sealed_beneficiary": "bytea",
    "response_sha256": "bytea",
    "latency_us": "int8",
}
_LEASES = "(select array_agg(row(u.*)::proxy.lease) from unnest(%b::text[], %b::uuid[], %b::uuid[]) as u)"


def answer_columns(answers: Sequence[AliasAnswer | None]) -> list[object]:
    """One array a member of `outbox.alias_answer`, for `ANSWERS`."""
    return [[getattr(answer, name, None) for answer in answers] for name in _ANSWER]


ANSWERS = (
    "(select array_agg(row(u.*)::outbox.alias_answer) from unnest("
    + ", ".join(f"%b::{_ANSWER_TYPES.get(name, 'text')}[]" for name in _ANSWER)
    + ") as u)"
)
_RECORD = (
    "select participant_id, outbox_id, lease_token, outcome, reason_code"
    f" from outbox.record_resolutions(p_worker => %s, p_answers => {ANSWERS})"
)


async def claim_resolutions(connection: Connection, *, worker: str, limit: int, lease_ms: int) -> list[Lease]:
    """Lease up to `limit` aliases to be resolved, oldest instruction first."""
    query = (
        "select participant_id, outbox_id, proxy_type, accepted_at, lease_token, claimed_at, lease_expires_at"
        " from proxy.claim_resolutions(p_worker => %s, p_limit => %s, p_lease => %s)"
    )
    params = (worker, limit, timedelta(milliseconds=lease_ms))
    return [Lease(*row) for row in await call(connection, role=_ROLE, query=query, params=params)]


async def read_leased_aliases(connection: Connection, *, worker: str, leases: Sequence[Lease]) -> list[LeasedAlias]:
    """The aliases in clear of those leases that the worker still holds."""
    query = (
        "select participant_id, outbox_id, alias_type, alias_value, creditor_participant_id"
        f" from outbox.read_leased_aliases(p_worker => %s, p_leases => {_LEASES})"
    )
    rows = await call(connection, role=_ROLE, query=query, params=(worker, *_columns(leases)))
    return [LeasedAlias(*row) for row in rows]


async def release_resolutions(connection: Connection, *, worker: str, leases: Sequence[Lease], wait_ms: int = 0) -> int:
    """Give leases back unasked, due after `wait_ms` (at most 2 minutes); returns how many were still the worker's."""
    query = f"select proxy.release_resolutions(p_worker => %s, p_leases => {_LEASES}, p_wait => %s)"
    params = (worker, *_columns(leases), timedelta(milliseconds=wait_ms))
    rows = await call(connection, role=_ROLE, query=query, params=params)
    return int(rows[0][0])


async def lookup(connection: Connection, *, keys: Sequence[tuple[str, str, bytes]]) -> list[Cached]:
    """Cached answers under (participant_id, proxy_type, proxy_hash) that may still be believed."""
    query = (
        "select participant_id, proxy_type, proxy_hash, sealed_beneficiary, beneficiary_participant_id, observed_at,"
        " expires_at from proxy.lookup(p_keys => (select array_agg(row(u.*)::proxy.alias_key)"
        " from unnest(%b::text[], %b::text[], %b::bytea[]) as u))"
    )
    if not keys:
        return []
    params = [list(column) for column in zip(*keys, strict=True)]
    return [Cached(*row) for row in await call(connection, role=_ROLE, query=query, params=params)]


async def record_resolutions(connection: Connection, *, worker: str, answers: Sequence[AliasAnswer]) -> list[Recorded]:
    """Record answers and what follows from them; one that is missing in the result came too late.

    Raises: Invalid (bounds; SV301 no hash, key id or source), InvariantBroken (SX403, a hash that needs no key),
        DatabaseUnavailable, OutcomeUnknown.
    """
    rows = await call(connection, role=_ROLE, query=_RECORD, params=(worker, *answer_columns(answers)))
    return [Recorded(*row) for row in rows]


async def tend_resolutions(connection: Connection, *, worker: str, limit: int, role: str = _ROLE) -> tuple[int, int]:
    """Send back what expired before its dispatch, void what waited too long; returns how many of each.

    Args:
        role: symphony_resolver or symphony_maintainer.
    """
    query = "select returned, voided from outbox.tend_resolutions(p_worker => %s, p_limit => %s)"
    rows = await call(connection, role=role, query=query, params=(worker, limit))
    return int(rows[0][0]), int(rows[0][1])


async def forget_expired(connection: Connection, *, limit: int) -> int:
    """Delete cached answers that expired a while ago (role symphony_maintainer); returns how many."""
    query = "select proxy.forget_expired(p_limit => %s)"
    rows = await call(connection, role="symphony_maintainer", query=query, params=(limit,))
    return int(rows[0][0])


async def wake_executors(connection: Connection) -> None:
    """NOTIFY the executors, in a transaction of its own, after resolutions were committed."""
    await call(connection, role=_ROLE, query="select outbox.wake_executors()")


async def list_proxy_rules(connection: Connection, *, participant_ids: Sequence[str]) -> list[ProxyRule]:
    """How the participants' aliases are resolved under the active policy (role symphony_ingest)."""
    query = (
        "select participant_id, mode, ttl_ms, pending_max_ms, sync_budget_ms, misses_per_hour_max"
        " from policy.list_proxy_rules(p_participant_ids => %s)"
    )
    rows = await call(connection, role="symphony_ingest", query=query, params=(list(participant_ids),))
    return [ProxyRule(*row) for row in rows]


def _columns(leases: Sequence[Lease]) -> list[object]:
    return [
        [lease.participant_id for lease in leases],
        [lease.outbox_id for lease in leases],
        [lease.lease_token for lease in leases],
    ]
