"""Wakes the executors after a commit: debounced, on its own connection, never in the accept path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from symphony import api
from symphony.api.connection import Connection, Dsn
from symphony.errors import SymphonyError


class Waker:
    """Calls `wake` at once, then at most every `interval_s`; what was asked for meanwhile follows at the end.

    A failed wake-up is only counted through `on_failure`: the executors' poll interval covers it.
    """

    def __init__(
        self,
        wake: Callable[[], Awaitable[None]],
        *,
        interval_s: float = 0.020,
        on_failure: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._wake = wake
        self._interval_s = interval_s
        self._on_failure = on_failure
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Something was accepted: wake the executors soon. Returns at once."""
        self._asked = True
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Wait until what was asked for is sent."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._asked:
                self._asked = False
                started_at = loop.time()
                try:
                    await self._wake()
                except Exception as error:
                    self._on_failure(error)
                await asyncio.sleep(max(0.0, started_at + self._interval_s - loop.time()))
        finally:
            self._task = None


class WakeConnection:
    """The waker's own database connection, opened at its first use and again after a failure."""

    def __init__(self, dsn: Dsn, *, application_name: str) -> None:
        self._dsn = dsn
        self._application_name = application_name
        self._connection: Connection | None = None

    async def wake(self) -> None:
        """Send one NOTIFY in a transaction of its own; raises the api's errors."""
        if self._connection is None:
            self._connection = await api.connect(
                self._dsn,
                application_name=self._application_name,
                statement_timeout_ms=1_000,
                transaction_timeout_ms=1_000,
            )
        try:
            await api.outbox.wake_executors(self._connection)
        except SymphonyError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
