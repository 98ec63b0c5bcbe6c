"""`symphony cert`, `client` and `key`: what an operator registers and ends, and every input that is refused."""

from __future__ import annotations

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.bao.enrolment import issue_enrolment, write_enrolment
from symphony.bao.rights import CLIENT_CA
from symphony.registrar.certificate_command import cert
from symphony.registrar.client_command import client
from symphony.registrar.key_command import key
from tests.bao_process import Bao
from tests.registry import rows
from tests.trust_material import Authority, ed25519_pair, p256, rsa_jwk, rsa_key

pytest_plugins = ("tests.bao_fixtures",)

NAMED = ("--operator", "olga", "--reason", "ticket 7")
LONG = 86_400 * 365 * 20  # the commands go by the real clock
URN = "urn:symphony:client:"


class Desk:
    """An operator's desk: a database, a CA, and files."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.ca = Authority(ends=LONG)
        self.ca_file = self.file("ca.pem", self.ca.certificate.public_bytes(Encoding.PEM))

    def file(self, name: str, content: bytes) -> Path:
        """A file with this content."""
        path = self.directory / name
        path.write_bytes(content)
        return path

    def call(self, command: Any, *arguments: object, named: bool = True) -> Result:
        """Run a command on the database, as an operator with a name and a reason."""
        options = [*map(str, arguments), "--database-url", self.url, *(NAMED if named else ())]
        return CliRunner().invoke(command, options)

    def leaf(self, **options: Any) -> bytes:
        """The DER of a certificate of the CA that ends long from now."""
        return self.ca.leaf(**{"ends": LONG, **options})

    def register(self, path: Path, *, client_id: str = "client-a") -> Result:
        """Run `symphony cert register`."""
        return self.call(cert, "register", path, "--client-id", client_id, "--client-ca", self.ca_file)

    def listed(self) -> list[dict[str, Any]]:
        """What `symphony cert list --json` says."""
        said = self.call(cert, "list", "--json", named=False)
        assert said.exit_code == 0, said.output
        found: list[dict[str, Any]] = json.loads(said.stdout)
        return found


@pytest.fixture
def desk(fresh_database: str, tmp_path: Path) -> Desk:
    """A desk where client-a of ZM-BANK-A is registered."""
    made = Desk(fresh_database, tmp_path)
    said = made.call(client, "register", "client-a", "ZM-BANK-A")
    assert (said.exit_code, said.stdout) == (0, "client client-a registered for ZM-BANK-A\n"), said.output
    return made


def pem(der: bytes) -> bytes:
    """The same certificate in PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def serial_of(der: bytes) -> str:
    """Its serial number as it is registered."""
    return format(x509.load_der_x509_certificate(der).serial_number, "x")


def test_a_certificate_is_registered_once_listed_and_revoked_for_ever(desk: Desk) -> None:
    first, second, third = desk.leaf(), desk.leaf(), desk.leaf()
    for name, content in (("first.pem", pem(first)), ("second.der", second), ("third.pem", pem(third))):
        said = desk.register(desk.file(name, content))
        assert said.exit_code == 0, said.output
        assert said.stdout.endswith(" registered for client-a\n")
    assert "was registered before" in desk.register(desk.directory / "first.pem").stdout
    listed = desk.listed()
    assert [row["cert_sha256"] for row in listed] == [hashlib.sha256(der).hexdigest() for der in (first, second, third)]
    assert {row["issuer_sha256"] for row in listed} == {hashlib.sha256(desk.ca.der).hexdigest()}
    assert [row["serial"] for row in listed] == [serial_of(der) for der in (first, second, third)]
    assert {(row["client_id"], row["participant_id"], row["revoked_at"]) for row in listed} == {
        ("client-a", "ZM-BANK-A", None)
    }

    by_hash = desk.call(cert, "revoke", "--sha256", hashlib.sha256(first).hexdigest().upper())
    digits = serial_of(second).zfill(40).upper()
    by_serial = desk.call(cert, "revoke", "--serial", ":".join(digits[i : i + 2] for i in range(0, 40, 2)))
    by_file = desk.call(cert, "revoke", "--file", desk.directory / "third.pem")
    for said in (by_hash, by_serial, by_file):
        assert said.exit_code == 0, said.output
        assert said.stdout.endswith("of client-a revoked\n")
    assert [row["revocation_source"] for row in desk.listed()] == ["OPERATOR"] * 3
    text = desk.call(cert, "list", named=False).stdout.splitlines()
    assert len(text) == 3
    assert all(" revoked 20" in line and line.endswith("(OPERATOR)") for line in text)
    again = desk.call(cert, "revoke", "--file", desk.directory / "third.pem")
    assert again.exit_code == 1
    assert "SC502" in again.stderr
    assert rows(desk.url, "revoked_client_certs") == 3


def other_owner() -> x509.GeneralName:
    """A name that says that the certificate is another client's."""
    return x509.UniformResourceIdentifier(URN + "client-b")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda desk: b"", "CERT_MALFORMED"),
        (lambda desk: b"-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n", "CERTIFICATE_UNREADABLE"),
        (lambda desk: pem(desk.leaf()) + pem(desk.leaf()), "CERTIFICATE_UNREADABLE"),
        (lambda desk: pem(desk.leaf()) + b"x" * 70_000, "CERTIFICATE_UNREADABLE"),
        (lambda desk: desk.leaf() + b"\0", "CERT_MALFORMED"),
        (lambda desk: Authority(ends=LONG).leaf(ends=LONG), "CERT_CHAIN_REFUSED"),
        (lambda desk: desk.leaf(ends=0), "CERT_EXPIRED"),
        (lambda desk: desk.leaf(begins=LONG - 86_400), "CERT_NOT_YET_VALID"),
        (lambda desk: desk.leaf(usages=None), "CERT_USAGE_REFUSED"),
        (lambda desk: desk.leaf(usages=[ExtendedKeyUsageOID.SERVER_AUTH]), "CERT_USAGE_REFUSED"),
        (lambda desk: desk.leaf(names=[]), "CERT_IDENTITY_MISSING"),
        (lambda desk: desk.leaf(names=[other_owner()]), "CERTIFICATE_NAMES_ANOTHER"),
    ],
)
def test_a_certificate_that_the_ingress_would_refuse_is_not_registered(desk: Desk, content: Any, code: str) -> None:
    refused = desk.register(desk.file("certificate", content(desk)))
    assert refused.exit_code == 1, refused.output
    assert code in refused.stderr
    assert rows(desk.url, "client_certs") == 0


def test_who_and_whose_and_by_whom_must_be_known(desk: Desk) -> None:
    path = desk.file("leaf.der", desk.leaf())
    unknown = desk.register(path, client_id="client-z")
    assert unknown.exit_code == 1
    assert "SN501" in unknown.stderr
    assert "CERTIFICATE_UNREADABLE" in desk.register(desk.directory / "absent").stderr
    arguments = ["register", str(path), "--client-id", "client-a", "--database-url", desk.url]
    for missing in (["--client-ca", str(desk.ca_file), "--operator", "olga"], [*NAMED]):
        said = CliRunner().invoke(cert, [*arguments, *missing])
        assert said.exit_code == 2
        assert "Missing option" in said.stderr
    nameless = ["--client-ca", str(desk.ca_file), "--operator", " ", "--reason", "r"]
    assert "SV502" in CliRunner().invoke(cert, [*arguments, *nameless]).stderr
    leaf_as_ca = [*arguments, "--client-ca", str(path), *NAMED]
    assert "CLIENT_CA_UNREADABLE" in CliRunner().invoke(cert, leaf_as_ca).stderr
    assert rows(desk.url, "client_certs") == 0


def test_a_certificate_stays_with_its_client_and_a_client_with_its_participant(desk: Desk) -> None:
    path = desk.file("leaf.der", desk.leaf())
    assert desk.register(path).exit_code == 0
    assert desk.call(client, "register", "client-b", "ZM-BANK-B").exit_code == 0
    for refused in (desk.register(path, client_id="client-b"), desk.call(client, "register", "client-a", "ZM-BANK-B")):
        assert refused.exit_code == 1
        assert "SC501" in refused.stderr
    assert "was registered before" in desk.call(client, "register", "client-a", "ZM-BANK-A").stdout
    assert "SV502" in desk.call(client, "register", "client c", "ZM-BANK-C").stderr
    assert (rows(desk.url, "clients"), rows(desk.url, "client_certs")) == (2, 1)


def test_what_is_not_registered_cannot_be_revoked_and_a_name_is_given_once(desk: Desk) -> None:
    for arguments in (("--serial", "abc"), ("--sha256", "00" * 32), ("--serial", "")):
        refused = desk.call(cert, "revoke", *arguments)
        assert refused.exit_code == 1
        assert "CERTIFICATE_NOT_FOUND" in refused.stderr
    for named in ([], ["--serial", "1", "--sha256", "2"]):
        assert desk.call(cert, "revoke", *named).exit_code == 2
    assert rows(desk.url, "revoked_client_certs") == 0


def test_a_serial_number_of_two_cas_is_ambiguous(desk: Desk) -> None:
    first = desk.leaf()
    assert desk.register(desk.file("first.der", first)).exit_code == 0
    other = Authority(ends=LONG)
    twin = (
        x509.CertificateBuilder()
        .subject_name(desk.ca.name)
        .issuer_name(other.name)
        .public_key(p256_public())
        .serial_number(x509.load_der_x509_certificate(first).serial_number)
    )
    template = x509.load_der_x509_certificate(other.leaf(ends=LONG))
    twin = twin.not_valid_before(template.not_valid_before_utc).not_valid_after(template.not_valid_after_utc)
    for extension in template.extensions:
        twin = twin.add_extension(extension.value, extension.critical)
    der = twin.sign(other.key, hashes.SHA256()).public_bytes(Encoding.DER)
    desk.ca_file = desk.file("other.der", other.der)
    registered = desk.register(desk.file("twin.der", der))
    assert registered.exit_code == 0, registered.output
    refused = desk.call(cert, "revoke", "--serial", serial_of(first))
    assert refused.exit_code == 1
    assert "SERIAL_AMBIGUOUS" in refused.stderr
    assert rows(desk.url, "revoked_client_certs") == 0


def p256_public() -> Any:
    """A public key of nobody."""
    return ec.generate_private_key(ec.SECP256R1()).public_key()


def test_keys_are_registered_without_anything_secret_and_retired(desk: Desk) -> None:
    for name, pair in (("k1", p256("x")), ("k2", ed25519_pair())):
        path = desk.file(name, json.dumps(pair.jwk).encode())
        said = desk.call(key, "register", name, "--client-id", "client-a", "--jwk", path)
        assert said.exit_code == 0, said.output
    shared = desk.call(
        key, "register", "k3", "--client-id", "client-a", "--shared-secret",
        "--active-from", "2026-01-01", "--active-until", "2099-01-01",
    )  # fmt: skip
    assert shared.stdout == "key k3 (hmac-sha256) registered for client-a\n", shared.output
    assert desk.call(key, "retire", "k1").stdout == "key k1 retired\n"
    assert "SC502" in desk.call(key, "retire", "k1").stderr
    assert "SN502" in desk.call(key, "retire", "k9").stderr
    taken = desk.call(
        key, "register", "k2", "--client-id", "client-a", "--jwk", desk.file("k4", json.dumps(p256().jwk).encode())
    )
    assert "SC501" in taken.stderr
    assert (rows(desk.url, "signature_keys"), rows(desk.url, "retired_signature_keys")) == (3, 1)


@pytest.mark.parametrize(
    ("jwk", "code"),
    [
        (b"{", "KEY_UNREADABLE"),
        (b'{"kty":"oct","k":"AAAA"}', "KEY_REFUSED"),
        (json.dumps({**p256().jwk, "d": "AAAA"}).encode(), "KEY_REFUSED"),
        (json.dumps(rsa_jwk(rsa_key())).encode(), "KEY_REFUSED"),
        (b"[]", "KEY_REFUSED"),
    ],
)
def test_a_key_that_cannot_be_trusted_is_not_registered(desk: Desk, jwk: bytes, code: str) -> None:
    refused = desk.call(key, "register", "k1", "--client-id", "client-a", "--jwk", desk.file("jwk", jwk))
    assert refused.exit_code == 1
    assert code in refused.stderr
    assert "AAAA" not in refused.output
    for arguments in (("--shared-secret", "--jwk", "x"), ()):
        assert desk.call(key, "register", "k1", "--client-id", "client-a", *arguments).exit_code == 2
    assert rows(desk.url, "signature_keys") == 0


def test_proof_once_required_stays_required(desk: Desk) -> None:
    assert desk.call(client, "require-proof").exit_code == 2
    assert rows(desk.url, "proof_rules") == 0
    said = desk.call(client, "require-proof", "--for-ever", "--revocation-max-age-s", "300")
    assert said.stdout == "proof is required, rule version 1\n", said.output


