"""What the adapter makes of connections: failed, lost, reused, shifted; and that a payment is sent once."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

import aiohttp.client
import pytest

from tests.raw_rail import RawServer, Reader, Writer, accepted, adapter, http_answer, raw_server
from tests.sandbox_process import PaymentClaim, SandboxProcess


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("rail") / "ledger.db") as process:
        yield process
    assert process.stderr() == ""


@pytest.fixture
def sandbox(shared: SandboxProcess) -> SandboxProcess:
    shared.set_faults()
    return shared


@pytest.mark.parametrize("kind", ["drop_connection_after_success", "drop_connection_before_effect"])
@pytest.mark.parametrize("library_repeats_posts", [False, True])
async def test_a_post_on_a_dying_kept_alive_connection_is_uncertain_and_sent_once(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, kind: str, library_repeats_posts: bool
) -> None:
    if library_repeats_posts:  # a library version that took POST for idempotent would still send once
        methods = aiohttp.client.IDEMPOTENT_METHODS | {"POST"}
        monkeypatch.setattr(aiohttp.client, "IDEMPOTENT_METHODS", methods)
    sandbox.set_faults({"kind": kind, "amount": "9.99"})
    async with adapter(sandbox.base_url, max_connections=1) as rail:
        assert (await rail.submit(PaymentClaim())).rail_code == "ACCEPTED"
        claim = PaymentClaim(amount_minor=999)
        assert (await rail.submit(claim)).rail_code == "CONNECTION_LOST"
    assert sandbox.calls(claim.reference) == [("SUBMIT", None, "NO_ANSWER", kind)]
    assert sandbox.executions(claim.reference) == (1 if "after" in kind else 0)


async def test_without_the_send_limit_a_repeating_library_would_send_twice(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = aiohttp.client.IDEMPOTENT_METHODS | {"POST"}
    monkeypatch.setattr(aiohttp.client, "IDEMPOTENT_METHODS", methods)
    sandbox.set_faults({"kind": "drop_connection_after_success"})
    body = {"reference": "twice-" + PaymentClaim().reference, "amount": "1.00", "currency": "ZMW"}
    body |= {"creditor": {"account": "1"}, "debtor": {"account": "2"}}  # type: ignore[dict-item]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(f"{sandbox.base_url}/payments", json=body)
    assert len(sandbox.calls(body["reference"])) == 2
    assert sandbox.executions(body["reference"]) == 1


@pytest.mark.parametrize("last_words", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"])
async def test_a_connection_closed_on_its_second_request_is_connection_lost(last_words: bytes) -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        _, body = await server.read(reader)
        writer.write(http_answer(accepted(json.loads(body)["reference"])))
        await server.read(reader)
        writer.write(last_words)

    async with raw_server(converse) as server, adapter(server.base_url) as rail:
        codes = [(await rail.submit(PaymentClaim())).rail_code for _ in range(2)]
    assert codes == ["ACCEPTED", "CONNECTION_LOST"]
    assert (len(server.requests), server.connections) == (2, 1)


async def test_a_query_may_be_repeated_on_a_fresh_connection() -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        line, _ = await server.read(reader)
        writer.write(http_answer(accepted(line.split()[1].rpartition("/")[2])))
        await server.read(reader)

    async with raw_server(converse) as server, adapter(server.base_url) as rail:
        codes = [(await rail.query(PaymentClaim())).rail_code for _ in range(2)]
    assert codes == ["ACCEPTED", "ACCEPTED"]
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        while True:
            await server.read(reader)
            head = f"HTTP/1.1 {status} Go\r\nLocation: /payments\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())

    async with raw_server(converse) as server, adapter(server.base_url) as rail:
        assert (await rail.submit(PaymentClaim())).rail_code == f"HTTP_{status}"
    assert len(server.requests) == 1


def _refusing_port() -> Iterator[int]:
    """A port where connecting is refused: bound, so that nobody takes it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def _silent_port() -> Iterator[int]:
    """A port where connecting hangs: its queue of unaccepted connections is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        time.sleep(0.05)
        yield listening.getsockname()[1]
        for each in waiting:
            each.close()


@pytest.mark.parametrize(
    ("port", "connect_timeout_ms", "query_code"),
    [(_refusing_port, 20_000, "CONNECTION_LOST"), (_silent_port, 200, "TIMEOUT")],
)
async def test_only_a_submit_that_could_not_connect_is_connect_failed(
    port: Callable[[], Iterator[int]], connect_timeout_ms: int, query_code: str
) -> None:
    for number in port():
        options = {"connect_timeout_ms": connect_timeout_ms, "total_timeout_ms": 60_000}
        async with adapter(f"http://127.0.0.1:{number}", **options) as rail:
            reply = await rail.submit(PaymentClaim())
            assert (reply.rail_code, reply.response_sha256) == ("CONNECT_FAILED", None)
            assert reply.latency_us < 30_000_000, "the time to connect, not the whole one"
            assert (await rail.query(PaymentClaim())).rail_code == query_code


async def test_a_name_that_does_not_resolve_is_connect_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    async with adapter("http://rail.example:1") as rail:
        assert (await rail.submit(PaymentClaim())).rail_code == "CONNECT_FAILED"
        assert (await rail.query(PaymentClaim())).rail_code == "CONNECTION_LOST"


async def test_waiting_for_a_connection_in_vain_sends_nothing() -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        _, body = await server.read(reader)
        asked.set()
        await answered.wait()
        writer.write(http_answer(accepted(json.loads(body)["reference"])))

    async with (
        raw_server(converse) as server,
        adapter(server.base_url, max_connections=1, connect_timeout_ms=2_000, total_timeout_ms=60_000) as rail,
    ):
        holds = asyncio.create_task(rail.submit(PaymentClaim()))
        await asyncio.wait_for(asked.wait(), 30)
        assert (await rail.submit(PaymentClaim())).rail_code == "CONNECT_FAILED"
        answered.set()
        assert (await holds).rail_code == "ACCEPTED"
    assert (len(server.requests), server.connections) == (1, 1)


async def test_a_closed_adapter_sends_nothing(sandbox: SandboxProcess) -> None:
    claim = PaymentClaim()
    async with adapter(sandbox.base_url) as rail:
        await rail.aclose()
        assert (await rail.submit(claim)).rail_code == "CONNECT_FAILED"
        assert (await rail.query(claim)).rail_code == "CONNECTION_LOST"
    assert sandbox.calls(claim.reference) == []


async def test_a_stale_answer_that_overtakes_is_unreadable_and_ends_its_connection() -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        stale = b""
        while True:
            _, body = await server.read(reader)
            own = http_answer(accepted(json.loads(body)["reference"]))
            writer.write(stale)
            await writer.drain()
            await asyncio.sleep(0.05 if stale else 0)
            writer.write(own)
            stale = own

    async with raw_server(converse) as server, adapter(server.base_url, max_connections=1) as rail:
        codes = [(await rail.submit(PaymentClaim())).rail_code for _ in range(3)]
    assert codes == ["ACCEPTED", "UNREADABLE_ANSWER", "ACCEPTED"]
    assert server.connections == 2


async def test_connections_are_kept_and_shared_by_many_calls() -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        while True:
            _, body = await server.read(reader)
            await asyncio.sleep(0.001)
            writer.write(http_answer(accepted(json.loads(body)["reference"])))

    async with raw_server(converse) as server, adapter(server.base_url, max_connections=8) as rail:
        replies = await asyncio.gather(*[rail.submit(PaymentClaim()) for _ in range(200)])
    assert Counter(reply.rail_code for reply in replies) == {"ACCEPTED": 200}
    assert server.connections == 8
