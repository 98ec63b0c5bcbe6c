"""What the development issuer signs with, and the access tokens it makes (RFC 9068, RFC 8705 3, RFC 9449 6)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from symphony.client.proofs import p256_signer, public_jwk
from symphony.trust import base64url

MAX_LIFETIME_S: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one token says.

    Attributes:
        certificate_sha256: of the client certificate it is bound to, 32 bytes.
        jkt: thumbprint of the DPoP key it is bound to as well, 32 bytes; None without.
    """

    client_id: str
    scopes: Sequence[str]
    certificate_sha256: bytes
    jkt: bytes | None


class Mint:
    """An ES256 key made at the start, and the one before it: tokens outlive one rotation, not two.

    Args:
        issuer, audience: `iss` and `aud` of every token.
        lifetime_s: 1 to MAX_LIFETIME_S.
        clock: epoch seconds.
    """

    def __init__(self, *, issuer: str, audience: str, lifetime_s: int, clock: Callable[[], int]) -> None:
        self.issuer = issuer
        self.lifetime_s = lifetime_s
        self._audience = audience
        self._clock = clock
        self._public: list[dict[str, str]] = []
        self.rotate()

    @property
    def kid(self) -> str:
        """The current key's id."""
        return self._public[0]["kid"]

    def rotate(self) -> None:
        """Sign with a new key from now on; publish it and the last one."""
        key = ec.generate_private_key(ec.SECP256R1())
        jwk = public_jwk(key) | {"kid": f"dev-{secrets.token_hex(8)}", "use": "sig", "alg": "ES256"}
        self._public = [jwk, *self._public[:1]]
        self._sign = p256_signer(key)

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """The public keys (RFC 7517 5)."""
        return {"keys": self._public}

    def token(self, grant: Grant) -> str:
        """Return an access token."""
        now = self._clock()
        confirmation = {"x5t#S256": base64url.encode(grant.certificate_sha256)}
        if grant.jkt is not None:
            confirmation["jkt"] = base64url.encode(grant.jkt)
        claims = {
            "iss": self.issuer,
            "aud": self._audience,
            "sub": grant.client_id,
            "client_id": grant.client_id,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime_s,
            "scope": " ".join(grant.scopes),
            "cnf": confirmation,
        }
        segments = [_segment(part) for part in ({"alg": "ES256", "kid": self.kid, "typ": "at+jwt"}, claims)]
        signing_input = ".".join(segments)
        return f"{signing_input}.{base64url.encode(self._sign(signing_input.encode('ascii')))}"


def _segment(members: dict[str, Any]) -> str:
    return base64url.encode(json.dumps(members, separators=(",", ":")).encode("ascii"))
