"""Processes that are stopped, not ended: SIGSTOP returns before the threads of the other process have stopped."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def stop(pid: int, *, seconds: float = 10.0) -> None:
    """SIGSTOP, and wait until no thread of the process runs any longer; AssertionError when one still does."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    while running := [state for state in _states(pid) if state not in "TtZX"]:
        assert time.monotonic() < deadline, f"process {pid} did not stop: threads in state {running}"
        time.sleep(0.001)


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Stopped inside, running again afterwards."""
    try:
        for pid in pids:
            stop(pid)
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _states(pid: int) -> Iterator[str]:
    """The state letter of each thread (proc(5), /proc/pid/stat); the name before it may hold spaces and brackets."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            yield (thread / "stat").read_text().rpartition(")")[2].split()[0]
