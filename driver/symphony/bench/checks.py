"""What each check of the ingress costs, alone, in this process: a real certificate, token, proof and signature."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from symphony.trust.access_token import (
    Capability,
    TokenPolicy,
    check_access_token,
    read_access_token,
    require_capability,
    require_current_token,
)
from symphony.trust.client_certificate import IssuingAuthority, check_client_certificate, require_current
from symphony.trust.content_digest import check_content_digest
from symphony.trust.dpop import DpopPolicy
from symphony.trust.http_signature import SignaturePolicy, SignedRequest, check_signed_request
from symphony.trust.keys import VerificationKey
from symphony.trust.known_tokens import KnownTokens
from symphony.trust.origin import Origin
from symphony.trust.sender_constraint import check_sender, read_authorization
from symphony.trust.signature_keys import SignatureKey

_CALLS = 200
_ROUNDS = 9
_NOT_EACH = frozenset({
    "certificate_once_a_connection", "token_strict_form_once_a_token", "token_signature_and_claims_once_a_token",
    "content_digest",  # part of the signed request
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One request as the ingress receives it, and what it is checked against.

    Attributes:
        headers: as `Credentials.headers` made them.
        now: epoch seconds at which everything in it holds.
    """

    certificate: bytes
    authority: IssuingAuthority
    headers: Mapping[str, str] = field(repr=False)
    target: str
    body: bytes
    origin: str
    issuer: str
    audience: str
    token_keys: Mapping[str, VerificationKey]
    signature_key: SignatureKey
    now: int


def microseconds(specimen: Specimen) -> dict[str, float]:
    """Return the microseconds of each check, in the order of the ingress; the median of several rounds.

    Raises:
        TrustRefused: the specimen does not hold, and nothing would be measured.
    """
    now, headers = specimen.now, specimen.headers
    origin = Origin(specimen.origin)
    certificate = check_client_certificate(specimen.certificate, authority=specimen.authority, now=now)
    scheme, wire = read_authorization([headers["Authorization"]])
    jws = read_access_token(wire)
    key = specimen.token_keys[jws.kid or ""]
    tokens = TokenPolicy(issuer=specimen.issuer, audience=specimen.audience)
    token = check_access_token(jws, key=key, policy=tokens, now=now)
    known = KnownTokens()
    known.keep(token, key)
    signatures = SignaturePolicy(also=("idempotency-key",))
    request = SignedRequest(
        method="POST", origin=origin, target=specimen.target, fields=list(headers.items()), body=specimen.body
    )
    keys = {specimen.signature_key.keyid: specimen.signature_key}
    sender: dict[str, Any] = {
        "scheme": scheme,
        "certificate_sha256": certificate.sha256,
        "proofs": [headers["DPoP"]],
        "policy": DpopPolicy(origin=origin),
        "method": "POST",
        "target": specimen.target,
        "now": now,
    }
    signed: dict[str, Any] = {"keys": keys, "client_id": token.client_id, "policy": signatures, "now": now}
    measured: dict[str, Callable[[], object]] = {
        "certificate_once_a_connection": partial(
            check_client_certificate, specimen.certificate, authority=specimen.authority, now=now
        ),
        "certificate_each_request": partial(require_current, certificate, now=now),
        "authorization_field": partial(read_authorization, [headers["Authorization"]]),
        "token_strict_form_once_a_token": partial(read_access_token, wire),
        "token_signature_and_claims_once_a_token": partial(check_access_token, jws, key=key, policy=tokens, now=now),
        "token_known": partial(known.find, wire),
        "token_in_its_time": partial(require_current_token, token, policy=tokens, now=now),
        "sender_constraint_with_dpop": partial(check_sender, token, **sender),
        "content_digest": partial(check_content_digest, [headers["Content-Digest"]], specimen.body),
        "signed_request_with_digest": partial(check_signed_request, request, **signed),
        "capability": partial(require_capability, token, Capability.SUBMIT),
    }
    found = {name: _median_us(call) for name, call in measured.items()}
    found["each_request_in_all"] = round(sum(us for name, us in found.items() if name not in _NOT_EACH), 1)
    return found


def _median_us(call: Callable[[], object]) -> float:
    rounds = []
    for _ in range(_ROUNDS):
        before = time.process_time_ns()
        for _ in range(_CALLS):
            call()
        rounds.append((time.process_time_ns() - before) / _CALLS / 1_000)
    return round(statistics.median(rounds), 1)
