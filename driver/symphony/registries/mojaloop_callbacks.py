"""Our listener for the callbacks of a Mojaloop Account Lookup: PUT /parties/... and PUT /parties/.../error."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from symphony.registries.mojaloop_parties import PartyId, Unusable
from symphony.registries.registry import FspiopOptions, RegistryMisconfigured

CONTENT_TYPE: Final = "application/vnd.interoperability.parties+json;version=1.1"
_CONTENT_TYPE: Final = re.compile(r"application/vnd\.interoperability\.parties\+json; *version=(1(?:\.[0-9]{1,2})?)")


@dataclass(frozen=True, slots=True, repr=False)
class Callback:
    """What a callback said; personal data, so it has no repr.

    Attributes:
        raw: the body; None when it was too long or of another content type.
        version: of the interface, as its Content-Type says.
    """

    error: bool
    raw: bytes | None
    version: str | None


class CallbackListener:
    """Takes callbacks and hands them over by party; started on first use, on a socket that is bound at once.

    A callback that nobody waits for is answered 200 as well: the listener tells nobody whom we ask about.
    """

    def __init__(
        self, options: FspiopOptions, *, max_body_bytes: int, deliver: Callable[[PartyId, Callback], None]
    ) -> None:
        """Bind the socket; raises RegistryMisconfigured when that fails."""
        try:
            self._socket = socket.create_server((options.callback_host, options.callback_port), backlog=1024)
        except OSError as trouble:
            raise RegistryMisconfigured(
                f"registry mojaloop: its callback address cannot be bound: {os.strerror(trouble.errno or 0)};"
                " choose another callback_host or callback_port"
            ) from None
        self.port: int = self._socket.getsockname()[1]
        self._fsp_id = options.fsp_id
        self._deliver = deliver
        silent = logging.getLogger("symphony.registries.mojaloop.http")
        silent.disabled = True  # the HTTP library quotes malformed requests in its log
        app = web.Application(client_max_size=max_body_bytes)
        app.router.add_put("/parties/{rest:.+}", self._take)
        self._runner = web.AppRunner(app, access_log=None, logger=silent, shutdown_timeout=1)
        self._starting = asyncio.Lock()
        self._started = False

    async def start(self) -> None:
        """Listen; twice changes nothing."""
        async with self._starting:
            if not self._started:
                await self._runner.setup()
                await web.SockSite(self._runner, self._socket).start()
                self._started = True

    async def aclose(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
        self.release()

    def release(self) -> None:
        """Give the address back; enough where `start` was not called."""
        self._socket.close()

    async def _take(self, request: web.Request) -> web.Response:
        try:
            party, error = PartyId.of_path(request.rel_url.raw_path)
        except Unusable:
            return _refusal(404, "3002", "Unknown URI")
        if request.headers.get("FSPIOP-Destination", self._fsp_id) != self._fsp_id:
            return _refusal(400, "3100", "FSPIOP-Destination is not us")
        match = _CONTENT_TYPE.fullmatch(request.headers.get("Content-Type", ""))
        raw = None
        if match is not None:
            try:
                raw = await request.read()
            except web.HTTPRequestEntityTooLarge:
                match = None
        self._deliver(party, Callback(error, raw, None if match is None else f"fspiop-{match[1]}"))
        return web.Response() if match is not None else _refusal(400, "3100", "content type, or size of the body")


def _refusal(status: int, code: str, description: str) -> web.Response:
    body = {"errorInformation": {"errorCode": code, "errorDescription": description}}
    return web.Response(status=status, body=json.dumps(body).encode(), headers={"Content-Type": CONTENT_TYPE})
