"""One HTTP exchange with a registry: pooled, bounded in number, time and size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from yarl import URL

from symphony.errors import SymphonyError
from symphony.registries.registry import (
    PROXY_REGISTRY_TIMEOUT,
    PROXY_REGISTRY_UNAVAILABLE,
    RegistryMisconfigured,
    RegistryOptions,
)


class NoAnswer(SymphonyError):
    """No complete answer came.

    Attributes:
        reason_code: PROXY_REGISTRY_TIMEOUT or PROXY_REGISTRY_UNAVAILABLE.
    """

    def __init__(self, reason_code: str) -> None:
        super().__init__(reason_code)
        self.reason_code = reason_code


class TooLong(SymphonyError):
    """The answer is longer than allowed; the rest of it was not read."""


class _Connector(aiohttp.TCPConnector):
    """A pool that does not reuse a connection on which an unasked answer waits: it would be taken for ours."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's signature
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        while connection.protocol is not None and connection.protocol.should_close:
            connection.close()
            connection = await super().connect(req, traces, timeout)
        return connection


class Exchange:
    """The pool of connections to one registry; needs a running event loop."""

    def __init__(self, registry: str, options: RegistryOptions, *, headers: Mapping[str, str]) -> None:
        """Open the pool; raises RegistryMisconfigured for a base URL that cannot work."""
        self.base_url = _base_url(registry, options.base_url)
        self._turns = asyncio.Semaphore(options.max_connections)
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=options.max_connections, keepalive_timeout=options.keepalive_ms / 1000),
            timeout=aiohttp.ClientTimeout(total=options.timeout_ms / 1000),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", **headers},
            skip_auto_headers=("User-Agent",),
            auto_decompress=False,
        )

    @property
    def turns(self) -> asyncio.Semaphore:
        """Hold one during a `send`: waiting for it is not part of any time-out, for the registry is not to blame."""
        return self._turns

    async def send(
        self,
        method: str,
        url: URL,
        *,
        max_bytes: int,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Send one request; return the HTTP status and the body.

        Raises:
            NoAnswer: no connection, a time-out, a connection lost on the way, or no HTTP.
            TooLong: the body exceeds `max_bytes`.
        """
        if self._session.closed:
            raise NoAnswer(PROXY_REGISTRY_UNAVAILABLE)
        trouble = PROXY_REGISTRY_UNAVAILABLE
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                chunks: list[bytes] = []
                size = 0
                async for chunk in response.content.iter_any():
                    size += len(chunk)
                    if size > max_bytes:
                        raise TooLong
                    chunks.append(chunk)
                return response.status, b"".join(chunks)
        except TimeoutError:
            trouble = PROXY_REGISTRY_TIMEOUT
        except (aiohttp.ClientError, OSError):
            pass
        raise NoAnswer(trouble)  # out here, so that the library's error, which may hold the URL, is not chained

    async def aclose(self) -> None:
        """Close the pool."""
        await self._session.close()


def _base_url(registry: str, base_url: str) -> URL:
    try:
        url = URL(base_url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string or url.fragment:
        raise RegistryMisconfigured(
            f"registry {registry}: base_url is not http(s)://host[:port][/path],"
            " or has a user, query or fragment; correct it"
        )
    return url
