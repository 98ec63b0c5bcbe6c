"""The listener's own certificate: obtained, renewed before its end, kept while OpenBao is away or refuses."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.bao.rights import CLIENT_CA
from symphony.bao.server_identity import ServerIdentity
from symphony.ingress.tls import MaterialRefused, TlsMaterial, server_context
from symphony.operator_error import OperatorError
from tests.bao_process import Bao
from tests.until import until

pytest_plugins = ("tests.bao_fixtures",)


def leaf(material: TlsMaterial) -> x509.Certificate:
    """The server's own certificate."""
    return x509.load_pem_x509_certificates(material.certificate_pem)[0]


async def test_a_listener_can_serve_with_what_openbao_signed(bao: Bao) -> None:
    async with bao.session("ingress") as session:
        identity = ServerIdentity(session, names=["localhost"], addresses=["127.0.0.1"], ttl_s=600)
        await identity.open()
        material = identity.material()
    server_context(material)
    certificate = leaf(material)
    extensions = certificate.extensions
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert load_pem_private_key(material.key_pem, None).public_key() == certificate.public_key()
    (client_ca,) = x509.load_pem_x509_certificates(material.client_ca_pem)
    assert client_ca == x509.load_der_x509_certificate(bao.root.raw(f"{CLIENT_CA}/ca"))
    assert 590 < identity.remaining_s <= 601
    assert material.key_pem.decode() not in repr(material) + bao.said()


async def test_a_name_that_is_not_ours_is_refused(bao: Bao) -> None:
    async with bao.session("ingress") as session:
        with pytest.raises(OperatorError, match=r"SERVER_CERTIFICATE_REFUSED: certificate for pay\.example"):
            await ServerIdentity(session, names=["pay.example"]).open()


async def test_it_is_renewed_at_two_thirds_of_its_life(bao: Bao) -> None:
    now = [datetime.now(UTC)]
    renewed: list[TlsMaterial] = []
    async with bao.session("ingress") as session:
        identity = ServerIdentity(session, names=["localhost"], ttl_s=600, now=lambda: now[0])
        await identity.open()
        first = identity.material()
        now[0] += (leaf(first).not_valid_after_utc - now[0]) * 2 / 3 - timedelta(seconds=1)
        assert 0 < identity._renewal_in_s() < 2
        now[0] += timedelta(seconds=2)
        runner: asyncio.Task[None] = asyncio.create_task(identity.run(renewed.append))
        try:
            await until(lambda: renewed, seconds=30)
            assert len(renewed) == 1
            assert identity.material() == renewed[0]
            assert leaf(renewed[0]).serial_number != leaf(first).serial_number
            assert renewed[0].key_pem != first.key_pem
        finally:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)


async def test_openbao_away_and_a_listener_that_refuses_leave_the_old_one_and_are_tried_again(bao: Bao) -> None:
    renewed: list[TlsMaterial] = []

    def refuse_once(material: TlsMaterial) -> None:
        renewed.append(material)
        if len(renewed) == 1:
            raise MaterialRefused("not with this one")

    async with bao.session("ingress", timeout_s=3.0) as session:
        identity = ServerIdentity(session, names=["localhost"], ttl_s=600)
        await identity.open()
        first = identity.material()
        # So long ago that it is due, so near its end that it is tried again soon.
        identity._obtained_at -= timedelta(hours=1)
        identity._now = lambda: datetime.now(UTC) + timedelta(seconds=595)
        with bao.hung():
            runner: asyncio.Task[None] = asyncio.create_task(identity.run(refuse_once))
            await until(lambda: "server certificate not renewed" in bao.logged.getvalue(), seconds=60)
            assert not runner.done()
            assert identity.material() == first
        try:
            # Both sooner than after the 30 s that one far from its end is given.
            await until(lambda: renewed, seconds=25)
            assert identity.material() == first, "the listener refused the other"
            await until(lambda: len(renewed) >= 2, seconds=25)
            assert identity.material() == renewed[-1] != first
        finally:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)
    said = bao.logged.getvalue()
    assert "not with this one" in said
    assert all(material.key_pem.decode() not in said for material in renewed)
