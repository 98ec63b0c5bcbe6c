"""A real sandbox rail process for tests, its ledger read from the file, and a measurement of its speed."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from symphony.rails.adapter import RailOptions, open_rail

PERSONAL = "Chanda-Mwape-0977123456"
PARTIES = json.dumps(
    {
        "creditor": {"account": f"{PERSONAL}-acc-c", "name": f"{PERSONAL} creditor"},
        "debtor": {"account": f"{PERSONAL}-acc-d", "name": f"{PERSONAL} debtor"},
        "remittance": f"{PERSONAL} rent",
    }
)
DRIVER = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentClaim:
    """What an adapter reads of a claim."""

    reference: str = field(default_factory=lambda: uuid.uuid4().hex)
    amount_minor: int = 12_550
    currency: str = "ZMW"
    creditor_participant_id: str | None = "ZM-BANK-B"
    end_to_end_id: str | None = "E2E-1"
    purpose: str | None = "SALA"
    parties: str | None = PARTIES
    salt: bytes | None = b"sixteen-bytes-ok"


class SandboxProcess:
    """`symphony rail-sandbox` as a child process; leaving the context ends it by SIGTERM."""

    def __init__(self, ledger: Path, *arguments: str, port: int = 0) -> None:
        self.ledger = ledger
        self._said = ""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self.process = subprocess.Popen(
            command_line("--port", str(port), "--ledger", str(ledger), *arguments),
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=environment(),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.end(signal.SIGKILL)
            raise AssertionError(f"the sandbox rail did not start: {self.stderr()}")
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
        """One HTTP request; a str body goes as it is, anything else as JSON."""
        raw = body if isinstance(body, str) else json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body=None if body is None else raw)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Replace the fault rules."""
        assert self.call("POST", "/faults", list(rules)) == (200, {"rules": len(rules)})

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the ledger file itself, not the process's word for it."""
        with closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True)) as ledger:
            return ledger.execute(query, parameters).fetchall()

    def executions(self, reference: str) -> int:
        """How often a reference was really executed."""
        return len(self.rows("select 1 from executions where reference = ?", reference))

    def calls(self, reference: str) -> list[tuple[str, int | None, str, str | None]]:
        """(phase, http_status, answer, fault) of every HTTP call about a reference, in order."""
        query = "select phase, http_status, answer, fault from calls where reference = ? order by call_no"
        return [tuple(row) for row in self.rows(query, reference)]


def command_line(*arguments: str) -> list[str]:
    """The command, without the `symphony` group around it."""
    start = "from symphony.rail_sandbox.command import rail_sandbox; rail_sandbox()"
    return [sys.executable, "-W", "error", "-c", start, *arguments]


def environment() -> dict[str, str]:
    """The environment of a child that imports this checkout."""
    return {**os.environ, "PYTHONPATH": str(DRIVER)}


def payment(**changes: Any) -> dict[str, Any]:
    """A body for POST /payments."""
    parties = json.loads(PARTIES)
    body = {"reference": uuid.uuid4().hex, "amount": "125.50", "currency": "ZMW", "end_to_end_id": "E2E-1"}
    return {**body, "creditor": parties["creditor"], "debtor": parties["debtor"], **changes}


def submit(sandbox: SandboxProcess, **changes: Any) -> tuple[int, Any]:
    """POST a new payment."""
    return sandbox.call("POST", "/payments", payment(**changes))


def refused_start(*arguments: str) -> str:
    """Start a sandbox rail that must refuse; return what it said."""
    ended = subprocess.run(
        command_line(*arguments), capture_output=True, text=True, timeout=10, env=environment(), check=False
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


async def bench(payments: int, concurrency: int, *, base_url: str) -> float:
    """Payments per second through the adapter; nothing is asserted."""
    rail = open_rail("sandbox", RailOptions(base_url=base_url))
    remaining = iter(range(payments))

    async def client() -> None:
        for _ in remaining:
            reply = await rail.submit(PaymentClaim())
            if reply.rail_code != "ACCEPTED":
                raise AssertionError(reply.rail_code)

    started = time.monotonic()
    await asyncio.gather(*[client() for _ in range(concurrency)])
    elapsed = time.monotonic() - started
    await rail.aclose()
    return payments / elapsed


def main(arguments: Sequence[str]) -> None:
    """Print payments per second: [payments] [concurrency] [synchronous]."""
    payments, concurrency, synchronous = arguments
    with (
        tempfile.TemporaryDirectory() as folder,
        SandboxProcess(Path(folder) / "ledger.db", "--synchronous", synchronous) as sandbox,
    ):
        rate = asyncio.run(bench(int(payments), int(concurrency), base_url=sandbox.base_url))
        stats = sandbox.call("GET", "/stats")[1]
    answer = {"payments_per_s": round(rate), "concurrency": int(concurrency), "synchronous": synchronous}
    print(json.dumps(answer | {"executed": stats["executed"], "commits": stats["commits"]}))


if __name__ == "__main__":
    main([*sys.argv[1:], *["10000", "100", "full"][len(sys.argv) - 1 :]])
