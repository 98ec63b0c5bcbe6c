"""Every reason the ingress answers or counts with: HTTP status, what it means, what to do next."""

from __future__ import annotations

from typing import Final, NamedTuple

from symphony.trust import refusal


class Reason(NamedTuple):
    """What one reason code means: HTTP status (RFC 9110), meaning, next action."""

    status: int
    meaning: str
    next_action: str


# About an alias; PROXY_NOT_SUPPORTED only the database gives, for what is no alias at all.
_ALIASES: Final[dict[str, Reason]] = {
    "PROXY_NOT_SUPPORTED": Reason(422, "the creditor is named only by an alias", "name an account"),
    "PROXY_INVALID_FORMAT": Reason(
        422, "the alias does not have the form of its type", "fix the alias, or name an account"
    ),
    "PROXY_TYPE_UNSUPPORTED": Reason(
        422, "aliases of this type are not resolved here", "use another alias, or name an account"
    ),
    "PROXY_REFUSED_BY_POLICY": Reason(
        403, "the participant may not name creditors by alias", "name an account, or ask the operator"
    ),
    "PROXY_THROTTLED": Reason(
        429,
        "too many of the participant's aliases were nobody's within the hour",
        "check the aliases; wait for the next hour",
    ),
    "PROXY_NOT_FOUND": Reason(
        422,
        "the registry knows no beneficiary for the alias",
        "correct the alias or give the account; new instruction",
    ),
    "PROXY_INVALID": Reason(
        422,
        "the registry says that the alias is none",
        "correct the alias or give the account; new instruction",
    ),
    "PROXY_REVOKED": Reason(
        422,
        "the registry says that the alias was revoked",
        "confirm the account with the payee; new instruction",
    ),
    "PROXY_AMBIGUOUS": Reason(
        422,
        "the alias stands for accounts at several providers",
        "name the creditor's participant; new instruction",
    ),
    "PROXY_REGISTRY_UNAVAILABLE": Reason(
        503, "the alias registry gave no answer in time", "retry later with the same key"
    ),
    "PROXY_REGISTRY_TIMEOUT": Reason(
        503,
        "the alias registry did not answer within the time of one call",
        "none: it is asked again",
    ),
    "PROXY_REGISTRY_ERROR": Reason(503, "the alias registry failed on this question", "none: it is asked again"),
    "PROXY_ANSWER_UNUSABLE": Reason(
        503,
        "the alias registry answered about something else, or unreadably",
        "operator: look at the registry",
    ),
    "PROXY_TARGET_CHANGED": Reason(
        422,
        "the alias now stands for another beneficiary than when it was resolved or instructed",
        "have the payer confirm the payee; new instruction",
    ),
    "PROXY_BENEFICIARY_NOT_ALLOWED": Reason(
        422,
        "the alias stands for an account at a participant that may not receive",
        "use another account; new instruction",
    ),
}

# About an instruction and the form it came in.
_INSTRUCTIONS: Final[dict[str, Reason]] = {
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
    "BODY_TIMEOUT": Reason(408, "the body did not arrive in time", "retry with the same key"),
    "EXPECTATION_UNSUPPORTED": Reason(417, "only Expect: 100-continue is understood", "leave Expect out"),
    "RESOURCE_UNKNOWN": Reason(404, "there is no such resource", "read /v1/openapi.json"),
    "METHOD_NOT_ALLOWED": Reason(405, "the resource has no such method", "read /v1/openapi.json"),
    "AMOUNT_INVALID": Reason(422, "the amount is not a plain decimal string", "fix the amount"),
    "AMOUNT_ZERO": Reason(422, "the amount is zero", "fix the amount"),
    "AMOUNT_DECIMALS": Reason(422, "more decimal places than ISO 4217 gives the currency", "fix the amount"),
    "AMOUNT_TOO_LARGE": Reason(422, "the amount is too large to be exact everywhere", "split is a policy matter: ask"),
    "CURRENCY_INVALID": Reason(422, "not an ISO 4217 currency", "fix the currency"),
    **_ALIASES,
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
    "INSTRUCTION_UNKNOWN": Reason(
        404,
        "the participant has no instruction of this id",
        "check the id; unanswered requests may be retried",
    ),
    "ITEM_UNRECORDABLE": Reason(500, "the database cannot store the instruction", "report the correlation id"),
    "UNREGISTERED_REASON": Reason(
        500, "the ingress gave a reason that is not registered", "register it in core.reasons"
    ),
}

