"""Revocation lists (T7) and OCSP answers: what is believed, and each way of not being believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from symphony.revocation.refusal import RevocationRefused
from symphony.revocation.revocation_list import read_revocation_list
from symphony.revocation.status_protocol import StatusProtocol
from tests.revocation_material import HOUR, Responder, renamed, revocation_list, status_answer
from tests.trust_material import Authority, key_usage

CA = Authority()
SAME_NAME = Authority()  # another key in the same name
OTHER = Authority("other CA")
NO_LISTS = Authority(usage=key_usage(key_cert_sign=False))
SERIAL = 0x0ABC123
PROTOCOL = StatusProtocol(CA.certificate)


def now() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def test_a_list_of_our_ca_is_read_with_number_times_and_serials() -> None:
    document = revocation_list(CA, number=7, serials=[SERIAL, 1])
    found = read_revocation_list(document, authority=CA.certificate, now=now())
    assert (found.number, set(found.serials)) == (7, {"abc123", "1"})
    assert found.next_update - found.this_update == 2 * HOUR
    pem = x509.load_der_x509_crl(document).public_bytes(Encoding.PEM)
    assert read_revocation_list(pem, authority=CA.certificate, now=now()) == found
    empty = read_revocation_list(revocation_list(CA), authority=CA.certificate, now=now())
    assert empty.serials == ()


DELTA = (x509.DeltaCRLIndicator(1), True)
PART = (
    x509.IssuingDistributionPoint(None, None, True, False, None, False, False),
    True,
)
STRANGE = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "CRL_UNREADABLE"),
        (b"<html>not found</html>", "CRL_UNREADABLE"),
        (revocation_list(CA)[:-1], "CRL_UNREADABLE"),
        (revocation_list(OTHER), "CRL_ISSUER"),
        (revocation_list(OTHER, name=CA.name), "CRL_SIGNATURE"),
        (revocation_list(SAME_NAME), "CRL_SIGNATURE"),
        (revocation_list(CA)[:-1] + bytes([revocation_list(CA)[-1] ^ 1]), "CRL_SIGNATURE"),
        (revocation_list(CA, extra=[DELTA]), "CRL_INCOMPLETE"),
        (revocation_list(CA, extra=[PART]), "CRL_INCOMPLETE"),
        (revocation_list(CA, extra=[(PART[0], False)]), "CRL_INCOMPLETE"),
        (revocation_list(CA, extra=[STRANGE]), "CRL_INCOMPLETE"),
        (revocation_list(CA, number=None), "CRL_NUMBER_MISSING"),
        (revocation_list(CA, begins=timedelta(hours=2)), "CRL_NOT_YET_VALID"),
        (revocation_list(CA, ends=timedelta(seconds=-1)), "CRL_EXPIRED"),
    ],
)
def test_a_list_that_may_not_be_believed(document: bytes, code: str) -> None:
    with pytest.raises(RevocationRefused) as refused:
        read_revocation_list(document, authority=CA.certificate, now=now())
    # A flipped last byte may also break the signature's own DER; either way it is the signature that does not hold.
    assert refused.value.code == code


def test_a_ca_that_may_not_sign_lists_signs_none() -> None:
    with pytest.raises(RevocationRefused, match="CRL_SIGNATURE"):
        read_revocation_list(revocation_list(NO_LISTS), authority=NO_LISTS.certificate, now=now())


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_is_believed(position: int, bit: int) -> None:
    document = bytearray(LISTED)
    document[position % len(document)] ^= 1 << bit
    try:
        found = read_revocation_list(bytes(document), authority=CA.certificate, now=now())
    except RevocationRefused:
        return
    assert found == read_revocation_list(LISTED, authority=CA.certificate, now=now()), "only what is not signed"


LISTED = revocation_list(CA, number=7, serials=[SERIAL], ends=24 * HOUR)


@pytest.mark.parametrize("encoding", list(ocsp.OCSPResponderEncoding))
@pytest.mark.parametrize("responder", [Responder.ca(CA), Responder.delegated(CA)])
def test_an_answer_of_the_ca_or_of_its_delegate_is_read(
    responder: Responder, encoding: ocsp.OCSPResponderEncoding
) -> None:
    for status, expected in (("GOOD", (False, True)), ("REVOKED", (True, True)), ("UNKNOWN", (False, False))):
        document = status_answer(CA, SERIAL, status=ocsp.OCSPCertStatus[status], responder=responder, encoding=encoding)
        found = PROTOCOL.read(document, serial=SERIAL, now=now())
        assert (found.revoked, found.known) == expected


def test_the_request_names_the_certificate_by_sha256() -> None:
    request = ocsp.load_der_ocsp_request(PROTOCOL.request(SERIAL))
    der = CA.leaf()
    leaf = x509.load_der_x509_certificate(der)
    by_library = ocsp.OCSPRequestBuilder().add_certificate(leaf, CA.certificate, hashes.SHA256()).build()
    assert request.serial_number == SERIAL
    assert isinstance(request.hash_algorithm, hashes.SHA256)
    assert (request.issuer_name_hash, request.issuer_key_hash) == (
        by_library.issuer_name_hash,
        by_library.issuer_key_hash,
    )


def _refused_outright(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "OCSP_UNREADABLE"),
        (b"<html>", "OCSP_UNREADABLE"),
        (_refused_outright(ocsp.OCSPResponseStatus.TRY_LATER), "OCSP_NOT_ANSWERED"),
        (_refused_outright(ocsp.OCSPResponseStatus.UNAUTHORIZED), "OCSP_NOT_ANSWERED"),
        (status_answer(CA, SERIAL, responder=Responder.ca(OTHER)), "OCSP_RESPONDER"),
        (status_answer(CA, SERIAL, responder=Responder(OTHER.certificate, OTHER.key)), "OCSP_RESPONDER"),
        (status_answer(CA, SERIAL, responder=Responder.delegated(OTHER)), "OCSP_RESPONDER"),
        (status_answer(CA, SERIAL, responder=Responder.delegated(SAME_NAME)), "OCSP_RESPONDER"),
        (status_answer(CA, SERIAL, responder=Responder.delegated(CA, usage=False)), "OCSP_RESPONDER"),
        (status_answer(CA, SERIAL, responder=Responder.delegated(CA, no_check=False)), "OCSP_RESPONDER"),
        (status_answer(CA, SERIAL, responder=Responder.delegated(CA, ends=-1)), "OCSP_RESPONDER"),
        (status_answer(CA, SERIAL, responder=Responder.ca(SAME_NAME)), "OCSP_SIGNATURE"),
        (status_answer(CA, SERIAL + 1), "OCSP_OTHER_CERTIFICATE"),
        (status_answer(CA, SERIAL, issuer=SAME_NAME.certificate), "OCSP_OTHER_CERTIFICATE"),
        (status_answer(CA, SERIAL, issuer=renamed(CA, "other")), "OCSP_OTHER_CERTIFICATE"),
        (status_answer(CA, SERIAL, identified_by=hashes.SHA384()), "OCSP_OTHER_CERTIFICATE"),
        (status_answer(CA, SERIAL, begins=timedelta(hours=2)), "OCSP_NOT_YET_VALID"),
        (status_answer(CA, SERIAL, ends=timedelta(seconds=-1)), "OCSP_EXPIRED"),
        (status_answer(CA, SERIAL, ends=None), "OCSP_EXPIRED"),
    ],
)
def test_an_answer_that_may_not_be_believed(document: bytes, code: str) -> None:
    with pytest.raises(RevocationRefused) as refused:
        PROTOCOL.read(document, serial=SERIAL, now=now())
    assert refused.value.code == code


@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_of_an_answer_is_believed(position: int, bit: int) -> None:
    document = bytearray(ANSWERED)
    document[position % len(document)] ^= 1 << bit
    try:
        found = PROTOCOL.read(bytes(document), serial=SERIAL, now=now())
    except RevocationRefused:
        return
    assert found == PROTOCOL.read(ANSWERED, serial=SERIAL, now=now()), "only what is not signed"


ANSWERED = status_answer(CA, SERIAL, status=ocsp.OCSPCertStatus.REVOKED, ends=24 * HOUR)


@given(st.binary(max_size=200))
def test_whatever_arrives_is_refused_by_name(document: bytes) -> None:
    with pytest.raises(RevocationRefused):
        read_revocation_list(document, authority=CA.certificate, now=now())
    with pytest.raises(RevocationRefused):
        PROTOCOL.read(document, serial=SERIAL, now=now())
