"""Instructions whose creditor is an alias, and what a resolver says of them, for tests of the SQL API alone."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Decision, Item
from symphony.api.proxy import AliasAnswer, Lease, Recorded
from tests.payments import item
from tests.sql_cell import A, B

KEY_ID = "proxy-hash:v1"
BENEFICIARY = '{"account":"0123456789","name":"Chanda Mwila"}'
RESPONSE_SHA256 = bytes(range(32))


def alias_hash(value: str, *, kind: str = "MBNO", version: int = 1) -> bytes:
    """The keyed hash a resolver would compute, under a test key."""
    return hmac.digest(f"key {version}".encode(), f"proxy:{kind}:{value}".encode(), "sha256")


def alias_item(
    instruction_id: str,
    value: str = "+260971234567",
    *,
    participant_id: str = A,
    creditor_participant_id: str | None = None,
    account: str | None = None,
    kind: str = "MBNO",
    **changes: Any,
) -> Item:
    """One good instruction to an alias as the ingress hands it over."""
    creditor: dict[str, object] = {} if account is None else {"account": account}
    creditor["alias"] = {"type": kind, "value": value}
    parties = {"creditor": creditor, "debtor": {"account": "9999"}}
    return replace(
        item(instruction_id, participant_id=participant_id),
        creditor_participant_id=creditor_participant_id,
        requires_proxy=True,
        parties=json.dumps(parties, separators=(",", ":")),
        **changes,
    )


async def accept_aliases(connection: Connection, *items: Item) -> list[Decision]:
    """Accept the items; each must be."""
    decisions = await api.ingress.accept(connection, items=items)
    assert [d.decision for d in decisions] == ["ACCEPT"] * len(items), [d.reason_code for d in decisions]
    return decisions


async def claim_aliases(
    connection: Connection, *, limit: int = 100, worker: str = "r", lease_ms: int = 30_000
) -> list[Lease]:
    """Claim under a test's usual arguments."""
    return await api.proxy.claim_resolutions(connection, worker=worker, limit=limit, lease_ms=lease_ms)


def says(lease: Lease | None, value: str = "+260971234567", **changes: Any) -> AliasAnswer:
    """RESOLVED at bank B, fresh from the registry, with changes; a cached_hash alone means the row sealed as here."""
    fields: dict[str, Any] = {
        "participant_id": A if lease is None else lease.participant_id,
        "outbox_id": None if lease is None else lease.outbox_id,
        "lease_token": None if lease is None else lease.lease_token,
        "proxy_hash": alias_hash(value),
        "hash_key_id": KEY_ID,
        "status": "RESOLVED",
        "beneficiary_participant_id": B,
        "beneficiary": BENEFICIARY,
        "sealed_beneficiary": b"sealed",
        "source": "sandbox",
        "source_version": "sandbox-1",
        "response_sha256": RESPONSE_SHA256,
        "latency_us": 1_500,
    }
    if changes.get("cached_hash") is not None:
        fields["response_sha256"] = hashlib.sha256(changes.get("sealed_beneficiary") or b"sealed").digest()
    return AliasAnswer(**{**fields, **changes})


def nobody(
    lease: Lease | None, status: str = "NOT_FOUND", reason_code: str = "PROXY_NOT_FOUND", **changes: Any
) -> AliasAnswer:
    """An answer without a beneficiary."""
    fields: dict[str, Any] = {
        "status": status,
        "reason_code": reason_code,
        "beneficiary_participant_id": None,
        "beneficiary": None,
        "sealed_beneficiary": None,
    }
    return says(lease, **{**fields, **changes})


async def resolve(
    connection: Connection, leases: Sequence[Lease], *, worker: str = "r", **changes: Any
) -> list[Recorded]:
    """Give every lease the same answer."""
    answers = [says(lease, **changes) for lease in leases]
    return await api.proxy.record_resolutions(connection, worker=worker, answers=answers)
