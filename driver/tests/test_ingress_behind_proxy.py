"""T10 and RFC 9440 with a real HAProxy: it ends TLS, takes forged fields away and tells the certificate it verified."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from symphony.postgres_directory import free_port
from symphony.routing import configuration
from tests.tls_stage import GOOD, ROOT, SERVER, SERVER_CA, Authority, Leaf, Peer, Stage, client_context, request, staged
from tests.until import until

CONFIGURATION = """\
global
  maxconn 100
defaults
  mode http
  timeout connect 30s
  timeout client 60s
  timeout server 60s
frontend payments
  bind 127.0.0.1:{port} ssl crt {directory}/server.pem ca-file {directory}/clients.pem verify required ssl-min-ver TLSv1.3 no-tls-tickets
  http-request del-header Client-Cert
  http-request del-header Client-Cert-Chain
  http-request set-header Client-Cert :%[ssl_c_der,base64]:
  default_backend ingress
backend ingress
  http-reuse always
  server ingress unix@{directory}/ingress.sock
"""
CLIENT = ROOT.leaf()  # a CA file of HAProxy needs the whole chain, so here the root issues


@dataclass(frozen=True)
class Behind:
    """The listener's stage behind a running HAProxy."""

    stage: Stage
    port: int

    async def exchange(self, raw: bytes, *, leaf: Leaf | None = CLIENT, answers: int = 1) -> bytes:
        """Send bytes through the proxy over a new connection."""
        try:
            connection = await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=client_context(leaf), server_hostname="localhost"
            )
        except OSError:
            return b""
        return await Peer(*connection).exchange(raw, answers=answers)


@contextmanager
def haproxy(directory: Path) -> Iterator[int]:
    """Run HAProxy in front of the socket in this directory; gives its port."""
    server, port = SERVER_CA.leaf(SERVER), free_port()
    (directory / "server.pem").write_bytes(server.certificate_pem + server.key_pem)
    (directory / "clients.pem").write_bytes(ROOT.pem)
    file = directory / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(port=port, directory=directory))
    process = subprocess.Popen(
        [configuration.program(), "-db", "-f", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=60)


def listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
async def behind() -> AsyncIterator[Behind]:
    """A listener on a Unix socket behind HAProxy."""
    with TemporaryDirectory(prefix="symphony-proxy-") as name:  # made with mode 0700, and short enough for a socket
        async with staged(unix=Path(name) / "ingress.sock") as stage:
            with haproxy(Path(name)) as port:
                await until(lambda: listens(port), seconds=60)
                yield Behind(stage, port)


async def test_the_handler_sees_the_certificate_that_the_proxy_verified(behind: Behind) -> None:
    other = ROOT.leaf()
    assert (await behind.exchange(request())).startswith(b"HTTP/1.1 200 ")
    assert (await behind.exchange(request(), leaf=other)).startswith(b"HTTP/1.1 200 ")
    assert behind.stage.served == [CLIENT.der, other.der]


async def test_forged_fields_do_not_reach_the_handler(behind: Behind) -> None:
    forged = b"Client-Cert: :AAAA:"
    for head in ([forged], [forged, forged], [forged.lower()], [b"Client-Cert-Chain: :AAAA:"]):
        assert (await behind.exchange(request(head=head))).startswith(b"HTTP/1.1 200 ")
    assert behind.stage.served == [CLIENT.der] * 4
    assert not any("Client-Cert-Chain" in head for head in behind.stage.heads)


async def test_a_name_that_only_looks_alike_passes_the_proxy_and_is_refused(behind: Behind) -> None:
    answer = await behind.exchange(request(head=[b"Client_Cert: :AAAA:"]))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"HEADER_INVALID" in answer
    assert behind.stage.bodies == []


async def test_requests_of_two_clients_over_one_connection_of_the_proxy_are_told_apart(behind: Behind) -> None:
    clients = CLIENT, ROOT.leaf()

    async def ask(number: int) -> None:
        answer = await behind.exchange(request(body=b'"%d"' % number), leaf=clients[number % 2])
        assert answer.startswith(b"HTTP/1.1 200 ")

    for number in range(20):  # one after the other: the proxy has an idle connection for each
        await ask(number)
    assert behind.stage.server.open_connections < 20, "the proxy reuses its connections"
    await asyncio.gather(*(ask(number) for number in range(20, 40)))
    seen = {int(body[1:-1]): der for der, body in behind.stage.requests}
    assert seen == {number: clients[number % 2].der for number in range(40)}


@pytest.mark.parametrize(
    "leaf",
    [None, Authority("other").leaf(), GOOD, ROOT.leaf(ends_s=-1)],
    ids=["none", "another root", "another issuer", "expired"],
)
async def test_the_proxy_refuses_who_has_no_certificate(behind: Behind, leaf: Leaf | None) -> None:
    assert await behind.exchange(request(), leaf=leaf) == b""
    assert behind.stage.untouched


async def test_the_proxy_speaks_tls_1_3_only(behind: Behind) -> None:
    context = client_context(CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("127.0.0.1", behind.port, ssl=context, server_hostname="localhost")
    assert behind.stage.untouched
