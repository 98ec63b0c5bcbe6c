"""A real HAProxy for tests, and peers that stand in for the two ingress colours."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from symphony.postgres_directory import free_port
from symphony.routing import configuration
from symphony.routing.configuration import Colour
from symphony.routing.haproxy import BACKEND, RuntimeSocket


class Peer:
    """One colour: readiness, the one metric the controller reads, and an instruction resource, all from memory.

    Attributes:
        ready: what /readyz says.
        flushes, flush_seconds: the histogram's count and sum.
        metrics_type: the content type of /metrics.
        behaviour: of POST: answer, refuse (500), cut (read the request, then cut the connection), nest (JSON no parser bears).
        read_status: of GET, when it is not to find anything.
        recorded: what GET finds; shared by both colours, as a database would be.
    """

    def __init__(self, name: str, recorded: dict[str, dict[str, Any]]) -> None:
        self.name = name
        self.ready = True
        self.flushes, self.flush_seconds = 0, 0.0
        self.metrics_type = "text/plain; charset=utf-8"
        self.behaviour = "answer"
        self.read_status: int | None = None
        self.recorded = recorded
        self.reads_others = True
        self.posted: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def colour(self) -> Colour:
        return Colour(f"127.0.0.1:{self.port}", self.port)

    async def _get_ready(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self.ready else 503)

    async def _get_metrics(self, _: web.Request) -> web.Response:
        labels = 'flush_latency_seconds_{}{{point="ingest"}} {}'
        lines = ["# TYPE flush_latency_seconds histogram", labels.format("sum", self.flush_seconds),
                 labels.format("count", self.flushes)]  # fmt: skip
        return web.Response(body=("\n".join(lines) + "\n").encode(), headers={"Content-Type": self.metrics_type})

    async def _post(self, request: web.Request) -> web.StreamResponse:
        document = await request.json()
        self.posted.append(document["instruction_id"])
        if self.behaviour == "cut":
            assert request.transport is not None
            request.transport.abort()
        if self.behaviour == "nest":
            return web.Response(status=202, text="[" * 200_000)
        if self.behaviour != "answer":
            return web.Response(status=500)
        body = {"instruction_id": document["instruction_id"], "outbox_id": "o", "sequence_id": 1, "by": self.name}
        self.recorded[document["instruction_id"]] = body
        return web.json_response(body, status=202)

    async def _get(self, request: web.Request) -> web.Response:
        if self.read_status is not None:
            return web.Response(status=self.read_status)
        found = self.recorded.get(request.match_info["name"])
        if found is None or (found["by"] != self.name and not self.reads_others):
            return web.Response(status=404)
        return web.json_response(found)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Peer]:
        """Listen on a free loopback port."""
        app = web.Application()
        app.router.add_get("/readyz", self._get_ready)
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_post("/v1/instructions", self._post)
        app.router.add_get("/v1/instructions/{name}", self._get)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = int(runner.addresses[0][1])
            yield self
        finally:
            await runner.cleanup()


@asynccontextmanager
async def peers() -> AsyncIterator[tuple[Peer, Peer]]:
    """Blue and green."""
    recorded: dict[str, dict[str, Any]] = {}
    async with Peer("blue", recorded).running() as blue, Peer("green", recorded).running() as green:
        yield blue, green


class Haproxy:
    """A running HAProxy; it can be stopped and started again."""

    def __init__(self, directory: Path, blue: Colour, green: Colour) -> None:
        self.socket = directory / "haproxy.sock"
        self.port = free_port()
        self.file = directory / "haproxy.cfg"
        self.file.write_text(configuration.text(socket=self.socket, port=self.port, blue=blue, green=green))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def runtime(self) -> RuntimeSocket:
        """Its runtime socket, with time for a busy machine."""
        return RuntimeSocket(self.socket, timeout_s=20.0)

    async def trust(self) -> None:
        """Let it ask no colour whether it is ready: peers answer from the test's own loop, and share its pauses."""
        for colour in ("blue", "green"):
            assert not (await self.runtime._ask(f"disable health {BACKEND}/{colour}")).strip()

    def start(self) -> None:
        """Start it and wait for its socket."""
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [configuration.program(), "-db", "-f", str(self.file)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while not self._listens():
            assert self._process.poll() is None, self._process.stderr.read() if self._process.stderr else ""
            assert time.monotonic() < deadline, "HAProxy made no socket"
            time.sleep(0.01)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as asking:
            return asking.connect_ex(str(self.socket)) == 0  # a socket that is there may not be listened on yet

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=30)
            self._process = None


@contextmanager
def haproxy(blue: Colour, green: Colour) -> Iterator[Haproxy]:
    """A real HAProxy in front of two colours."""
    directory = Path(tempfile.mkdtemp(prefix="symphony-haproxy-"))  # short: a socket's path has 107 characters at most
    process = Haproxy(directory, blue, green)
    try:
        process.start()
        yield process
    finally:
        process.stop()
        shutil.rmtree(directory)
