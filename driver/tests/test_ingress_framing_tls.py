"""B6-B12 over TLS, against the real server: what two readers could read differently is refused, slowness is cut off."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.tls_stage import GOOD, ISSUING, Peer, Stage, request, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")
SERVED = b"HTTP/1.1 200 "
CHUNKED = b"Transfer-Encoding: chunked"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Stage]:
    """One listener for this module."""
    async with staged() as stage:
        yield stage


@pytest.fixture
def stage(shared: Stage) -> Stage:
    """The listener, with nothing noted yet."""
    for noted in (shared.refusals, shared.served, shared.heads, shared.bodies):
        noted.clear()
    shared.body_timeout_s = 20.0
    return shared


def raw(
    *lines: bytes, start: bytes = b"POST /v1/instructions HTTP/1.1", body: bytes = b"", host: bytes = b"x"
) -> bytes:
    """Write a request of exactly these lines."""
    head = [start, *([b"Host: " + host] if host else []), b"Content-Type: application/json", *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunk(content: bytes) -> bytes:
    """Write one chunk and the last one."""
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)


def codes(received: bytes) -> list[int]:
    """The status of each answer."""
    return [int(part[2:5]) for part in received.split(b"HTTP/1.")[1:]]


LENGTH = b"Content-Length: 2"
# What the parser refuses: it never reaches the handler, and is counted with the certificate it came with.
MALFORMED: dict[str, bytes] = {
    "B9 length and chunked": raw(LENGTH, CHUNKED, body=b"0\r\n\r\n"),
    "B9 chunked and length": raw(CHUNKED, LENGTH, body=b"0\r\n\r\n"),
    "B9 two lengths": raw(LENGTH, b"Content-Length: 3", body=b"{}"),
    "B9 the same length twice": raw(LENGTH, LENGTH, body=b"{}"),
    "B9 a length with a sign": raw(b"Content-Length: +2", body=b"{}"),
    "B9 a negative length": raw(b"Content-Length: -2", body=b"{}"),
    "B9 a list of lengths": raw(b"Content-Length: 2, 2", body=b"{}"),
    "B9 a length with an underscore": raw(b"Content-Length: 1_0", body=b"0123456789"),
    "B9 a hexadecimal length": raw(b"Content-Length: 0x2", body=b"{}"),
    "B9 two codings": raw(CHUNKED, CHUNKED, body=chunk(b"{}")),
    "B9 another coding": raw(b"Transfer-Encoding: xchunked", body=chunk(b"{}")),
    "B9 a coding behind a control character": raw(b"Transfer-Encoding: \x0bchunked", body=chunk(b"{}")),
    "B9 a coding behind the chunks": raw(b"Transfer-Encoding: chunked, identity", body=chunk(b"{}")),
    "B9 bare line feeds": raw(LENGTH, body=b"{}").replace(b"\r\n", b"\n"),
    "B9 one bare line feed": raw(b"A: b\nC: d", LENGTH, body=b"{}"),
    "B9 a bare carriage return": raw(b"A: b\rC: d", LENGTH, body=b"{}"),
    "B9 obsolete folding": raw(b"A: b\r\n c", LENGTH, body=b"{}"),
    "B9 a space before the colon": raw(b"A : b", LENGTH, body=b"{}"),
    "B9 a NUL": raw(b"A: \x00", LENGTH, body=b"{}"),
    "B9 a space before the first header": raw(LENGTH, body=b"{}").replace(b"Host", b" Host"),
    "B9 no name": raw(b": b", LENGTH, body=b"{}"),
    "B9 two hosts": raw(b"Host: y", LENGTH, body=b"{}"),
    "B9 no method": raw(LENGTH, start=b"/v1/instructions HTTP/1.1", body=b"{}"),
    "B9 another protocol": raw(LENGTH, start=b"POST /v1/instructions HTTQ/1.1", body=b"{}"),
    "B9 a later version": raw(LENGTH, start=b"POST /v1/instructions HTTP/3.1", body=b"{}"),
    "B9 a line too long": raw(LENGTH, start=b"POST /" + b"a" * 5_000 + b" HTTP/1.1", body=b"{}"),
    "B9 a header too long": raw(b"A: " + b"b" * 9_000, LENGTH, body=b"{}"),
    "B9 too many headers": raw(*[b"A%d: b" % number for number in range(70)], LENGTH, body=b"{}"),
    "B12 HTTP/2 inside TLS": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "a TLS record inside TLS": b"\x16\x03\x01\x00\x20" + bytes(32),
}


@pytest.mark.parametrize("name", list(MALFORMED))
async def test_what_cannot_be_parsed_is_refused_and_counted(stage: Stage, name: str) -> None:
    received = await (await stage.connect()).exchange(MALFORMED[name])
    assert codes(received) == [400], received
    assert received.endswith(b"<closed>")
    assert b'"reason_code":"FRAMING_INVALID"' in received
    for echoed in (b"Traceback", b"aiohttp", b"HTTQ", b"xchunked", b"Content-Length: 2, 2"):
        assert echoed not in received
    assert (stage.served, stage.bodies) == ([], [])
    assert [(r.reason_code, r.cert_sha256, r.peer_address) for r in stage.refusals] == [
        ("CONNECTION_MALFORMED", GOOD.sha256, "127.0.0.1")
    ]


# What the parser lets pass and the ingress does not.
REFUSED: dict[str, tuple[bytes, int, bytes]] = {
    "B9 no host": (raw(LENGTH, host=b"", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B9 HTTP/1.0": (raw(LENGTH, start=b"POST /v1/instructions HTTP/1.0", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B9 HTTP/1.0 with chunks": (
        raw(CHUNKED, start=b"POST /v1/instructions HTTP/1.0", body=chunk(b"{}")), 400, b"FRAMING_INVALID",
    ),
    "B9 gzip before the chunks": (
        raw(b"Transfer-Encoding: gzip, chunked", body=chunk(gzip.compress(b"{}"))), 400, b"FRAMING_INVALID",
    ),
    "B10 absolute form": (raw(LENGTH, start=b"POST http://evil/v1/instructions HTTP/1.1", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B10 double slash": (raw(LENGTH, start=b"POST //evil/v1/instructions HTTP/1.1", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B10 dot segment": (raw(LENGTH, start=b"POST /v1/x/../instructions HTTP/1.1", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B10 encoded dots": (raw(LENGTH, start=b"POST /v1/%2e%2E/instructions HTTP/1.1", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B10 asterisk form": (raw(LENGTH, start=b"OPTIONS * HTTP/1.1", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B10 a token in the query": (raw(LENGTH, start=b"POST /v1/instructions?access_token=a HTTP/1.1", body=b"{}"), 400, b"FRAMING_INVALID"),
    "B10 a fragment": (raw(LENGTH, start=b"POST /v1/instructions#a HTTP/1.1", body=b"{}"), 400, b"FRAMING_INVALID"),
    **{
        f"B11 {field} twice": (raw(field.encode() + b": a", field.lower().encode() + b": b", LENGTH, body=b"{}"), 400, b"HEADER_INVALID")
        for field in ("Authorization", "DPoP", "Content-Digest", "Signature", "Signature-Input", "Idempotency-Key",
                      "Client-Cert", "Content-Encoding", "Expect")
    },
    "B11 media type twice": (raw(b"Content-Type: application/json", LENGTH, body=b"{}"), 400, b"HEADER_INVALID"),
    "B11 an underscore": (raw(b"Idempotency_Key: a", LENGTH, body=b"{}"), 400, b"HEADER_INVALID"),
    "B6 gzip": (raw(b"Content-Encoding: gzip", b"Content-Length: %d" % len(gzip.compress(b"{}")), body=gzip.compress(b"{}")), 415, b"CONTENT_CODING_UNSUPPORTED"),
    "B6 deflate": (raw(b"Content-Encoding: deflate", b"Content-Length: %d" % len(zlib.compress(b"{}")), body=zlib.compress(b"{}")), 415, b"CONTENT_CODING_UNSUPPORTED"),
    "B6 gzip, gzip": (raw(b"Content-Encoding: gzip, gzip", LENGTH, body=b"{}"), 415, b"CONTENT_CODING_UNSUPPORTED"),
    "B7 70 kB": (raw(b"Content-Length: 70000", body=b" " * 70_000), 413, b"BODY_TOO_LARGE"),
    "B7 70 kB in chunks": (raw(CHUNKED, body=chunk(b" " * 70_000)), 413, b"BODY_TOO_LARGE"),
    "B7 a length of exabytes": (raw(b"Content-Length: 9000000000000000000"), 413, b"BODY_TOO_LARGE"),
    "B7 waits to send 70 kB": (raw(b"Content-Length: 70000", b"Expect: 100-continue"), 413, b"BODY_TOO_LARGE"),
    "B7 expects something else": (raw(LENGTH, b"Expect: 200-ok", body=b"{}"), 417, b"EXPECTATION_UNSUPPORTED"),
    "B7 4 bytes of 10": (raw(b"Content-Length: 10", body=b"[1,2"), 408, b"BODY_TIMEOUT"),
    "B7 a chunk that does not end": (raw(CHUNKED, body=b"a\r\n[1,2"), 408, b"BODY_TIMEOUT"),
    "B9 a chunk size with 0x": (raw(CHUNKED, body=b"0x2\r\n{}\r\n0\r\n\r\n"), 400, b"FRAMING_INVALID"),
    "B9 a negative chunk size": (raw(CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"), 400, b"FRAMING_INVALID"),
    "B9 a line feed in a chunk's extension": (raw(CHUNKED, body=b"2;a\nb\r\n{}\r\n0\r\n\r\n"), 400, b"FRAMING_INVALID"),
    "B9 a chunk longer than it says": (raw(CHUNKED, body=b"1\r\n{}\r\n0\r\n\r\n"), 400, b"FRAMING_INVALID"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
async def test_bad_framing_is_refused_once_and_the_connection_closed(stage: Stage, name: str) -> None:
    sent, status, reason = REFUSED[name]
    if status == 408:
        stage.body_timeout_s = 0.3
    received = await (await stage.connect()).exchange(sent, answers=9)
    assert codes(received) == [status], received
    assert received.endswith(reason + b"<closed>") or b'"reason_code":"FRAMING_INVALID"' in received
    assert b"100 Continue" not in received
    assert stage.bodies == []


async def test_b7_a_body_that_drips_is_cut_off(stage: Stage) -> None:
    stage.body_timeout_s = 0.3
    peer = await stage.connect()
    peer.writer.write(raw(b"Content-Length: 10000"))

    async def drip() -> None:
        for _ in range(10_000):  # the whole body would take minutes
            peer.writer.write(b" ")
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    received = await peer.exchange(b"")
    assert not dripping.done(), "cut off while it still dripped"
    dripping.cancel()
    assert codes(received) == [408]
    assert received.endswith(b"BODY_TIMEOUT<closed>")


async def test_b7_a_small_body_is_continued(stage: Stage) -> None:
    peer = await stage.connect()
    peer.writer.write(raw(LENGTH, b"Expect: 100-continue"))
    assert await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), 20) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert codes(await peer.exchange(b"{}")) == [200]
    assert stage.bodies == [b"{}"]


async def test_b9_a_pipelined_request_stands_alone(stage: Stage) -> None:
    """A first good request gives the next ones nothing, and one that is refused ends the connection."""
    good, told = request(), request(head=[b"Client-Cert: :AA==:"])
    received = await (await stage.connect()).exchange(good + told + good, answers=3)
    assert codes(received) == [200, 400, 200]
    assert stage.served == [GOOD.der, "CERT_HEADER_INVALID", GOOD.der]
    stage.served.clear()
    received = await (await stage.connect()).exchange(good + REFUSED["B10 absolute form"][0] + good, answers=3)
    assert codes(received) == [200, 400]
    assert stage.served == [GOOD.der]


async def test_b9_a_smuggled_request_is_not_served(stage: Stage) -> None:
    hidden = request(body=b'"hidden"')
    for sent in (
        raw(CHUNKED, b"Content-Length: 4", body=b"0\r\n\r\n" + hidden),
        raw(b"Content-Length: 0", CHUNKED, body=hidden),
        raw(CHUNKED, start=b"POST /v1/instructions HTTP/1.0", body=b"0\r\n\r\n" + hidden),
    ):
        received = await (await stage.connect()).exchange(sent, answers=9)
        assert codes(received) == [400], received
    assert stage.bodies == []


async def test_b11_trailers_are_not_headers(stage: Stage) -> None:
    trailers = b"2\r\n{}\r\n0\r\nAuthorization: Bearer a\r\nClient-Cert: :AA==:\r\nIdempotency-Key: b\r\n\r\n"
    received = await (await stage.connect()).exchange(raw(CHUNKED, body=trailers))
    assert codes(received) == [200]
    assert set(stage.heads[0]) == {"Host", "Content-Type", "Transfer-Encoding"}


async def test_b12_an_upgrade_is_not_made(stage: Stage) -> None:
    upgrade = [b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAAP__"]
    received = await (await stage.connect()).exchange(request(head=upgrade))
    assert codes(received) == [200]
    received = await (await stage.connect()).exchange(request(head=[b"Upgrade: websocket", b"Connection: Upgrade"]))
    assert 101 not in codes(received)
    assert len(codes(received)) == 1


@pytest.mark.parametrize("media", [b"text/plain", b"application/json; charset=utf-16", b"application/jsonp", b""])
async def test_b12_other_media_are_refused(stage: Stage, media: bytes) -> None:
    sent = request().replace(b"application/json", media)
    received = await (await stage.connect()).exchange(sent)
    assert received.startswith(b"HTTP/1.1 415 ")
    assert stage.bodies == []


async def test_a_client_with_another_certificate_is_counted_as_itself(stage: Stage) -> None:
    other = ISSUING.leaf()
    for leaf in (GOOD, other):
        await (await stage.connect(leaf)).exchange(MALFORMED["B9 a NUL"])
    assert [refusal.cert_sha256 for refusal in stage.refusals] == [GOOD.sha256, other.sha256]


async def test_bytes_behind_a_refusal_are_not_read(stage: Stage) -> None:
    """The connection ends within the lingering time although its client keeps sending."""
    peer: Peer = await stage.connect()
    peer.writer.write(raw(b"Content-Length: 70000"))
    try:
        async with asyncio.timeout(20):
            while not peer.writer.is_closing():
                peer.writer.write(b" " * 100)
                await asyncio.sleep(0.01)
    finally:
        peer.writer.transport.abort()
