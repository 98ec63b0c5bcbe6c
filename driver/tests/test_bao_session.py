"""A service at OpenBao: it gets in once, reads only its own, and what it is given verifies without OpenBao."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.bao.certificates import Certificate, key_and_request
from symphony.bao.command import bao as command
from symphony.bao.enrolment import Enrolment, issue_enrolment, take_enrolment
from symphony.bao.errors import BaoRefused, BaoUnavailable, EnrolmentRefused
from symphony.bao.rights import (
    CLIENT_CA,
    EVIDENCE_ED25519,
    EVIDENCE_P256,
    PROXY_HASH,
    SERVER_CA,
    SERVICES,
)
from symphony.bao.session import Session
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError
from tests.bao_process import Bao, token_of

pytest_plugins = ("tests.bao_fixtures",)
DAEMONS = [name for name in SERVICES if name not in ("operator", "registrar")]


def test_a_service_reads_its_own_secret_and_nobody_elses(bao: Bao) -> None:
    async def work() -> None:
        for service in DAEMONS:
            bao.secrets.add(f"kv-secret-of-{service}")
            bao.root.write(f"kv/data/{service}/main", {"data": {"key": f"kv-secret-of-{service}"}})
        for service in DAEMONS:
            async with bao.session(service) as session:
                assert await session.secret(f"{service}/main") == {"key": f"kv-secret-of-{service}"}
                for other in DAEMONS:
                    if other != service:
                        with pytest.raises(BaoRefused) as refused:
                            await session.secret(f"{other}/main")
                        assert refused.value.status == 403
                        assert "kv-secret" not in f"{refused.value} {refused.value.said}"

    asyncio.run(work())


# What each may do beside the paths that carry its own name; everything else in the list must be refused.
RIGHTS = {
    ("POST", "transit/sign/evidence-p256/sha2-256"): {"sealer"},
    ("POST", "transit/sign/evidence-ed25519"): {"sealer"},
    ("GET", "transit/keys/evidence-p256"): {"sealer"},
    ("POST", "transit/hmac/proxy-hash/sha2-256"): {"resolver"},
    ("GET", "transit/keys/proxy-hash"): {"resolver"},
    ("POST", "transit/keys/proxy-hash/rotate"): set(),
    ("POST", "transit/sign/proxy-hash"): set(),
    ("POST", "transit/keys/evidence-p256/rotate"): set(),
    ("POST", "transit/keys/evidence-p256/config"): set(),
    ("GET", "transit/export/signing-key/evidence-p256"): set(),
    ("GET", "transit/backup/proxy-hash"): set(),
    ("POST", "pki-servers/sign/ingress"): {"ingress"},
    ("POST", "pki-servers/issue/ingress"): set(),
    ("POST", "pki-clients/sign/participant"): {"registrar"},
    ("POST", "pki-clients/issue/participant"): set(),
    ("POST", "pki-clients/sign-verbatim"): set(),
    ("POST", "pki-clients/revoke"): {"registrar"},
    ("POST", "pki-servers/revoke"): set(),
    ("GET", "pki-clients/crl/rotate"): {"maintainer"},
    ("POST", "pki-clients/root/generate/internal"): set(),
    **{("GET", f"database/creds/{c}"): {n} for n, s in SERVICES.items() for c in s.capabilities},
    ("GET", "database/creds/symphony_policy_admin"): set(),
    ("GET", "database/creds/symphony_auditor"): set(),
    ("GET", "database/config/symphony"): set(),
    ("POST", "database/rotate-root/symphony"): set(),
    ("POST", "auth/approle/role/sealer/secret-id"): set(),
    ("POST", "auth/token/create"): set(),
    ("POST", "sys/policies/acl/worker"): set(),
    ("GET", "sys/mounts"): set(),
    ("POST", "sys/leases/revoke"): set(),
    ("POST", "sys/leases/revoke-prefix/database"): set(),
    ("POST", "sys/seal"): set(),
    ("GET", "sys/raw/core"): set(),
}  # fmt: skip


def test_every_other_right_is_refused(bao: Bao) -> None:
    """sys/capabilities-self is denied to them, so root asks on the token's behalf; and a few are really tried."""
    needed = {"GET": "read", "POST": "update"}

    async def work() -> None:
        for service in SERVICES:
            async with bao.session(service) as session:
                asked = {"token": token_of(session), "paths": [path for _, path in RIGHTS]}
                found = bao.root.write("sys/capabilities", asked)["data"]
                for (method, path), allowed in RIGHTS.items():
                    held = set(found[path])
                    if service in allowed:
                        assert held == {needed[method]}, (service, path)
                    else:
                        assert held == {"deny"}, (service, path)
                wire = Wire(bao.server.address, token=token_of(session))
                for path in ("auth/approle/role/sealer/secret-id", "auth/token/create", "sys/seal"):
                    with pytest.raises(BaoRefused) as refused:
                        wire.write(path)
                    assert refused.value.status == 403

    asyncio.run(work())


def test_a_secret_id_is_good_once(bao: Bao) -> None:
    enrolment = issue_enrolment(bao.root, "worker")
    anybody = Wire(bao.server.address, token=enrolment.wrapped_secret_id)
    secret_id = anybody.write("sys/wrapping/unwrap")["data"]["secret_id"]
    bao.secrets |= {secret_id, enrolment.wrapped_secret_id}
    anybody.use_token("")
    body = {"role_id": enrolment.role_id, "secret_id": secret_id}
    bao.secrets.add(anybody.write("auth/approle/login", body)["auth"]["client_token"])
    with pytest.raises(BaoRefused) as refused:
        anybody.write("auth/approle/login", body)
    assert refused.value.status == 400
    assert "invalid role or secret ID" in refused.value.said


async def _refused(enrolment: Enrolment) -> str:
    with pytest.raises(EnrolmentRefused) as refused:
        await Session.login(enrolment)
    assert enrolment.wrapped_secret_id not in f"{refused.value!r} {enrolment!r}"
    return str(refused.value)


async def test_a_wrapped_secret_is_unwrapped_once(bao: Bao) -> None:
    enrolment = issue_enrolment(bao.root, "worker")
    session = await Session.login(enrolment)
    assert "somebody else has" in await _refused(enrolment)
    await session.close()


async def test_a_wrapped_secret_of_another_service_is_not_used(bao: Bao) -> None:
    other = issue_enrolment(bao.root, "sealer")
    swapped = Enrolment(
        address=other.address, service="worker", role_id=other.role_id, wrapped_secret_id=other.wrapped_secret_id
    )
    assert "made for something else" in await _refused(swapped)
    await (await Session.login(other)).close()  # it was not spent


async def test_a_wrapped_secret_is_too_old_in_time(bao: Bao) -> None:
    made = bao.root.write("auth/approle/role/worker/secret-id", wrap_ttl="1s")["wrap_info"]
    fresh = issue_enrolment(bao.root, "worker")
    old = Enrolment(address=fresh.address, service="worker", role_id=fresh.role_id, wrapped_secret_id=made["token"])
    lived = bao.root.write("sys/wrapping/lookup", {"token": fresh.wrapped_secret_id})["data"]["creation_ttl"]
    assert lived == 60
    await asyncio.sleep(1.2)
    assert "too old" in await _refused(old)


async def test_the_enrolment_file_is_private_and_taken_once(bao: Bao, tmp_path: Path) -> None:
    file = tmp_path / "worker.json"
    options = ["--address", bao.server.address, "--token-file", str(bao.server.token_file), "--out", str(file)]
    made = CliRunner().invoke(command, ["enrol", "worker", *options])
    assert (made.exit_code, made.output) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = CliRunner().invoke(command, ["enrol", "worker", *options])
    assert "ENROLMENT_NOT_WRITTEN" in again.output
    bao.secrets.add(json.loads(file.read_text())["wrapped_secret_id"])
    await (await Session.login(take_enrolment(file))).close()
    assert not file.exists()
    with pytest.raises(OperatorError, match="ENROLMENT_INVALID"):
        take_enrolment(file)


