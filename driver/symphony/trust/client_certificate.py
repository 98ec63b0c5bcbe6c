"""Client certificates (RFC 5280, 8705, 9440): issued by our CA, for this use, with a name, valid now.

Order of checks: form, issuer and its signature, validity, usage, SAN, then every path rule of the library's verifier.
Registration and revocation are the database's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from symphony.trust import base64url
from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.structured_fields import parse_item

MAX_DER_BYTES: Final = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A client certificate that holds; whose it is says the registry, by `sha256`.

    Attributes:
        sha256: SHA-256 over the DER, 32 bytes.
        not_before, not_after: epoch seconds, both included.
        names: the subject alternative names, each with its kind.
    """

    sha256: bytes
    serial: int = field(repr=False)
    not_before: int
    not_after: int
    names: tuple[str, ...] = field(repr=False)

    @property
    def x5t_s256(self) -> str:
        """The thumbprint as cnf.x5t#S256 spells it (RFC 8705 3.1)."""
        return base64url.encode(self.sha256)


class IssuingAuthority:
    """The one CA that issues client certificates; anything above or beside it is not believed."""

    def __init__(self, der: bytes) -> None:
        """Take the CA's certificate; raises TrustRefused (KEY_REFUSED) when it is none that may issue."""
        try:
            self.certificate = x509.load_der_x509_certificate(der)
            constraints = self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
            usage = self.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        except Exception:  # ValueError, InvalidVersion, ExtensionNotFound, DuplicateExtension
            raise TrustRefused(Reason.KEY_REFUSED, "the issuing CA's certificate is none of a CA") from None
        if not constraints.ca or not usage.key_cert_sign:
            raise TrustRefused(Reason.KEY_REFUSED, "the issuing CA's certificate may not sign certificates")
        self._store = Store([self.certificate])

    def issued(self, leaf: x509.Certificate) -> bool:
        """Tell whether name and signature of the leaf are this CA's."""
        try:
            leaf.verify_directly_issued_by(self.certificate)
        except Exception:  # InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm: none of them is a yes
            return False
        return True

    def accepts_path(self, leaf: x509.Certificate, now: int) -> bool:
        """Tell whether the path of leaf and CA keeps the rules of RFC 5280 and the Web PKI at `now`."""
        verifier = (
            PolicyBuilder()
            .store(self._store)
            .time(datetime.fromtimestamp(now, UTC).replace(tzinfo=None))
            .max_chain_depth(0)
            .build_client_verifier()
        )
        try:
            verifier.verify(leaf, [])
        except Exception:  # VerificationError, and what parsing an odd extension raises
            return False
        return True


def check_client_certificate(der: bytes, *, authority: IssuingAuthority, now: int) -> ClientCertificate:
    """Return the client certificate when it holds at `now` (epoch seconds).

    The result may be kept for a connection; `require_current` is for each of its requests.

    Raises:
        TrustRefused: CERT_*; the first failing check in the order of this module's description.
    """
    leaf = _load(der)
    extensions = _extensions(leaf)
    if not authority.issued(leaf):
        raise TrustRefused(Reason.CERT_CHAIN_REFUSED, "it is not issued by the issuing CA")
    certificate = ClientCertificate(
        sha256=hashlib.sha256(der).digest(),
        serial=leaf.serial_number,
        not_before=int(leaf.not_valid_before_utc.timestamp()),
        not_after=int(leaf.not_valid_after_utc.timestamp()),
        names=_names(extensions),
    )
    require_current(certificate, now=now)
    _check_usage(extensions)
    if not certificate.names:
        raise TrustRefused(Reason.CERT_IDENTITY_MISSING, "no subject alternative name")
    if not authority.accepts_path(leaf, now):
        raise TrustRefused(Reason.CERT_CHAIN_REFUSED, "the path to the issuing CA breaks a rule")
    return certificate


def require_current(certificate: ClientCertificate, *, now: int) -> None:
    """Raise TrustRefused (CERT_NOT_YET_VALID, CERT_EXPIRED) outside the certificate's validity."""
    if now < certificate.not_before:
        raise TrustRefused(Reason.CERT_NOT_YET_VALID, "notBefore is ahead")
    if now > certificate.not_after:
        raise TrustRefused(Reason.CERT_EXPIRED, "notAfter is past")


def read_client_cert_field(values: Sequence[str]) -> bytes:
    """Return the DER of the Client-Cert field (RFC 9440 2.2). Only for requests that came from our own proxy.

    Raises:
        TrustRefused: CERT_MISSING without the field; CERT_HEADER_INVALID.
    """
    if not values:
        raise TrustRefused(Reason.CERT_MISSING, "the proxy sent no Client-Cert")
    item = parse_item(values, refused_as=Reason.CERT_HEADER_INVALID)
    if not isinstance(item.value, bytes) or item.parameters:
        raise TrustRefused(Reason.CERT_HEADER_INVALID, "not one plain Byte Sequence")
    return item.value


def _load(der: bytes) -> x509.Certificate:
    leaf = None
    if len(der) <= MAX_DER_BYTES:
        try:
            leaf = x509.load_der_x509_certificate(der)
        except Exception:  # ValueError, UnsupportedAlgorithm, InvalidVersion
            leaf = None
    if leaf is None or leaf.version is not x509.Version.v3 or leaf.public_bytes(Encoding.DER) != der:
        raise TrustRefused(Reason.CERT_MALFORMED, "not one X.509 version 3 certificate")
    return leaf


def _extensions(leaf: x509.Certificate) -> x509.Extensions:
    try:
        return leaf.extensions
    except Exception:  # ValueError, DuplicateExtension, UnsupportedGeneralNameType
        raise TrustRefused(Reason.CERT_MALFORMED, "an extension is malformed or given twice") from None


def _check_usage(extensions: x509.Extensions) -> None:
    purposes: set[x509.ObjectIdentifier] = set()
    may_sign, is_ca = True, False
    for extension in extensions:
        match extension.value:
            case x509.ExtendedKeyUsage() as given:
                purposes = set(given)
            case x509.KeyUsage() as usage:
                may_sign = usage.digital_signature
            case x509.BasicConstraints() as constraints:
                is_ca = constraints.ca
    if ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:  # absent, or anyExtendedKeyUsage alone, is not enough
        raise TrustRefused(Reason.CERT_USAGE_REFUSED, "clientAuth is not among its extended key usages")
    if is_ca or not may_sign:
        raise TrustRefused(Reason.CERT_USAGE_REFUSED, "it is a CA, or its key may not sign")


def _names(extensions: x509.Extensions) -> tuple[str, ...]:
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            return tuple(f"{type(name).__name__}:{name.value}" for name in extension.value)
    return ()
