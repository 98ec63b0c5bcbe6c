"""The clients of the HTTP bench: a process of its own, so that what it costs is not the ingress's.

One connection has one participant, as mutual TLS has it. Everything a request proves is made anew for it.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from symphony.bench.load import PARTICIPANTS
from symphony.client import Credentials

PATH = "/v1/instructions"
_BODY = (
    '{"instruction_id":"%s","rail":"bench","amount":"125.50","currency":"ZMW","end_to_end_id":"E2E-BENCH","purpose":"SALA",'
    '"debtor":{"name":"Fictional Trading Company Limited","account":"9988776655443"},'
    '"creditor":{"name":"Fictional Beneficiary Number One","account":"0001234567890"},'
    '"remittance":"Invoice 2026/11/000123"}'
)
_IDLE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whom to send to.

    Attributes:
        url: base URL without path.
        credentials: one directory for each participant; empty names participants in the development header.
        origin: the address that proofs are made for, when it is not the URL.
        pid: the process that answers, whose CPU is read; None reads none.
    """

    url: str
    credentials: Sequence[Path] = ()
    origin: str | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What the client process saw: answers, seconds, its own CPU and the server's, latencies in milliseconds.

    An open loop's latency counts from the moment a request was due, so that waiting for a slow server counts too.
    """

    answered: int
    refused: int
    seconds: float
    client_cpu_seconds: float
    server_cpu_seconds: float
    latency_ms: list[float] = field(repr=False)


class _Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time: HTTP/1.1 with Content-Length, nothing more."""

    def __init__(self) -> None:
        self._received = b""
        self._length = 0
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, over TLS no subclass of it

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._length:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._received[:end].lower()
            at = head.index(b"content-length:") + 15
            self._length = end + 4 + int(head[at:].partition(b"\r\n")[0])
        if len(self._received) >= self._length and self._answer is not None:
            self._answer.set_result(self._received[9:12])
            self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None:
            self._answer.set_exception(exc or ConnectionResetError("closed without an answer"))
            self._answer = None

    async def exchange(self, request: bytes) -> int:
        """Send one request and return the answer's status."""
        if self._transport is None:
            raise ConnectionResetError("never connected")
        self._received, self._length = b"", 0
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(_IDLE_S):
            return int(await self._answer)

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()


class _Sender:
    """One participant with its connections, of which each is used by one request at a time."""

    def __init__(self, target: Target, number: int) -> None:
        parts = urlsplit(target.url)
        self._host, self._port, self._name = parts.hostname or "", parts.port or 443, f"{parts.hostname}:{parts.port}"
        self._participant = f"ZM-BENCH-{number}"
        self._idle: list[_Connection] = []
        self._opened: list[_Connection] = []
        self.credentials = (
            Credentials.read(target.credentials[number], origin=target.origin or target.url)
            if target.credentials
            else None
        )

    async def open(self) -> None:
        """Have one connection, and a token, before anything is measured."""
        self._idle.append(await self._connect())
        if self.credentials is not None:
            await self.credentials.headers("GET", PATH)

    async def post(self) -> int:
        """Send one new instruction; its answer's status."""
        key = str(uuid.uuid4())
        body = (_BODY % key).encode("ascii")
        if self.credentials is None:
            headers = {"Symphony-Participant": self._participant, "Idempotency-Key": key}
        else:
            headers = await self.credentials.headers("POST", PATH, body, key)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {self._name}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{lines}\r\n"
        )
        connection = self._idle.pop() if self._idle else await self._connect()
        status = await connection.exchange(head.encode("ascii") + body)
        self._idle.append(connection)
        return status

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._opened:
            connection.close()
        if self.credentials is not None:
            await self.credentials.close()

    async def _connect(self) -> _Connection:
        tls: ssl.SSLContext | None = None if self.credentials is None else self.credentials.ssl_context()
        loop = asyncio.get_running_loop()
        name = self._host if tls is not None else None
        _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=tls, server_hostname=name)
        self._opened.append(connection)
        return connection


async def _drive(target: Target, *, seconds: float, rate: float | None, connections: int) -> Load:
    latency: list[float] = []
    refused = 0
    async with AsyncExitStack() as stack:
        senders = [_Sender(target, number) for number in range(PARTICIPANTS)]
        for sender in senders:
            stack.push_async_callback(sender.close)
            await sender.open()
        # Connected, with a token: handshakes are not what is measured.
        started, cpu, served = time.perf_counter(), time.process_time(), _cpu_seconds(target.pid)

        async def one(number: int, due: float) -> None:
            nonlocal refused
            status = await senders[number % PARTICIPANTS].post()
            latency.append((time.perf_counter() - due) * 1000)
            refused += status != 202

        async def loop(first: int) -> None:
            while (now := time.perf_counter()) - started < seconds:
                await one(first, now)

        async with asyncio.TaskGroup() as tasks:
            if rate is None:
                for first in range(connections):
                    tasks.create_task(loop(first))
            else:
                for number in range(int(rate * seconds)):
                    due = started + number / rate
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                    tasks.create_task(one(number, due))
        return Load(
            answered=len(latency),
            refused=refused,
            seconds=time.perf_counter() - started,
            client_cpu_seconds=time.process_time() - cpu,
            server_cpu_seconds=_cpu_seconds(target.pid) - served,
            latency_ms=latency,
        )


def _cpu_seconds(pid: int | None) -> float:
    """User and system time of a process so far (proc(5)), in seconds."""
    if pid is None:
        return 0.0
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drive(target: Target, seconds: float, rate: float | None, connections: int) -> Load:
    """Closed loop over `connections` connections, or an open loop of `rate` requests a second; blocks."""
    return uvloop.run(_drive(target, seconds=seconds, rate=rate, connections=connections))
