"""Where connections come in: an accept loop of our own, so that a failed handshake is seen and counted.

The stock servers of asyncio and aiohttp drop a failed handshake without a word, and keep one TLS context for ever.
Here each new connection takes the newest context, and every refusal is handed on with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import ssl
import stat
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Self

import structlog

from symphony.errors import SymphonyError
from symphony.ingress.connection import Connection, ConnectionRefusal, connection_of, peer_certificate
from symphony.ingress.server import IngressServer
from symphony.ingress.tls import MaterialRefused, TlsMaterial, refusal_of, server_context

__all__ = [
    "Connection",
    "ConnectionRefusal",
    "ListenRefused",
    "Listener",
    "ListenerSettings",
    "MaterialRefused",
    "TlsMaterial",
    "connection_of",
    "peer_certificate",
]
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_FULL_WAIT_S: Final = 0.1


class ListenRefused(SymphonyError):
    """The address or the socket's directory cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Bounds of one listener.

    Attributes:
        max_connections: open connections and handshakes together; one more is closed at once.
        max_handshakes: handshakes under way; further connections wait in the kernel's queue of `backlog`.
        handshake_timeout_ms: how long one handshake may take.
        handshake_grace_ms: how long a handshake keeps its place while others wait for one: then the oldest goes,
            so that peers who connect and say nothing cannot keep everybody else out.
        closing_timeout_ms: how long a TLS connection may take to say goodbye.
        unacknowledged_timeout_ms: after this long without any acknowledgement of sent bytes the kernel ends a
            connection, also when the peer just does not read (TCP_USER_TIMEOUT).
    """

    max_connections: int = 4_096
    max_handshakes: int = 256
    handshake_timeout_ms: int = 5_000
    handshake_grace_ms: int = 500
    closing_timeout_ms: int = 2_000
    unacknowledged_timeout_ms: int = 30_000
    backlog: int = 1_024


@dataclass(frozen=True, slots=True, eq=False)
class _Handshake:
    peer_address: str | None
    started_at: float


class Listener:
    """Accepts connections for a server until it is closed. Made by `start`, `start_plain` or `start_unix`.

    Attributes:
        port: the port really bound; 0 on a Unix socket.
    """

    def __init__(
        self,
        server: IngressServer,
        listening: socket.socket,
        *,
        context: ssl.SSLContext | None,
        settings: ListenerSettings,
        on_refused: Callable[[ConnectionRefusal], None],
    ) -> None:
        self._server = server
        self._socket = listening
        self._context = context
        self._settings = settings
        self._on_refused = on_refused
        self._handshakes: dict[_Handshake, asyncio.Task[None]] = {}  # oldest first
        self._freed = asyncio.Event()
        self._path: Path | None = None
        self._log = structlog.get_logger()
        self.port = 0 if listening.family == socket.AF_UNIX else int(listening.getsockname()[1])
        self._accepting = asyncio.create_task(self._accept(), name="listener")

    @classmethod
    async def start(
        cls,
        server: IngressServer,
        *,
        host: str,
        port: int,
        material: TlsMaterial,
        settings: ListenerSettings,
        on_refused: Callable[[ConnectionRefusal], None],
    ) -> Self:
        """Listen with TLS on host and port (0: any free); raises MaterialRefused, ListenRefused."""
        context = server_context(material)
        return cls(server, _bound(host, port, settings), context=context, settings=settings, on_refused=on_refused)

    @classmethod
    async def start_plain(
        cls,
        server: IngressServer,
        *,
        host: str,
        port: int,
        settings: ListenerSettings,
        on_refused: Callable[[ConnectionRefusal], None],
    ) -> Self:
        """Listen without TLS, for development on this machine only; raises ListenRefused."""
        return cls(server, _bound(host, port, settings), context=None, settings=settings, on_refused=on_refused)

    @classmethod
    async def start_unix(
        cls,
        server: IngressServer,
        *,
        path: Path,
        settings: ListenerSettings,
        on_refused: Callable[[ConnectionRefusal], None],
    ) -> Self:
        """Listen on a Unix socket for our own proxy, which ends TLS and tells the certificate (RFC 9440).

        The server must be made with behind_proxy. Who may enter the socket's directory may say who they are, so
        the directory must be ours, and nobody but us and its group may enter it.

        Raises: ListenRefused.
        """
        listening = _bound_unix(path, settings)
        made = cls(server, listening, context=None, settings=settings, on_refused=on_refused)
        made._path = path
        return made

    @property
    def accepting(self) -> bool:
        """Whether connections are taken; an ingress that is not stopping and does not accept is not ready."""
        return not self._accepting.done()

    @property
    def handshakes(self) -> int:
        """How many handshakes are under way."""
        return len(self._handshakes)

    def replace(self, material: TlsMaterial) -> None:
        """Use this material for every handshake from now on; raises MaterialRefused and keeps the old one."""
        if self._context is None:
            raise MaterialRefused("this listener does not speak TLS")
        self._context = server_context(material)

    async def stop_accepting(self) -> None:
        """Take no more connections and end the handshakes under way; what is connected stays."""
        tasks = (self._accepting, *self._handshakes.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    async def close(self, *, timeout_s: float = 15.0) -> None:
        """Stop accepting, let requests under way be answered for at most timeout_s, and close every connection."""
        await self.stop_accepting()
        await asyncio.sleep(0)  # what was received a moment ago begins to be handled
        self._server.pre_shutdown()
        await self._server.shutdown(timeout_s)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room(loop)
            try:
                connection, address = await loop.sock_accept(self._socket)
            except OSError as error:  # the peer was quicker, or we have no descriptor left
                if error.errno in _FULL:
                    self._log.error("connections cannot be accepted", errno=error.errno)
                    await asyncio.sleep(_FULL_WAIT_S)
                continue
            peer = str(address[0]) if isinstance(address, tuple) else None
            if self._server.open_connections + len(self._handshakes) >= self._settings.max_connections:
                connection.close()
                self._on_refused(ConnectionRefusal(reason_code="CONNECTION_LIMIT", peer_address=peer))
                continue
            handshake = _Handshake(peer, loop.time())
            self._handshakes[handshake] = loop.create_task(self._connect(loop, connection, handshake))

    async def _room(self, loop: AbstractEventLoop) -> None:
        """Wait for a place; when the oldest handshake has had its time, it is its place."""
        while len(self._handshakes) >= self._settings.max_handshakes:
            oldest, task = next(iter(self._handshakes.items()))
            wait_s = oldest.started_at + self._settings.handshake_grace_ms / 1000 - loop.time()
            if wait_s <= 0:
                self._ended(oldest)
                task.cancel()
                self._on_refused(ConnectionRefusal(reason_code="CONNECTION_LIMIT", peer_address=oldest.peer_address))
                return
            self._freed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._freed.wait()

    async def _connect(self, loop: AbstractEventLoop, connection: socket.socket, handshake: _Handshake) -> None:
        """Make a connection; the server's protocol hears of it only when the handshake has succeeded."""
        settings = self._settings
        made = partial(self._server, partial(self._ended, handshake))
        try:
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, settings.unacknowledged_timeout_ms)
            if self._context is None:
                await loop.connect_accepted_socket(made, connection)
            else:
                await loop.connect_accepted_socket(
                    made,
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=settings.handshake_timeout_ms / 1000,
                    ssl_shutdown_timeout=settings.closing_timeout_ms / 1000,
                )
        except Exception as error:  # whatever a peer makes OpenSSL or the loop raise, it is a refusal of that peer
            self._on_refused(refusal_of(error, handshake.peer_address))
        finally:
            self._ended(handshake)

    def _ended(self, handshake: _Handshake) -> None:
        self._handshakes.pop(handshake, None)
        self._freed.set()


def _bound(host: str, port: int, settings: ListenerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=settings.backlog)
    except OSError as error:
        raise ListenRefused(f"{host}:{port} cannot be bound (errno {error.errno}); choose another --port") from error
    listening.setblocking(False)
    return listening


def _bound_unix(path: Path, settings: ListenerSettings) -> socket.socket:
    _check_directory(path.parent)
    listening = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket() and not _answers(path):  # left by a process that was killed
            path.unlink()
        listening.bind(str(path))
        path.chmod(0o660)
        listening.listen(settings.backlog)
    except OSError as error:
        listening.close()
        raise ListenRefused(f"{path} cannot be bound (errno {error.errno}); choose another --unix-socket") from error
    listening.setblocking(False)
    return listening


def _check_directory(directory: Path) -> None:
    try:
        found = directory.lstat()
    except OSError as error:
        raise ListenRefused(f"{directory} cannot be used (errno {error.errno}); make it with mode 0700") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o027:
        raise ListenRefused(
            f"{directory} is not a directory of this user that others cannot enter (mode 0700, or 0750 with the"
            " proxy's group): whoever reaches the socket is believed; use one that is"
        )


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        return asking.connect_ex(str(path)) == 0
