"""Certificates valid now, a TLS listener in front of the real server with a small handler, and raw TLS clients."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp.web import BaseRequest, Response
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from symphony.ingress.framing import check_head, check_media, read_body
from symphony.ingress.listener import ConnectionRefusal, Listener, ListenerSettings, TlsMaterial, peer_certificate
from symphony.ingress.problems import Refusal
from symphony.ingress.server import IngressServer
from symphony.ingress.settings import IngressSettings
from symphony.trust.refusal import TrustRefused
from tests.trust_material import key_usage

CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)


@dataclass(frozen=True)
class Leaf:
    """A certificate and its key."""

    der: bytes
    certificate_pem: bytes
    key_pem: bytes

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.der).digest()


class Authority:
    """A certificate authority whose certificates are valid now."""

    def __init__(self, name: str, *, signer: Authority | None = None, ca: bool = True, ends_s: int = 86_400) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        issuer = signer or self
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(issuer.name, self.name, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(seconds=ends_s))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(key_usage(key_cert_sign=ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        )
        self.certificate = builder.sign(issuer.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def itself(self) -> Leaf:
        """The authority's own certificate, to be presented."""
        return _leaf(self.certificate, self.key)

    def leaf(
        self,
        usages: Sequence[x509.ObjectIdentifier] | None = CLIENT,
        *,
        begins_s: int = -3_600,
        ends_s: int = 86_400,
        names: Sequence[x509.GeneralName] = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))),
        chain: bytes = b"",
        names_issuer_key: bool = True,
    ) -> Leaf:
        """Issue a certificate with its key, valid from and to these seconds around now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a leaf")])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now + timedelta(seconds=begins_s))
            .not_valid_after(now + timedelta(seconds=ends_s))
        )
        if names_issuer_key:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
            )
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _leaf(builder.sign(self.key, hashes.SHA256()), key, chain)


def _leaf(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, chain: bytes = b"") -> Leaf:
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Leaf(certificate.public_bytes(Encoding.DER), certificate.public_bytes(Encoding.PEM) + chain, key_pem)


_ENDS = (b"served", b"INVALID", b"MISSING", b"UNSUPPORTED")
SERVER_CA = Authority("server CA")
ROOT = Authority("root")
ISSUING = Authority("issuing CA", signer=ROOT)
GOOD = ISSUING.leaf()


def material(**changes: bytes) -> TlsMaterial:
    """What a listener serves with: a new server certificate, and clients of ISSUING; with changes."""
    leaf = SERVER_CA.leaf(SERVER)
    good = {"certificate_pem": leaf.certificate_pem, "key_pem": leaf.key_pem, "client_ca_pem": ISSUING.pem}
    return TlsMaterial(**{**good, **changes})


@contextmanager
def _file(content: bytes) -> Any:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name


def client_context(leaf: Leaf | None = GOOD) -> ssl.SSLContext:
    """A client that trusts SERVER_CA and presents this certificate, or none."""
    context = ssl.create_default_context(cadata=SERVER_CA.pem.decode())
    if leaf is not None:
        with _file(leaf.key_pem + leaf.certificate_pem) as path:
            context.load_cert_chain(path)  # certificate, chain and key in one file
    return context


@dataclass
class Stage:
    """A running listener and everything it did.

    Attributes:
        served: the DER, or the refusal, that each request's handler was given as the client's certificate.
        heads, bodies: what was read; requests: certificate and body of each.
        gate: answers wait for it; it is open at first.
        body_timeout_s: how long a body may take.
    """

    listener: Listener
    server: IngressServer
    refusals: list[ConnectionRefusal] = field(default_factory=list)
    served: list[bytes | str | None] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    requests: list[tuple[bytes | None, bytes]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    body_timeout_s: float = 20.0

    @property
    def untouched(self) -> bool:
        """Whether nothing was connected, read or served."""
        return not self.served and not self.heads and self.server.open_connections == self.server.requests_count == 0

    @property
    def reasons(self) -> Counter[str]:
        return Counter(refusal.reason_code for refusal in self.refusals)

    async def answer(self, request: BaseRequest) -> Response:
        """Check framing as the ingress does, and tell whose certificate it is."""
        try:
            check_head(request)
            self.heads.append(dict(request.headers))
            der = peer_certificate(request)
            self.served.append(der)
            body = await read_body(request, max_bytes=65_536, timeout_s=self.body_timeout_s)
            check_media(request)
            self.bodies.append(body)
            self.requests.append((der, body))
            await self.gate.wait()
        except TrustRefused as error:
            self.served.append(error.reason_code)
            return Response(status=error.reason.http_status, text=error.reason_code)
        except Refusal as refusal:
            response = Response(status=refusal.status, text=refusal.reason_code)
            if refusal.close:
                response.force_close()
            return response
        return Response(text="served", content_type="application/json")

    async def connect(self, leaf: Leaf | None = GOOD) -> Peer:
        """Make a TLS connection; with TLS 1.3 this succeeds even when the certificate is refused."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.listener.port, ssl=client_context(leaf), server_hostname="localhost"
        )
        return Peer(reader, writer)

    async def ask(self, leaf: Leaf | None = GOOD) -> bytes:
        """Send one good request over a new connection; b"" when the connection ended without an answer."""
        try:
            peer = await self.connect(leaf)
        except OSError:
            return b""
        return await peer.exchange(request())


