"""Client certificates: rows T2 to T5 and T9 that need no connection, RFC 8705 appendix A, RFC 9440."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.trust.client_certificate import (
    ClientCertificate,
    IssuingAuthority,
    check_client_certificate,
    read_client_cert_field,
    require_current,
)
from symphony.trust.refusal import Reason, TrustRefused
from tests.trust_material import NOW, Authority, key_usage, refused, vectors

CA = Authority()
TRUSTED = IssuingAuthority(CA.der)
GOOD = CA.leaf()
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
ROOT = Authority("root")
INTERMEDIATE = Authority("issuing CA", signer=ROOT)
SIBLING = Authority("sibling CA", signer=ROOT)


def check(der: bytes, *, now: int = NOW, authority: IssuingAuthority = TRUSTED) -> ClientCertificate:
    return check_client_certificate(der, authority=authority, now=now)


def test_a_good_certificate_holds() -> None:
    certificate = check(GOOD)
    assert certificate.sha256 == hashlib.sha256(GOOD).digest()
    assert certificate.names == ("DNSName:client-a.example",)
    assert (certificate.not_before, certificate.not_after) == (NOW - 3_600, NOW + 3_600)
    assert len(certificate.x5t_s256) == 43


@pytest.mark.parametrize(
    "der",
    [
        CA.leaf(usages=(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)),
        CA.leaf(usages=(ExtendedKeyUsageOID.CLIENT_AUTH, ANY)),
        CA.leaf(names=[x509.UniformResourceIdentifier("urn:symphony:client:a")]),
        CA.leaf(extra=[(key_usage(), True), (x509.BasicConstraints(ca=False, path_length=None), True)]),
        CA.leaf(begins=0),
        CA.leaf(ends=0),
    ],
    ids=["both usages", "clientAuth and any", "URI", "KeyUsage and BasicConstraints", "begins now", "ends now"],
)
def test_other_good_certificates(der: bytes) -> None:
    assert check(der)


BAD = {
    "T2 self-signed": (Authority("client-a.example", ca=False).der, Reason.CERT_CHAIN_REFUSED),
    "T2 other root": (Authority("other CA").leaf(), Reason.CERT_CHAIN_REFUSED),
    "T2 other CA of the same name": (Authority().leaf(), Reason.CERT_CHAIN_REFUSED),
    "T2 the CA itself": (CA.der, Reason.CERT_USAGE_REFUSED),
    "T3 expired": (CA.leaf(ends=-1), Reason.CERT_EXPIRED),
    "T3 not yet valid": (CA.leaf(begins=1), Reason.CERT_NOT_YET_VALID),
    "T4 serverAuth": (CA.leaf(usages=(ExtendedKeyUsageOID.SERVER_AUTH,)), Reason.CERT_USAGE_REFUSED),
    "T4 no EKU": (CA.leaf(usages=None), Reason.CERT_USAGE_REFUSED),
    "T4 anyExtendedKeyUsage only": (CA.leaf(usages=(ANY,)), Reason.CERT_USAGE_REFUSED),
    "T4 key may not sign": (CA.leaf(extra=[(key_usage(digital_signature=False), True)]), Reason.CERT_USAGE_REFUSED),
    "T4 is a CA": (CA.leaf(extra=[(x509.BasicConstraints(ca=True, path_length=0), True)]), Reason.CERT_USAGE_REFUSED),
    "T5 no SAN": (CA.leaf(names=()), Reason.CERT_IDENTITY_MISSING),
    "unknown critical extension": (
        CA.leaf(extra=[(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True)]),
        Reason.CERT_CHAIN_REFUSED,
    ),
    "malformed extension": (
        CA.leaf(
            usages=None,
            extra=[
                (x509.UnrecognizedExtension(ExtendedKeyUsageOID.CLIENT_AUTH, b"\xff"), False),
                (x509.UnrecognizedExtension(x509.ExtendedKeyUsage.oid, b"\xff"), False),
            ],
        ),
        Reason.CERT_MALFORMED,
    ),
    "trailing byte": (GOOD + b"\x00", Reason.CERT_MALFORMED),
    "two certificates": (GOOD + GOOD, Reason.CERT_MALFORMED),
    "cut short": (GOOD[:-1], Reason.CERT_MALFORMED),
    "PEM": (x509.load_der_x509_certificate(GOOD).public_bytes(Encoding.PEM), Reason.CERT_MALFORMED),
    "empty": (b"", Reason.CERT_MALFORMED),
    "20 kB": (GOOD + bytes(20_000), Reason.CERT_MALFORMED),
    "signature flipped": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), Reason.CERT_CHAIN_REFUSED),
}


@pytest.mark.parametrize("row", BAD)
def test_another_certificate_is_refused(row: str) -> None:
    der, reason = BAD[row]
    refused(reason, lambda: check(der))


def test_only_the_issuing_ca_is_believed() -> None:
    """T2: an intermediate of our root is trusted alone: neither its root's nor its sibling's certificates hold."""
    issuing = IssuingAuthority(INTERMEDIATE.der)
    assert check(INTERMEDIATE.leaf(), authority=issuing)
    for der in (ROOT.leaf(), SIBLING.leaf(), CA.leaf(), INTERMEDIATE.der):
        refused(Reason.CERT_CHAIN_REFUSED, lambda der=der: check(der, authority=issuing))  # type: ignore[misc]


def test_validity_is_looked_at_for_every_request() -> None:
    """T3: a certificate expires during a keep-alive connection."""
    certificate = check(GOOD)
    require_current(certificate, now=NOW + 3_600)
    refused(Reason.CERT_EXPIRED, lambda: require_current(certificate, now=NOW + 3_601))
    refused(Reason.CERT_NOT_YET_VALID, lambda: require_current(certificate, now=NOW - 3_601))


def test_an_expired_ca_issues_nothing() -> None:
    der = CA.leaf(ends=86_400 * 400)
    assert check(der)
    refused(Reason.CERT_CHAIN_REFUSED, lambda: check(der, now=NOW + 86_400 * 366))


def test_only_a_ca_can_be_configured() -> None:
    for der in (GOOD, b"", Authority("no CA", ca=False).der, Authority("no usage", usage=key_usage()).der):
        refused(Reason.KEY_REFUSED, lambda der=der: IssuingAuthority(der))  # type: ignore[misc]


def test_rfc_8705_appendix_a() -> None:
    """The published thumbprint; the certificate itself is version 1, expired and nobody's here."""
    figure = vectors("rfc8705-appendix-a.json")
    der = x509.load_pem_x509_certificate(figure["certificate_pem"].encode()).public_bytes(Encoding.DER)
    certificate = ClientCertificate(
        sha256=hashlib.sha256(der).digest(), serial=2, not_before=0, not_after=1_651_449_489, names=()
    )
    assert certificate.x5t_s256 == figure["cnf"]["x5t#S256"]
    refused(Reason.CERT_MALFORMED, lambda: check(der))
    refused(Reason.CERT_EXPIRED, lambda: require_current(certificate, now=NOW))