async def test_a_closed_session_is_over_at_openbao_too(bao: Bao) -> None:
    async with bao.session("router") as session:
        assert await session.renew_token() == 7_200
        token = token_of(session)
    with pytest.raises(BaoRefused) as refused:
        Wire(bao.server.address, token=token).write("auth/token/renew-self")
    assert refused.value.status == 403
    with pytest.raises(RuntimeError):
        await session.renew_token()


async def test_an_openbao_that_hangs_is_unavailable_in_time(bao: Bao) -> None:
    async with bao.session("worker") as session:
        hasty = Session(bao.server.address, token=token_of(session), timeout_s=0.3)
        with bao.hung():
            async with asyncio.timeout(20):  # without a limit of its own it would wait for ever
                with pytest.raises(BaoUnavailable):
                    await hasty.renew_token()
        hasty._forget()
        assert await session.renew_token() == 7_200


def _parts(made: Certificate) -> tuple[x509.Certificate, x509.Certificate, set[x509.ObjectIdentifier]]:
    leaf = x509.load_pem_x509_certificate(made.certificate_pem)
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return leaf, x509.load_pem_x509_certificate(made.issuer_pem), set(purposes)


async def test_a_server_certificate_is_for_servers_and_for_our_names(bao: Bao) -> None:
    async with bao.session("ingress") as session:
        made = await session.server_certificate(names=["localhost"], addresses=["127.0.0.1"], ttl_s=3_600)
        leaf, issuer, purposes = _parts(made)
        leaf.verify_directly_issued_by(issuer)
        assert purposes == {ExtendedKeyUsageOID.SERVER_AUTH}
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["localhost"]
        assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
        key = serialization.load_pem_private_key(made.key_pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.curve.name == "secp256r1"
        assert key.public_key() == leaf.public_key()
        assert issuer.public_bytes(serialization.Encoding.DER) == await session.authority_certificate(SERVER_CA)
        assert made.not_after - datetime.now(UTC) <= timedelta(hours=1)
        with pytest.raises(BaoRefused) as refused:
            await session.server_certificate(names=["bank.example"])
        assert (refused.value.status, "bank.example" in refused.value.said) == (400, True)
        with pytest.raises(BaoRefused) as forbidden:
            await session.client_certificate("ZM-BANK-A")
        assert forbidden.value.status == 403


async def test_a_client_certificate_is_for_clients_and_short_lived(bao: Bao) -> None:
    async with bao.session("registrar") as session:
        key_pem, request = key_and_request()
        bao.secrets.add(key_pem.decode().splitlines()[1])
        made = await session.client_certificate("ZM-BANK-A:1", request_pem=request, ttl_s=365 * 86_400)
        leaf, issuer, purposes = _parts(made)
        leaf.verify_directly_issued_by(issuer)
        assert made.key_pem == b""
        assert purposes == {ExtendedKeyUsageOID.CLIENT_AUTH}
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert list(names) == [x509.UniformResourceIdentifier("urn:symphony:client:ZM-BANK-A:1")]
        assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
        assert made.not_after - datetime.now(UTC) <= timedelta(days=1), "the greatest life holds, whatever was asked"
        assert issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
        for name in ("A,urn:symphony:client:B", "A B", "", "Ä"):
            with pytest.raises(OperatorError, match="CLIENT_ID_INVALID"):
                await session.client_certificate(name)
        server_ca = x509.load_der_x509_certificate(await session.authority_certificate(SERVER_CA))
        with pytest.raises((InvalidSignature, ValueError)):
            leaf.verify_directly_issued_by(server_ca)


async def test_the_list_has_a_revoked_certificate_at_once(bao: Bao) -> None:
    async with bao.session("registrar") as session:
        kept, gone = await session.client_certificate("KEPT"), await session.client_certificate("GONE")
        leaf, issuer, _ = _parts(gone)
        before = x509.load_der_x509_crl(await session.revocation_list(CLIENT_CA))
        assert before.get_revoked_certificate_by_serial_number(leaf.serial_number) is None
        await session.revoke_client_certificate(gone.serial)
        after = x509.load_der_x509_crl(await session.revocation_list(CLIENT_CA))
        key = issuer.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert after.is_signature_valid(key)
        assert after.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
        assert after.get_revoked_certificate_by_serial_number(_parts(kept)[0].serial_number) is None
        assert after.next_update_utc is not None
        assert after.next_update_utc - datetime.now(UTC) > timedelta(hours=71)
        statuses = [_ocsp(bao, certificate) for certificate in (gone, kept)]
        assert statuses == [ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.GOOD]
    async with bao.session("maintainer") as session:
        await session.rotate_revocation_list(CLIENT_CA)
        fresh = x509.load_der_x509_crl(await session.revocation_list(CLIENT_CA))
        assert fresh.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
        assert _number(fresh) > _number(after)


def _number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def _ocsp(bao: Bao, made: Certificate) -> ocsp.OCSPCertStatus:
    leaf, issuer, _ = _parts(made)
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA256()).build()
    answer = requests.post(
        f"{bao.server.address}/v1/{CLIENT_CA}/ocsp",
        data=asked.public_bytes(serialization.Encoding.DER),
        headers={"Content-Type": "application/ocsp-request"},
        timeout=20,
    )
    return ocsp.load_der_ocsp_response(answer.content).certificate_status


