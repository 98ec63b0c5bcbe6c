"""Keys, requests and what comes back: the key of a certificate is made here and never sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, its issuer's, and its key (empty when the key was never ours); all PEM."""

    certificate_pem: bytes
    issuer_pem: bytes
    serial: str
    not_after: datetime
    key_pem: bytes = field(repr=False)


def key_and_request() -> tuple[bytes, str]:
    """A new EC P-256 key (PKCS #8 PEM) and a PKCS #10 request that names nobody: the names are set by the signer."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def signed(data: dict[str, Any], key_pem: bytes) -> Certificate:
    """OpenBao's answer to a signing request."""
    return Certificate(
        certificate_pem=data["certificate"].encode("ascii") + b"\n",
        issuer_pem=data["issuing_ca"].encode("ascii") + b"\n",
        serial=data["serial_number"],
        not_after=datetime.fromtimestamp(int(data["expiration"]), UTC),
        key_pem=key_pem,
    )