@dataclass(frozen=True)
class Peer:
    """One connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def exchange(self, raw: bytes, *, answers: int = 1, within_s: float = 20.0) -> bytes:
        """Send bytes and return all that comes until the server closes or so many whole answers are there."""
        received = b""
        try:
            self.writer.write(raw)
            await self.writer.drain()
            async with asyncio.timeout(within_s):
                while chunk := await self.reader.read(65_536):
                    received += chunk
                    if received.count(b"HTTP/1.") == answers and received.endswith(_ENDS):
                        return received
                return received + (b"<closed>" if received else b"")
        except OSError:
            return received
        finally:
            self.writer.transport.abort()


def request(*, head: Sequence[bytes] = (), body: bytes = b"{}") -> bytes:
    """Write one good POST, with more header lines."""
    lines = [b"POST /v1/instructions HTTP/1.1", b"Host: x", b"Content-Type: application/json"]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), *head]) + b"\r\n\r\n" + body


@asynccontextmanager
async def staged(
    *,
    with_material: TlsMaterial | None = None,
    port: int = 0,
    unix: Path | None = None,
    plain: bool = False,
    settings: dict[str, Any] | None = None,
    ingress: dict[str, Any] | None = None,
    **limits: Any,
) -> AsyncIterator[Stage]:
    """Run a listener in this loop."""
    stage: Stage

    async def handler(given: BaseRequest) -> Response:
        return await stage.answer(given)

    def refused(refusal: ConnectionRefusal) -> None:
        stage.refusals.append(refusal)

    server = IngressServer(
        handler,
        settings=IngressSettings(lingering_timeout_ms=100, **(ingress or {})),
        on_malformed=lambda: None,
        on_connection_dropped=lambda: None,
        on_refused=refused,
        **{"behind_proxy": unix is not None, **limits},
    )
    bounds = ListenerSettings(**(settings or {}))
    if unix is not None:
        listener = await Listener.start_unix(server, path=unix, settings=bounds, on_refused=refused)
    elif plain:
        listener = await Listener.start_plain(server, host="127.0.0.1", port=port, settings=bounds, on_refused=refused)
    else:
        listener = await Listener.start(
            server,
            host="127.0.0.1",
            port=port,
            material=with_material or material(),
            settings=bounds,
            on_refused=refused,
        )
    stage = Stage(listener, server)
    stage.gate.set()
    try:
        yield stage
    finally:
        await listener.close(timeout_s=1)


def tcp(stage: Stage) -> socket.socket:
    """A blocking TCP connection to the listener, with nothing said yet."""
    return socket.create_connection(("127.0.0.1", stage.listener.port), timeout=30)
