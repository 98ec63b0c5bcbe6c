"""When to claim: NOTIFY as a hint, debounced, and a poll that finds what a lost NOTIFY did not announce."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import aclosing

from symphony.api import Dsn, connect, wakeups
from symphony.errors import DatabaseUnavailable
from symphony.metrics import Metrics
from symphony.worker.pacing import Backoff


class WakeSignal:
    """One claim loop's alarm: a NOTIFY, a nudge of its own process, else the end of the poll interval."""

    def __init__(self, *, poll_ms: int, metrics: Metrics, rng: random.Random | None = None) -> None:
        self._poll_s = poll_ms / 1000
        self._metrics = metrics
        self._rng = rng or random.Random()  # noqa: S311 (jitter, not a secret)
        self._event = asyncio.Event()
        self._notified = False

    def ring(self) -> None:
        """Wake the loop because of a NOTIFY: now, or at once at its next wait."""
        self._notified = True
        self._event.set()

    def nudge(self) -> None:
        """Wake the loop for a reason of its own process, which is neither NOTIFY nor poll."""
        self._event.set()

    async def wait(self) -> bool:
        """Wait for the alarm; True when it rang, False when the poll interval passed (80 to 100 % of it).

        The alarm is cleared before the caller claims, so a NOTIFY that comes during a claim is not lost.
        """
        try:
            async with asyncio.timeout(self._poll_s * self._rng.uniform(0.8, 1.0)):
                await self._event.wait()
        except TimeoutError:
            self._metrics.poll_wakeups_total.inc()
            return False
        self._event.clear()
        if self._notified:
            self._notified = False
            self._metrics.notify_wakeups_total.inc()
        return True


class Debouncer:
    """Lets one of many calls through per window: the first at once, the rest together at the window's end."""

    def __init__(self, action: Callable[[], None], *, window_ms: int, clock: Callable[[], float] | None = None) -> None:
        self._action = action
        self._window_s = window_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._clock = clock or self._loop.time
        self._last_s = float("-inf")
        self._pending: asyncio.TimerHandle | None = None

    def call(self) -> None:
        """Ask for the action; it runs now or before the current window ends."""
        if self._pending is not None:
            return
        wait_s = self._last_s + self._window_s - self._clock()
        if wait_s <= 0:
            self._fire()
        else:
            self._pending = self._loop.call_later(wait_s, self._fire)

    def close(self) -> None:
        """Drop an action still waiting for its window to end."""
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _fire(self) -> None:
        self._pending = None
        self._last_s = self._clock()
        self._action()


class WakeListener:
    """Keeps one dedicated connection listening and rings every claim loop; reconnects for ever."""

    def __init__(self, *, dsn: Dsn, worker_id: str, debounce_ms: int, backoff: Backoff) -> None:
        self._dsn = dsn
        self._application_name = f"symphony-wake {worker_id}"[:63]
        self._debounce_ms = debounce_ms
        self._backoff = backoff
        self._signals: list[WakeSignal] = []

    def attach(self, signal: WakeSignal) -> None:
        """Ring this signal from now on."""
        self._signals.append(signal)

    def ring_all(self) -> None:
        """Wake every claim loop."""
        for signal in self._signals:
            signal.ring()

    async def run(self) -> None:
        """Listen until cancelled. Without the database the claim loops still poll."""
        while True:
            try:
                await self._listen_once()
            except DatabaseUnavailable as error:
                await self._backoff.wait(error)

    async def _listen_once(self) -> None:
        connection = await connect(self._dsn, application_name=self._application_name)
        debouncer = Debouncer(self.ring_all, window_ms=self._debounce_ms)
        try:
            await wakeups.listen(connection)
            self._backoff.succeeded()
            for signal in self._signals:
                signal.nudge()  # look for what was announced while nobody listened
            async with aclosing(wakeups.notifications(connection)) as notifications:
                async for _ in notifications:
                    debouncer.call()
            raise DatabaseUnavailable("the wake-up session ended without an error")
        finally:
            debouncer.close()
            await connection.close()
