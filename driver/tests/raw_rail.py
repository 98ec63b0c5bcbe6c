"""An adapter to test, and TCP servers that answer it byte by byte as a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from symphony.rails.adapter import Rail, RailOptions, open_rail

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


IMPATIENT: dict[str, int] = {"connect_timeout_ms": 1_000, "total_timeout_ms": 1_500}


def options(base_url: str, **changes: Any) -> RailOptions:
    """Patient: a test that is about a time-out says so, by IMPATIENT."""
    return RailOptions(**{"base_url": base_url, "connect_timeout_ms": 10_000, "total_timeout_ms": 20_000, **changes})


@asynccontextmanager
async def adapter(base_url: str, **changes: Any) -> AsyncIterator[Rail]:
    rail = open_rail("sandbox", options(base_url, **changes))
    try:
        yield rail
    finally:
        await rail.aclose()


@dataclass
class RawServer:
    """A TCP server that keeps the requests it read and does with each connection what the test says."""

    base_url: str = ""
    connections: int = 0
    requests: list[tuple[str, bytes]] = field(default_factory=list)

    async def read(self, reader: Reader) -> tuple[str, bytes]:
        """One request: its first line and its body."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line[15:] for line in head.lower().splitlines() if line.startswith("content-length:")), "0")
        request = head.splitlines()[0], await reader.readexactly(int(length))
        self.requests.append(request)
        return request


@asynccontextmanager
async def raw_server(
    converse: Callable[[RawServer, Reader, Writer], Awaitable[None]],
) -> AsyncIterator[RawServer]:
    state = RawServer()

    async def serve(reader: Reader, writer: Writer) -> None:
        state.connections += 1
        try:
            await converse(state, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    state.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield state


def http_answer(body: bytes | dict[str, Any], *, status: int = 200) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status} Said\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw


def accepted(reference: str, **changes: Any) -> dict[str, Any]:
    answer = {"status": "ACCEPTED", "reference": reference, "amount": "125.50", "currency": "ZMW"}
    return {**answer, "rail_reference": "SBX-1", **changes}