# About the sender, where the database has the last word.
_SENDER: Final[dict[str, Reason]] = {
    "CERT_UNREGISTERED": Reason(401, "the client certificate is not registered", "have the operator register it"),
    "CERT_REVOKED": Reason(401, "the client certificate is revoked", "use a certificate that is not"),
    "CERT_CLIENT_MISMATCH": Reason(
        401,
        "the client certificate is registered to another client than the token's",
        "use the client's own certificate and token",
    ),
    "TOKEN_REPLAYED": Reason(
        401, "the access token may be used once and was used before", "get a new token for each request"
    ),
    "DPOP_REPLAYED": Reason(401, "the DPoP proof was used before", "make one proof per request"),
    "SIGNATURE_REPLAYED": Reason(401, "the signature's nonce was used before", "sign each request anew"),
    "PROOF_EXPIRED": Reason(
        401,
        "by the database's clock a proof is too old, or from the future",
        "check the clock, then prove again",
    ),
    "PROOF_MISSING": Reason(
        401,
        "this database records only what came with a complete proof",
        "send it through the authenticated ingress",
    ),
    "REVOCATION_STALE": Reason(
        503,
        "what is known about revoked certificates is too old, or older than the certificate's registration",
        "retry; operator: look at symphony maintain",
    ),
}

# What is only counted: too much to be attested one by one, or no request at all (ingress.refusal_counts).
COUNTED: Final[dict[str, Reason]] = {
    "RATE_LIMITED": Reason(429, "too many requests over this client certificate", "send fewer, as Retry-After says"),
    "REFUSALS_UNRECORDED": Reason(
        429,
        "refusals above the limit, counted and not attested one by one",
        "find out why requests are refused",
    ),
    "TOO_MANY_REFUSALS": Reason(429, "too many of the participant's requests were refused", "find out why, then retry"),
}
CONNECTION: Final[dict[str, Reason]] = {
    "CONNECTION_NO_CERTIFICATE": Reason(
        401, "the TLS handshake brought no client certificate", "present the registered client certificate"
    ),
    "CONNECTION_CERTIFICATE_REFUSED": Reason(
        401,
        "the TLS handshake brought a certificate that the issuing CA did not issue",
        "use one that it did",
    ),
    "CONNECTION_CERTIFICATE_EXPIRED": Reason(401, "the TLS handshake brought an expired certificate", "renew it"),
    "CONNECTION_CERTIFICATE_NOT_YET_VALID": Reason(
        401, "the TLS handshake brought a certificate of the future", "check the clock"
    ),
    "CONNECTION_PURPOSE_REFUSED": Reason(
        401,
        "the TLS handshake brought a certificate for another purpose",
        "use one with EKU clientAuth",
    ),
    "CONNECTION_PROTOCOL_REFUSED": Reason(
        400, "what arrived is no TLS 1.3 handshake that we take part in", "use TLS 1.3"
    ),
    "CONNECTION_HANDSHAKE_TIMEOUT": Reason(400, "the TLS handshake did not end in time", "retry"),
    "CONNECTION_LIMIT": Reason(503, "too many connections", "reuse connections; retry later"),
    "CONNECTION_MALFORMED": Reason(400, "what came over the connection is no HTTP/1.1 request", "fix the client"),
}

_TRUST: Final = {
    reason.name: Reason(reason.http_status, reason.meaning, reason.next_action) for reason in refusal.Reason
}

# The same words as the register core.reasons (a test compares them).
REGISTERED: Final = _INSTRUCTIONS | _TRUST | _SENDER | COUNTED | CONNECTION

# The reasons that no ledger row carries: nothing was decided about an instruction.
TRANSIENT: Final[dict[str, Reason]] = {
    "DATABASE_UNAVAILABLE": Reason(
        503, "the instruction was not recorded: the database is not available", "retry with the same key"
    ),
    "OUTCOME_UNKNOWN": Reason(
        503, "the database gave no answer, the instruction may be recorded", "retry with the same key"
    ),
    "BREAKER_OPEN": Reason(503, "the database is failing and is given time", "retry with the same key"),
    "OVERLOADED": Reason(503, "too many requests are being served", "retry with the same key"),
    "REGISTRY_STALE": Reason(
        503, "who may send was last read too long ago", "retry with the same key; operator: look at the database"
    ),
    "TRUST_LEASE_ENDED": Reason(
        503,
        "this ingress has lost its own credentials",
        "retry with the same key; operator: enrol this ingress anew",
    ),
    "STOPPING": Reason(503, "this ingress is stopping", "retry with the same key"),
    "INTERNAL_ERROR": Reason(
        500, "the ingress failed; the instruction may be recorded", "retry with the same key, and report"
    ),
}

# What `ingress_shed_total{cause}` calls a request that was refused before any decision.
SHED_CAUSES: Final = {
    "BREAKER_OPEN": "breaker",
    "OVERLOADED": "overload",
    "STOPPING": "stopping",
    "DATABASE_UNAVAILABLE": "database",
    "OUTCOME_UNKNOWN": "outcome_unknown",
    "TOO_MANY_REFUSALS": "refusals",
    "BODY_TIMEOUT": "body_timeout",
    "RATE_LIMITED": "rate",
    "REGISTRY_STALE": "registry",
    "TRUST_LEASE_ENDED": "lease",
}

REASONS: Final = REGISTERED | TRANSIENT
_UNKNOWN: Final = Reason(422, "the instruction was refused", "ask the operator about the reason code")


def reason_for(reason_code: str) -> Reason:
    """The meaning of a reason code; one this build does not know is a refusal (422)."""
    return REASONS.get(reason_code, _UNKNOWN)
