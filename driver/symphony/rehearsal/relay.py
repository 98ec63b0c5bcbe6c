"""A TCP relay in front of PostgreSQL: how the drill breaks one colour without a switch in the product."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import threading
import time
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 65_536
_SHORT: Final = 512
_START_S: Final = 5.0
_SETTLE_S: Final = 0.05


class Weather(enum.Enum):
    """What happens to the bytes.

    FAIR: nothing. SWALLOWED: every answer to a COMMIT is lost and its connection cut: what was asked for is done,
    nobody learns of it. STORM: every answer to a COMMIT is late, and now and then one is swallowed.
    """

    FAIR = "fair"
    SWALLOWED = "swallowed"
    STORM = "storm"


@dataclass(slots=True, eq=False)
class _Line:
    """One connection through the relay; `committing` while the answer to an accept's COMMIT is awaited."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    batch: bool = False
    committing: bool = False

    def cut(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class Relay:
    """Listens on a loopback port of its own, in a thread of its own: the drill's waiting must not hold it up.

    Attributes:
        port: where it listens.
        weather: may be changed at any time.
        swallowed: how many answers to a COMMIT were lost so far.
    """

    def __init__(self, target_port: int, *, delay_s: float = 0.6, swallow_every_s: float = 0.9) -> None:
        self.port = 0
        self.weather = Weather.FAIR
        self.swallowed = 0
        self._target_port = target_port
        self._delay_s = delay_s
        self._swallow_every_s = swallow_every_s
        self._swallowed_at = 0.0
        self._clients: set[asyncio.StreamWriter] = set()
        self._opening: set[asyncio.Task[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = set()
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Listen; raises OSError."""
        self._thread.start()
        if not self._started.wait(_START_S):
            raise OSError("the relay did not start")

    def stop(self) -> None:
        """Cut every connection and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(_START_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serve())
        for task in asyncio.all_tasks(self._loop) - self._opening:
            task.cancel()
        self._loop.run_until_complete(self._cut_opening())
        self._loop.run_until_complete(_settle())  # tasks end, and what they cut is closed
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = int(server.sockets[0].getsockname()[1])
        self._started.set()
        await self._ended.wait()
        # What has connected is accepted first: asyncio loses what it has accepted when its server closes meanwhile.
        await _settle()
        server.close()
        await _settle()  # what was accepted a moment ago reaches _relay
        for client in list(self._clients):
            client.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        opening = asyncio.create_task(asyncio.open_connection("127.0.0.1", self._target_port))
        self._opening.add(opening)
        try:
            # Shielded: a connection that is cancelled half open would be closed by nobody.
            answers, server = await asyncio.shield(opening)
            self._opening.discard(opening)
            await self._pass_on(reader, answers, _Line(writer, server))
        except OSError:
            pass  # the server is not there
        finally:
            writer.transport.abort()
            self._clients.discard(writer)

    async def _cut_opening(self) -> None:
        for opening in self._opening:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                (await opening)[1].transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, answers: asyncio.StreamReader, line: _Line) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._questions(reader, line))
                group.create_task(self._answers(answers, line))
        except* OSError:
            pass  # one side is gone, so the other goes too
        finally:
            line.cut()

    async def _questions(self, reader: asyncio.StreamReader, line: _Line) -> None:
        while chunk := await reader.read(_CHUNK):
            # An accept brings its batch along; the transaction that only wakes the workers is short.
            line.batch = line.batch or len(chunk) > _SHORT
            if line.batch and b"commit" in chunk.lower():
                line.batch, line.committing = False, True
            line.server.write(chunk)
            await line.server.drain()
        raise ConnectionError("the client has closed")

    async def _answers(self, reader: asyncio.StreamReader, line: _Line) -> None:
        while chunk := await reader.read(_CHUNK):
            if line.committing and self.weather is Weather.STORM:
                await asyncio.sleep(self._delay_s)
            if line.committing and self._swallows():
                self.swallowed += 1
                raise ConnectionError("swallowed")
            line.committing = False
            line.client.write(chunk)
            await line.client.drain()
        raise ConnectionError("the server has closed")

    def _swallows(self) -> bool:
        if self.weather is Weather.STORM and time.monotonic() - self._swallowed_at < self._swallow_every_s:
            return False
        self._swallowed_at = time.monotonic()
        return self.weather is not Weather.FAIR


async def _settle() -> None:
    """Let the loop go round often enough for what was begun to end; a busy machine needs rounds, not time."""
    for _ in range(10):
        await asyncio.sleep(0)
    await asyncio.sleep(_SETTLE_S)
