"""A sandbox as a child process on loopback, its file read beside it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

DRIVER = Path(__file__).parent.parent


def environment() -> dict[str, str]:
    """The environment of a child that imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(DRIVER)}


class SandboxChild:
    """A sandbox command as a child process; leaving the context ends it by SIGTERM.

    Attributes:
        START: what Python runs.
        FILE_OPTION: the option that names its file.
        FAULTS: where its fault rules are replaced.
    """

    START: ClassVar[str]
    FILE_OPTION: ClassVar[str]
    FAULTS: ClassVar[str]

    def __init__(self, file: Path, *arguments: str, port: int = 0) -> None:
        self.file = file
        self._said = ""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self.process = subprocess.Popen(
            self.command_line("--port", str(port), self.FILE_OPTION, str(file), *arguments),
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment(),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.end(signal.SIGKILL)
            raise AssertionError(f"the sandbox did not start: {self.stderr()}")
        self.ready: dict[str, Any] = json.loads(line)
        self.port: int = self.ready["port"]
        self.base_url = f"http://127.0.0.1:{self.port}"

    @classmethod
    def command_line(cls, *arguments: str) -> list[str]:
        """The command, without the `symphony` group around it."""
        return [sys.executable, "-W", "error", "-c", cls.START, *arguments]

    @classmethod
    def refused_start(cls, *arguments: str) -> str:
        """Start one that must refuse; return what it said."""
        ended = subprocess.run(
            cls.command_line(*arguments), capture_output=True, text=True, timeout=60, env=environment(), check=False
        )
        assert ended.returncode == 1
        assert ended.stdout == ""
        return ended.stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(signal.SIGTERM)

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait, return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.stderr()
        self._stderr.close()
        return status

    def stderr(self) -> str:
        """All it wrote to standard error."""
        if not self._stderr.closed:
            self._stderr.seek(0)
            self._said = self._stderr.read().decode()
        return self._said

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One HTTP request; a str body goes as it is, anything else as JSON. The answer is JSON, or lines of it."""
        raw = body if isinstance(body, str) else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=None if body is None else raw)
            response = connection.getresponse()
            answer = response.read()
            if response.headers.get_content_type() == "application/x-ndjson":
                return response.status, [json.loads(line) for line in answer.splitlines()]
            return response.status, json.loads(answer)
        finally:
            connection.close()

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Replace the fault rules."""
        assert self.call("POST", self.FAULTS, list(rules)) == (200, {"rules": len(rules)})

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the file itself, not the process's word for it."""
        with closing(sqlite3.connect(f"{self.file.as_uri()}?mode=ro", uri=True)) as file:
            return file.execute(query, parameters).fetchall()
