"""T1-T4, T6, T8 at the TLS listener: whose handshake is refused, why it is counted, and that nothing was served."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.ingress.listener import ListenRefused, MaterialRefused, TlsMaterial
from symphony.trust.client_certificate import IssuingAuthority, check_client_certificate
from symphony.trust.refusal import Reason
from tests.tls_stage import (
    CLIENT,
    GOOD,
    ISSUING,
    ROOT,
    SERVER,
    SERVER_CA,
    Authority,
    Leaf,
    client_context,
    material,
    request,
    staged,
    tcp,
)
from tests.trust_material import refused
from tests.until import until

type Run = Callable[[Coroutine[Any, Any, None]], None]
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])

SIBLING = Authority("sibling CA", signer=ROOT)
IMPOSTOR = Authority("issuing CA")  # the issuing CA's name, another key
SELF_SIGNED = Authority("a leaf", ca=False)
ANY = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
REFUSED = "CONNECTION_CERTIFICATE_REFUSED"
CASES: dict[str, tuple[Callable[[], Leaf | None], str, int | None]] = {
    "T1 no certificate": (lambda: None, "CONNECTION_NO_CERTIFICATE", None),
    "T2 self-signed": (lambda: SELF_SIGNED.itself(), REFUSED, 18),
    "T2 of another root": (lambda: Authority("other").leaf(), REFUSED, 20),
    "T2 of the root above": (lambda: ROOT.leaf(chain=ROOT.pem), REFUSED, 19),
    "T2 of a sibling, with its chain": (lambda: SIBLING.leaf(chain=SIBLING.pem + ROOT.pem), REFUSED, 19),
    "T2 of a sibling": (lambda: SIBLING.leaf(), REFUSED, 20),
    "T2 of an impostor": (lambda: IMPOSTOR.leaf(), REFUSED, 20),
    "T2 of an impostor, with its chain": (lambda: IMPOSTOR.leaf(chain=IMPOSTOR.pem), REFUSED, 19),
    "T2 of a leaf that is no CA": (lambda: Authority("no CA", signer=ISSUING, ca=False).leaf(), REFUSED, 20),
    "T2 without its issuer's key (RFC 5280 4.2.1.1)": (lambda: ISSUING.leaf(names_issuer_key=False), REFUSED, 85),
    "T3 expired": (lambda: ISSUING.leaf(begins_s=-7_200, ends_s=-5), "CONNECTION_CERTIFICATE_EXPIRED", 10),
    "T3 not yet valid": (lambda: ISSUING.leaf(begins_s=60), "CONNECTION_CERTIFICATE_NOT_YET_VALID", 9),
    "T4 for a server": (lambda: ISSUING.leaf(SERVER), "CONNECTION_PURPOSE_REFUSED", 26),
    "T4 for anything": (lambda: ISSUING.leaf(ANY), "CONNECTION_PURPOSE_REFUSED", 26),
}


@LOOPS
@pytest.mark.parametrize("name", list(CASES))
def test_a_certificate_that_does_not_hold_is_refused_and_counted(run: Run, name: str) -> None:
    """TLS 1.3 clients finish first: their handshake succeeds, and the request they send at once must not be served."""
    leaf, reason, verify_code = CASES[name]

    async def check() -> None:
        async with staged() as stage:
            peer = await stage.connect(leaf())
            assert await peer.exchange(request()) == b""
            await until(lambda: stage.refusals)
            (refusal,) = stage.refusals
            assert (refusal.reason_code, refusal.verify_code) == (reason, verify_code)
            assert (refusal.peer_address, refusal.cert_sha256) == ("127.0.0.1", None)
            assert stage.untouched
            assert (await stage.ask()).startswith(b"HTTP/1.1 200 ")

    run(check())


@LOOPS
def test_a_good_certificate_is_served_and_its_der_handed_on(run: Run) -> None:
    async def check() -> None:
        async with staged() as stage:
            other = ISSUING.leaf()
            for leaf in (GOOD, other):
                assert (await stage.ask(leaf)).startswith(b"HTTP/1.1 200 ")
            assert stage.served == [GOOD.der, other.der]
            peer = await stage.connect()
            received = await peer.exchange(request() + request(), answers=2)  # pipelined: each one has its certificate
            assert received.count(b"HTTP/1.1 200 ") == 2
            assert stage.served[2:] == [GOOD.der, GOOD.der]
            assert stage.refusals == []

    run(check())


CARRIED: dict[str, tuple[dict[str, Any], Reason]] = {
    "T4 no EKU": ({"usages": None}, Reason.CERT_USAGE_REFUSED),
    "T5 no SAN": ({"names": ()}, Reason.CERT_IDENTITY_MISSING),
}


@pytest.mark.parametrize("name", list(CARRIED))
async def test_what_only_openssl_accepts_comes_with_the_certificate_that_the_handler_refuses(name: str) -> None:
    options, reason = CARRIED[name]
    leaf = ISSUING.leaf(**options)
    async with staged() as stage:
        assert (await stage.ask(leaf)).startswith(b"HTTP/1.1 200 ")
        assert stage.served == [leaf.der]
    authority = IssuingAuthority(x509.load_pem_x509_certificate(ISSUING.pem).public_bytes(Encoding.DER))
    now = int(x509.load_der_x509_certificate(leaf.der).not_valid_before_utc.timestamp()) + 10
    refused(reason, lambda: check_client_certificate(leaf.der, authority=authority, now=now))


RAW: dict[str, tuple[bytes, str]] = {
    "plain HTTP": (request(), "CONNECTION_PROTOCOL_REFUSED"),
    "garbage": (bytes(range(256)) * 8, "CONNECTION_PROTOCOL_REFUSED"),
    "HTTP/2 in the clear": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "CONNECTION_PROTOCOL_REFUSED"),
    "a broken record": (b"\x16\x03\x01\x00\x20" + b"\x63" * 32, "CONNECTION_PROTOCOL_REFUSED"),
    "an oversized record": (b"\x16\x03\x01\xff\xff" + b"a" * 100, "CONNECTION_PROTOCOL_REFUSED"),
    "B8 TCP idle": (b"", "CONNECTION_HANDSHAKE_TIMEOUT"),
    "B8 TLS idle": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "CONNECTION_HANDSHAKE_TIMEOUT"),
}


@LOOPS
@pytest.mark.parametrize("name", list(RAW))
def test_what_is_no_handshake_is_closed_and_counted(run: Run, name: str) -> None:
    raw, reason = RAW[name]

    async def check() -> None:
        timeout_ms = 150 if reason == "CONNECTION_HANDSHAKE_TIMEOUT" else 30_000
        async with staged(settings={"handshake_timeout_ms": timeout_ms}) as stage:
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.listener.port)
            writer.write(raw)
            async with asyncio.timeout(20):
                received = await end_of(reader)
            writer.close()
            assert b"HTTP/" not in received
            await until(lambda: stage.refusals)
            assert [(r.reason_code, r.verify_code, r.peer_address) for r in stage.refusals] == [
                (reason, None, "127.0.0.1")
            ]
            assert stage.untouched

    run(check())


@LOOPS
def test_a_peer_that_leaves_in_the_handshake_is_counted(run: Run) -> None:
    async def check() -> None:
        async with staged() as stage:
            for linger in (b"", b"\x01" + bytes(7)):  # an orderly end, and a reset
                connection = tcp(stage)
                await until(lambda: stage.listener.handshakes == 1)
                if linger:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()
                await until(lambda: stage.listener.handshakes == 0)
            assert stage.reasons == {"CONNECTION_PROTOCOL_REFUSED": 2}
            assert stage.untouched

    run(check())


async def end_of(reader: asyncio.StreamReader, size: int = -1) -> bytes:
    try:
        return await reader.read(size)
    except ConnectionError:
        return b""


@LOOPS
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_t8_only_tls_1_3_is_spoken(run: Run, version: ssl.TLSVersion) -> None:
    async def check() -> None:
        async with staged() as stage:
            context = client_context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = version
            with pytest.raises(OSError):  # noqa: PT011  # an alert or an end, as the loop sees fit
                await asyncio.open_connection(
                    "127.0.0.1", stage.listener.port, ssl=context, server_hostname="localhost"
                )
            await until(lambda: stage.refusals)
            assert stage.reasons == {"CONNECTION_PROTOCOL_REFUSED": 1}
            assert stage.untouched
            peer = await stage.connect()
            assert peer.writer.get_extra_info("ssl_object").version() == "TLSv1.3"
            peer.writer.transport.abort()

    run(check())


async def test_b12_http_2_is_not_agreed_on() -> None:
    async with staged() as stage:
        for offered, agreed in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None)):
            context = client_context()
            context.set_alpn_protocols(offered)
            _, writer = await asyncio.open_connection(
                "127.0.0.1", stage.listener.port, ssl=context, server_hostname="localhost"
            )
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == agreed
            writer.transport.abort()


def client_hello(suites: bytes | None = None) -> bytes:
    """A TLS 1.3 ClientHello as OpenSSL makes it, or with these three cipher suites in the place of its own."""
    context, sent = client_context(), ssl.MemoryBIO()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    hello = sent.read()
    own = b"\x13\x02\x13\x03\x13\x01"
    assert hello.count(own) == 1
    return hello if suites is None else hello.replace(own, suites)


@LOOPS
def test_t8_weak_suites_are_not_spoken(run: Run) -> None:
    async def check() -> None:
        async with staged() as stage:
            for hello, spoken in ((client_hello(), True), (client_hello(b"\x13\x05" * 3), False)):  # AES_128_CCM_8
                reader, writer = await asyncio.open_connection("127.0.0.1", stage.listener.port)
                writer.write(hello)
                first = await asyncio.wait_for(end_of(reader, 3), 20)
                assert (first == b"\x16\x03\x03") is spoken, "a handshake record answers what is spoken"
                writer.transport.abort()
            await until(lambda: len(stage.refusals) == 2)
            assert stage.reasons == {"CONNECTION_PROTOCOL_REFUSED": 2}
            assert stage.untouched

    run(check())


def twice(port: int) -> tuple[bool, bool]:
    """Whether a first connection was given a ticket, and a second one resumed it."""
    context, session = client_context(), None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost", session=session) as secured,
        ):
            secured.sendall(request())
            assert secured.recv(65_536).startswith(b"HTTP/1.1 200 ")
            session, reused = secured.session, secured.session_reused
    assert session is not None
    return session.has_ticket, bool(reused)


@LOOPS
def test_t6_no_ticket_is_given_and_nothing_resumed(run: Run) -> None:
    async def check() -> None:
        async with staged() as stage:
            assert await asyncio.to_thread(twice, stage.listener.port) == (False, False)
            context = stage.listener._context
            assert context is not None
            context.num_tickets = 2
            context.options &= ~ssl.OP_NO_TICKET
            assert await asyncio.to_thread(twice, stage.listener.port) == (True, True), "the test sees a resumption"

    run(check())


async def test_no_key_log_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    async with staged() as stage:
        monkeypatch.delenv("SSLKEYLOGFILE")  # only the server was started with it
        assert (await stage.ask()).startswith(b"HTTP/1.1 200 ")
    assert os.listdir(tmp_path) == []


@LOOPS
def test_a_refused_handshake_is_no_error_in_the_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        async with staged(settings={"handshake_timeout_ms": 50}) as stage:
            await stage.ask(None)
            await stage.ask(Authority("other").leaf())
            tcp(stage).close()
            idle = tcp(stage)
            await until(lambda: len(stage.refusals) == 4)
            idle.close()

    with caplog.at_level(logging.WARNING):
        run(check())
    assert caplog.records == []


@LOOPS
def test_t10_a_certificate_told_over_a_direct_connection_is_refused(run: Run) -> None:
    other = b":%s:" % base64.b64encode(ISSUING.leaf().der)

    async def check() -> None:
        async with staged() as stage:
            for head, answer in (
                ([b"Client-Cert: " + other], b"CERT_HEADER_INVALID"),
                ([b"client-cert: "], b"CERT_HEADER_INVALID"),
                ([b"Client-Cert-Chain: " + other], b"CERT_HEADER_INVALID"),
                ([b"Client_Cert: " + other], b"HEADER_INVALID"),
                ([b"Client-Cert: " + other, b"Client-Cert: " + other], b"HEADER_INVALID"),
            ):
                peer = await stage.connect()
                received = await peer.exchange(request(head=head))
                assert received.startswith(b"HTTP/1.1 400 ")
                assert received.removesuffix(b"<closed>").endswith(b"\r\n\r\n" + answer)
            assert set(stage.served) == {"CERT_HEADER_INVALID"}
            assert stage.bodies == []

    run(check())


@LOOPS
def test_new_material_serves_new_connections_and_leaves_open_ones(run: Run) -> None:
    async def check() -> None:
        old, new = material(), material()
        new_ca = Authority("next issuing CA")
        async with staged(with_material=old) as stage:
            kept = await stage.connect()
            assert server_certificate(kept) == leaf_der(old)
            stage.listener.replace(new)
            renewed = await stage.connect()
            assert server_certificate(renewed) == leaf_der(new)
            assert (await renewed.exchange(request())).startswith(b"HTTP/1.1 200 ")
            stage.listener.replace(material(client_ca_pem=new_ca.pem))
            assert await stage.ask() == b""
            assert (await stage.ask(new_ca.leaf())).startswith(b"HTTP/1.1 200 ")
            assert (await kept.exchange(request())).startswith(b"HTTP/1.1 200 ")
            assert stage.reasons == {REFUSED: 1}

    run(check())


def server_certificate(peer: Any) -> bytes:
    der: bytes = peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return der


def leaf_der(given: TlsMaterial) -> bytes:
    return x509.load_pem_x509_certificate(given.certificate_pem).public_bytes(Encoding.DER)


def encrypted(leaf: dict[str, bytes]) -> dict[str, bytes]:
    key = serialization.load_pem_private_key(leaf["key_pem"], None)
    hidden = serialization.BestAvailableEncryption(b"secret")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden)
    return {**leaf, "key_pem": pem}


BAD: dict[str, tuple[Callable[[], dict[str, bytes]], str]] = {
    "another key": (lambda: {"key_pem": GOOD.key_pem}, "KEY_VALUES_MISMATCH"),
    "an encrypted key": (lambda: encrypted(server_leaf()), "cannot be used together"),
    "no key": (lambda: {"key_pem": b""}, "cannot be used together"),
    "no certificate": (lambda: {"certificate_pem": b"-----BEGIN NONSENSE-----"}, "none in PEM"),
    "an expired certificate": (lambda: server_leaf(ends_s=-1), "the server's certificate is valid from"),
    "a certificate of the future": (lambda: server_leaf(begins_s=60), "the server's certificate is valid from"),
    "a client's certificate": (lambda: server_leaf(usages=CLIENT), "serverAuth"),
    "a certificate without names": (lambda: server_leaf(names=()), "no subject alternative name"),
    "no CA": (lambda: {"client_ca_pem": b""}, "not exactly one certificate"),
    "two CAs": (lambda: {"client_ca_pem": ISSUING.pem + ROOT.pem}, "not exactly one certificate"),
    "a leaf for a CA": (lambda: {"client_ca_pem": GOOD.certificate_pem}, "cannot issue certificates"),
    "an expired CA": (
        lambda: {"client_ca_pem": Authority("old", ends_s=-1).pem},
        "the client CA's certificate is valid",
    ),
}


def server_leaf(**options: Any) -> dict[str, bytes]:
    leaf = SERVER_CA.leaf(options.pop("usages", SERVER), **options)
    return {"certificate_pem": leaf.certificate_pem, "key_pem": leaf.key_pem}


@pytest.mark.parametrize("name", list(BAD))
async def test_bad_material_is_refused_and_the_old_kept(name: str) -> None:
    changes, said = BAD[name]
    bad = material(**changes())
    async with staged() as stage:
        with pytest.raises(MaterialRefused, match=said) as caught:
            stage.listener.replace(bad)
        assert "PRIVATE KEY" not in str(caught.value) + repr(bad)
        assert (await stage.ask()).startswith(b"HTTP/1.1 200 ")
    with pytest.raises(MaterialRefused, match=said):
        async with staged(with_material=bad):
            pytest.fail("it listened")


async def test_an_address_in_use_is_named() -> None:
    async with staged() as stage:
        with pytest.raises(ListenRefused, match=f"127.0.0.1:{stage.listener.port} cannot be bound"):
            async with staged(port=stage.listener.port):
                pytest.fail("it listened")


async def test_the_hash_of_the_certificate_is_that_of_its_der() -> None:
    assert hashlib.sha256(GOOD.der).digest() == GOOD.sha256
    async with staged() as stage:
        peer = await stage.connect()
        assert (await peer.exchange(b"NOT HTTP\r\n\r\n")).startswith(b"HTTP/1.0 400 ")
        (refusal,) = stage.refusals
        assert refusal.reason_code == "CONNECTION_MALFORMED"
        assert (refusal.cert_sha256, refusal.peer_address) == (GOOD.sha256, "127.0.0.1")
