"""The OpenAPI 3.1 document of the ingress, built from the same tables the ingress answers from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from symphony.ingress.openapi_schemas import IDENTIFIED, INSTRUCTED, ref, schemas
from symphony.ingress.reasons import CONNECTION, REASONS
from symphony.ingress.settings import MAX_BATCH_ITEMS
from symphony.instruction import PARTICIPANT


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
        "security": [
            {"mutualTLS": [], "dpop": []},
            {"mutualTLS": [], "bearer": []},
            {"developmentParticipant": []},
        ],
        "paths": {
            "/v1/instructions": {"post": _post_one()},
            "/v1/instructions/batch": {"post": _post_batch()},
            "/v1/instructions/{instruction_id}": {"get": _get_one()},
            "/v1/instructions/{instruction_id}/evidence": {"get": _get_evidence()},
            "/v1/openapi.json": {"get": _get_document()},
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": _security(),
        },
    }


def document_text() -> str:
    """The document as it is checked in (openapi.json)."""
    return json.dumps(document(), indent=2, ensure_ascii=True) + "\n"


def document_bytes() -> bytes:
    """The document as it is served."""
    return json.dumps(document(), separators=(",", ":")).encode()


def _json(description: str, schema: str, **more: Any) -> dict[str, Any]:
    return {"description": description, **more, "content": {"application/json": {"schema": ref(schema)}}}


def _problems(*statuses: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in statuses:
        codes = sorted(code for code, reason in REASONS.items() if reason.status == status and code not in CONNECTION)
        answer: dict[str, Any] = {
            "description": "Reason codes: " + ", ".join(codes) + ".",
            "content": {"application/problem+json": {"schema": ref("Problem")}},
        }
        if status == 401:
            answer["headers"] = {
                "WWW-Authenticate": {"required": True, "schema": {"type": "string"}},
                "DPoP-Nonce": {
                    "schema": {"type": "string"},
                    "description": "Where proofs must carry one (RFC 9449 9).",
                },
            }
        if status in {429, 503}:
            answer["headers"] = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
        found[str(status)] = answer
    return found


def _key_header() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": True,
        "schema": IDENTIFIED,
        "description": "One per instruction, for ever; one per batch, whose items' keys are derived from it.",
    }


def _proofs(*, signed: bool) -> list[dict[str, Any]]:
    """The fields that prove a request, besides its certificate and its token; none of them in development."""
    needed = "Required unless the service's rule lets requests be unsigned" if signed else "Optional here"
    fields = {
        "DPoP": "RFC 9449: one proof for this request; required with a token bound to a DPoP key.",
        "Content-Digest": f"RFC 9530: sha-256 or sha-512 of the body as sent. {needed}.",
        "Signature-Input": "RFC 9421: covers @method, @target-uri, authorization, and content-digest, dpop and"
        f" idempotency-key where they are sent; created, keyid, tag fapi-2-request. {needed}.",
        "Signature": f"RFC 9421: by a key registered for the client. {needed}.",
    }
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}
        for name, description in fields.items()
    ]


def _security() -> dict[str, Any]:
    return {
        "mutualTLS": {"type": "mutualTLS", "description": "TLS 1.3 with the registered client certificate."},
        "dpop": {
            "type": "http",
            "scheme": "DPoP",
            "description": "RFC 9449. Scopes: payment:submit, payment:status, evidence:read.",
        },
        "bearer": {
            "type": "http",
            "scheme": "Bearer",
            "bearerFormat": "at+jwt, bound to the client certificate (RFC 8705), for one request",
        },
        "developmentParticipant": {
            "type": "apiKey",
            "in": "header",
            "name": "Symphony-Participant",
            "description": f"Development only, on loopback: {PARTICIPANT.says}.",
        },
    }


def _post_one() -> dict[str, Any]:
    replayed = {"Idempotency-Replayed": {"schema": {"const": "true"}, "description": "Only on a replay."}}
    return {
        "operationId": "recordInstruction",
        "summary": "Record one instruction.",
        "parameters": [_key_header(), *_proofs(signed=True)],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref("Instruction")}},
        },
        "responses": {
            "202": _json("Durably recorded.", "Accepted", headers=replayed, links=_links()),
            **_problems(400, 401, 403, 408, 409, 413, 415, 417, 421, 422, 429, 500, 503),
        },
    }


def _links() -> dict[str, Any]:
    """Where the state and the evidence of what was recorded are read."""
    parameters = {"instruction_id": "$response.body#/instruction_id"}
    return {
        "state": {"operationId": "getInstruction", "parameters": parameters},
        "evidence": {"operationId": "getEvidence", "parameters": parameters},
    }


def _post_batch() -> dict[str, Any]:
    return {
        "operationId": "recordInstructions",
        "summary": f"Record up to {MAX_BATCH_ITEMS} instructions, each judged alone.",
        "parameters": [_key_header(), *_proofs(signed=True)],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ref("Batch")}},
        },
        "responses": {
            "200": _json("One result per instruction, in order.", "BatchResults"),
            **_problems(400, 401, 403, 408, 413, 415, 417, 422, 429, 500, 503),
        },
    }


def _get_one() -> dict[str, Any]:
    return {
        "operationId": "getInstruction",
        "summary": "The state of one of the participant's own instructions.",
        "parameters": [
            _instruction_id(),
            *_proofs(signed=False),
        ],
        "responses": {
            "200": _json("The state.", "Status"),
            **_problems(400, 401, 403, 404, 429, 500, 503),
        },
    }


def _get_evidence() -> dict[str, Any]:
    return {
        "operationId": "getEvidence",
        "summary": "What is recorded about one of the participant's own instructions.",
        "description": "An instruction id that itself ends in /evidence is sent with that slash as %2F.",
        "parameters": [
            _instruction_id(),
            *_proofs(signed=False),
        ],
        "responses": {
            "200": _json("Every step, in order.", "Evidence"),
            **_problems(400, 401, 403, 404, 429, 500, 503),
        },
    }


def _instruction_id() -> dict[str, Any]:
    return {"name": "instruction_id", "in": "path", "required": True, "schema": INSTRUCTED}


def _get_document() -> dict[str, Any]:
    return {
        "operationId": "getOpenApi",
        "summary": "This document.",
        "security": [],
        "responses": {"200": {"description": "This document.", "content": {"application/json": {}}}},
    }


if __name__ == "__main__":  # writes the checked-in copy
    (Path(__file__).parent / "openapi.json").write_text(document_text(), encoding="ascii")
