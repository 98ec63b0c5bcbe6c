"""A certificate revocation list (RFC 5280 5): believed when whole, current and signed by the issuing CA itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from symphony.revocation.refusal import RevocationRefused

SKEW: Final = timedelta(seconds=30)
STRONG_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_PEM: Final = b"-----BEGIN X509 CRL-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """What a list says.

    Attributes:
        number: cRLNumber; a newer list has a larger one.
        serials: every serial number on it, in lower-case hexadecimal without leading zeros.
    """

    number: int
    this_update: datetime
    next_update: datetime
    serials: tuple[str, ...] = field(repr=False)


def serial_text(serial: int) -> str:
    """A serial number as the registry spells it."""
    return format(serial, "x")


def read_revocation_list(document: bytes, *, authority: x509.Certificate, now: datetime) -> RevocationList:
    """Return what the list (DER or PEM) says when it holds at `now`.

    On hold counts as revoked.

    Raises:
        RevocationRefused: CRL_UNREADABLE, CRL_ISSUER, CRL_SIGNATURE, CRL_INCOMPLETE (a delta, a part of a list, a
            critical extension that is not understood), CRL_NUMBER_MISSING, CRL_NOT_YET_VALID, CRL_EXPIRED (also: no
            nextUpdate).
    """
    try:
        return _read(document, authority, now)
    except RevocationRefused:
        raise
    except Exception:  # ValueError, InvalidVersion, UnsupportedAlgorithm: the library reads parts only when asked
        raise RevocationRefused("CRL_UNREADABLE", "it is no X.509 revocation list that can be read") from None


def _read(document: bytes, authority: x509.Certificate, now: datetime) -> RevocationList:
    found = _load(document)
    if found.issuer != authority.subject:
        raise RevocationRefused("CRL_ISSUER", "the list is another issuer's")
    _check_signature(found, authority)
    number = _number(found)
    if found.last_update_utc > now + SKEW:
        raise RevocationRefused("CRL_NOT_YET_VALID", "thisUpdate is ahead")
    if found.next_update_utc is None or found.next_update_utc <= now:
        raise RevocationRefused("CRL_EXPIRED", "nextUpdate is past, or missing")
    return RevocationList(
        number=number,
        this_update=found.last_update_utc,
        next_update=found.next_update_utc,
        serials=tuple(serial_text(entry.serial_number) for entry in found),
    )


def may_sign_lists(authority: x509.Certificate) -> bool:
    """Tell whether the CA's certificate lets its key sign lists (KeyUsage cRLSign, RFC 5280 4.2.1.3)."""
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except (x509.ExtensionNotFound, ValueError):
        return False


def _load(document: bytes) -> x509.CertificateRevocationList:
    if document.lstrip().startswith(_PEM):
        return x509.load_pem_x509_crl(document)
    return x509.load_der_x509_crl(document)


def _check_signature(found: x509.CertificateRevocationList, authority: x509.Certificate) -> None:
    key = authority.public_key()
    try:
        algorithm = found.signature_hash_algorithm
        strong = algorithm is None or isinstance(algorithm, STRONG_HASHES)
        holds = (
            strong
            and may_sign_lists(authority)
            and isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey)
            and found.is_signature_valid(key)
        )
    except Exception:  # TypeError, ValueError, UnsupportedAlgorithm: none of them is a yes
        holds = False
    if not holds:
        raise RevocationRefused("CRL_SIGNATURE", "the list is not signed by the issuing CA")


def _number(found: x509.CertificateRevocationList) -> int:
    number: int | None = None
    for extension in found.extensions:
        if isinstance(extension.value, x509.CRLNumber):
            number = extension.value.crl_number
        elif extension.critical or isinstance(extension.value, x509.DeltaCRLIndicator | x509.IssuingDistributionPoint):
            raise RevocationRefused("CRL_INCOMPLETE", f"the list has the extension {extension.oid.dotted_string}")
    if number is None:
        raise RevocationRefused("CRL_NUMBER_MISSING", "without cRLNumber an older list could replace a newer one")
    return number
