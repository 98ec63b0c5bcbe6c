"""Waiting for what nobody announces."""

from __future__ import annotations

import asyncio
import time
from typing import Any


async def until(condition: Any, *, seconds: float = 30.0) -> None:
    """Look every 10 ms until condition(), which may be a coroutine function, holds; AssertionError when it does not."""
    deadline = time.monotonic() + seconds
    while True:
        held = condition()
        if (await held) if asyncio.iscoroutine(held) else held:
            return
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        await asyncio.sleep(0.01)
