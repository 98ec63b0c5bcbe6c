"""Problem details (RFC 9457): how a refusal is said to the client, and how it may prove itself (RFC 6750, 9449)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from uuid import UUID

from symphony.errors import SymphonyError
from symphony.ingress.reasons import reason_for
from symphony.trust.refusal import Reason

_DPOP = 'DPoP algs="ES256 EdDSA PS256"'
_OWN_ERRORS = {
    "TOKEN_REPLAYED": "invalid_token",
    "CERT_CLIENT_MISMATCH": "invalid_token",
    "DPOP_REPLAYED": "invalid_dpop_proof",
}


class Refusal(SymphonyError):
    """A request ends here with a problem.

    Attributes:
        reason_code: a key of REASONS, or a code only the database knows.
        detail: what exactly is wrong, without any value of the request; None takes the reason's meaning.
        pointer: RFC 6901 pointer to the member at fault.
        retry_after_s: whole seconds for Retry-After.
        allow: the methods the resource has, for Allow.
        close: the connection cannot be trusted any more and is closed.
        nonce: for DPoP-Nonce, when the sender is to repeat its proof with it.
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
        nonce: str | None = None,
    ) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code
        self.detail = detail
        self.pointer = pointer
        self.retry_after_s = retry_after_s
        self.allow = allow
        self.close = close
        self.nonce = nonce

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


def challenge(reason_code: str) -> str | None:
    """WWW-Authenticate for a refusal (RFC 9110 11.6.1, RFC 6750 3, RFC 9449 7.1); None where none belongs."""
    reason = Reason.__members__.get(reason_code)
    error = _OWN_ERRORS.get(reason_code) if reason is None else reason.challenge_error
    if error is None:
        if reason_for(reason_code).status != 401:
            return None
        return "Symphony-Participant" if reason_code == "IDENTITY_MISSING" else f"Bearer, {_DPOP}"
    if "dpop" in error:
        return f'{_DPOP}, error="{error}"'
    return f'Bearer error="{error}", {_DPOP}, error="{error}"'
