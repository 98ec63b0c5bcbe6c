"""A real worker process for tests: started, watched, signalled, and never left behind."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from tests.sandbox_child import environment
from tests.sandbox_process import PERSONAL

_START = "from symphony.worker.command import worker; worker()"


class WorkerProcess:
    """`symphony worker` as a child process; leaving the context kills it if it still runs.

    Raises AssertionError with what it wrote when it is not ready within 60 s.
    """

    def __init__(self, database_url: str, rail_url: str, *arguments: str, wait_ready: bool = True) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _START, "--rail", f"sandbox={rail_url}", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**environment(), "SYMPHONY_DATABASE_URL": database_url},
        )
        self.ready: dict[str, Any] = {}
        if wait_ready:
            self.wait_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait_ready(self, *, seconds: float = 60.0) -> None:
        """Read the line that says it is ready."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if readable else b""
        assert line, f"the worker is not ready: {self.log()}"
        self.ready = json.loads(line)
        assert self.ready["event"] == "ready"

    @property
    def worker_id(self) -> str:
        """The id it claims under."""
        return str(self.ready["worker_id"])

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, *, seconds: float = 30.0) -> int:
        """Wait for its end; returns the exit status."""
        return self.process.wait(seconds)

    def kill9(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait(30)

    def log(self) -> str:
        """All it wrote to standard error."""
        return os.pread(self._stderr.fileno(), 10_000_000, 0).decode()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def metric(self, name: str) -> float:
        """One exported sample, by its name with labels as written; 0 when absent."""
        address = f"http://127.0.0.1:{self.ready['metrics_port']}/metrics"
        with urllib.request.urlopen(address, timeout=20) as response:
            for line in response.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rpartition(" ")[2])
        return 0.0

    def readiness(self) -> tuple[int, str]:
        """Status and text of /readyz."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ready["metrics_port"], timeout=20)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            return response.status, response.read().decode().strip()
        finally:
            connection.close()

    def close(self) -> None:
        """Kill it if it runs, and close its pipes; whatever happened, it must not have logged personal data."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill9()
        if self.process.stdout is not None:
            self.process.stdout.close()
        personal = not self._stderr.closed and PERSONAL in self.log()
        self._stderr.close()
        assert not personal, "personal data in the worker's log"


def wait_for(condition: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
    """Look every 30 ms until the condition holds; raises AssertionError naming what did not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.03)
