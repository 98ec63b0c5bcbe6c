"""What the ingress answers: JSON bodies and the response headers, all made after the commit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp.web import Response
from multidict import CIMultiDict

from symphony.api.ingress import Decision
from symphony.api.outbox import Status
from symphony.money import from_minor

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"


def rfc3339(at: datetime) -> str:
    """A time in UTC with microseconds: 2026-01-31T12:00:00.000000Z (RFC 3339)."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def encode(document: object) -> bytes:
    """Compact UTF-8 JSON, members in the order given: the same document is always the same bytes."""
    return json.dumps(document, separators=(",", ":")).encode()


def accepted_document(instruction_id: str, decision: Decision) -> dict[str, object]:
    """The 202 body of an ACCEPT or REPLAY; a replay repeats the original's bytes."""
    if decision.received_at is None or decision.receipt_hash is None:
        raise ValueError("the database accepted without a time or a receipt")
    return {
        "instruction_id": instruction_id,
        "outbox_id": str(decision.outbox_id),
        "sequence_id": decision.sequence_id,
        "state": decision.state,
        "received_at": rfc3339(decision.received_at),
        "policy_version": decision.policy_version,
        "attestation_id": str(decision.attestation_id),
        "receipt_hash": decision.receipt_hash.hex(),
    }


def status_document(status: Status) -> dict[str, object]:
    """The body of GET /v1/instructions/{instruction_id}: no personal data."""
    return {
        "instruction_id": status.instruction_id,
        "outbox_id": str(status.outbox_id),
        "sequence_id": status.sequence_id,
        "state": status.state,
        "rail": status.rail,
        "amount": from_minor(status.amount_minor, status.currency),
        "currency": status.currency,
        "attempts": status.attempts,
        "rail_reference": status.rail_reference,
        "reason_code": status.reason_code,
        "received_at": rfc3339(status.received_at),
        "updated_at": rfc3339(status.updated_at),
    }


def evidence_document(instruction_id: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, object]:
    """The body of GET /v1/instructions/{instruction_id}/evidence: hashes, ids and codes, no personal data."""
    return {
        "instruction_id": instruction_id,
        "entries": [
            {name: entry[name] for name in ("happened_at", "step_no", "kind", "state", "attempt_no", "facts")}
            | {"happened_at": rfc3339(datetime.fromisoformat(entry["happened_at"]))}
            for entry in entries
        ],
    }


def response(
    status: int,
    body: bytes,
    *,
    correlation_id: UUID,
    media: str = JSON,
    retry_after_s: int | None = None,
    extra: Iterable[tuple[str, str]] = (),
) -> Response:
    """An HTTP response; `extra` are more headers."""
    headers = CIMultiDict(
        {
            "Content-Type": media,
            "Cache-Control": "no-store",
            "Server": "symphony",
            "Symphony-Correlation-Id": str(correlation_id),
        }
    )
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    for name, value in extra:
        headers[name] = value
    return Response(status=status, body=body, headers=headers)
