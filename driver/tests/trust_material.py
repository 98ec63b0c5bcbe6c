"""Keys, tokens, proofs, signed requests and certificates for the tests of `symphony.trust`, good and forged alike."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from symphony.trust import base64url
from symphony.trust.keys import thumbprint
from symphony.trust.origin import Origin
from symphony.trust.refusal import Reason, TrustRefused

NOW = 1_795_000_000
ISSUER = "https://issuer.example/realms/switch"
AUDIENCE = "https://pay.example"
ORIGIN = Origin("https://pay.example")
PATH = "/v1/instructions"
CERTIFICATE_SHA256 = hashlib.sha256(b"a certificate").digest()
VECTORS = Path(os.environ.get("SYMPHONY_VECTORS", Path(__file__).parents[3] / "shared" / "vectors")) / "ingress"

type Signer = Callable[[bytes], bytes]


def vectors(name: str) -> Any:
    """Return a published suite; skips the test where it is not."""
    if not (VECTORS / name).is_file():
        pytest.skip(f"SYMPHONY_VECTORS names no directory with ingress/{name}")
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def refused(reason: Reason, call: Callable[[], object]) -> TrustRefused:
    """Check that the call is refused with exactly this reason."""
    with pytest.raises(TrustRefused) as caught:
        call()
    assert caught.value.reason is reason, caught.value
    return caught.value


def number(value: int, size: int | None = None) -> str:
    """Write an unsigned integer as base64url of its big-endian octets."""
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Pair:
    """A key pair: what signs, and the public JWK."""

    alg: str
    sign: Signer
    jwk: dict[str, Any]

    @property
    def jkt(self) -> bytes:
        """The RFC 7638 thumbprint, decoded."""
        raw = base64url.decode(thumbprint(self.jwk))
        assert raw is not None
        return raw


def p256(kid: str | None = None) -> Pair:
    """Make a P-256 pair."""
    key = ec.generate_private_key(ec.SECP256R1())

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    point = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}
    return Pair("ES256", sign, jwk | ({"kid": kid} if kid else {}))


def ed25519_pair(kid: str | None = None) -> Pair:
    """Make an Ed25519 pair."""
    key = ed25519.Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(key.public_key().public_bytes_raw())}
    return Pair("EdDSA", key.sign, jwk | ({"kid": kid} if kid else {}))


@cache
def rsa_key(bits: int = 2_048) -> rsa.RSAPrivateKey:
    """Make an RSA key, once a run."""
    return rsa.generate_private_key(65_537, bits)


def rsa_jwk(key: rsa.RSAPrivateKey, kid: str | None = None) -> dict[str, Any]:
    """Return the public JWK of an RSA key."""
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)} | ({"kid": kid} if kid else {})


def rsa_pair(kid: str | None = None, *, salt: int = 32) -> Pair:
    """Make an RSA pair that signs with PSS and SHA-256."""
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    return Pair("PS256", lambda message: rsa_key().sign(message, pss, hashes.SHA256()), rsa_jwk(rsa_key(), kid))


ISSUER_KEY = p256("issuer-1")
CLIENT_KEY = p256()


def compact(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, sign: Signer) -> str:
    """Write a compact JWS over exactly this header and payload."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signing_input = ".".join(base64url.encode(part) for part in parts)
    return f"{signing_input}.{base64url.encode(sign(signing_input.encode()))}"


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members with some changed; a change to ... takes the member away."""
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def token_header(**changes: Any) -> dict[str, Any]:
    """Return a good header of an access token, with changes."""
    return changed({"alg": "ES256", "kid": "issuer-1", "typ": "at+jwt"}, changes)


def token_claims(**changes: Any) -> dict[str, Any]:
    """Return good claims of an access token bound to CERTIFICATE_SHA256, with changes."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "bank-a",
        "client_id": "client-a",
        "jti": "0192f3c4-5a6b-7c8d-9e0f-112233445566",
        "iat": NOW - 10,
        "nbf": NOW - 10,
        "exp": NOW + 200,
        "scope": "payment:submit payment:status",
        "cnf": {"x5t#S256": base64url.encode(CERTIFICATE_SHA256)},
    }
    return changed(good, changes)


def hmac_signer(secret: bytes) -> Signer:
    """Return a signer that misuses a public key, or anything, as an HMAC secret."""
    return lambda message: hmac.digest(secret, message, "sha256")


def proof_header(pair: Pair = CLIENT_KEY, **changes: Any) -> dict[str, Any]:
    """Return a good header of a DPoP proof, with changes."""
    return changed({"typ": "dpop+jwt", "alg": pair.alg, "jwk": pair.jwk}, changes)


def proof_claims(wire: str, **changes: Any) -> dict[str, Any]:
    """Return good claims of a DPoP proof for this token, with changes."""
    good = {
        "jti": "-BwC3ESc6acc2lTc",
        "htm": "POST",
        "htu": ORIGIN.text + PATH,
        "iat": NOW,
        "ath": base64url.encode(hashlib.sha256(wire.encode()).digest()),
    }
    return changed(good, changes)


class Authority:
    """A certificate authority for tests."""

    def __init__(
        self,
        name: str = "issuing CA",
        *,
        signer: Authority | None = None,
        ca: bool = True,
        usage: x509.KeyUsage | None = None,
        ends: int = 86_400 * 365,
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = signer or self
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at(-86_400))
            .not_valid_after(at(ends))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(usage or key_usage(key_cert_sign=ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
            .sign(issuer.key, hashes.SHA256())
        )
        self.der = self.certificate.public_bytes(Encoding.DER)

    def leaf(
        self,
        *,
        usages: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.CLIENT_AUTH,),
        names: Sequence[x509.GeneralName] = (x509.DNSName("client-a.example"),),
        begins: int = -3_600,
        ends: int = 3_600,
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        """Issue a client certificate, valid from and to these seconds around NOW; returns its DER."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client-a.example")]))
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(at(begins))
            .not_valid_after(at(ends))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def at(seconds: int) -> datetime:
    """Return the moment this many seconds from NOW."""
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds)


def key_usage(*, digital_signature: bool = True, key_cert_sign: bool = False) -> x509.KeyUsage:
    """Return a KeyUsage extension."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=not digital_signature,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )
