"""A client certificate in a file, checked as the ingress will check it before anything is registered."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from symphony.operator_error import OperatorError
from symphony.revocation.revocation_list import serial_text
from symphony.trust.client_certificate import IssuingAuthority, check_client_certificate
from symphony.trust.refusal import TrustRefused

_MAX_BYTES: Final = 65_536
_OWNER: Final = "urn:symphony:client:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificateFacts:
    """What the registry keeps of a certificate: SHA-256 of its DER and of its CA's, serial number, validity."""

    cert_sha256: bytes
    issuer_sha256: bytes
    serial: str
    not_before: datetime
    not_after: datetime


def read_certificate(path: Path) -> bytes:
    """The DER of the one certificate in a PEM or DER file.

    Raises:
        OperatorError: CERTIFICATE_UNREADABLE.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from None
    return certificate_in(raw, path)


def certificate_in(raw: bytes, path: Path) -> bytes:
    """The DER of the one certificate in these bytes of a file. Raises as read_certificate."""
    if len(raw) > _MAX_BYTES:
        raise _unreadable(path, f"it is larger than {_MAX_BYTES} bytes")
    if b"-----BEGIN" not in raw:
        return raw
    try:
        found = x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise _unreadable(path, "it is no certificate in PEM") from None
    if len(found) != 1:
        raise _unreadable(path, f"it holds {len(found)} certificates, and one is registered at a time")
    return found[0].public_bytes(Encoding.DER)


def check_certificate(der: bytes, *, authority: bytes, client_id: str, thing: str) -> ClientCertificateFacts:
    """Return the facts when the ingress would take the certificate now, and when it does not name another client.

    Args:
        authority: DER of the CA that issues client certificates.
        thing: what an error calls it.

    Raises:
        OperatorError: CERTIFICATE_REFUSED with the reason code of the ingress, CERTIFICATE_NAMES_ANOTHER,
            CLIENT_CA_REFUSED.
    """
    try:
        issuing = IssuingAuthority(authority)
    except TrustRefused as error:
        raise OperatorError(
            "CLIENT_CA_REFUSED", thing="--client-ca", reason=str(error), next_action="name the issuing CA's certificate"
        ) from None
    try:
        checked = check_client_certificate(der, authority=issuing, now=int(time.time()))
    except TrustRefused as error:
        raise OperatorError(
            "CERTIFICATE_REFUSED",
            thing=thing,
            reason=f"the ingress would refuse it: {error}",
            next_action="have the issuing CA make one for this use",
        ) from None
    leaf = x509.load_der_x509_certificate(der)
    _check_owner(leaf, client_id, thing)
    return ClientCertificateFacts(
        cert_sha256=checked.sha256,
        issuer_sha256=hashlib.sha256(authority).digest(),
        serial=serial_text(checked.serial),
        not_before=datetime.fromtimestamp(checked.not_before, UTC),
        not_after=datetime.fromtimestamp(checked.not_after, UTC),
    )


def _check_owner(leaf: x509.Certificate, client_id: str, thing: str) -> None:
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    owners = {uri for uri in names.get_values_for_type(x509.UniformResourceIdentifier) if uri.startswith(_OWNER)}
    if owners - {_OWNER + client_id}:
        raise OperatorError(
            "CERTIFICATE_NAMES_ANOTHER",
            thing=thing,
            reason=f"it was issued to {', '.join(sorted(owners))}, not to {client_id}",
            next_action="register it for the client it names",
        )


def _unreadable(path: Path, reason: str) -> OperatorError:
    return OperatorError(
        "CERTIFICATE_UNREADABLE",
        thing=str(path),
        reason=reason,
        next_action="name a file with one X.509 certificate, PEM or DER",
    )