class AtOpenBao:
    """The registrar's desk at a real CA."""

    def __init__(self, bao: Bao, desk: Desk) -> None:
        self.bao = bao
        self.desk = desk
        self._enrolments = 0

    def enrolled(self, service: str = "registrar") -> Path:
        """A new enrolment, for one command."""
        self._enrolments += 1
        path = self.desk.directory / f"enrolment-{self._enrolments}"
        write_enrolment(issue_enrolment(self.bao.root, service), path)
        return path

    def issue(self, client_id: str, *arguments: object) -> Result:
        """Run `symphony cert issue`."""
        return self.desk.call(cert, "issue", client_id, *arguments, "--registrar-enrolment", self.enrolled())

    def revoked(self) -> set[int]:
        """The serial numbers on the CA's list."""
        listed = x509.load_der_x509_crl(self.bao.root.raw(f"{CLIENT_CA}/crl"))
        return {entry.serial_number for entry in listed}


@pytest.fixture
def office(bao: Bao, desk: Desk) -> AtOpenBao:
    """The desk with a real CA behind it."""
    return AtOpenBao(bao, desk)


def test_a_certificate_is_issued_registered_and_revoked_at_the_ca_too(office: AtOpenBao) -> None:
    desk = office.desk
    out, key_out = desk.directory / "new.pem", desk.directory / "new.key"
    said = office.issue("client-a", "--out", out, "--key-out", key_out, "--ttl-s", "600")
    assert said.exit_code == 0, said.output
    assert stat.S_IMODE(key_out.stat().st_mode) == 0o600
    issued = x509.load_pem_x509_certificate(out.read_bytes())
    private = serialization.load_pem_private_key(key_out.read_bytes(), None)
    assert private.public_key() == issued.public_key()
    (row,) = desk.listed()
    assert row["cert_sha256"] == hashlib.sha256(issued.public_bytes(Encoding.DER)).hexdigest()
    assert row["issuer_sha256"] == hashlib.sha256(office.bao.root.raw(f"{CLIENT_CA}/ca")).hexdigest()

    # The first try ends it here and not there: it can be said again.
    wrong = office.enrolled("worker")
    first = desk.call(cert, "revoke", "--serial", row["serial"], "--registrar-enrolment", wrong)
    assert first.exit_code == 1
    assert "CA_NOT_TOLD" in first.stderr
    assert "ENROLMENT_FOR_ANOTHER" in first.stderr
    assert issued.serial_number not in office.revoked()
    again = desk.call(cert, "revoke", "--serial", row["serial"], "--registrar-enrolment", office.enrolled())
    assert again.stdout.endswith("was revoked before, at the CA too\n"), again.output
    assert issued.serial_number in office.revoked()
    assert desk.listed()[0]["revocation_source"] == "OPERATOR"


def test_what_could_not_be_registered_is_not_left_behind(office: AtOpenBao) -> None:
    desk, taken = office.desk, office.desk.file("taken", b"mine")
    before = office.revoked()
    out, key_out = desk.directory / "new.pem", desk.directory / "new.key"
    unknown = office.issue("client-z", "--out", out, "--key-out", key_out)
    assert unknown.exit_code == 1
    assert "SN501" in unknown.stderr
    occupied = office.issue("client-a", "--out", taken, "--key-out", key_out)
    assert occupied.exit_code == 1
    assert "FILE_NOT_WRITTEN" in occupied.stderr
    assert (out.exists(), key_out.exists(), taken.read_bytes()) == (False, False, b"mine")
    assert len(office.revoked() - before) == 2, "what the CA had signed"
    assert "CLIENT_ID_INVALID" in office.issue("a,b", "--out", out, "--key-out", key_out).stderr
    assert "CA_REFUSED" in office.issue("client-a", "--out", out, "--request", desk.file("csr", b"none")).stderr
    assert office.issue("client-a", "--out", out).exit_code == 2
    wrong = desk.call(
        cert,
        "issue",
        "client-a",
        "--out",
        out,
        "--key-out",
        key_out,
        "--registrar-enrolment",
        office.enrolled("worker"),
    )
    assert "ENROLMENT_FOR_ANOTHER" in wrong.stderr
    assert rows(desk.url, "client_certs") == 0
    assert (out.exists(), key_out.exists()) == (False, False)
