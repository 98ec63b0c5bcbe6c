"""Access tokens (RFC 9068, 8725, 7519): claims of exactly the right type, short lives, one audience, closed scopes.

Order of checks: key and signature, then required claims and their types, issuer, audience, lifetime, clock, names,
confirmation, scope. What must be proved besides the token is in `symphony.trust.sender_constraint`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from symphony.trust import base64url
from symphony.trust.compact_jws import ACCESS_TOKEN, CompactJws, read_compact
from symphony.trust.keys import VerificationKey, check_signature
from symphony.trust.refusal import Reason, TrustRefused

LIFETIME_CEILING_S: Final = 600
"""No configuration lets a token live longer."""

MAX_SCOPES: Final = 64

_LATEST: Final = 253_402_300_799  # the last second of the year 9999
_JTI: Final = re.compile(r"[A-Za-z0-9._~:@/=+-]{8,128}").fullmatch
_NAME: Final = re.compile(r"[A-Za-z0-9._~:@/|=+-]{1,128}").fullmatch
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,128}(?: [!#-\[\]-~]{1,128})*").fullmatch  # RFC 6749 3.3
_REQUIRED: Final = ("iss", "aud", "sub", "client_id", "jti", "iat", "nbf", "exp")


class Capability(StrEnum):
    """What a sender may do; the whole list."""

    SUBMIT = "submit"
    READ_OWN_STATUS = "read-own-status"
    READ_EVIDENCE = "read-evidence"


DEFAULT_SCOPES: Final[Mapping[str, Capability]] = MappingProxyType(
    {
        "payment:submit": Capability.SUBMIT,
        "payment:status": Capability.READ_OWN_STATUS,
        "evidence:read": Capability.READ_EVIDENCE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """Which tokens are believed; raises TrustRefused (TRUST_CONFIGURATION_REFUSED) when it would believe too much.

    Attributes:
        issuer: the only `iss`, an https address, compared code point by code point.
        audience: the only `aud`.
        max_lifetime_s: longest exp - iat in seconds, without leeway.
        skew_s: how far clocks may differ, both ways.
        scopes: exact scope to capability; any other scope gives nothing.
    """

    issuer: str
    audience: str
    max_lifetime_s: int = 300
    skew_s: int = 30
    scopes: Mapping[str, Capability] = DEFAULT_SCOPES

    def __post_init__(self) -> None:
        if not self.issuer.startswith("https://") or not self.audience:
            raise TrustRefused(
                Reason.TRUST_CONFIGURATION_REFUSED, "issuer must be an https address, and audience named"
            )
        if not 0 < self.max_lifetime_s <= LIFETIME_CEILING_S or not 0 <= self.skew_s <= 60:
            raise TrustRefused(
                Reason.TRUST_CONFIGURATION_REFUSED, f"max_lifetime_s is 1 to {LIFETIME_CEILING_S}, skew_s 0 to 60"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What the token is bound to (RFC 7800): at least one of the two; both given means both must hold.

    Attributes:
        certificate_sha256: `x5t#S256` (RFC 8705), 32 bytes.
        jkt: thumbprint of the DPoP key (RFC 9449 6.1), 32 bytes.
    """

    certificate_sha256: bytes | None
    jkt: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token that holds; its text is not kept.

    Attributes:
        wire_sha256: SHA-256 over the token as it was received (`ath`, RFC 9449 4.1).
        capabilities: what its scopes allow, possibly nothing.
    """

    issuer: str
    audience: str
    subject: str
    client_id: str
    jti: str
    issued_at: int
    not_before: int
    expires_at: int
    kid: str
    alg: str
    confirmation: Confirmation
    capabilities: frozenset[Capability]
    wire_sha256: bytes = field(repr=False)


def read_access_token(wire: str) -> CompactJws:
    """Return the token's parts, unchecked but well-formed; its kid says which key to look up."""
    return read_compact(wire, kind=ACCESS_TOKEN)


