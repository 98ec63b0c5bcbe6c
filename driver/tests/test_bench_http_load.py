"""The load of `symphony bench http`: real TLS, a proof for each request, honest counts and latencies."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from symphony.bench import http_load
from symphony.bench.http_load import Target
from tests.sender_material import IssuerStage, issuing

SENDERS = 3


class Looks:
    """A clock that goes on by five milliseconds at each look, so that a load's length is a number of requests."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def perf_counter(self) -> float:
        self._now_s += 0.005
        return self._now_s

    process_time = staticmethod(time.process_time)


@dataclass
class Peer:
    """Answers 202, or 429 to every tenth request."""

    url: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)
    certificates: Counter[bytes] = field(default_factory=Counter)
    slow_s: float = 0.0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        assert request.transport is not None
        self.seen.append({**request.headers, "body": body.decode()})
        status = 429 if len(self.seen) % 10 == 0 else 202
        tls = request.transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificates[tls.getpeercert(binary_form=True)] += 1
        await asyncio.sleep(self.slow_s)
        return web.Response(status=status, body=b"{}")


@asynccontextmanager
async def serving(peer: Peer, tls: ssl.SSLContext | None) -> AsyncIterator[Peer]:
    server = web.Server(peer.answer)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    peer.url = f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        listening.close()
        await server.shutdown(0.1)


def mutual(stage: IssuerStage) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cadata=stage.clients.pem.decode())
    tls.load_cert_chain(stage.folder / "issuer.crt.pem", stage.folder / "issuer.key.pem")
    return tls


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few senders instead of the bench's."""
    monkeypatch.setattr(http_load, "PARTICIPANTS", SENDERS)


async def test_a_closed_loop_proves_each_request_over_the_connection_of_its_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with issuing(tmp_path) as stage, serving(Peer(), mutual(stage)) as peer:
        credentials = [stage.credentials(f"client-{n}", client_id=f"client-{n}") for n in range(SENDERS)]
        target = Target(url=peer.url, credentials=credentials)
        monkeypatch.setattr(http_load, "time", Looks())
        load = await http_load._drive(target, seconds=0.3, rate=None, connections=SENDERS)
    assert load.answered == len(peer.seen) == len(load.latency_ms) > 20
    assert load.refused == load.answered // 10
    assert len(peer.certificates) == SENDERS
    for name in ("DPoP", "Signature", "Idempotency-Key"):
        assert len({headers[name] for headers in peer.seen}) == load.answered
    assert all(headers["Idempotency-Key"] in headers["body"] for headers in peer.seen)


async def test_an_open_loop_sends_at_its_rate_and_counts_the_wait_from_when_a_request_was_due() -> None:
    async with serving(Peer(slow_s=0.2), None) as peer:
        load = await http_load._drive(Target(url=peer.url), seconds=0.5, rate=60, connections=SENDERS)
    assert load.answered == 30  # also while the ones before are still waited for
    assert min(load.latency_ms) >= 200
    assert {headers["Symphony-Participant"] for headers in peer.seen} == {f"ZM-BENCH-{n}" for n in range(SENDERS)}


async def test_a_connection_that_is_cut_is_an_error_and_not_a_number() -> None:
    async def cut(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    peer = Peer()
    peer.answer = cut  # type: ignore[method-assign]
    async with serving(peer, None):
        with pytest.raises(BaseExceptionGroup) as caught:
            await http_load._drive(Target(url=peer.url), seconds=30, rate=None, connections=1)
    assert caught.group_contains(ConnectionError)
