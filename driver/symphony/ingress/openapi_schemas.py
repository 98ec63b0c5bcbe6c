"""The bodies of the ingress's resources as JSON Schemas."""

from __future__ import annotations

import json
from typing import Any, Final

from symphony.ingress.settings import MAX_BATCH_ITEMS
from symphony.instruction import IDENTIFIER, INSTRUCTION_ID
from symphony.instruction_schema import instruction_json_schema

_STATES = (
    "PENDING",
    "AWAITING_PROXY_RESOLUTION",
    "DISPATCHING",
    "RETRYABLE",
    "UNCERTAIN",
    "DISPATCHED",
    "FAILED",
    "VOIDED",
    "PENDING_MANUAL",
)
_UUID = {"type": "string", "format": "uuid"}
_TIME = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$",
}
IDENTIFIED = {"type": "string", "pattern": f"^{IDENTIFIER.pattern}$"}
INSTRUCTED = {"type": "string", "pattern": f"^{INSTRUCTION_ID.pattern}$"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
# Validators that read strings as Unicode (Rust, Go) cannot compile the range. It is not needed here: a body with half
# a surrogate pair is refused before any schema (JSON_INVALID).
_HALF_PAIRS: Final = r"\ud800-\udfff"


def ref(name: str) -> dict[str, str]:
    """A reference to one of them in the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Any], *, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


def schemas() -> dict[str, Any]:
    """Every body by its name (JSON Schema 2020-12)."""
    instruction = _instruction()
    item = {**instruction, "properties": {**instruction["properties"], "idempotency_key": IDENTIFIED}}
    accepted = _accepted()
    result = {"status": {"const": 202}, **accepted, "idempotency_replayed": {"const": True}}
    return {
        "Instruction": instruction,
        "Batch": _object(
            {"instructions": {"type": "array", "minItems": 1, "maxItems": MAX_BATCH_ITEMS, "items": item}}
        ),
        "Accepted": _object(accepted),
        "BatchResult": {"oneOf": [_object(result, optional=frozenset({"idempotency_replayed"})), ref("Problem")]},
        "BatchResults": _object({"results": {"type": "array", "items": ref("BatchResult")}}),
        "Status": _object(_status()),
        "Evidence": _object({"instruction_id": INSTRUCTED, "entries": {"type": "array", "items": _object(_entry())}}),
        "Problem": _object(_problem(), optional=frozenset({"pointer", "attestation_id"})),
    }


def _instruction() -> dict[str, Any]:
    text = json.dumps(instruction_json_schema()).replace(json.dumps(_HALF_PAIRS)[1:-1], "")
    instruction: dict[str, Any] = json.loads(text)
    instruction.pop("$schema", None)
    return instruction


def _accepted() -> dict[str, Any]:
    return {
        "instruction_id": INSTRUCTED,
        "outbox_id": _UUID,
        "sequence_id": {"type": "integer", "minimum": 1},
        "state": {"enum": ["PENDING", "AWAITING_PROXY_RESOLUTION"]},
        "received_at": _TIME,
        "policy_version": {"type": "integer", "minimum": 1},
        "attestation_id": _UUID,
        "receipt_hash": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }


def _status() -> dict[str, Any]:
    return {
        "instruction_id": INSTRUCTED,
        "outbox_id": _UUID,
        "sequence_id": {"type": "integer", "minimum": 1},
        "state": {"enum": list(_STATES)},
        "rail": {"type": "string"},
        "amount": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"},
        "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
        "attempts": {"type": "integer", "minimum": 0},
        "rail_reference": _TEXT_OR_NULL,
        "reason_code": _TEXT_OR_NULL,
        "received_at": _TIME,
        "updated_at": _TIME,
    }


def _entry() -> dict[str, Any]:
    return {
        "happened_at": _TIME,
        "step_no": {"type": "integer"},
        "kind": {"type": "string"},
        "state": _TEXT_OR_NULL,
        "attempt_no": {"type": ["integer", "null"]},
        "facts": {"type": "object", "description": "Hashes, ids and codes; no personal data."},
    }


def _problem() -> dict[str, Any]:
    return {
        "type": {"type": "string", "pattern": "^urn:symphony:problem:[a-z0-9-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong and what to do next; never a value sent."},
        "reason_code": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
        "correlation_id": _UUID,
        "pointer": {"type": "string", "description": "RFC 6901 pointer into the request body."},
        "attestation_id": _UUID,
    }
