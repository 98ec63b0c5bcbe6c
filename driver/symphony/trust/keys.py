"""Public keys: from JWK to a key record that fixes the one algorithm it may be used with (RFC 7517, 7518, 8037)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAPSSAlgorithm

from symphony.trust import base64url
from symphony.trust.compact_jws import CompactJws, is_kid
from symphony.trust.published_keys import PUBLISHED
from symphony.trust.refusal import Reason, TrustRefused

MIN_RSA_BITS: Final = 2_048
MAX_RSA_BITS: Final = 4_096
"""A proof brings its own key: a huge modulus would buy our processor time for nothing."""

type PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

# RFC 7638 3.2, in the order the thumbprint takes them.
_REQUIRED: Final = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "oct": ("k", "kty"),
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_ED25519_P: Final = 2**255 - 19
_ED25519_Y8: Final = 2707385501144840649318225287225658788936804267575313519463743609750303402022
# y of the points whose order divides 8: under such a key one signature holds for many messages.
_ED25519_SMALL_ORDER: Final = frozenset({0, 1, _ED25519_P - 1, _ED25519_Y8, _ED25519_P - _ED25519_Y8})

_PS256: Final = RSAPSSAlgorithm(hashes.SHA256)
_ES256: Final = ECAlgorithm(hashes.SHA256, SECP256R1)
_EDDSA: Final = OKPAlgorithm()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A public key and the one algorithm it verifies.

    Attributes:
        kid: the issuer's name for it; None for the key of a DPoP proof.
        alg: PS256, ES256 or EdDSA.
        thumbprint: RFC 7638 with SHA-256, base64url (what `jkt` holds).
    """

    kid: str | None
    alg: str
    public_key: PublicKey = field(repr=False)
    thumbprint: str

    def verifies(self, signing_input: bytes, signature: bytes) -> bool:
        """Tell whether the JWS signature holds; anything unexpected is a no."""
        try:
            match self.public_key:
                case RSAPublicKey() as rsa_key:
                    return _PS256.verify(signing_input, rsa_key, signature)
                case EllipticCurvePublicKey() as ec_key:
                    return _ES256.verify(signing_input, ec_key, signature)
                case Ed25519PublicKey() as ed_key:
                    return _EDDSA.verify(signing_input, ed_key, signature)
        except Exception:  # the library is known to let TypeError out: an error is never an acceptance
            return False


def key_from_jwk(jwk: object, *, reason: Reason = Reason.KEY_REFUSED) -> VerificationKey:
    """Return the key record of one public JWK: RSA of 2048 to 4096 bits, P-256 or Ed25519.

    Raises:
        TrustRefused: with `reason`, for another type, curve or size, use or key_ops that do not let it verify, an alg
            that is not the key's, a private or symmetric member, a spelling that is not canonical, an unsafe point.
    """
    if not isinstance(jwk, dict):
        raise TrustRefused(reason, "the JWK is not an object")
    if not _PRIVATE_MEMBERS.isdisjoint(jwk) or jwk.get("kty") == "oct":
        raise TrustRefused(reason, "the JWK holds a private or symmetric member")
    kid = jwk.get("kid")
    if kid is not None and not is_kid(kid):
        raise TrustRefused(reason, "kid is not 1 to 128 of the allowed characters")
    kty, crv = jwk.get("kty"), jwk.get("crv")
    form = _FORMS.get(kty) if isinstance(kty, str) else None
    if form is None or (form.crv is not None and crv != form.crv):
        raise TrustRefused(reason, "the key is not RSA, P-256 or Ed25519")
    if jwk.get("alg", form.alg) != form.alg:
        raise TrustRefused(reason, f"a key of this type is used with {form.alg} only")
    if not _may_verify(jwk):
        raise TrustRefused(reason, "use or key_ops do not let the key verify")
    numbers = [_octets(jwk.get(name), reason) for name in form.numbers]
    try:
        public_key = form.build(*numbers)
    except ValueError:
        public_key = None
    if public_key is None:
        raise TrustRefused(reason, "the key's size, point or exponent is not allowed")
    return VerificationKey(kid=kid, alg=form.alg, public_key=public_key, thumbprint=thumbprint(jwk))


def thumbprint(jwk: Mapping[str, object]) -> str:
    """Return the RFC 7638 thumbprint (SHA-256) of a JWK whose required members are there."""
    members = _REQUIRED[str(jwk["kty"])]
    canonical = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"))
    return base64url.encode(hashlib.sha256(canonical.encode()).digest())


def secret_thumbprint(secret: bytes) -> str:
    """Return the RFC 7638 thumbprint of a symmetric secret as an oct JWK."""
    return thumbprint({"kty": "oct", "k": base64url.encode(secret)})


def refuse_published(thumbprint_sha256: str, *, reason: Reason) -> None:
    """Raise TrustRefused when the key stands in a standard or a test suite: its private half is public."""
    if thumbprint_sha256 in PUBLISHED:
        raise TrustRefused(reason, "the key is a published example")


def check_signature(jws: CompactJws, *, key: VerificationKey, algorithm: Reason, invalid: Reason) -> None:
    """Check the JWS under the key; the header's alg must be the key record's, so no alg can be chosen by a sender."""
    if jws.alg != key.alg:
        raise TrustRefused(algorithm, "alg is not the key's algorithm")
    if not key.verifies(jws.signing_input, jws.signature):
        raise TrustRefused(invalid, "the signature does not hold under the key")


def _may_verify(jwk: Mapping[str, object]) -> bool:
    if jwk.get("use", "sig") != "sig":
        return False
    if "key_ops" not in jwk:
        return True
    ops = jwk["key_ops"]
    if not isinstance(ops, list) or not all(isinstance(op, str) for op in ops):
        return False
    return "verify" in ops and len(set(ops)) == len(ops)  # RFC 7517 4.3: no operation twice


def _octets(value: object, reason: Reason) -> bytes:
    raw = base64url.decode(value) if isinstance(value, str) else None
    if not raw:
        raise TrustRefused(reason, "a member of the key is not canonical base64url")
    return raw


def _rsa(n: bytes, e: bytes) -> PublicKey | None:
    modulus = int.from_bytes(n, "big")
    shortest = n[0] != 0 and e == b"\x01\x00\x01"  # RFC 7518 6.3.1: no leading zero; FIPS 186-5: e above 2**16
    if not shortest or not MIN_RSA_BITS <= modulus.bit_length() <= MAX_RSA_BITS or modulus % 2 == 0:
        return None
    return RSAPublicNumbers(65_537, modulus).public_key()


def _p256(x: bytes, y: bytes) -> PublicKey | None:
    if len(x) != 32 or len(y) != 32:  # RFC 7518 6.2.1.2: full size, leading zeros kept
        return None
    return EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), SECP256R1()
    ).public_key()  # refuses a point that is not on the curve


def _ed25519(x: bytes) -> PublicKey | None:
    y = int.from_bytes(x, "little") & (2**255 - 1)
    if len(x) != 32 or y >= _ED25519_P or y in _ED25519_SMALL_ORDER:
        return None
    return Ed25519PublicKey.from_public_bytes(x)


class _Form(NamedTuple):
    """How one type of key is written and what it may be used with."""

    crv: str | None
    alg: str
    numbers: tuple[str, ...]
    build: Callable[..., PublicKey | None]


_FORMS: Final = {
    "RSA": _Form(None, "PS256", ("n", "e"), _rsa),
    "EC": _Form("P-256", "ES256", ("x", "y"), _p256),
    "OKP": _Form("Ed25519", "EdDSA", ("x",), _ed25519),
}
