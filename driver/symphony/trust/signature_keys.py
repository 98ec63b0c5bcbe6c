"""Keys of signed requests: the algorithm is the key record's, the key belongs to one client, and it has its days."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from symphony.trust.keys import VerificationKey, key_from_jwk, refuse_published, secret_thumbprint
from symphony.trust.refusal import Reason, TrustRefused

MIN_SECRET_BYTES: Final = 32

# RFC 9421 3.3.4 and 3.3.6: r and s as 32 bytes each, and Ed25519, are exactly what JWS calls ES256 and EdDSA.
_ALGORITHMS: Final = {"ES256": "ecdsa-p256-sha256", "EdDSA": "ed25519"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureKey:
    """One version of a client's key; made by the two functions below, which refuse what may not be trusted.

    Attributes:
        alg: ecdsa-p256-sha256, ed25519 or hmac-sha256 (RFC 9421 3.3).
        active_from, active_until: epoch seconds, the second excluded; two versions overlap during a rotation.
    """

    keyid: str
    client_id: str
    alg: str
    material: VerificationKey | bytes = field(repr=False)
    active_from: int = 0
    active_until: int | None = None

    def is_active(self, now: int) -> bool:
        """Tell whether the key may be used at `now`."""
        return self.active_from <= now and (self.active_until is None or now < self.active_until)

    def verifies(self, base: bytes, signature: bytes) -> bool:
        """Tell whether the signature over the signature base holds."""
        if isinstance(self.material, bytes):
            return hmac.compare_digest(hmac.digest(self.material, base, "sha256"), signature)
        return self.material.verifies(base, signature)


def public_signature_key(
    jwk: object, *, keyid: str, client_id: str, active_from: int = 0, active_until: int | None = None
) -> SignatureKey:
    """Return the record of a client's public key, P-256 or Ed25519; raises TrustRefused (KEY_REFUSED)."""
    key = key_from_jwk(jwk)
    refuse_published(key.thumbprint, reason=Reason.KEY_REFUSED)
    alg = _ALGORITHMS.get(key.alg)
    if alg is None:
        raise TrustRefused(Reason.KEY_REFUSED, "requests are signed with P-256 or Ed25519")
    return SignatureKey(
        keyid=keyid, client_id=client_id, alg=alg, material=key, active_from=active_from, active_until=active_until
    )


def secret_signature_key(
    secret: bytes, *, keyid: str, client_id: str, active_from: int = 0, active_until: int | None = None
) -> SignatureKey:
    """Return the record of a secret shared with one client, 32 bytes or more; raises TrustRefused (KEY_REFUSED)."""
    if len(secret) < MIN_SECRET_BYTES or len(set(secret)) < 8:
        raise TrustRefused(Reason.KEY_REFUSED, f"a shared secret has {MIN_SECRET_BYTES} random bytes or more")
    refuse_published(secret_thumbprint(secret), reason=Reason.KEY_REFUSED)
    return SignatureKey(
        keyid=keyid,
        client_id=client_id,
        alg="hmac-sha256",
        material=secret,
        active_from=active_from,
        active_until=active_until,
    )
