"""Authorities, certificates in files, credentials and a running issuer, for tests of the sender's side."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from symphony.client import Credentials, directory
from symphony.client.proofs import SigningMaterial
from symphony.issuer.server import Issuer, IssuerSettings, start
from tests.trust_material import key_usage

AUDIENCE = "https://pay.example"
SCOPES = ("payment:submit", "payment:status", "evidence:read")


def now() -> int:
    """Epoch seconds."""
    return int(time.time())


class FileAuthority:
    """An authority whose certificates come as PEM with their keys, valid from an hour ago for an hour."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = (
            _builder(self._name, self._name, self._key, hours=24)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(key_cert_sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def client(
        self, client_id: str | None = "client-a", *, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH
    ) -> tuple[bytes, bytes]:
        """Certificate and key of a client, named as OpenBao's role names it; None names something else."""
        name = f"urn:symphony:client:{client_id}" if client_id is not None else "urn:somebody:else"
        return self._leaf(x509.UniformResourceIdentifier(name), usage)

    def server(self) -> tuple[bytes, bytes]:
        """Certificate and key of a server on 127.0.0.1."""
        return self._leaf(x509.IPAddress(ipaddress.ip_address("127.0.0.1")), ExtendedKeyUsageOID.SERVER_AUTH)

    def _leaf(self, name: x509.GeneralName, usage: x509.ObjectIdentifier) -> tuple[bytes, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(x509.Name([]), self._name, key, hours=1)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(key_usage(), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM), pem_of(key)


def pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A key as PKCS #8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def der_of(pem: bytes) -> bytes:
    """A certificate as DER."""
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, hours: int
) -> x509.CertificateBuilder:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(hours=1 + hours))
    )


def private(path: Path, content: bytes) -> Path:
    """A file that only we may read."""
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@dataclass
class Clock:
    """Epoch seconds that a test moves; it starts with the real ones, which certificates need."""

    seconds: int = field(default_factory=now)

    def __call__(self) -> int:
        return self.seconds


@dataclass
class IssuerStage:
    """A running issuer, its authorities, and a maker of credentials; what is in `opened` is closed at the end."""

    folder: Path
    clients: FileAuthority
    servers: FileAuthority
    issuer: Issuer
    clock: Clock
    opened: list[Credentials] = field(default_factory=list)

    def credentials(
        self,
        name: str = "client-a",
        *,
        client_id: str | None = "client-a",
        signature_key: SigningMaterial | None = None,
        dpop: bool = True,
        **changes: Any,
    ) -> Path:
        """Write a directory of credentials of a new certificate."""
        certificate, key = self.clients.client(client_id)
        given = {
            "client_id": name,
            "token_url": f"{self.issuer.url}/token",
            "scopes": SCOPES,
            "certificate_pem": certificate,
            "key_pem": key,
            "signature_key_id": f"{name}-1",
            "signature_key": signature_key or ec.generate_private_key(ec.SECP256R1()),
            "dpop_key": ec.generate_private_key(ec.SECP256R1()) if dpop else None,
            "issuer_ca_pem": self.servers.pem,
            "server_ca_pem": self.servers.pem,
        } | changes
        directory.write(self.folder / name, **given)
        return self.folder / name


def issuer_files(folder: Path, *, clients: FileAuthority, servers: FileAuthority) -> dict[str, Path]:
    """What the issuer is started with."""
    certificate, key = servers.server()
    return {
        "certificate": private(folder / "issuer.crt.pem", certificate),
        "key": private(folder / "issuer.key.pem", key),
        "client_ca": private(folder / "client-ca.pem", clients.pem),
    }


@asynccontextmanager
async def issuing(
    folder: Path, *, lifetime_s: int = 300, clock: Callable[[], int] | None = None, **settings: Any
) -> AsyncIterator[IssuerStage]:
    """A development issuer in this process."""
    clients, servers = FileAuthority("clients"), FileAuthority("servers")
    moved = clock if isinstance(clock, Clock) else Clock()
    files = issuer_files(folder, clients=clients, servers=servers)
    given = {"audience": AUDIENCE, "scopes": SCOPES, "lifetime_s": lifetime_s, **files, **settings}
    issuer = await start(IssuerSettings(**given), clock=moved)
    stage = IssuerStage(folder, clients, servers, issuer, moved)
    try:
        yield stage
    finally:
        for credentials in stage.opened:
            await credentials.close()
        await issuer.close()
