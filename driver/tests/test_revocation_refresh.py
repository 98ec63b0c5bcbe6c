"""Reading revocations into the database: from a real CA, and from sources that lie, are old or are away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from symphony.bao.rights import CLIENT_CA
from symphony.errors import Conflict
from symphony.metrics import Metrics
from symphony.operator_error import OperatorError
from symphony.revocation.duties import RevocationPlan, revocation_duties
from symphony.revocation.refresher import RevocationRefresher
from symphony.revocation.refusal import RevocationRefused, RevocationUnavailable
from symphony.revocation.source import MAX_ANSWER_BYTES, RevocationSource
from tests.bao_process import Bao
from tests.registry import Registry, registry, rows
from tests.revocation_material import HOUR, Published, publisher, revocation_list, status_answer
from tests.trust_material import Authority

pytest_plugins = ("tests.bao_fixtures",)


class Clock:
    """Seconds that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def stage(
    url: str, authority: Authority, clock: Clock | None = None
) -> AsyncIterator[tuple[Registry, Published, RevocationRefresher, Metrics]]:
    """A registry, a server that publishes for the authority, and the refresher between them."""
    metrics = Metrics()
    async with registry(url) as kept, publisher() as published:
        source = RevocationSource(
            authority=authority.certificate, crl_url=f"{published.url}/crl", ocsp_url=f"{published.url}/ocsp"
        )
        async with RevocationRefresher(source, metrics, clock=clock or Clock()) as refresher:
            yield kept, published, refresher, metrics


def age(metrics: Metrics, kind: str) -> float | None:
    """The exported age."""
    return metrics.registry.get_sample_value("trust_material_age_seconds", {"kind": kind})


def revoked(metrics: Metrics, source: str) -> float | None:
    """The exported count."""
    return metrics.registry.get_sample_value("certificates_revoked_total", {"source": source})


def leaf(authority: Authority) -> x509.Certificate:
    """A certificate that ends a long time from now."""
    return x509.load_der_x509_certificate(authority.leaf(ends=86_400 * 300))


async def test_what_the_ca_revokes_ends_here_by_its_list_and_by_its_responder(bao: Bao, fresh_database: str) -> None:
    metrics = Metrics()
    async with bao.session("registrar") as registrar, registry(fresh_database) as kept:
        issuer = x509.load_der_x509_certificate(await registrar.authority_certificate(CLIENT_CA))
        issued = [await registrar.client_certificate("client-a") for _ in range(3)]
        certificates = [x509.load_pem_x509_certificate(one.certificate_pem) for one in issued]
        serials = [await kept.register(certificate, issuer, client_id="client-a") for certificate in certificates]
        base = f"{bao.server.address}/v1/{CLIENT_CA}"
        source = RevocationSource(authority=issuer, crl_url=f"{base}/crl", ocsp_url=f"{base}/ocsp")
        async with RevocationRefresher(source, metrics) as refresher:
            await refresher.refresh_list(kept.connection)
            await refresher.refresh_status(kept.connection)
            before = await kept.state()
            assert before.revocation_fresh_until is not None
            assert set((await kept.sources()).values()) == {None}

            await registrar.revoke_client_certificate(issued[0].serial)
            await refresher.refresh_list(kept.connection)
            assert await kept.sources() == {serials[0]: "CRL", serials[1]: None, serials[2]: None}
            await registrar.revoke_client_certificate(issued[1].serial)
            await refresher.refresh_status(kept.connection)
            assert await kept.sources() == {serials[0]: "CRL", serials[1]: "OCSP", serials[2]: None}
            await refresher.refresh_list(kept.connection)
            after = await kept.state()
    assert after.version == before.version + 2
    assert after.revocation_fresh_until is not None
    assert after.revocation_fresh_until > before.revocation_fresh_until
    assert (revoked(metrics, "CRL"), revoked(metrics, "OCSP")) == (1, 1)


async def test_a_list_that_is_not_believed_changes_nothing_and_the_state_ages(fresh_database: str) -> None:
    authority, clock = Authority(), Clock()
    async with stage(fresh_database, authority, clock) as (kept, published, refresher, metrics):
        certificate = leaf(authority)
        serial = await kept.register(certificate, authority.certificate, client_id="client-a")
        published.revocation_list = revocation_list(authority, number=7)
        await refresher.refresh_list(kept.connection)
        good = await kept.state()
        ending = [certificate.serial_number]
        for document, code in (
            (revocation_list(Authority(), number=8, serials=ending), "CRL_SIGNATURE"),
            (revocation_list(authority, number=8, serials=ending, ends=-HOUR / 60), "CRL_EXPIRED"),
            (revocation_list(authority, number=None, serials=ending), "CRL_NUMBER_MISSING"),
            (b"", "CRL_UNREADABLE"),
        ):
            published.revocation_list = document
            with pytest.raises(RevocationRefused) as refused:
                await refresher.refresh_list(kept.connection)
            assert refused.value.code == code
        published.status = 404
        with pytest.raises(RevocationUnavailable, match="/crl answered with status 404"):
            await refresher.refresh_list(kept.connection)
        published.status = 200
        published.revocation_list = revocation_list(authority, number=6, serials=ending)
        with pytest.raises(Conflict) as older:
            await refresher.refresh_list(kept.connection)
        assert older.value.sqlstate == "SC503"
        assert await kept.state() == good
        assert await kept.sources() == {serial: None}
        assert rows(fresh_database, "revoked_client_certs") == 0
        clock.now += 61
        assert age(metrics, "crl") == 61
        published.revocation_list = revocation_list(authority, number=8, serials=ending)
        await refresher.refresh_list(kept.connection)
        assert age(metrics, "crl") == 0
        assert await kept.sources() == {serial: "CRL"}


