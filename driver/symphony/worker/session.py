"""One loop's own database connection, opened when needed and opened anew after trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from symphony.api import Dsn, connect
from symphony.api.connection import Connection
from symphony.errors import DatabaseRefused


class Session:
    """A lazily opened connection for one loop; never shared, so a loop waits for nobody.

    A loop needs a connection only while it talks to the database, but has one call at a time and every few
    milliseconds: its own connection is as cheap as a pool's and comes back as soon as the server does.
    With a leased login the connection is made anew once there is another login, before the old one ends.
    """

    def __init__(self, *, dsn: Dsn, application_name: str) -> None:
        self._dsn = dsn
        self._application_name = application_name[:63]
        self._connection: Connection | None = None
        self._connected_as = ""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend the connection. It is dropped when the work fails in any way but a registered refusal.

        Raises DatabaseUnavailable when no connection can be had.
        """
        dsn = self._dsn() if callable(self._dsn) else self._dsn
        if dsn != self._connected_as:
            await self.aclose()
        if self._connection is None or self._connection.closed:
            self._connection = await connect(dsn, application_name=self._application_name)
            self._connected_as = dsn
        try:
            yield self._connection
        except DatabaseRefused:
            raise
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection; the next use opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
