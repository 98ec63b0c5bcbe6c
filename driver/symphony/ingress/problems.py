"""Problem details (RFC 9457): every reason the ingress answers with, its HTTP status, the next action."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from symphony.errors import SymphonyError


class Reason(NamedTuple):
    """What one reason code means: HTTP status (RFC 9110), meaning, next action."""

    status: int
    meaning: str
    next_action: str


# The reasons that are attested: the same words as the register core.reasons (a test compares them).
REGISTERED: dict[str, Reason] = {
    "JSON_INVALID": Reason(400, "the body is not strict JSON", "fix the body"),
    "JSON_DUPLICATE_MEMBER": Reason(400, "a JSON object names a member twice", "fix the body"),
    "SCHEMA_INVALID": Reason(422, "the body does not have the documented form", "fix the named member"),
    "ITEM_INVALID": Reason(422, "the database refused a field's form", "fix the named member"),
    "HEADER_INVALID": Reason(400, "a header is missing, repeated or malformed", "fix the header"),
    "IDEMPOTENCY_KEY_MISSING": Reason(400, "no Idempotency-Key header", "send one key per instruction"),
    "IDEMPOTENCY_KEY_INVALID": Reason(
        400, "the Idempotency-Key is not 1 to 64 allowed characters", "use letters, digits and . _ : / + -"
    ),
    "MEDIA_TYPE_UNSUPPORTED": Reason(415, "the body is not application/json", "send application/json"),
    "CONTENT_CODING_UNSUPPORTED": Reason(415, "the body is compressed", "send it uncompressed"),
    "BODY_TOO_LARGE": Reason(413, "the body is larger than the limit", "send less at once"),
    "BATCH_TOO_LARGE": Reason(422, "more than 500 instructions in one batch", "send smaller batches"),
    "FRAMING_INVALID": Reason(400, "the request is not well-formed HTTP for this service", "fix the client"),
    "AMOUNT_INVALID": Reason(422, "the amount is not a plain decimal string", "fix the amount"),
    "AMOUNT_ZERO": Reason(422, "the amount is zero", "fix the amount"),
    "AMOUNT_DECIMALS": Reason(422, "more decimal places than ISO 4217 gives the currency", "fix the amount"),
    "AMOUNT_TOO_LARGE": Reason(422, "the amount is too large to be exact everywhere", "split is a policy matter: ask"),
    "CURRENCY_INVALID": Reason(422, "not an ISO 4217 currency", "fix the currency"),
    "PROXY_NOT_SUPPORTED": Reason(422, "the creditor is named only by an alias", "name an account"),
    "IDENTITY_MISSING": Reason(401, "the request names no participant", "authenticate"),
    "IDEMPOTENCY_CONFLICT": Reason(
        409,
        "the key or the instruction id was used for other content",
        "use a new key and id for new content",
    ),
    "DUPLICATE_IN_BATCH": Reason(
        409,
        "the same key or id stands twice in the batch and its first use was refused",
        "send it again alone",
    ),
    "PARTICIPANT_UNKNOWN": Reason(403, "the active policy does not know the participant", "ask the operator"),
    "CELL_NOT_HOME": Reason(421, "the participant is at home in another cell or epoch", "send to the home cell"),
    "PARTICIPANT_NOT_SENDING": Reason(403, "the participant may not send", "ask the operator"),
    "HALTED_GLOBAL": Reason(503, "everything is halted", "retry later with the same key"),
    "HALTED_RAIL": Reason(503, "the rail is halted", "retry later with the same key"),
    "HALTED_SENDER": Reason(503, "sending is halted for the participant", "retry later with the same key"),
    "HALTED_RECEIVER": Reason(
        503, "receiving is halted for the creditor's participant", "retry later with the same key"
    ),
    "RAIL_NOT_ALLOWED": Reason(403, "the participant may not use the rail", "use an allowed rail"),
    "CREDITOR_PARTICIPANT_UNKNOWN": Reason(
        422, "the policy does not know the creditor's participant", "fix the participant id"
    ),
    "CREDITOR_NOT_RECEIVING": Reason(422, "the creditor's participant may not receive", "ask the operator"),
    "CURRENCY_NOT_ALLOWED": Reason(
        422, "the participant or the rail has no limit row for the currency", "use an allowed currency"
    ),
    "LIMIT_TRANSACTION": Reason(
        422, "the amount exceeds the participant's limit per transaction", "ask for a higher limit"
    ),
    "LIMIT_DAY_COUNT": Reason(422, "the participant's count for the day is used up", "wait for the next day"),
    "LIMIT_DAY_VALUE": Reason(422, "the participant's value for the day would be exceeded", "wait for the next day"),
    "ITEM_UNRECORDABLE": Reason(500, "the database cannot store the instruction", "report the correlation id"),
    "UNREGISTERED_REASON": Reason(
        500, "the ingress gave a reason that is not registered", "register it in core.reasons"
    ),
}

# The reasons that no ledger row carries: nothing was decided about an instruction.
TRANSIENT: dict[str, Reason] = {
    "DATABASE_UNAVAILABLE": Reason(
        503, "the instruction was not recorded: the database is not available", "retry with the same key"
    ),
    "OUTCOME_UNKNOWN": Reason(
        503, "the database gave no answer, the instruction may be recorded", "retry with the same key"
    ),
    "BREAKER_OPEN": Reason(503, "the database is failing and is given time", "retry with the same key"),
    "OVERLOADED": Reason(503, "too many requests are being served", "retry with the same key"),
    "STOPPING": Reason(503, "this ingress is stopping", "retry with the same key"),
    "TOO_MANY_REFUSALS": Reason(429, "too many of the participant's requests were refused", "find out why, then retry"),
    "BODY_TIMEOUT": Reason(408, "the body did not arrive in time", "retry with the same key"),
    "EXPECTATION_UNSUPPORTED": Reason(417, "only Expect: 100-continue is understood", "leave Expect out"),
    "RESOURCE_UNKNOWN": Reason(404, "there is no such resource", "read /v1/openapi.json"),
    "METHOD_NOT_ALLOWED": Reason(405, "the resource has no such method", "read /v1/openapi.json"),
    "INSTRUCTION_UNKNOWN": Reason(
        404,
        "the participant has no instruction of this id",
        "check the id; unanswered requests may be retried",
    ),
    "INTERNAL_ERROR": Reason(
        500, "the ingress failed; the instruction may be recorded", "retry with the same key, and report"
    ),
}

REASONS = REGISTERED | TRANSIENT
_UNKNOWN = Reason(422, "the instruction was refused", "ask the operator about the reason code")


def reason_for(reason_code: str) -> Reason:
    """The meaning of a reason code; one this build does not know is a refusal (422)."""
    return REASONS.get(reason_code, _UNKNOWN)


class Refusal(SymphonyError):
    """A request ends here with a problem.

    Attributes:
        reason_code: a key of REASONS, or a code only the database knows.
        detail: what exactly is wrong, without any value of the request; None takes the reason's meaning.
        pointer: RFC 6901 pointer to the member at fault.
        retry_after_s: whole seconds for Retry-After.
        allow: the methods the resource has, for Allow.
        close: the connection cannot be trusted any more and is closed.
    """

    def __init__(
        self,
        reason_code: str,
        *,
        detail: str | None = None,
        pointer: str | None = None,
        retry_after_s: int | None = None,
        allow: str | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code
        self.detail = detail
        self.pointer = pointer
        self.retry_after_s = retry_after_s
        self.allow = allow
        self.close = close

    @property
    def status(self) -> int:
        """The HTTP status."""
        return reason_for(self.reason_code).status


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One application/problem+json document."""

    reason_code: str
    correlation_id: UUID
    detail: str | None = None
    pointer: str | None = None
    attestation_id: UUID | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return reason_for(self.reason_code).status

    def document(self) -> dict[str, object]:
        """The members of the document, in the order they are sent."""
        reason = reason_for(self.reason_code)
        document: dict[str, object] = {
            "type": "urn:symphony:problem:" + self.reason_code.lower().replace("_", "-"),
            "title": reason.meaning[0].upper() + reason.meaning[1:],
            "status": reason.status,
            "detail": f"{self.detail or reason.meaning}; next: {reason.next_action}",
            "reason_code": self.reason_code,
            "correlation_id": str(self.correlation_id),
        }
        if self.pointer is not None:
            document["pointer"] = self.pointer
        if self.attestation_id is not None:
            document["attestation_id"] = str(self.attestation_id)
        return document

    def body(self) -> bytes:
        """The document as UTF-8 JSON."""
        return json.dumps(self.document(), separators=(",", ":")).encode()
