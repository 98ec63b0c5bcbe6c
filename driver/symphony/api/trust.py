"""trust: whom the ingress believes (registry, revocations), and what it only counted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from uuid import UUID

from symphony.api.connection import Connection, call

REGISTRY_CHANNEL = "symphony_trust"
"""NOTIFY on every change of the registry; the payload is its version. A hint only."""


@dataclass(frozen=True, slots=True)
class RegistryState:
    """What the registry's caches poll.

    Attributes:
        version: grows with every change of clients, certificates, keys, revocations and rules.
        revocation_fresh_until: until when what is known about revocations holds for at least one CA with usable
            certificates; None: for none of them a CRL was read.
    """

    version: int
    proof_required: bool
    signature_required: bool
    revocation_fresh_until: datetime | None


@dataclass(frozen=True, slots=True)
class ClientCert:
    """A registered client certificate; `tenant_id` is the active policy's, None for a participant it does not know."""

    cert_sha256: bytes
    client_id: str
    participant_id: str
    tenant_id: str | None
    issuer_sha256: bytes
    serial: str
    not_before: datetime
    not_after: datetime
    registered_at: datetime
    revoked_at: datetime | None
    revocation_source: str | None


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """A registered key of signed requests; without `public_jwk` (hmac-sha256) its secret is in OpenBao."""

    key_id: str
    client_id: str
    participant_id: str
    alg: str
    public_jwk: str | None = field(repr=False)
    active_from: datetime
    active_until: datetime | None
    retired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalCount:
    """Refusals that have no attestation of their own: `ingress.refusal_count`, in the type's order.

    Attributes:
        count_id: a version 7 UUID made by the ingress; a count sent twice is recorded once.
        level: CONNECTION or REQUEST.
        verify_code: X509_V_ERR_* of OpenSSL, where the handshake failed on the certificate.
        peer_address: IPv4 or IPv6, without port.
    """

    count_id: UUID
    level: str
    reason_code: str
    verify_code: int | None = None
    peer_address: str | None = None
    cert_sha256: bytes | None = None
    participant_id: str | None = None
    refusals: int
    first_at: datetime
    last_at: datetime
    instance: str


async def registry_state(connection: Connection, *, role: str = "symphony_ingest") -> RegistryState:
    """The registry's version, rule and freshness (role symphony_ingest or symphony_operator)."""
    query = (
        "select s.version, s.proof_required, s.signature_required, s.revocation_fresh_until"
        " from ingress.get_registry_state() as s"
    )
    return RegistryState(*(await call(connection, role=role, query=query))[0])


async def list_client_certs(connection: Connection, *, role: str = "symphony_ingest") -> list[ClientCert]:
    """Every registered client certificate but those that expired more than a day ago.

    For the roles symphony_ingest, symphony_operator and symphony_maintainer.
    """
    names = ", ".join(f"c.{part.name}" for part in fields(ClientCert))
    rows = await call(connection, role=role, query=f"select {names} from ingress.list_client_certs() as c")
    return [ClientCert(*row) for row in rows]


async def list_signature_keys(connection: Connection, *, role: str = "symphony_ingest") -> list[RegisteredKey]:
    """Every registered key but those that ended more than a day ago (role symphony_ingest or symphony_operator)."""
    names = ", ".join(f"k.{part.name}" for part in fields(RegisteredKey))
    rows = await call(connection, role=role, query=f"select {names} from ingress.list_signature_keys() as k")
    return [RegisteredKey(*row) for row in rows]


_COUNT_TYPES = {
    "count_id": "uuid[]", "verify_code": "int4[]", "peer_address": "text[]::inet[]", "cert_sha256": "bytea[]",
    "refusals": "int8[]", "first_at": "timestamptz[]", "last_at": "timestamptz[]",
}  # fmt: skip
_COUNT = tuple(part.name for part in fields(RefusalCount))
_RECORD_COUNTS = (
    "select ingress.record_refusal_counts(p_counts => (select array_agg(row(u.*)::ingress.refusal_count)"
    " from rows from ("
    f"{', '.join(f'unnest(%b::{_COUNT_TYPES.get(name, "text[]")})' for name in _COUNT)}) as u))"
)


async def record_refusal_counts(connection: Connection, *, counts: Sequence[RefusalCount]) -> int:
    """Record 1 to 500 counts (role symphony_ingest); how many were new. Raises Invalid."""
    columns = [[getattr(count, name) for count in counts] for name in _COUNT]
    rows = await call(connection, role="symphony_ingest", query=_RECORD_COUNTS, params=columns)
    return int(rows[0][0])


async def record_service_event(connection: Connection, *, kind: str, facts: Mapping[str, object]) -> UUID:
    """Record INGRESS_STARTED or INGRESS_STOPPED with its facts (role symphony_ingest); the event's id."""
    query = "select ingress.record_service_event(p_kind => %s, p_facts => %s::jsonb)"
    rows = await call(connection, role="symphony_ingest", query=query, params=(kind, json.dumps(dict(facts))))
    return UUID(str(rows[0][0]))


async def register_client(
    connection: Connection, *, client_id: str, participant_id: str, operator: str, reason: str
) -> bool:
    """Register a client of a participant (role symphony_operator); true when it is new. Raises Invalid, Conflict."""
    query = (
        "select ingress.register_client(p_client_id => %s, p_participant_id => %s, p_operator => %s, p_reason => %s)"
    )
    params = (client_id, participant_id, operator, reason)
    return bool((await call(connection, role="symphony_operator", query=query, params=params))[0][0])


