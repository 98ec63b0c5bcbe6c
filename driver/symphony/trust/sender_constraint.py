"""The sender constraint: a token alone is worth nothing (RFC 8705, RFC 9449 7.1 and 11, FAPI 2.0 SP 5.3.4).

Order of checks: downgrades (scheme against binding), the certificate, the DPoP proof. Everything the token is bound to
must hold.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from symphony.trust.access_token import AccessToken
from symphony.trust.dpop import DpopPolicy, DpopProof, check_dpop
from symphony.trust.refusal import Reason, TrustRefused

_CREDENTIALS: Final = re.compile(r"([A-Za-z]{1,16}) +([A-Za-z0-9._~+/=-]+)").fullmatch  # RFC 9110 11.4, token68


class Scheme(StrEnum):
    """The two authentication schemes of the Authorization field."""

    BEARER = "bearer"
    DPOP = "dpop"


class PopMode(StrEnum):
    """What was proved besides the token; the words of the type ingress.pop_mode."""

    MTLS = "MTLS"
    DPOP = "DPOP"
    MTLS_DPOP = "MTLS_DPOP"


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderProof:
    """How the sender showed that the token is its own.

    Attributes:
        dpop: the proof, whose jti must still be checked against replay; None without DPoP.
    """

    pop_mode: PopMode
    dpop: DpopProof | None


def read_authorization(values: Sequence[str]) -> tuple[Scheme, str]:
    """Return scheme and token of the request's Authorization fields, of which there must be exactly one.

    Raises:
        TrustRefused: AUTHORIZATION_MISSING, AUTHORIZATION_INVALID.
    """
    if not values:
        raise TrustRefused(Reason.AUTHORIZATION_MISSING, "no Authorization field")
    if len(values) > 1:
        raise TrustRefused(Reason.AUTHORIZATION_INVALID, "more than one Authorization field")
    match = _CREDENTIALS(values[0])
    if match is None or match[1].lower() not in tuple(Scheme):
        raise TrustRefused(Reason.AUTHORIZATION_INVALID, "not Bearer or DPoP and one token")
    return Scheme(match[1].lower()), match[2]


def check_sender(
    token: AccessToken,
    *,
    scheme: Scheme,
    certificate_sha256: bytes | None,
    proofs: Sequence[str],
    policy: DpopPolicy,
    method: str,
    target: str,
    now: int,
) -> SenderProof:
    """Check everything the token is bound to.

    Args:
        certificate_sha256: SHA-256 over the DER of the client certificate that this connection proved; None without.
        proofs: the values of the request's DPoP fields.
        target: the request target in origin-form, as received.

    Raises:
        TrustRefused: TOKEN_DOWNGRADED, DPOP_NOT_BOUND, CERT_MISSING, TOKEN_CERT_MISMATCH, DPOP_*.
    """
    bound = token.confirmation
    if bound.jkt is None and (scheme is Scheme.DPOP or proofs):
        raise TrustRefused(Reason.DPOP_NOT_BOUND, "the token has no cnf.jkt")
    if bound.jkt is not None and scheme is not Scheme.DPOP:
        raise TrustRefused(Reason.TOKEN_DOWNGRADED, "a token with cnf.jkt came with scheme Bearer")
    if bound.certificate_sha256 is not None:
        if certificate_sha256 is None:
            raise TrustRefused(Reason.CERT_MISSING, "the token is bound to a certificate and none was presented")
        if not hmac.compare_digest(certificate_sha256, bound.certificate_sha256):
            raise TrustRefused(Reason.TOKEN_CERT_MISMATCH, "cnf.x5t#S256 is not the presented certificate's")
    if bound.jkt is None:
        return SenderProof(pop_mode=PopMode.MTLS, dpop=None)
    if len(proofs) != 1:
        raise TrustRefused(Reason.DPOP_HEADER_INVALID, f"{'no' if not proofs else 'more than one'} DPoP field")
    proof = check_dpop(
        proofs[0], policy=policy, method=method, target=target, token_sha256=token.wire_sha256, jkt=bound.jkt, now=now
    )
    both = bound.certificate_sha256 is not None
    return SenderProof(pop_mode=PopMode.MTLS_DPOP if both else PopMode.DPOP, dpop=proof)
