"""A sender's credentials in files, for the one account that may read them.

credentials.json    {"client_id", "token_url", "scopes": [...], "signature_key_id"}
client.crt.pem      the client certificate, and client.key.pem its key
signature.key.pem   signs requests, P-256 or Ed25519; or signature.secret, a shared secret in base64
dpop.key.pem        P-256; without it tokens are bound to the certificate alone
issuer-ca.pem       whom to believe about the token issuer; without it, the system's store
server-ca.pem       whom to believe about the ingress; without it, the system's store
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from symphony.client.proofs import PrivateKey, SigningMaterial
from symphony.operator_error import OperatorError

SETTINGS: Final = "credentials.json"
CERTIFICATE: Final = "client.crt.pem"
KEY: Final = "client.key.pem"
SIGNATURE_KEY: Final = "signature.key.pem"
SIGNATURE_SECRET: Final = "signature.secret"  # noqa: S105 - a file name
DPOP_KEY: Final = "dpop.key.pem"
ISSUER_CA: Final = "issuer-ca.pem"
SERVER_CA: Final = "server-ca.pem"
_MEMBERS: Final = {"client_id": str, "token_url": str, "scopes": list, "signature_key_id": str}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a directory of credentials holds."""

    client_id: str
    token_url: str
    scopes: tuple[str, ...]
    signature_key_id: str
    signature_key: SigningMaterial = field(repr=False)
    dpop_key: PrivateKey | None = field(repr=False)
    issuer_context: ssl.SSLContext
    server_context: ssl.SSLContext


def read(path: Path, *, server_ca: Path | None = None) -> Contents:
    """Read the directory; files that hold a secret must be closed to other accounts.

    Args:
        server_ca: a file to use instead of the directory's server-ca.pem.

    Raises:
        OperatorError: CREDENTIALS_UNREADABLE, CREDENTIALS_EXPOSED, CREDENTIALS_INVALID; each names the file.
    """
    settings = _settings(path / SETTINGS)
    dpop = path / DPOP_KEY
    return Contents(
        client_id=settings["client_id"],
        token_url=settings["token_url"],
        scopes=tuple(settings["scopes"]),
        signature_key_id=settings["signature_key_id"],
        signature_key=_signature_key(path),
        dpop_key=_private_key(dpop) if dpop.exists() else None,
        issuer_context=_context(path, path / ISSUER_CA),
        server_context=_context(path, server_ca or path / SERVER_CA, required=server_ca is not None),
    )


def write(
    path: Path,
    *,
    client_id: str,
    token_url: str,
    scopes: Sequence[str],
    certificate_pem: bytes,
    key_pem: bytes,
    signature_key_id: str,
    signature_key: SigningMaterial,
    dpop_key: EllipticCurvePrivateKey | None,
    issuer_ca_pem: bytes,
    server_ca_pem: bytes,
) -> None:
    """Write a new directory (mode 0700, files 0600); raises OSError when it exists or cannot be made."""
    path.mkdir(mode=0o700)
    settings = {
        "client_id": client_id,
        "token_url": token_url,
        "scopes": list(scopes),
        "signature_key_id": signature_key_id,
    }
    secret = isinstance(signature_key, bytes)
    files: dict[str, bytes] = {
        SETTINGS: json.dumps(settings, indent=2).encode(),
        CERTIFICATE: certificate_pem,
        KEY: key_pem,
        SIGNATURE_SECRET if secret else SIGNATURE_KEY: _key_text(signature_key),
        ISSUER_CA: issuer_ca_pem,
        SERVER_CA: server_ca_pem,
    }
    if dpop_key is not None:
        files[DPOP_KEY] = _key_text(dpop_key)
    for name, content in files.items():
        handle = os.open(path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)


def _settings(path: Path) -> Mapping[str, Any]:
    try:
        settings = json.loads(_bytes(path))
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or settings.keys() != _MEMBERS.keys():
        _invalid(path, f"it is not a JSON object of {', '.join(_MEMBERS)}")
    for name, kind in _MEMBERS.items():
        if not isinstance(settings[name], kind) or not settings[name]:
            _invalid(path, f"{name} is missing or of another type")
    scopes = settings["scopes"]
    if not all(isinstance(scope, str) and scope and " " not in scope for scope in scopes):
        _invalid(path, "scopes is not a list of scopes")
    address = urlsplit(settings["token_url"])
    if address.scheme != "https" or not address.hostname or address.query or address.fragment:
        _invalid(path, "token_url is not a plain https address")
    return settings


def _signature_key(path: Path) -> SigningMaterial:
    key, secret = path / SIGNATURE_KEY, path / SIGNATURE_SECRET
    if key.exists() == secret.exists():
        _invalid(path, f"there must be one of {SIGNATURE_KEY} and {SIGNATURE_SECRET}")
    if key.exists():
        return _private_key(key)
    try:
        return base64.b64decode(_secret(secret).strip(), validate=True)
    except binascii.Error:
        _invalid(secret, "it is not base64")


def _private_key(path: Path) -> PrivateKey:
    try:
        key = load_pem_private_key(_secret(path), password=None)
    except (ValueError, TypeError):  # not chained: the text could quote the file
        key = None
    if not isinstance(key, EllipticCurvePrivateKey | Ed25519PrivateKey):
        _invalid(path, "it is not an EC or Ed25519 private key in PEM, without a pass phrase")
    return key


def _context(path: Path, authority: Path, *, required: bool = False) -> ssl.SSLContext:
    """TLS 1.3 with the client certificate, believing this authority alone, or the system's store without it."""
    context = ssl.create_default_context()
    if authority.exists() or required:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cadata=_bytes(authority).decode("ascii"))
        except (ssl.SSLError, ValueError):
            _invalid(authority, "it is no certificate in PEM")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    _secret(path / KEY)
    _bytes(path / CERTIFICATE)
    try:
        context.load_cert_chain(path / CERTIFICATE, path / KEY, password=_no_pass_phrase)
    except (ssl.SSLError, ValueError):
        _invalid(path / CERTIFICATE, f"it is no certificate in PEM, or {KEY} is not its key")
    return context


def _no_pass_phrase() -> str:
    raise ValueError("OpenSSL must not ask on the terminal")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OperatorError(
            "CREDENTIALS_UNREADABLE",
            thing=str(path),
            reason=error.strerror or type(error).__name__,
            next_action="name a directory of credentials, as the account that may read it",
        ) from None


def _secret(path: Path) -> bytes:
    content = _bytes(path)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise OperatorError(
            "CREDENTIALS_EXPOSED",
            thing=str(path),
            reason="other accounts may use it",
            next_action="chmod 600 it, and have a new one made when somebody may have read it",
        )
    return content


def _key_text(key: SigningMaterial) -> bytes:
    if isinstance(key, bytes):
        return base64.b64encode(key)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _invalid(path: Path, reason: str) -> NoReturn:
    raise OperatorError(
        "CREDENTIALS_INVALID",
        thing=str(path),
        reason=reason,
        next_action="correct it; symphony/client/directory.py says what each file holds",
    )
