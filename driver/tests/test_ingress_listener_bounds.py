"""What the listener bears: floods of handshakes, too many connections, an empty descriptor table, its own end."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from base64 import b64encode
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from symphony.ingress.listener import ListenRefused, MaterialRefused
from tests.tls_stage import GOOD, ISSUING, Peer, Stage, material, request, staged, tcp
from tests.until import until

type Run = Callable[[Coroutine[Any, Any, None]], None]
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
SERVED = b"HTTP/1.1 200 "


@LOOPS
def test_peers_that_say_nothing_do_not_keep_others_out(run: Run) -> None:
    """More silent connections than places for handshakes: a good client is served long before they time out."""

    async def check() -> None:
        bounds = {"max_handshakes": 8, "handshake_grace_ms": 50, "handshake_timeout_ms": 60_000}
        async with staged(settings=bounds) as stage:
            silent = [tcp(stage) for _ in range(40)]
            began = asyncio.get_running_loop().time()
            assert (await stage.ask()).startswith(SERVED)
            assert asyncio.get_running_loop().time() - began < 30
            assert stage.listener.handshakes <= 8
            assert set(stage.reasons) == {"CONNECTION_LIMIT"}
            assert 33 <= stage.reasons["CONNECTION_LIMIT"] <= 40, "as many as had to go, no more"
            for connection in silent:
                connection.close()
            await until(lambda: stage.listener.handshakes == 0)
            assert len(stage.refusals) == 40, "each of them is counted once"

    run(check())


@LOOPS
def test_a_herd_of_good_clients_waits_for_its_turn_and_loses_nobody(run: Run) -> None:
    async def check() -> None:
        patient = {"max_handshakes": 3, "handshake_grace_ms": 60_000, "handshake_timeout_ms": 60_000}
        async with staged(settings=patient) as stage:
            most = 0

            async def ask() -> bool:
                nonlocal most
                answer = await stage.ask()
                most = max(most, stage.listener.handshakes)
                return answer.startswith(SERVED)

            assert all(await asyncio.gather(*(ask() for _ in range(40))))
            assert 1 <= most <= 3
            assert stage.refusals == []

    run(check())


@LOOPS
def test_connections_are_bounded_and_a_place_that_is_left_is_taken(run: Run) -> None:
    async def check() -> None:
        async with staged(settings={"max_connections": 5, "handshake_timeout_ms": 60_000}) as stage:
            idle = tcp(stage)  # a handshake under way is a connection too
            open_ones = [await stage.connect() for _ in range(4)]
            await until(lambda: stage.server.open_connections == 4)
            assert await stage.ask() == b""
            assert stage.reasons == {"CONNECTION_LIMIT": 1}
            assert stage.refusals[0].peer_address == "127.0.0.1"
            assert (await open_ones[0].exchange(request())).startswith(SERVED)
            await until(lambda: stage.server.open_connections == 3)
            assert (await stage.ask()).startswith(SERVED)
            idle.close()
            for peer in open_ones:
                peer.writer.transport.abort()

    run(check())


@LOOPS
def test_one_certificate_does_not_keep_out_the_others(run: Run) -> None:
    async def check() -> None:
        async with staged(max_connections_per_certificate=2) as stage:
            held = [await stage.connect() for _ in range(2)]
            await until(lambda: stage.server.open_connections == 2)
            assert await stage.ask() == b""
            assert [(r.reason_code, r.cert_sha256) for r in stage.refusals] == [("CONNECTION_LIMIT", GOOD.sha256)]
            assert (await stage.ask(ISSUING.leaf())).startswith(SERVED)
            assert (await held[0].exchange(request())).startswith(SERVED)
            await until(lambda: stage.server.open_connections == 1)
            assert (await stage.ask()).startswith(SERVED)
            held[1].writer.transport.abort()

    run(check())


@LOOPS
def test_without_tls_nobody_has_a_certificate(run: Run) -> None:
    async def check() -> None:
        async with staged(plain=True) as stage:
            peer = Peer(*await asyncio.open_connection("127.0.0.1", stage.listener.port))
            assert (await peer.exchange(request())).startswith(SERVED)
            peer = Peer(*await asyncio.open_connection("127.0.0.1", stage.listener.port))
            assert b"CERT_HEADER_INVALID" in await peer.exchange(request(head=[told(GOOD.der)]))
            assert stage.served == [None, "CERT_HEADER_INVALID"]
            with pytest.raises(MaterialRefused, match="does not speak TLS"):
                stage.listener.replace(material())

    run(check())


@LOOPS
def test_the_kernel_ends_a_connection_whose_peer_reads_nothing(run: Run) -> None:
    async def check() -> None:
        async with staged(settings={"unacknowledged_timeout_ms": 12_345}) as stage:
            peer = await stage.connect()
            await until(lambda: stage.server.open_connections == 1)
            (protocol,) = stage.server.connections
            assert protocol.transport is not None
            accepted = protocol.transport.get_extra_info("socket")
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 12_345
            peer.writer.transport.abort()

    run(check())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ECONNABORTED])
async def test_a_connection_that_cannot_be_accepted_does_not_end_the_listener(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    loop = asyncio.get_running_loop()
    accept, failed = loop.sock_accept, 0

    async def fails_at_first(listening: socket.socket) -> Any:
        nonlocal failed
        if failed < 2:
            failed += 1
            raise OSError(number, os.strerror(number))
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", fails_at_first)
    async with staged() as stage:
        assert (await stage.ask()).startswith(SERVED)
        assert failed == 2
        assert stage.listener.accepting
    assert not stage.listener.accepting


@LOOPS
def test_b8_idle_connections_do_not_stop_others_and_end(run: Run) -> None:
    async def check() -> None:
        idle = {"keepalive_timeout_ms": 2_000}
        async with staged(settings={"handshake_timeout_ms": 60_000}, ingress=idle) as stage:
            peers = await asyncio.gather(*(stage.connect() for _ in range(100)))
            assert (await stage.ask()).startswith(SERVED)
            assert await asyncio.gather(*(silence(peer) for peer in peers)) == [b""] * 100
            assert stage.refusals == []
            await until(lambda: stage.server.open_connections == 0)

    run(check())


async def silence(peer: Peer, raw: bytes = b"", *, drip: bytes = b"") -> bytes:
    """All that a connection answers until the server ends it, when its client sends this and then drips."""
    try:
        async with asyncio.timeout(30):
            peer.writer.write(raw)
            for octet in drip:
                if peer.writer.is_closing():
                    break
                peer.writer.write(bytes([octet]))
                await asyncio.sleep(0.05)
            return await peer.reader.read()
    except ConnectionError:
        return b""
    finally:
        peer.writer.transport.abort()


HEADS: dict[str, tuple[bytes, bytes]] = {
    "half a request line": (b"POST /v1/inst", b""),
    "half a head": (b"POST /v1/instructions HTTP/1.1\r\nHost: x\r\n", b""),
    "a head that drips": (b"POST /v1/instructions HTTP/1.1\r\n", b"X-Padding: " + b"a" * 400),
    "header after header": (b"POST /v1/instructions HTTP/1.1\r\n", b"A: b\r\n" * 60),
    "half a second head": (request() + b"POST /v1/", b"instructions" + b"x" * 400),
}


@LOOPS
@pytest.mark.parametrize("name", list(HEADS))
def test_b8_a_head_that_does_not_end_is_cut_off_without_an_answer(run: Run, name: str) -> None:
    raw, drip = HEADS[name]

    async def check() -> None:
        async with staged(head_timeout_s=0.2) as stage:
            began = asyncio.get_running_loop().time()
            received = await silence(await stage.connect(), raw, drip=drip)
            assert asyncio.get_running_loop().time() - began < 10
            assert received.count(b"HTTP/1.1 ") == name.count("second")
            assert len(stage.served) == name.count("second")

    run(check())


@LOOPS
def test_a_request_that_takes_longer_than_a_head_may_is_answered(run: Run) -> None:
    async def check() -> None:
        async with staged(head_timeout_s=2.0) as stage:
            peer = await stage.connect()
            stage.gate.clear()
            sent = request()
            peer.writer.write(sent[:20])
            await asyncio.sleep(0.02)  # two pieces: the clock of the head has begun
            peer.writer.write(sent[20:])
            await until(lambda: stage.bodies)
            await asyncio.sleep(2.3)
            stage.gate.set()
            assert SERVED in await asyncio.wait_for(peer.reader.readuntil(b"served"), 20)
            await asyncio.sleep(2.3)  # idle between requests is not a head that takes too long
            assert (await peer.exchange(request())).startswith(SERVED)

    run(check())


@LOOPS
def test_closing_answers_what_is_under_way_and_counts_nobody(run: Run) -> None:
    async def check() -> None:
        async with staged() as stage:
            idle, busy, shaking = await stage.connect(), await stage.connect(), tcp(stage)
            stage.gate.clear()
            busy.writer.write(request())
            await until(lambda: stage.bodies and stage.listener.handshakes == 1)
            closing = asyncio.create_task(stage.listener.close(timeout_s=30))
            await asyncio.sleep(0.02)
            with pytest.raises(OSError):  # noqa: PT011  # refused, whatever the errno
                await stage.connect()
            stage.gate.set()
            assert SERVED in await asyncio.wait_for(busy.reader.read(), 20)
            assert await asyncio.wait_for(idle.reader.read(), 20) == b""
            await closing
            await until(lambda: stage.server.open_connections == 0)
            assert stage.refusals == []
            shaking.close()
            idle.writer.transport.abort()
            busy.writer.transport.abort()

    run(check())


# RFC 9440: the Unix socket of our own proxy.


def told(der: bytes) -> bytes:
    return b"Client-Cert: :" + b64encode(der) + b":"


async def over(path: Path, raw: bytes, *, answers: int = 1) -> bytes:
    return await Peer(*await asyncio.open_unix_connection(str(path))).exchange(raw, answers=answers)


@LOOPS
def test_t10_behind_the_proxy_each_request_has_the_certificate_it_tells(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "proxy" / "ingress.sock"
    path.parent.mkdir(mode=0o700)
    other = ISSUING.leaf()

    async def check() -> None:
        async with staged(unix=path) as stage:
            both = request(head=[told(GOOD.der)]) + request(head=[told(other.der)])
            assert (await over(path, both, answers=2)).count(SERVED) == 2
            assert stage.served == [GOOD.der, other.der]
            bad: dict[str, list[list[bytes]]] = {
                "CERT_MISSING": [[]],
                "CERT_HEADER_INVALID": [
                    [b"Client-Cert: x"], [b"Client-Cert: :!:"], [told(GOOD.der) + b";a=1"],
                    [told(GOOD.der) + b", " + told(GOOD.der)[13:]],
                ],
                "HEADER_INVALID": [[told(GOOD.der)] * 2, [told(GOOD.der), told(GOOD.der).replace(b"-", b"_", 1)]],
            }  # fmt: skip
            for reason, heads in bad.items():
                for head in heads:
                    received = await over(path, request(head=head))
                    assert received.removesuffix(b"<closed>").endswith(b"\r\n\r\n" + reason.encode()), head
            assert stage.bodies == [b"{}", b"{}"]

    run(check())
    assert not os.path.lexists(path)


@LOOPS
@pytest.mark.parametrize("unix", [False, True])
def test_t10_only_a_proxys_socket_of_a_server_behind_it_is_believed(run: Run, tmp_path: Path, unix: bool) -> None:
    path = tmp_path / "ingress.sock"
    tmp_path.chmod(0o700)

    async def check() -> None:
        staging = staged(unix=path, behind_proxy=False) if unix else staged(plain=True, behind_proxy=True)
        async with staging as stage:
            connecting = asyncio.open_unix_connection(path) if unix else tcp_streams(stage)
            received = await Peer(*await connecting).exchange(request(head=[told(GOOD.der)]))
            assert b"CERT_HEADER_INVALID" in received
            assert stage.bodies == []

    run(check())


def tcp_streams(stage: Stage) -> Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    return asyncio.open_connection("127.0.0.1", stage.listener.port)


async def listens(path: Path) -> Stage:
    async with staged(unix=path) as stage:
        assert (await over(path, request(head=[told(GOOD.der)]))).startswith(SERVED)
    return stage


@pytest.mark.parametrize("mode", [0o701, 0o705, 0o720, 0o755, 0o777])
async def test_a_socket_that_others_reach_is_refused(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(mode)
    with pytest.raises(ListenRefused, match="whoever reaches the socket is believed"):
        await listens(directory / "ingress.sock")
    assert os.listdir(directory) == []


async def test_a_directory_that_is_none_or_another_ones_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(ListenRefused, match="is not a directory of this user"):
        await listens(tmp_path / "link" / "ingress.sock")
    with pytest.raises(ListenRefused, match="make it with mode 0700"):
        await listens(tmp_path / "none" / "ingress.sock")
    if os.geteuid() == 0:
        os.chown(real, 12_345, -1)
        with pytest.raises(ListenRefused, match="is not a directory of this user"):
            await listens(real / "ingress.sock")


async def test_a_socket_left_behind_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "ingress.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    await listens(path)
    async with staged(unix=path):
        with pytest.raises(ListenRefused, match="cannot be bound"):
            await listens(path)
        assert (await over(path, request(head=[told(GOOD.der)]))).startswith(SERVED)
    path.write_text("a file of somebody")
    with pytest.raises(ListenRefused, match="cannot be bound"):
        await listens(path)
    assert path.read_text() == "a file of somebody"