WRITTEN = f":{base64.b64encode(GOOD).decode()}:"


def test_the_client_cert_field() -> None:
    """RFC 9440 2.2: one Byte Sequence; which connection may carry it is the handler's."""
    assert check(read_client_cert_field([WRITTEN])).sha256 == hashlib.sha256(GOOD).digest()
    assert read_client_cert_field([f"  {WRITTEN} "]) == GOOD
    refused(Reason.CERT_MISSING, lambda: read_client_cert_field([]))


@pytest.mark.parametrize(
    "values",
    [
        [WRITTEN, WRITTEN],
        [f"{WRITTEN}, {WRITTEN}"],
        [base64.b64encode(GOOD).decode()],
        [WRITTEN.strip(":")],
        [WRITTEN[:-1]],
        [f"{WRITTEN};a=1"],
        [f"({WRITTEN})"],
        [f'"{WRITTEN}"'],
        [WRITTEN.replace("+", "-").replace("/", "_").replace("=", "") + "="],
        [WRITTEN[:40] + "\n" + WRITTEN[40:]],
        [""],
        [x509.load_der_x509_certificate(GOOD).public_bytes(Encoding.PEM).decode()],
    ],
)
def test_another_client_cert_field_is_refused(values: list[str]) -> None:
    """T10, the part that is decidable without HTTP."""
    refused(Reason.CERT_HEADER_INVALID, lambda: read_client_cert_field(values))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_no_changed_certificate_holds(at: int, put: bytes, cut: int) -> None:
    """Nothing but TrustRefused is ever raised, and any change of the DER is refused."""
    der = GOOD[:at] + put + GOOD[at + cut :]
    if der == GOOD:
        return
    with pytest.raises(TrustRefused):
        check(der)
