"""Stopping a service by signal: in order at the first, at once at the second."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

_EXIT_NOW: Final = 128 + signal.SIGTERM


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at the first SIGTERM or SIGINT; a second one ends the process. Inside a running event loop."""
    asked: list[int] = []

    def handle(number: int) -> None:
        asked.append(number)
        if len(asked) > 1:
            os._exit(_EXIT_NOW)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handle, number)
