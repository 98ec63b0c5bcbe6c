"""TLS of the payment port: 1.3 only, a client certificate of the one issuing CA, and no session to resume.

A resumed session skips verification, so that a certificate refused today could still be used; and a keep-alive
connection outlives a revocation anyway, which is why the registry is asked at every request and not here.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.errors import SymphonyError
from symphony.ingress.connection import ConnectionRefusal
from symphony.trust.client_certificate import IssuingAuthority
from symphony.trust.refusal import TrustRefused

# OpenSSL's X509_V_ERR_* (x509_vfy.h): the client mends these in another way than a wrong chain.
_VERIFY_REASONS = {
    9: "CONNECTION_CERTIFICATE_NOT_YET_VALID",
    10: "CONNECTION_CERTIFICATE_EXPIRED",
    26: "CONNECTION_PURPOSE_REFUSED",
}


class MaterialRefused(SymphonyError):
    """The certificate, key or client CA cannot be served with; the message says which and why, and holds no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMaterial:
    """What a TLS listener serves with, all PEM.

    Attributes:
        certificate_pem: the server's certificate, then the intermediates that clients need.
        key_pem: its private key, not encrypted.
        client_ca_pem: the one certificate that issues client certificates.
    """

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)
    client_ca_pem: bytes


def server_context(material: TlsMaterial, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> ssl.SSLContext:
    """Make the context of a listener; raises MaterialRefused."""
    authority = _client_authority(material.client_ca_pem, now())
    _check_server_certificate(material.certificate_pem, now())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # not create_default_context: it would honour SSLKEYLOGFILE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    context.load_verify_locations(cadata=authority)
    try:
        with _in_memory(material.certificate_pem) as certificate, _in_memory(material.key_pem) as key:
            context.load_cert_chain(certificate, key, password=b"")  # an encrypted key fails instead of prompting
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        raise MaterialRefused(f"the server's certificate and key cannot be used together: {reason}") from None
    return context


def refusal_of(error: Exception, peer_address: str | None) -> ConnectionRefusal:
    """Say why a handshake failed. What the peer sent instead of TLS 1.3, or that it went away, is one reason."""
    reason_code, verify_code = "CONNECTION_PROTOCOL_REFUSED", None
    if isinstance(error, ssl.SSLCertVerificationError):
        verify_code = error.verify_code
        reason_code = _VERIFY_REASONS.get(verify_code, "CONNECTION_CERTIFICATE_REFUSED")
    elif isinstance(error, ssl.SSLError):
        if error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
            reason_code = "CONNECTION_NO_CERTIFICATE"
    elif isinstance(error, ConnectionAbortedError):  # how both event loops say that the handshake took too long
        reason_code = "CONNECTION_HANDSHAKE_TIMEOUT"
    return ConnectionRefusal(reason_code=reason_code, peer_address=peer_address, verify_code=verify_code)


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Lend a path to bytes that never reach a disk: OpenSSL's loader only takes paths."""
    descriptor = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _client_authority(pem: bytes, now: datetime) -> bytes:
    try:
        (certificate,) = x509.load_pem_x509_certificates(pem)
        der = certificate.public_bytes(Encoding.DER)
        IssuingAuthority(der)
    except ValueError:
        raise MaterialRefused("the client CA is not exactly one certificate in PEM") from None
    except TrustRefused as error:
        raise MaterialRefused(f"the client CA cannot issue certificates: {error.detail}") from None
    _check_validity("the client CA's certificate", certificate, now)
    return der


def _check_server_certificate(pem: bytes, now: datetime) -> None:
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
        extensions = certificate.extensions
    except ValueError:
        raise MaterialRefused("the server's certificate is none in PEM") from None
    _check_validity("the server's certificate", certificate, now)
    try:
        extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        raise MaterialRefused("the server's certificate has no subject alternative name") from None
    try:
        usages = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in usages:
        raise MaterialRefused("the server's certificate does not name serverAuth among its extended key usages")


def _check_validity(thing: str, certificate: x509.Certificate, now: datetime) -> None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        valid = (
            f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%MZ} to {certificate.not_valid_after_utc:%Y-%m-%dT%H:%MZ}"
        )
        raise MaterialRefused(f"{thing} is valid from {valid}, which is not now")
