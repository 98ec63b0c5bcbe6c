"""Revocation lists and OCSP answers for tests, good and forged alike, and an HTTP server that hands them out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.trust_material import Authority

HOUR = timedelta(hours=1)


def revocation_list(
    signer: Authority,
    *,
    number: int | None = 1,
    serials: Sequence[int] = (),
    now: datetime | None = None,
    begins: timedelta = -HOUR,
    ends: timedelta = HOUR,
    name: x509.Name | None = None,
    extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """A list in DER, by the signer's key and, unless another name is given, in its name."""
    at = (now or datetime.now(UTC)).replace(microsecond=0)
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=name or signer.name, last_update=at + begins, next_update=at + ends
    )
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at + begins).build()
        builder = builder.add_revoked_certificate(revoked)
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def renamed(authority: Authority, name: str) -> x509.Certificate:
    """A certificate of the authority's key in another name."""
    other = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(other).issuer_name(other).public_key(authority.key.public_key())
    own = authority.certificate
    builder = builder.serial_number(1).not_valid_before(own.not_valid_before_utc)
    return builder.not_valid_after(own.not_valid_after_utc).sign(authority.key, hashes.SHA256())


@dataclass(frozen=True)
class Responder:
    """Who signs an OCSP answer: the CA, or somebody with a certificate."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    sent: bool = True

    @classmethod
    def ca(cls, authority: Authority) -> Responder:
        """The CA itself."""
        return cls(authority.certificate, authority.key, sent=False)

    @classmethod
    def delegated(cls, authority: Authority, *, usage: bool = True, no_check: bool = True, ends: int = 1) -> Responder:
        """Somebody to whom the CA gave a certificate that ends in so many hours."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "responder")]))
            .issuer_name(authority.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 24 * HOUR)
            .not_valid_after(now + ends * HOUR)
        )
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False)
        if no_check:
            builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
        return cls(builder.sign(authority.key, hashes.SHA256()), key)


def status_answer(
    authority: Authority,
    serial: int,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    responder: Responder | None = None,
    issuer: x509.Certificate | None = None,
    begins: timedelta = -HOUR,
    ends: timedelta | None = HOUR,
    identified_by: hashes.HashAlgorithm | None = None,
    encoding: ocsp.OCSPResponderEncoding = ocsp.OCSPResponderEncoding.NAME,
) -> bytes:
    """A successful answer about this serial number of the authority, or of another issuer; DER."""
    now = datetime.now(UTC).replace(microsecond=0)
    signer = responder or Responder.ca(authority)
    about = issuer or authority.certificate
    own = ocsp.OCSPRequestBuilder().add_certificate(about, about, identified_by or hashes.SHA256())
    hashed = own.build()
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=hashed.issuer_name_hash,
            issuer_key_hash=hashed.issuer_key_hash,
            serial_number=serial,
            algorithm=identified_by or hashes.SHA256(),
            cert_status=status,
            this_update=now + begins,
            next_update=None if ends is None else now + ends,
            revocation_time=now - HOUR if status is ocsp.OCSPCertStatus.REVOKED else None,
            revocation_reason=None,
        )
        .responder_id(encoding, signer.certificate)
    )
    if signer.sent:
        builder = builder.certificates([signer.certificate])
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass
class Published:
    """What the server answers: replace it, and what was asked."""

    revocation_list: bytes = b""
    status: int = 200
    answer: Callable[[int], bytes] = field(default=lambda serial: b"")
    asked: list[int] = field(default_factory=list)
    url: str = ""


@asynccontextmanager
async def publisher() -> AsyncIterator[Published]:
    """An HTTP server on loopback with /crl and /ocsp."""
    published = Published()

    async def get_list(_: web.Request) -> web.Response:
        return web.Response(body=published.revocation_list, status=published.status)

    async def ask(request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "application/ocsp-request"
        serial = ocsp.load_der_ocsp_request(await request.read()).serial_number
        published.asked.append(serial)
        return web.Response(body=published.answer(serial), status=published.status)

    app = web.Application()
    app.add_routes([web.get("/crl", get_list), web.post("/ocsp", ask)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site: Any = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        published.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield published
    finally:
        await runner.cleanup()
