"""The OpenAPI 3.1 document of the ingress, built from the same tables the ingress answers from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from symphony.ingress.problems import REASONS, reason_for
from symphony.ingress.settings import MAX_BATCH_ITEMS
from symphony.instruction import IDENTIFIER, PARTICIPANT
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
_ID = {"type": "string", "pattern": f"^{IDENTIFIER.pattern}$"}
_TEXT_OR_NULL = {"type": ["string", "null"]}


def document() -> dict[str, Any]:
    """The whole document (OpenAPI 3.1, JSON Schema 2020-12)."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Symphony ingress",
            "version": "1.0.0",
            "description": "A 202 answer means: durably recorded, execution follows. The same key with the"
            " same content gets the same answer for ever. After a 503 or no answer, repeat with that key.",
        },
        "security": [{"developmentParticipant": []}],
        "paths": {
            "/v1/instructions": {"post": _post_one()},
            "/v1/instructions/batch": {"post": _post_batch()},
            "/v1/instructions/{instruction_id}": {"get": _get_one()},
            "/v1/openapi.json": {"get": _get_document()},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "developmentParticipant": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Symphony-Participant",
                    "description": f"Development only, on loopback: {PARTICIPANT.says}.",
                }
            },
        },
    }


def document_text() -> str:
    """The document as it is checked in (openapi.json)."""
    return json.dumps(document(), indent=2, ensure_ascii=True) + "\n"


def document_bytes() -> bytes:
    """The document as it is served."""
    return json.dumps(document(), separators=(",", ":")).encode()


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: str, **more: Any) -> dict[str, Any]:
    return {"description": description, **more, "content": {"application/json": {"schema": _ref(schema)}}}


def _problems(*statuses: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in statuses:
        codes = sorted(code for code in REASONS if reason_for(code).status == status)
        answer: dict[str, Any] = {
            "description": "Reason codes: " + ", ".join(codes) + ".",
            "content": {"application/problem+json": {"schema": _ref("Problem")}},
        }
        if status in {429, 503}:
            answer["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
        found[str(status)] = answer
    return found


def _key_header() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "schema": _ID,
        "description": "One per instruction, for ever; one per batch, whose items' keys are derived from it.",
    }


def _post_one() -> dict[str, Any]:
    replayed = {"Idempotency-Replayed": {"schema": {"const": "true"}, "description": "Only on a replay."}}
    return {
        "operationId": "recordInstruction",
        "summary": "Record one instruction.",
        "parameters": [_key_header()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("Instruction")}},
        },
        "responses": {
            "202": _json("Durably recorded.", "Accepted", headers=replayed),
            **_problems(400, 401, 403, 408, 409, 413, 415, 417, 421, 422, 429, 500, 503),
        },
    }


def _post_batch() -> dict[str, Any]:
    return {
        "operationId": "recordInstructions",
        "summary": f"Record up to {MAX_BATCH_ITEMS} instructions, each judged alone.",
        "parameters": [_key_header()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("Batch")}},
        },
        "responses": {
            "200": _json("One result per instruction, in order.", "BatchResults"),
            **_problems(400, 401, 408, 413, 415, 417, 422, 429, 500, 503),
        },
    }


def _get_one() -> dict[str, Any]:
    return {
        "operationId": "getInstruction",
        "summary": "The state of one of the participant's own instructions.",
        "parameters": [
            {"name": "instruction_id", "in": "path", "required": True, "schema": _ID},
        ],
        "responses": {
            "200": _json("The state.", "Status"),
            **_problems(400, 401, 404, 500, 503),
        },
    }


def _get_document() -> dict[str, Any]:
    return {
        "operationId": "getOpenApi",
        "summary": "This document.",
        "security": [],
        "responses": {"200": {"description": "This document.", "content": {"application/json": {}}}},
    }


def _object(properties: dict[str, Any], *, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


def _schemas() -> dict[str, Any]:
    instruction = instruction_json_schema()
    instruction.pop("$schema", None)
    item = {**instruction, "properties": {**instruction["properties"], "idempotency_key": _ID}}
    accepted = _accepted()
    result = {"status": {"const": 202}, **accepted, "idempotency_replayed": {"const": True}}
    return {
        "Instruction": instruction,
        "Batch": _object(
            {"instructions": {"type": "array", "minItems": 1, "maxItems": MAX_BATCH_ITEMS, "items": item}}
        ),
        "Accepted": _object(accepted),
        "BatchResult": {"oneOf": [_object(result, optional=frozenset({"idempotency_replayed"})), _ref("Problem")]},
        "BatchResults": _object({"results": {"type": "array", "items": _ref("BatchResult")}}),
        "Status": _object(_status()),
        "Problem": _object(_problem(), optional=frozenset({"pointer", "attestation_id"})),
    }


def _accepted() -> dict[str, Any]:
    return {
        "instruction_id": _ID,
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
        "instruction_id": _ID,
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


if __name__ == "__main__":  # writes the checked-in copy
    (Path(__file__).parent / "openapi.json").write_text(document_text(), encoding="ascii")
