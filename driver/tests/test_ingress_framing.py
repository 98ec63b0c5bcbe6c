"""Framing: what two HTTP readers could understand differently is refused; slow and idle peers are cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.ingress_bench import HEAD, Bench, exchange, instruction, prepare, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def dsn(database_url: str) -> str:
    """One database for this module."""
    asyncio.run(prepare(database_url))
    return database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(dsn: str) -> AsyncIterator[Bench]:
    """One ingress for this module."""
    async with serving(dsn, reject_attestations_burst=10_000) as running:
        yield running


async def test_oversize_is_refused_with_and_without_content_length(bench: Bench) -> None:
    big = instruction("big", remittance="x" * 70_000)
    answer = await bench.client.post(big, key="K-big")
    assert (answer.status, answer.reason) == (413, "BODY_TOO_LARGE")
    raw = json.dumps(big).encode()
    chunked = await exchange(bench, [*HEAD, b"Transfer-Encoding: chunked"], b"%x\r\n%s\r\n0\r\n\r\n" % (len(raw), raw))
    assert chunked.startswith(b"HTTP/1.1 413 ")
    at_the_limit = json.dumps(instruction("limit")).encode()
    at_the_limit += b" " * (65_536 - len(at_the_limit))
    assert (await bench.client.post(at_the_limit, key="K-limit")).status == 202


def changed(*replacements: tuple[bytes, bytes]) -> list[bytes]:
    """HEAD with some lines replaced."""
    lines = list(HEAD)
    for old, new in replacements:
        lines = [new if line.startswith(old) else line for line in lines]
    return lines


FRAMING: dict[str, list[bytes]] = {
    "HTTP/1.0": changed((b"POST", b"POST /v1/instructions HTTP/1.0")),
    "absolute form": changed((b"POST", b"POST http://evil/v1/instructions HTTP/1.1")),
    "double slash": changed((b"POST", b"POST //v1/instructions HTTP/1.1")),
    "dot segment": changed((b"POST", b"POST /v1/x/../instructions HTTP/1.1")),
    "encoded dot segment": changed((b"POST", b"POST /v1/x/%2E%2e/instructions HTTP/1.1")),
    "query": changed((b"POST", b"POST /v1/instructions?access_token=x HTTP/1.1")),
    "key twice": [*HEAD, b"idempotency-key: K-raw"],
    "participant twice": [*HEAD, b"Symphony-Participant: ZM-BANK-B"],
    "media type twice": [*HEAD, b"Content-Type: application/json"],
    "underscore": [*HEAD, b"Idempotency_Key: K-other"],
    "authorization twice": [*HEAD, b"Authorization: Bearer a", b"Authorization: Bearer b"],
    "two hosts": [*HEAD, b"Host: other"],
    "obsolete folding": [*HEAD, b"X-A: b\r\n folded"],
    "space before colon": [*HEAD, b"X-A : b"],
}


@pytest.mark.parametrize("name", list(FRAMING))
async def test_bad_framing_is_refused_and_the_connection_closed(bench: Bench, name: str) -> None:
    body = json.dumps(instruction("framing")).encode()
    received = await exchange(bench, FRAMING[name], body, length=True)
    assert received.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), received
    assert received.endswith(b"<closed>")
    assert b"application/problem+json" in received
    for echoed in (b"evil", b"Bearer", b"folded", b"aiohttp", b"Traceback"):
        assert echoed not in received
    assert (await bench.client.get("/v1/instructions/INV-framing")).status == 404


async def test_http_1_0_with_chunked_framing_is_refused(bench: Bench) -> None:
    lines = [*changed((b"POST", b"POST /v1/instructions HTTP/1.0")), b"Transfer-Encoding: chunked"]
    raw = json.dumps(instruction("chunked10")).encode()
    received = await exchange(bench, lines, b"%x\r\n%s\r\n0\r\n\r\n" % (len(raw), raw))
    assert b" 400 " in received.split(b"\r\n")[0]
    assert received.count(b"HTTP/1.0 ") + received.count(b"HTTP/1.1 4") == 1, "one request, one answer"
    assert (await bench.client.get("/v1/instructions/INV-chunked10")).status == 404


async def test_other_transfer_codings_and_smuggled_lengths_are_refused(bench: Bench) -> None:
    for extra in (
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
        [b"Content-Length: 2", b"Content-Length: 2"],
        [b"Content-Length: +2"],
    ):
        received = await exchange(bench, [*HEAD, *extra], b"0\r\n\r\n")
        assert b" 400 " in received.split(b"\r\n")[0], (extra, received)
        assert received.endswith(b"<closed>")


async def test_chunked_http_1_1_and_expect_continue_are_served(bench: Bench) -> None:
    raw = json.dumps(instruction("chunked11")).encode()
    lines = [*changed((b"Idem", b"Idempotency-Key: K-chunked11")), b"Transfer-Encoding: chunked"]
    received = await exchange(bench, lines, b"%x\r\n%s\r\n0\r\n\r\n" % (len(raw), raw))
    assert received.startswith(b"HTTP/1.1 202 ")
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.service.port)
    raw = json.dumps(instruction("expect")).encode()
    lines = [*changed((b"Idem", b"Idempotency-Key: K-expect")), b"Expect: 100-continue"]
    writer.write(b"\r\n".join(lines) + b"\r\nContent-Length: %d\r\n\r\n" % len(raw))
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(raw)
    assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 202 ")
    writer.close()
    received = await exchange(bench, [*HEAD, b"Expect: 200-ok"], b"{}", length=True)
    assert received.startswith(b"HTTP/1.1 417 ")


async def test_a_slow_body_is_cut_off(dsn: str) -> None:
    async with serving(dsn, body_timeout_ms=100, lingering_timeout_ms=50) as bench:
        received = await exchange(bench, [*HEAD, b"Content-Length: 10"], b"{")
        assert received.startswith(b"HTTP/1.1 408 ")
        assert received.endswith(b"<closed>")
        assert bench.shed("body_timeout") == 1


async def test_an_idle_connection_is_closed(dsn: str) -> None:
    async with serving(dsn, keepalive_timeout_ms=200) as bench:
        for sent in ([b"POST /v1/instructions HTTP/1.1", b"Host: x"], []):
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.service.port)
            writer.write(b"\r\n".join(sent))
            assert await asyncio.wait_for(reader.read(), 20) == b""
            writer.close()
