"""Asking the issuing CA's responder about one certificate (RFC 6960), with SHA-256 identifiers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.revocation.refusal import RevocationRefused
from symphony.revocation.revocation_list import SKEW, STRONG_HASHES


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """What the responder says of one certificate; `known` is false for UNKNOWN: the CA never issued it."""

    revoked: bool
    known: bool
    this_update: datetime
    next_update: datetime


class StatusProtocol:
    """Requests to, and answers of, the responder of one CA."""

    def __init__(self, authority: x509.Certificate) -> None:
        self._authority = authority
        # The library computes the two hashes only from certificates; the CA's own give what every leaf's would.
        own = ocsp.OCSPRequestBuilder().add_certificate(authority, authority, hashes.SHA256()).build()
        self._name_hash, self._key_hash = own.issuer_name_hash, own.issuer_key_hash

    def request(self, serial: int) -> bytes:
        """The DER of a request about this serial number."""
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            self._name_hash, self._key_hash, serial, hashes.SHA256()
        )
        return builder.build().public_bytes(Encoding.DER)

    def read(self, document: bytes, *, serial: int, now: datetime) -> CertificateStatus:
        """Return what the answer says when it holds at `now` and is about this certificate.

        Raises:
            RevocationRefused: OCSP_UNREADABLE, OCSP_NOT_ANSWERED (tryLater, unauthorized, ...), OCSP_RESPONDER (neither
                the CA nor one that it delegated), OCSP_SIGNATURE, OCSP_OTHER_CERTIFICATE, OCSP_NOT_YET_VALID,
                OCSP_EXPIRED (also: no nextUpdate).
        """
        try:
            answer = ocsp.load_der_ocsp_response(document)
            if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise RevocationRefused("OCSP_NOT_ANSWERED", f"the responder said {answer.response_status.name}")
            self._check_signature(answer, now)
            (single,) = answer.responses
            about = self._is_about(single, serial)
        except RevocationRefused:
            raise
        except Exception:  # ValueError, UnsupportedAlgorithm: the library reads parts only when asked
            raise RevocationRefused("OCSP_UNREADABLE", "it is no basic OCSP response about one certificate") from None
        if not about:
            raise RevocationRefused("OCSP_OTHER_CERTIFICATE", "the answer is not about what was asked")
        if single.this_update_utc > now + SKEW:
            raise RevocationRefused("OCSP_NOT_YET_VALID", "thisUpdate is ahead")
        if single.next_update_utc is None or single.next_update_utc <= now:
            raise RevocationRefused("OCSP_EXPIRED", "nextUpdate is past, or missing")
        return CertificateStatus(
            revoked=single.certificate_status is ocsp.OCSPCertStatus.REVOKED,
            known=single.certificate_status is not ocsp.OCSPCertStatus.UNKNOWN,
            this_update=single.this_update_utc,
            next_update=single.next_update_utc,
        )

    def _is_about(self, single: ocsp.OCSPSingleResponse, serial: int) -> bool:
        return (
            isinstance(single.hash_algorithm, hashes.SHA256)
            and single.serial_number == serial
            and single.issuer_name_hash == self._name_hash
            and single.issuer_key_hash == self._key_hash
        )

    def _check_signature(self, answer: ocsp.OCSPResponse, now: datetime) -> None:
        responder = self._responder(answer, now)
        try:
            algorithm = answer.signature_hash_algorithm
            if algorithm is not None and not isinstance(algorithm, STRONG_HASHES):
                raise ValueError
            _verify(responder, answer.signature, answer.tbs_response_bytes, algorithm)
        except Exception:  # InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError: none of them is a yes
            raise RevocationRefused("OCSP_SIGNATURE", "the answer's signature does not hold") from None

    def _responder(self, answer: ocsp.OCSPResponse, now: datetime) -> x509.Certificate:
        """The CA, or one it delegated for this alone and vouches for without asking (RFC 6960 4.2.2.2)."""
        for candidate in (self._authority, *answer.certificates):
            if not _is_named(answer, candidate):
                continue
            if candidate == self._authority or self._is_delegated(candidate, now):
                return candidate
        raise RevocationRefused("OCSP_RESPONDER", "it is neither the issuing CA nor delegated by it")

    def _is_delegated(self, candidate: x509.Certificate, now: datetime) -> bool:
        try:
            candidate.verify_directly_issued_by(self._authority)
            usages = candidate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            candidate.extensions.get_extension_for_class(x509.OCSPNoCheck)
        except Exception:  # InvalidSignature, ExtensionNotFound, ValueError, TypeError
            return False
        current = candidate.not_valid_before_utc <= now <= candidate.not_valid_after_utc
        return current and ExtendedKeyUsageOID.OCSP_SIGNING in usages


def _is_named(answer: ocsp.OCSPResponse, candidate: x509.Certificate) -> bool:
    if answer.responder_name is not None:
        return answer.responder_name == candidate.subject
    # RFC 6960 4.2.1 fixes SHA-1 here; it chooses a key and proves nothing.
    digest = x509.SubjectKeyIdentifier.from_public_key(candidate.public_key()).digest
    return answer.responder_key_hash == digest


def _verify(
    responder: x509.Certificate, signature: bytes, signed: bytes, algorithm: hashes.HashAlgorithm | None
) -> None:
    key = responder.public_key()
    if isinstance(key, ed25519.Ed25519PublicKey) and algorithm is None:
        key.verify(signature, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(signature, signed, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    else:
        raise TypeError


def fingerprint(authority: x509.Certificate) -> bytes:
    """SHA-256 over the DER of a certificate: how the registry names a CA."""
    return hashlib.sha256(authority.public_bytes(Encoding.DER)).digest()
