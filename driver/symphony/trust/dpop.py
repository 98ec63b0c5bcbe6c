"""DPoP proofs (RFC 9449 4.3): the sender holds the key the token is bound to, and made this proof for this request.

Order of checks: form, type and algorithm (`compact_jws`), the header's key, its thumbprint, the signature, then the
claims htm, htu, iat (and nbf, exp where given), ath, jti, nonce. Whether the jti was seen before is the replay store's.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from symphony.trust import base64url
from symphony.trust.compact_jws import DPOP_PROOF, read_compact
from symphony.trust.keys import VerificationKey, check_signature, key_from_jwk
from symphony.trust.origin import Origin, normalised
from symphony.trust.published_keys import PUBLISHED
from symphony.trust.refusal import Reason, TrustRefused

_JTI: Final = re.compile(r"[!-~]{8,128}").fullmatch
_MAX_HTU: Final = 2_048
_MAX_KEPT_JWK: Final = 1_024
"""Characters: the largest key needs 800, and unknown members must not fill our memory."""
MAX_WINDOW_S: Final = 300
"""No configuration accepts an older proof: the replay store keeps what it saw for a bounded time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NonceSource:
    """Nonces that every node of one service makes and knows without talking to the others (RFC 9449 8, 9).

    Raises TrustRefused (TRUST_CONFIGURATION_REFUSED) for a short secret.

    Attributes:
        secret: at least 32 random bytes, the same on every node.
        bucket_s: how long one nonce is handed out; it is accepted for one bucket more, and one ahead (clocks differ).
    """

    secret: bytes = field(repr=False)
    bucket_s: int = 60

    def __post_init__(self) -> None:
        if len(self.secret) < 32 or self.bucket_s < 1:
            raise TrustRefused(
                Reason.TRUST_CONFIGURATION_REFUSED, "the nonce secret has 32 bytes or more, bucket_s is positive"
            )

    def current(self, now: int) -> str:
        """Return the nonce to send in DPoP-Nonce."""
        return self._nonce(now // self.bucket_s)

    def accepts(self, nonce: str, now: int) -> bool:
        """Tell whether a nonce is the current one or a neighbour."""
        bucket = now // self.bucket_s
        if not nonce.isascii():
            return False
        return any(hmac.compare_digest(nonce, self._nonce(at)) for at in (bucket, bucket - 1, bucket + 1))

    def _nonce(self, bucket: int) -> str:
        mac = hmac.digest(self.secret, b"symphony dpop nonce %d" % bucket, "sha256")
        return base64url.encode(mac[:16])


@dataclass(frozen=True, slots=True, kw_only=True)
class DpopPolicy:
    """Which proofs are believed; raises TrustRefused (TRUST_CONFIGURATION_REFUSED) for a wide window.

    Attributes:
        origin: the external origin htu is compared with.
        max_age_s, max_ahead_s: how far iat may lie behind and ahead.
        skew_s: leeway for nbf and exp inside a proof.
        nonces: when given, every proof needs one of its nonces.
        refused_keys: thumbprints of keys that anybody may hold.
    """

    origin: Origin
    max_age_s: int = 60
    max_ahead_s: int = 30
    skew_s: int = 30
    nonces: NonceSource | None = None
    refused_keys: frozenset[str] = PUBLISHED

    def __post_init__(self) -> None:
        if not (0 < self.max_age_s <= MAX_WINDOW_S and 0 <= self.max_ahead_s <= 60 and 0 <= self.skew_s <= 60):
            raise TrustRefused(Reason.TRUST_CONFIGURATION_REFUSED, "a proof's window is wider than it may be")


@dataclass(frozen=True, slots=True, kw_only=True)
class DpopProof:
    """A proof that holds.

    Attributes:
        jti: unique per key within the window: the replay store must see to that, in the bucket of `issued_at`.
        jkt: thumbprint of the key, 32 bytes.
    """

    jti: str
    issued_at: int
    jkt: bytes
    alg: str


def check_dpop(
    proof: str, *, policy: DpopPolicy, method: str, target: str, token_sha256: bytes | None, jkt: bytes, now: int
) -> DpopProof:
    """Return the proof when it holds for this request, this token and this key at `now` (epoch seconds).

    Args:
        target: the request target in origin-form, as received; its query is not part of the comparison.
        token_sha256: SHA-256 of the access token as received; None only where there is no token (no ath is asked for).
        jkt: the thumbprint the token is bound to.

    Raises:
        TrustRefused: DPOP_*; the first failing check in the order of this module's description.
    """
    jws = read_compact(proof, kind=DPOP_PROOF)
    key = _key_of(jws.jwk)
    if key.thumbprint in policy.refused_keys:
        raise TrustRefused(Reason.DPOP_KEY_REFUSED, "the key is a published example")
    if not hmac.compare_digest(key.thumbprint, base64url.encode(jkt)):
        raise TrustRefused(Reason.DPOP_KEY_MISMATCH, "the jwk's thumbprint is not cnf.jkt")
    check_signature(jws, key=key, algorithm=Reason.DPOP_ALGORITHM_REFUSED, invalid=Reason.DPOP_SIGNATURE_INVALID)
    claims = jws.claims
    if claims.get("htm") != method:
        raise TrustRefused(Reason.DPOP_METHOD_MISMATCH, "htm is not the method of the request")
    _check_target(claims.get("htu"), policy.origin, target)
    issued_at = _check_window(claims, policy, now)
    if token_sha256 is not None:
        ath = claims.get("ath")
        if not isinstance(ath, str) or not ath.isascii():
            raise TrustRefused(Reason.DPOP_CLAIM_INVALID, "ath is missing or no string")
        if not hmac.compare_digest(ath, base64url.encode(token_sha256)):
            raise TrustRefused(Reason.DPOP_TOKEN_MISMATCH, "ath is not the hash of the token as received")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not _JTI(jti):
        raise TrustRefused(Reason.DPOP_CLAIM_INVALID, "jti is not 8 to 128 printable ASCII characters")
    _check_nonce(claims.get("nonce"), policy.nonces, now)
    return DpopProof(jti=jti, issued_at=issued_at, jkt=jkt, alg=key.alg)


def _key_of(jwk: object) -> VerificationKey:
    text = json.dumps(jwk)
    return _kept_key(text) if len(text) <= _MAX_KEPT_JWK else key_from_jwk(jwk, reason=Reason.DPOP_KEY_REFUSED)


@lru_cache(maxsize=4_096)
def _kept_key(jwk: str) -> VerificationKey:
    """The key record of a header's jwk, as text: senders use one key for long. Refusals are not kept."""
    return key_from_jwk(json.loads(jwk), reason=Reason.DPOP_KEY_REFUSED)


def _check_target(htu: object, origin: Origin, target: str) -> None:
    if not isinstance(htu, str) or len(htu) > _MAX_HTU:
        raise TrustRefused(Reason.DPOP_CLAIM_INVALID, f"htu is missing, no string or longer than {_MAX_HTU}")
    expected = normalised(origin.text + target) if target.startswith("/") else None
    if expected is None or normalised(htu) != expected:
        raise TrustRefused(Reason.DPOP_TARGET_MISMATCH, "htu is not the external address of the request")


def _check_window(claims: Mapping[str, object], policy: DpopPolicy, now: int) -> int:
    times = {name: claims[name] for name in ("iat", "nbf", "exp") if name in claims}
    for name, value in times.items():
        if type(value) is not int:
            raise TrustRefused(Reason.DPOP_CLAIM_INVALID, f"{name} is not an integer")
    issued_at = times.get("iat")
    if not isinstance(issued_at, int):
        raise TrustRefused(Reason.DPOP_CLAIM_INVALID, "iat is missing")
    if not now - policy.max_age_s <= issued_at <= now + policy.max_ahead_s:
        raise TrustRefused(Reason.DPOP_OUTSIDE_WINDOW, f"iat is not -{policy.max_age_s} to +{policy.max_ahead_s} s")
    not_before, expires_at = times.get("nbf"), times.get("exp")
    if isinstance(not_before, int) and not_before > now + policy.skew_s:
        raise TrustRefused(Reason.DPOP_OUTSIDE_WINDOW, "nbf is in the future")
    if isinstance(expires_at, int) and now >= expires_at + policy.skew_s:
        raise TrustRefused(Reason.DPOP_OUTSIDE_WINDOW, "exp is past")
    return issued_at


def _check_nonce(nonce: object, nonces: NonceSource | None, now: int) -> None:
    if nonces is None:
        return
    if not isinstance(nonce, str) or not nonces.accepts(nonce, now):
        raise TrustRefused(Reason.DPOP_NONCE_REQUIRED, "nonce is absent, stale or not ours")
