"""DPoP proofs (RFC 9449 4.2) and signed requests (RFC 9421, RFC 9530), by the primitives and nothing between."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from symphony.operator_error import OperatorError
from symphony.trust import base64url
from symphony.trust.keys import thumbprint
from symphony.trust.signature_keys import MIN_SECRET_BYTES

TAG: Final = "fapi-2-request"
_LABEL: Final = "request"
_ES256: Final = ECDSA(hashes.SHA256())
_KEYID: Final = re.compile(r"[A-Za-z0-9._~:@=+/-]{1,128}").fullmatch  # needs no escape in a quoted string

type PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey
type SigningMaterial = PrivateKey | bytes


def p256_signer(key: EllipticCurvePrivateKey) -> Callable[[bytes], bytes]:
    """Return what signs with ES256: r and s as 32 octets each (RFC 7518 3.4, RFC 9421 3.3.4)."""

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, _ES256))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def public_jwk(key: PrivateKey) -> dict[str, str]:
    """Return the public half as a JWK (RFC 7517, RFC 8037): what is registered, and what a DPoP proof carries."""
    if isinstance(key, Ed25519PrivateKey):
        return {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(key.public_key().public_bytes_raw())}
    point = key.public_key().public_numbers()
    x, y = (base64url.encode(number.to_bytes(32, "big")) for number in (point.x, point.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


class DpopKey:
    """The key that access tokens are bound to; P-256. Raises OperatorError (KEY_UNSUITABLE) for another.

    Attributes:
        jkt: its thumbprint (RFC 7638) as cnf.jkt spells it.
    """

    def __init__(self, key: PrivateKey) -> None:
        if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
            raise _unsuitable("the DPoP key", "it is not an EC key on P-256")
        jwk = public_jwk(key)
        self.jkt = thumbprint(jwk)
        self._sign = p256_signer(key)
        self._header = _segment({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk})

    def proof(self, *, method: str, htu: str, now: int, ath: str | None = None, nonce: str | None = None) -> str:
        """Return a proof for one request, with a jti of its own.

        Args:
            htu: the address without query and fragment.
            now: epoch seconds.
            ath: SHA-256 of the access token in base64url; None where there is no token yet.
            nonce: the last one the server gave.
        """
        claims: dict[str, Any] = {"jti": secrets.token_urlsafe(16), "htm": method, "htu": htu, "iat": now}
        if ath is not None:
            claims["ath"] = ath
        if nonce is not None:
            claims["nonce"] = nonce
        signing_input = f"{self._header}.{_segment(claims)}"
        return f"{signing_input}.{base64url.encode(self._sign(signing_input.encode('ascii')))}"


class RequestSigner:
    """Signs requests under one registered key: P-256, Ed25519, or a secret that the service shares (HMAC-SHA-256).

    Raises OperatorError (KEY_UNSUITABLE) for another key, a short secret, a key id that would need escaping.
    """

    def __init__(self, *, keyid: str, material: SigningMaterial) -> None:
        if not _KEYID(keyid):
            raise _unsuitable("the signing key's id", "it is not 1 to 128 letters, digits and ._~:@=+/-")
        self.keyid = keyid
        self._sign = _signer(material)

    def fields(self, components: Sequence[tuple[str, str]], *, now: int) -> dict[str, str]:
        """Return Signature-Input and Signature over these components, in their order.

        Args:
            components: each one's name and its canonical value (RFC 9421 2.5), without line breaks.
            now: epoch seconds.
        """
        names = " ".join([f'"{name}"' for name, _ in components])
        parameters = f'({names});created={now};nonce="{secrets.token_urlsafe(16)}";keyid="{self.keyid}";tag="{TAG}"'
        lines = [f'"{name}": {value}' for name, value in components]
        base = "\n".join([*lines, f'"@signature-params": {parameters}'])
        signature = base64.b64encode(self._sign(base.encode("ascii"))).decode("ascii")
        return {"Signature-Input": f"{_LABEL}={parameters}", "Signature": f"{_LABEL}=:{signature}:"}


def content_digest(body: bytes) -> str:
    """Return the Content-Digest of a body (RFC 9530 section 2), SHA-256."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def _signer(material: SigningMaterial) -> Callable[[bytes], bytes]:
    match material:
        case EllipticCurvePrivateKey() if isinstance(material.curve, SECP256R1):
            return p256_signer(material)
        case Ed25519PrivateKey():
            return material.sign
        case bytes() if len(material) >= MIN_SECRET_BYTES:
            return lambda message: hmac.digest(material, message, "sha256")
    raise _unsuitable("the signing key", f"it is not P-256, Ed25519 or a secret of {MIN_SECRET_BYTES} bytes or more")


def _segment(members: dict[str, Any]) -> str:
    return base64url.encode(json.dumps(members, separators=(",", ":")).encode("ascii"))


def _unsuitable(thing: str, reason: str) -> OperatorError:
    return OperatorError("KEY_UNSUITABLE", thing=thing, reason=reason, next_action="make and register another one")
