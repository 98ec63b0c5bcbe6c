"""A real sandbox registry process for tests, its store read from the file, and a measurement of its speed."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from symphony.registries.registry import Question, Registry, RegistryOptions, open_registry
from symphony.resolver.aliases import normalise
from tests.sandbox_process import environment

ASKED_BY = "ZM-BANK-A"
PERSONAL = "Chanda-Mwape"


class RegistryProcess:
    """`symphony registry sandbox` as a child process; leaving the context ends it by SIGTERM."""

    def __init__(self, store: Path, *arguments: str, port: int = 0) -> None:
        self.store = store
        self._said = ""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self.process = subprocess.Popen(
            command_line("--port", str(port), "--store", str(store), *arguments),
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment(),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.end(signal.SIGKILL)
            raise AssertionError(f"the sandbox registry did not start: {self.stderr()}")
        self.ready: dict[str, Any] = json.loads(line)
        self.port: int = self.ready["port"]
        self.base_url = f"http://127.0.0.1:{self.port}"

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
        status = self.process.wait(10)
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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body=None if body is None else raw)
            response = connection.getresponse()
            answer = response.read()
            if response.headers.get_content_type() == "application/x-ndjson":
                return response.status, [json.loads(line) for line in answer.splitlines()]
            return response.status, json.loads(answer)
        finally:
            connection.close()

    def put(self, *entries: dict[str, Any]) -> str:
        """Add, replace or forget entries; return the registry's new version."""
        status, answer = self.call("POST", "/admin/entries", list(entries))
        assert status == 200, answer
        return str(answer["registry_version"])

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Replace the fault rules."""
        assert self.call("POST", "/admin/faults", list(rules)) == (200, {"rules": len(rules)})

    def stats(self) -> dict[str, Any]:
        """Counts of what was asked and answered."""
        answer: dict[str, Any] = self.call("GET", "/admin/stats")[1]
        return answer

    def calls(self, alias: str) -> list[tuple[str, str, str | None]]:
        """(asked_by, answer, fault) of every question about «TYPE:value», in order, from the file itself."""
        self.stats()  # what is still in memory goes to the file
        digest = hashlib.sha256(alias.encode()).hexdigest()
        return [
            (asked_by, answer, fault)
            for asked_by, answer, fault in self.rows(
                "select asked_by, answer, fault from calls where alias_sha256 = ? order by call_no", digest
            )
        ]

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the store's file, not the process's word for it."""
        with closing(sqlite3.connect(f"{self.store.as_uri()}?mode=ro", uri=True)) as store:
            return store.execute(query, parameters).fetchall()


def command_line(*arguments: str) -> list[str]:
    """The command, without the `symphony registry` group around it."""
    start = "from symphony.registry_sandbox.command import sandbox; sandbox()"
    return [sys.executable, "-W", "error", "-c", start, *arguments]


def refused_start(*arguments: str) -> str:
    """Start a sandbox registry that must refuse; return what it said."""
    ended = subprocess.run(
        command_line(*arguments), capture_output=True, text=True, timeout=10, env=environment(), check=False
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


def mobile(number: int) -> str:
    """A valid Zambian mobile number; 0 to 999999."""
    return f"+26097{number + 7_000_000:07d}"


def entry(value: str, participant_id: str = "ZM-BANK-B", **changes: Any) -> dict[str, Any]:
    """An entry of a mobile number."""
    known = {"type": "MBNO", "value": value, "participant_id": participant_id, "account": f"{PERSONAL}-{value}"}
    return {**known, "name": f"{PERSONAL} of {participant_id}", **changes}


def question(value: str, *, kind: str = "MBNO", asked_by: str = ASKED_BY, provider: str | None = None) -> Question:
    """A question about an alias, by default a mobile number."""
    return Question(normalise(kind, value), asked_by, provider)


@asynccontextmanager
async def client(base_url: str, **changes: Any) -> AsyncIterator[Registry]:
    """The sandbox registry's client."""
    registry = open_registry("sandbox", RegistryOptions(**{"base_url": base_url, "timeout_ms": 400, **changes}))
    try:
        yield registry
    finally:
        await registry.aclose()


async def bench(questions: int, *, base_url: str, known: int) -> float:
    """Resolutions per second through the client's resolve_many."""
    asked = [question(mobile(number % known)) for number in range(questions)]
    async with client(base_url, timeout_ms=5_000, max_connections=8) as registry:
        started = time.monotonic()
        answers = await registry.resolve_many(asked)
        elapsed = time.monotonic() - started
    if {answer.status for answer in answers} != {"RESOLVED"}:
        raise AssertionError({answer.reason_code for answer in answers})
    return questions / elapsed


def main(arguments: Sequence[str]) -> None:
    """Print resolutions per second: [questions] [latency_ms]."""
    questions, latency_ms = arguments
    with (
        tempfile.TemporaryDirectory() as folder,
        RegistryProcess(Path(folder) / "store.db", "--latency-ms", latency_ms) as sandbox,
    ):
        sandbox.put(*[entry(mobile(number)) for number in range(5_000)])
        rate = asyncio.run(bench(int(questions), base_url=sandbox.base_url, known=5_000))
        stats = sandbox.stats()
    print(json.dumps({"resolutions_per_s": round(rate), "latency_ms": int(latency_ms), **stats}))


if __name__ == "__main__":
    main([*sys.argv[1:], *["30000", "5"][len(sys.argv) - 1 :]])
