"""The HTTP server below the application: bounded connections and heads, and parse errors that echo nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse

from symphony.ingress import answers
from symphony.ingress.connection import Connection, ConnectionRefusal, connected
from symphony.ingress.problems import Problem
from symphony.ingress.settings import IngressSettings


class _Protocol(RequestHandler):
    """aiohttp's protocol, which waits longer for a head than we do, and whose error page repeats the offending line."""

    __slots__ = ("_head_timer", "connection", "on_connected", "server")

    connection: Connection

    def __init__(self, server: IngressServer, on_connected: Callable[[], None], **options: Any) -> None:
        super().__init__(server, **options)
        self.server = server
        self.on_connected = on_connected
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note whose connection this is, before anything is read from it."""
        self.connection = connected(transport, proxied=self.server.behind_proxy)
        self.on_connected()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read; once a head has begun, its end must come in time, however steadily it drips."""
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():  # a request is being handled
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None and not self._force_close:
            self._head_timer = self._loop.call_later(self.server.head_timeout_s, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the timer."""
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answer a request that aiohttp could not parse (it never reaches the application)."""
        if 400 <= status < 500:
            self.server.note_malformed(self.connection)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was already under way")
        reason_code = "FRAMING_INVALID" if 400 <= status < 500 else "INTERNAL_ERROR"
        problem = Problem(reason_code=reason_code, correlation_id=uuid.uuid4())
        response = answers.response(
            problem.status,
            problem.body(),
            correlation_id=problem.correlation_id,
            media=answers.PROBLEM_JSON,
        )
        response.force_close()
        return response


class IngressServer(Server):
    """An aiohttp low-level server with the ingress's limits; one more connection than allowed is dropped.

    One certificate may hold max_connections_per_certificate of them, so that no client can keep out the others.

    Attributes:
        behind_proxy: connections come from our own proxy, which tells the client's certificate (RFC 9440).
        head_timeout_s: how long a request's head may take from its first byte to its last.
        open_connections: how many there are now.
    """

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        *,
        settings: IngressSettings,
        on_malformed: Callable[[], None],
        on_connection_dropped: Callable[[], None],
        on_refused: Callable[[ConnectionRefusal], None] = lambda refusal: None,
        max_connections_per_certificate: int = 1_024,
        behind_proxy: bool = False,
        head_timeout_s: float = 10.0,
    ) -> None:
        super().__init__(handler, handler_cancellation=False)
        self._settings = settings
        self._max_connections = settings.max_connections
        self._on_malformed = on_malformed
        self._on_connection_dropped = on_connection_dropped
        self._on_refused = on_refused
        self._max_per_certificate = max_connections_per_certificate
        self._per_certificate: Counter[bytes] = Counter()
        self.open_connections = 0
        self.behind_proxy = behind_proxy
        self.head_timeout_s = head_timeout_s

    def note_malformed(self, connection: Connection) -> None:
        """Count HTTP that could not be parsed, by the certificate it came with."""
        self._on_malformed()
        self._refuse("CONNECTION_MALFORMED", connection)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, or drop it."""
        super().connection_made(handler, transport)
        connection = cast(_Protocol, handler).connection
        self.open_connections += 1
        if connection.cert_sha256 is not None:
            self._per_certificate[connection.cert_sha256] += 1
        if self.open_connections > self._max_connections or self._holds_too_many(connection.cert_sha256):
            self._on_connection_dropped()
            self._refuse("CONNECTION_LIMIT", connection)
            transport.abort()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        self.open_connections -= 1
        certificate = cast(_Protocol, handler).connection.cert_sha256
        if certificate is not None:
            self._per_certificate[certificate] -= 1
            if not self._per_certificate[certificate]:
                del self._per_certificate[certificate]
        super().connection_lost(handler, exc)

    def _holds_too_many(self, certificate: bytes | None) -> bool:
        return certificate is not None and self._per_certificate[certificate] > self._max_per_certificate

    def _refuse(self, reason_code: str, connection: Connection) -> None:
        self._on_refused(
            ConnectionRefusal(
                reason_code=reason_code,
                peer_address=connection.peer_address,
                cert_sha256=connection.cert_sha256,
            )
        )

    def __call__(self, on_connected: Callable[[], None] = lambda: None) -> RequestHandler:
        """The protocol of one new connection, which says when it is one: over TLS, after the handshake."""
        return _Protocol(
            self,
            on_connected,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._settings.keepalive_timeout_ms / 1000,
            lingering_time=self._settings.lingering_timeout_ms / 1000,
            auto_decompress=False,
            access_log=None,  # documented to mean none, annotated as Logger
            max_line_size=4_096,
            max_field_size=8_190,
            max_headers=64,
        )
