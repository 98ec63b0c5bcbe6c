"""The signature over the evidence index: ECDSA on P-256 with SHA-256 (FIPS 186-5), which `openssl dgst` verifies."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gates.anchors import environment
from symphony.operator_error import OperatorError

KEY_VARIABLE = "SYMPHONY_EVIDENCE_KEY"


def signing_key(root: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key that SYMPHONY_EVIDENCE_KEY names (a PEM file); in dev, without one, a key of this checkout.

    Raises:
        OperatorError: SIGNING_KEY_MISSING outside dev, SIGNING_KEY_INVALID.
    """
    named = os.environ.get(KEY_VARIABLE)
    if named:
        return _read(Path(named))
    if environment() != "dev":
        raise OperatorError(
            "SIGNING_KEY_MISSING",
            thing=f"environment {environment()}",
            reason=f"{KEY_VARIABLE} names no key, and only dev may sign with one of its own making",
            next_action="name the PEM file of an ECDSA P-256 private key",
        )
    path = root / ".cache" / "evidence-dev-key.pem"
    if not path.exists():
        _make(path)
    return _read(path)


def sign(key: ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
    """Return the DER signature."""
    return key.sign(content, ec.ECDSA(hashes.SHA256()))


def public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the public key as PEM (SubjectPublicKeyInfo, RFC 5280)."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def is_signed(public: bytes, signature: bytes, content: bytes) -> bool:
    """Tell whether the signature is that of the holder of the key. Raises ValueError when the key is no P-256 key."""
    key = serialization.load_pem_public_key(public)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the key is not an ECDSA P-256 public key")
    try:
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _read(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise _invalid(path, type(error).__name__) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise _invalid(path, "it is of another kind")
    return key


def _invalid(path: Path, why: str) -> OperatorError:
    return OperatorError(
        "SIGNING_KEY_INVALID",
        thing=str(path),
        reason=f"no ECDSA P-256 private key can be read from it ({why})",
        next_action="make one: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    )


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