async def register_client_cert(
    connection: Connection,
    *,
    client_id: str,
    cert_sha256: bytes,
    issuer_sha256: bytes,
    serial: str,
    not_before: datetime,
    not_after: datetime,
    operator: str,
    reason: str,
) -> bool:
    """Register a client certificate (role symphony_operator); true when it is new.

    It is accepted once the issuer's revocation list has been read after this.

    Raises: NotFound (no such client), Invalid, Conflict (registered otherwise).
    """
    query = (
        "select ingress.register_client_cert(p_client_id => %s, p_cert_sha256 => %s, p_issuer_sha256 => %s,"
        " p_serial => %s, p_not_before => %s, p_not_after => %s, p_operator => %s, p_reason => %s)"
    )
    params = (client_id, cert_sha256, issuer_sha256, serial, not_before, not_after, operator, reason)
    return bool((await call(connection, role="symphony_operator", query=query, params=params))[0][0])


async def revoke_client_cert(connection: Connection, *, cert_sha256: bytes, operator: str, reason: str) -> datetime:
    """End a client certificate for ever (role symphony_operator); since when. Raises NotFound, Conflict, Invalid."""
    query = "select ingress.revoke_client_cert(p_cert_sha256 => %s, p_operator => %s, p_reason => %s)"
    rows = await call(connection, role="symphony_operator", query=query, params=(cert_sha256, operator, reason))
    ended: datetime = rows[0][0]
    return ended


async def register_signature_key(
    connection: Connection,
    *,
    key_id: str,
    client_id: str,
    alg: str,
    public_jwk: str | None,
    active_from: datetime,
    active_until: datetime | None,
    operator: str,
    reason: str,
) -> bool:
    """Register a key of signed requests (role symphony_operator); true when it is new.

    Raises: NotFound (no such client), Invalid, Conflict (the id is taken).
    """
    query = (
        "select ingress.register_signature_key(p_key_id => %s, p_client_id => %s, p_alg => %s, p_public_jwk => %s,"
        " p_active_from => %s, p_active_until => %s, p_operator => %s, p_reason => %s)"
    )
    params = (key_id, client_id, alg, public_jwk, active_from, active_until, operator, reason)
    return bool((await call(connection, role="symphony_operator", query=query, params=params))[0][0])


async def retire_signature_key(connection: Connection, *, key_id: str, operator: str, reason: str) -> datetime:
    """End a key of signed requests (role symphony_operator); since when. Raises NotFound, Conflict, Invalid."""
    query = "select ingress.retire_signature_key(p_key_id => %s, p_operator => %s, p_reason => %s)"
    rows = await call(connection, role="symphony_operator", query=query, params=(key_id, operator, reason))
    ended: datetime = rows[0][0]
    return ended


async def publish_proof_rule(
    connection: Connection,
    *,
    operator: str,
    reason: str,
    proof_required: bool = True,
    signature_required: bool = True,
    mtls_token_use: str = "single_use",  # noqa: S107 - a word of the rule
    dpop_token_use: str = "per_request_proof",  # noqa: S107 - a word of the rule
    revocation_max_age_ms: int = 900_000,
) -> int:
    """Publish what requests must prove (role symphony_operator); the rule's version.

    Requiring proof cannot be taken back. Raises NotAllowed (it was tried), Invalid.
    """
    query = (
        "select ingress.publish_proof_rule(p_proof_required => %s, p_signature_required => %s, p_mtls_token_use => %s,"
        " p_dpop_token_use => %s, p_revocation_max_age_ms => %s, p_operator => %s, p_reason => %s)"
    )
    params = (
        proof_required, signature_required, mtls_token_use, dpop_token_use, revocation_max_age_ms, operator, reason,
    )  # fmt: skip
    return int((await call(connection, role="symphony_operator", query=query, params=params))[0][0])


async def record_revocation_list(
    connection: Connection,
    *,
    source: str,
    issuer_sha256: bytes,
    list_number: int | None,
    this_update: datetime,
    next_update: datetime,
    revoked_serials: Sequence[str],
) -> int:
    """Record a verified CRL, or a round of OCSP answers (role symphony_maintainer); how many certificates newly ended.

    Args:
        source: CRL or OCSP.
        revoked_serials: lower-case hexadecimal without leading zeros.

    Raises: Conflict (an older list than the recorded one), Invalid (expired, from the future).
    """
    query = (
        "select ingress.record_revocation_list(p_source => %s, p_issuer_sha256 => %s, p_list_number => %s::numeric,"
        " p_this_update => %s, p_next_update => %s, p_revoked_serials => %s::text[])"
    )
    number = None if list_number is None else str(list_number)
    params = (source, issuer_sha256, number, this_update, next_update, list(revoked_serials))
    return int((await call(connection, role="symphony_maintainer", query=query, params=params))[0][0])


async def end_revocation_source(
    connection: Connection, *, issuer_sha256: bytes, source: str, operator: str, reason: str
) -> datetime:
    """End a revocation source that is read no more (role symphony_operator); since when.

    Args:
        source: CRL or OCSP. Recorded again it counts again.

    Raises: NotFound (not recorded, or ended before), Conflict (the CRL of a CA with a usable certificate), Invalid.
    """
    query = (
        "select ingress.end_revocation_source(p_issuer_sha256 => %s, p_source => %s, p_operator => %s, p_reason => %s)"
    )
    params = (issuer_sha256, source, operator, reason)
    ended: datetime = (await call(connection, role="symphony_operator", query=query, params=params))[0][0]
    return ended


async def retire_seen(connection: Connection) -> int:
    """Close what is over in the replay store (role symphony_maintainer); how many slots were emptied.

    A slot that is in use is passed over. Raises: DatabaseUnavailable when another retirement is under way; repeat.
    """
    rows = await call(connection, role="symphony_maintainer", query="select ingress.retire_seen()")
    return int(rows[0][0])