def check_access_token(jws: CompactJws, *, key: VerificationKey, policy: TokenPolicy, now: int) -> AccessToken:
    """Return the token when signature and claims hold at `now` (epoch seconds).

    Raises:
        TrustRefused: TOKEN_*; the first failing check in the order of this module's description.
    """
    if key.kid != jws.kid:
        raise TrustRefused(Reason.TOKEN_KEY_UNKNOWN, "kid is not the key's")
    check_signature(jws, key=key, algorithm=Reason.TOKEN_ALGORITHM_REFUSED, invalid=Reason.TOKEN_SIGNATURE_INVALID)
    claims = jws.claims
    for name in _REQUIRED:
        if claims.get(name) is None:
            raise TrustRefused(Reason.TOKEN_CLAIM_MISSING, f"{name} is missing or null")
    issued_at, not_before, expires_at = (_time(claims, name) for name in ("iat", "nbf", "exp"))
    if claims["iss"] != policy.issuer:
        raise TrustRefused(Reason.TOKEN_ISSUER_REFUSED, "iss is not the configured issuer")
    if claims["aud"] != policy.audience and claims["aud"] != [policy.audience]:
        raise TrustRefused(Reason.TOKEN_AUDIENCE_REFUSED, "aud is not this service alone")
    _check_times(issued_at, not_before, expires_at, policy=policy, now=now)
    return AccessToken(
        issuer=policy.issuer,
        audience=policy.audience,
        subject=_name(claims, "sub"),
        client_id=_name(claims, "client_id"),
        jti=_jti(claims),
        issued_at=issued_at,
        not_before=not_before,
        expires_at=expires_at,
        kid=key.kid or "",
        alg=key.alg,
        confirmation=_confirmation(claims.get("cnf")),
        capabilities=_capabilities(claims.get("scope"), policy),
        wire_sha256=jws.wire_sha256,
    )


def require_current_token(token: AccessToken, *, policy: TokenPolicy, now: int) -> None:
    """Check the clock again for a token that held before; raises TrustRefused (TOKEN_NOT_YET_VALID, TOKEN_EXPIRED)."""
    _check_times(token.issued_at, token.not_before, token.expires_at, policy=policy, now=now)


def require_capability(token: AccessToken, capability: Capability) -> None:
    """Raise TrustRefused (TOKEN_SCOPE_INSUFFICIENT) unless the token's scopes give this capability."""
    if capability not in token.capabilities:
        raise TrustRefused(Reason.TOKEN_SCOPE_INSUFFICIENT, f"no scope gives {capability}")


def _time(claims: Mapping[str, object], name: str) -> int:
    value = claims[name]
    if type(value) is not int or not 0 <= value <= _LATEST:  # a bool is an int to isinstance
        raise TrustRefused(Reason.TOKEN_CLAIM_INVALID, f"{name} is not an integer of epoch seconds")
    return value


def _check_times(issued_at: int, not_before: int, expires_at: int, *, policy: TokenPolicy, now: int) -> None:
    if expires_at <= issued_at or expires_at <= not_before:
        raise TrustRefused(Reason.TOKEN_LIFETIME_REFUSED, "exp is not after iat and nbf")
    if expires_at - issued_at > policy.max_lifetime_s:
        raise TrustRefused(Reason.TOKEN_LIFETIME_REFUSED, f"exp - iat is more than {policy.max_lifetime_s} s")
    if issued_at > now + policy.skew_s or not_before > now + policy.skew_s:
        raise TrustRefused(Reason.TOKEN_NOT_YET_VALID, f"iat or nbf is more than {policy.skew_s} s ahead")
    if now >= expires_at + policy.skew_s:
        raise TrustRefused(Reason.TOKEN_EXPIRED, f"exp is {policy.skew_s} s ago or more")


def _name(claims: Mapping[str, object], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str) or not _NAME(value):
        raise TrustRefused(Reason.TOKEN_CLAIM_INVALID, f"{name} is not 1 to 128 of the allowed characters")
    return value


def _jti(claims: Mapping[str, object]) -> str:
    value = claims["jti"]
    if not isinstance(value, str) or not _JTI(value):
        raise TrustRefused(Reason.TOKEN_CLAIM_INVALID, "jti is not 8 to 128 of the allowed characters")
    return value


def _confirmation(cnf: object) -> Confirmation:
    if not isinstance(cnf, dict) or not cnf or not cnf.keys() <= {"x5t#S256", "jkt"}:
        # RFC 7800 3.1 would ignore a member it does not know; we refuse what we cannot hold the sender to.
        raise TrustRefused(Reason.TOKEN_NOT_BOUND, "cnf must hold x5t#S256 or jkt or both, and nothing else")
    return Confirmation(
        certificate_sha256=_thumbprint(cnf, "x5t#S256"),
        jkt=_thumbprint(cnf, "jkt"),
    )


def _thumbprint(cnf: Mapping[str, object], name: str) -> bytes | None:
    if name not in cnf:
        return None
    value = cnf[name]
    raw = base64url.decode(value) if isinstance(value, str) else None
    if raw is None or len(raw) != 32:
        raise TrustRefused(Reason.TOKEN_NOT_BOUND, f"cnf.{name} is not a SHA-256 in base64url without padding")
    return raw


def _capabilities(scope: object, policy: TokenPolicy) -> frozenset[Capability]:
    if scope is None:
        return frozenset()
    if not isinstance(scope, str) or scope.count(" ") >= MAX_SCOPES or not _SCOPE(scope):
        raise TrustRefused(Reason.TOKEN_CLAIM_INVALID, f"scope is not 1 to {MAX_SCOPES} scopes, one space between")
    return frozenset(policy.scopes[name] for name in scope.split(" ") if name in policy.scopes)
