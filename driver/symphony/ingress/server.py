"""The HTTP server below the application: bounded connections, and parse errors that echo nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from aiohttp.web import BaseRequest, RequestHandler, Server, StreamResponse

from symphony.ingress import answers
from symphony.ingress.problems import Problem
from symphony.ingress.settings import IngressSettings


class _Protocol(RequestHandler):
    """aiohttp's protocol, whose own error page would repeat the offending line."""

    __slots__ = ("on_malformed",)

    on_malformed: Callable[[], None]

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> StreamResponse:
        """Answer a request that aiohttp could not parse (it never reaches the application)."""
        self.on_malformed()
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
    """An aiohttp low-level server with the ingress's limits; one more connection than allowed is dropped."""

    def __init__(
        self,
        handler: Callable[[BaseRequest], Awaitable[StreamResponse]],
        *,
        settings: IngressSettings,
        on_malformed: Callable[[], None],
        on_connection_dropped: Callable[[], None],
    ) -> None:
        super().__init__(handler, handler_cancellation=False)
        self._settings = settings
        self._max_connections = settings.max_connections
        self._open_connections = 0
        self._on_malformed = on_malformed
        self._on_connection_dropped = on_connection_dropped

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection, or drop it."""
        super().connection_made(handler, transport)
        self._open_connections += 1
        if self._open_connections > self._max_connections:
            self._on_connection_dropped()
            transport.abort()

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        self._open_connections -= 1
        super().connection_lost(handler, exc)

    def __call__(self) -> RequestHandler:
        """The protocol of one new connection."""
        protocol = _Protocol(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._settings.keepalive_timeout_ms / 1000,
            lingering_time=self._settings.lingering_timeout_ms / 1000,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # documented to mean none, annotated as Logger
            max_line_size=4_096,
            max_field_size=8_190,
            max_headers=64,
        )
        protocol.on_malformed = self._on_malformed
        return protocol
