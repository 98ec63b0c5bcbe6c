"""A peer for `symphony submit`: answers the batch contract over HTTP from memory, with scripted trouble."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

type Trouble = Callable[[web.Request, Callable[[], list[dict[str, Any]]]], Awaitable[web.StreamResponse]]


class BatchIngress:
    """Records by (participant, key) and (participant, instruction id); same content again is a replay.

    Attributes:
        troubles: what to do instead of answering, one for each coming request; None answers.
        recorded: instruction by participant and instruction id.
        bodies: every request body received.
    """

    def __init__(self) -> None:
        self.troubles: deque[Trouble | None] = deque()
        self.recorded: dict[tuple[str, str], dict[str, Any]] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.most_at_once = 0
        self._at_once = 0

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            raw = await request.read()
            self.bodies.append(raw)
            self.headers.append(dict(request.headers))
            participant = request.headers.get("Symphony-Participant", "")
            items = json.loads(raw)["instructions"]

            def record() -> list[dict[str, Any]]:
                return [self._record(participant, item) for item in items]

            trouble = self.troubles.popleft() if self.troubles else None
            if trouble is not None:
                return await trouble(request, record)
            await asyncio.sleep(0.002)
            return web.json_response({"results": record()})
        finally:
            self._at_once -= 1

    def _record(self, participant: str, item: dict[str, Any]) -> dict[str, Any]:
        key = item.pop("idempotency_key")
        name = item["instruction_id"]
        if item["debtor"]["account"] == "REFUSE-ME":
            return {
                "status": 422,
                "reason_code": "LIMIT_CLIENT",
                "detail": "above the limit",
                "pointer": "/amount",
            }
        known = self.recorded.get((participant, name))
        if (known is not None and known != item) or self.keys.get((participant, key), name) != name:
            return {"status": 409, "reason_code": "IDEMPOTENCY_CONFLICT", "title": "used with other content"}
        self.recorded[participant, name] = item
        self.keys[participant, key] = name
        replayed = {"idempotency_replayed": True} if known is not None else {}
        return {"status": 202, "instruction_id": name, "state": "PENDING", **replayed}

    @asynccontextmanager
    async def running(self, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[BatchIngress]:
        """Listen on a free loopback port."""
        app = web.Application(client_max_size=2**20)
        app.router.add_post("/v1/instructions/batch", self._batch)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"{'http' if tls is None else 'https'}://{host}:{port}"
            yield self
        finally:
            await runner.cleanup()


def answer(status: int, body: object = None, **headers: str) -> Trouble:
    """Answer with a status and a JSON body (or raw bytes), and record nothing."""

    async def trouble(_: web.Request, __: Callable[[], list[dict[str, Any]]]) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return web.Response(status=status, body=raw, headers=headers)

    return trouble


def drop(*, after_recording: bool) -> Trouble:
    """Cut the connection without an answer."""

    async def trouble(request: web.Request, record: Callable[[], list[dict[str, Any]]]) -> web.StreamResponse:
        if after_recording:
            record()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return trouble


def stall() -> Trouble:
    """Record and then never answer."""

    async def trouble(_: web.Request, record: Callable[[], list[dict[str, Any]]]) -> web.StreamResponse:
        record()
        await asyncio.sleep(60)
        return web.Response()

    return trouble


def some_unavailable(*numbers: int) -> Trouble:
    """Answer 503 for the items of these numbers, which are not recorded, and record the others."""

    async def trouble(_: web.Request, record: Callable[[], list[dict[str, Any]]]) -> web.StreamResponse:
        results = record()
        for number in numbers:
            results[number] = {"status": 503, "reason_code": "DATABASE_UNAVAILABLE", "detail": "later"}
        return web.json_response({"results": results})

    return trouble