async def test_a_round_of_answers_counts_when_every_one_holds(fresh_database: str) -> None:
    authority, clock = Authority(), Clock()
    async with stage(fresh_database, authority, clock) as (kept, published, refresher, metrics):
        await refresher.refresh_status(kept.connection)
        assert published.asked == []
        assert rows(fresh_database, "revocation_sources") == 0
        good, bad = leaf(authority), leaf(authority)
        for certificate in (good, bad):
            await kept.register(certificate, authority.certificate, client_id="client-a")
        ended = x509.load_der_x509_certificate(authority.leaf())  # its last hour was long ago
        await kept.register(ended, authority.certificate, client_id="client-a")

        def forged(serial: int) -> bytes:
            signer = Authority() if serial == bad.serial_number else authority
            return status_answer(signer, serial, status=ocsp.OCSPCertStatus.REVOKED)

        published.answer = forged
        clock.now += 30
        with pytest.raises(RevocationRefused, match="OCSP_SIGNATURE"):
            await refresher.refresh_status(kept.connection)
        assert set((await kept.sources()).values()) == {None}
        assert rows(fresh_database, "revocation_sources") == 0
        assert age(metrics, "ocsp") == 30
        assert set(published.asked) == {good.serial_number, bad.serial_number}

        published.answer = lambda serial: status_answer(authority, serial, begins=-HOUR / 2)
        await refresher.refresh_status(kept.connection)
        assert age(metrics, "ocsp") == 0
        # Signed and within its time, but from before what was already heard.
        published.answer = lambda serial: status_answer(authority, serial, begins=-HOUR)
        with pytest.raises(RevocationRefused, match="OCSP_OLDER"):
            await refresher.refresh_status(kept.connection)


async def test_a_certificate_the_ca_does_not_know_is_reported_and_holds_up_no_other(
    bao: Bao, fresh_database: str
) -> None:
    authority = Authority()
    async with stage(fresh_database, authority) as (kept, published, refresher, _):
        unknown, ending = leaf(authority), leaf(authority)
        for certificate in (unknown, ending):
            await kept.register(certificate, authority.certificate, client_id="client-a")
        said = {unknown.serial_number: "UNKNOWN", ending.serial_number: "REVOKED"}
        published.answer = lambda serial: status_answer(authority, serial, status=ocsp.OCSPCertStatus[said[serial]])
        await refresher.refresh_status(kept.connection)
        assert await kept.sources() == {
            format(unknown.serial_number, "x"): None,
            format(ending.serial_number, "x"): "OCSP",
        }
    told = bao.logged.getvalue()
    assert "the CA does not know registered certificates" in told
    assert format(unknown.serial_number, "x") in told


async def test_a_source_that_sends_too_much_or_nothing_is_given_up(fresh_database: str) -> None:
    authority = Authority()
    async with stage(fresh_database, authority) as (kept, published, refresher, _):
        await kept.register(leaf(authority), authority.certificate, client_id="client-a")
        published.answer = lambda serial: bytes(MAX_ANSWER_BYTES + 1)
        with pytest.raises(RevocationUnavailable, match="/ocsp answered with more than 65536 bytes"):
            await refresher.refresh_status(kept.connection)
        source = RevocationSource(authority=authority.certificate, crl_url="http://127.0.0.1:1/crl", ocsp_url=None)
        async with RevocationRefresher(source, Metrics()) as alone:
            with pytest.raises(RevocationUnavailable, match="/crl gave no answer: ClientConnectorError"):
                await alone.refresh_list(kept.connection)
    assert rows(fresh_database, "revocation_sources") == 0


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        ({"crl_url": "http://127.0.0.1:1/crl"}, "REVOCATION_SOURCE_INCOMPLETE"),
        ({"crl_url": "ftp://ca/crl", "client_ca": "ca"}, "REVOCATION_URL_INVALID: --crl-url"),
        ({"client_ca": "ca"}, "REVOCATION_SOURCE_INCOMPLETE"),
        ({"client_ca": "absent", "crl_url": "http://127.0.0.1:1/crl"}, "CLIENT_CA_UNREADABLE"),
        ({"client_ca": "leaf", "crl_url": "http://127.0.0.1:1/crl"}, "CLIENT_CA_UNREADABLE"),
    ],
)
async def test_a_plan_that_cannot_work_is_refused(plan: dict[str, str], code: str, tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca").write_bytes(authority.der)
    (tmp_path / "leaf").write_bytes(authority.leaf())
    named: Any = {name: tmp_path / value if name == "client_ca" else value for name, value in plan.items()}
    with pytest.raises(OperatorError, match=code):
        async with revocation_duties(RevocationPlan(**named), None, Metrics()):
            pass


async def test_openbao_is_its_own_source_and_its_lists_are_kept_fresh(bao: Bao, fresh_database: str) -> None:
    metrics = Metrics()
    async with (
        bao.session("maintainer") as session,
        registry(fresh_database) as kept,
        revocation_duties(RevocationPlan(), session, metrics) as duties,
    ):
        assert [duty.task for duty in duties] == ["revocation", "ocsp", "rotation"]
        before = await asyncio.to_thread(bao.root.raw, f"{CLIENT_CA}/crl")
        for duty in duties:
            await duty.work(kept.connection)
        assert await asyncio.to_thread(bao.root.raw, f"{CLIENT_CA}/crl") != before
        assert (await kept.state()).revocation_fresh_until is not None
    async with revocation_duties(RevocationPlan(), None, metrics) as duties:
        assert duties == []