async def test_signatures_verify_without_openbao(bao: Bao) -> None:
    async with bao.session("sealer") as session:
        messages = [b"", b"a checkpoint\n", bytes(range(256))]
        p256 = serialization.load_pem_public_key((await session.public_keys(EVIDENCE_P256))[1].encode())
        ed25519 = Ed25519PublicKey.from_public_bytes(base64.b64decode((await session.public_keys(EVIDENCE_ED25519))[1]))
        assert isinstance(p256, ec.EllipticCurvePublicKey)
        for message, signature in zip(messages, await session.sign(EVIDENCE_P256, messages), strict=True):
            assert signature.key_version == 1
            p256.verify(signature.value, message, ec.ECDSA(hashes.SHA256()))
            with pytest.raises(InvalidSignature):
                p256.verify(signature.value, message + b"x", ec.ECDSA(hashes.SHA256()))
        for message, signature in zip(messages, await session.sign(EVIDENCE_ED25519, messages), strict=True):
            ed25519.verify(signature.value, message)
            with pytest.raises(InvalidSignature):
                ed25519.verify(signature.value, message + b"x")


async def test_the_proxy_hash_is_stable_and_keyed(bao: Bao) -> None:
    async with bao.session("resolver") as session:
        first = await session.hmac(PROXY_HASH, [b"MSISDN:260977123456", b"MSISDN:260977123457"])
    async with bao.session("resolver") as session:
        again = await session.hmac(PROXY_HASH, [b"MSISDN:260977123456", b"MSISDN:260977123457"])
    assert first == again
    assert first[0].value != first[1].value
    assert {len(made.value) for made in first} == {32}
    bao.root.write(f"transit/keys/{PROXY_HASH}/rotate")
    async with bao.session("resolver") as session:
        rotated = (await session.hmac(PROXY_HASH, [b"MSISDN:260977123456"]))[0]
    assert rotated.key_version == 2
    assert rotated.value != first[0].value


def test_no_log_holds_a_secret(bao: Bao) -> None:
    """Last in the file: the server's log and audit log of everything above, and our own log."""
    said = bao.said()
    assert len(bao.secrets) > 20, "the tests above did not run"
    assert '"path":"auth/approle/login"' in said
    assert [secret[:4] for secret in bao.secrets if secret in said] == []
    assert "260977123456" not in said
    assert base64.b64encode(b"MSISDN:260977123456").decode() not in said
