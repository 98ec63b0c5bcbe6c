"""`symphony demo` as a person runs it: it ends well, it ends badly, and it never leaves anything behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from symphony.postgres_throwaway import throwaway_directory as make_directory
from tests.sandbox_child import DRIVER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

COUNT = 40
BY_ALIAS = 105  # and direct ones while the registry is down
# Somebody's real database, which a demonstration must never touch.
NOT_OURS = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/real",
    "SYMPHONY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/real",
    "PGSSLMODE": "verify-full",
    "PGPORT": "1",
}
PROCESS = re.compile(r"(?:process |worker \(process )(\d+)")


class Demo:
    """A running demonstration, its output read as it comes."""

    def __init__(self, temp: Path, *arguments: str) -> None:
        self.temp = temp
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "symphony.cli", "demo", "--count", str(COUNT), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **NOT_OURS, "PYTHONPATH": str(DRIVER), "TMPDIR": str(temp)},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines += iter(self.process.stdout.readline, "")
        self.process.stdout.close()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, said: str, *, seconds: float = 150) -> None:
        deadline = time.monotonic() + seconds
        while said not in self.output:
            assert time.monotonic() < deadline, self.output
            assert self.process.poll() is None, self.output
            time.sleep(0.02)

    def ended(self) -> int:
        status = self.process.wait(220)
        self._reader.join(30)
        return status

    def assert_nothing_left(self) -> None:
        started = {int(number) for number in PROCESS.findall(self.output)}
        assert [number for number in sorted(started) if running(number)] == [], self.output
        assert list(self.temp.iterdir()) == []


def running(number: int) -> bool:
    """Whether a process of this number runs and belongs to a demonstration (numbers are used again)."""
    try:
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False
    return any(word in command for word in (b"symphony.cli", b"symphony-demo-", b"symphony-bao-"))


@pytest.fixture
def temp() -> Iterator[Path]:
    """A directory for temporary files that the server's account can reach; TMPDIR of the demonstration."""
    made = make_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def demos(temp: Path) -> Iterator[Any]:
    """Starts demonstrations; ends one that a failed test left."""
    started: list[Demo] = []

    def start(*arguments: str) -> Demo:
        started.append(Demo(temp, *arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
        one.ended()


def test_it_ends_well_and_leaves_nothing(demos: Any) -> None:
    demo: Demo = demos()
    assert demo.ended() == 0, demo.output
    for said in (
        f"{2 * COUNT + BY_ALIAS} instructions recorded, their sequence without a gap",
        "rail_code TIMEOUT",
        "symphony status finds nothing wrong",
        f"recorded              {2 * COUNT + BY_ALIAS}",
        "failed                4",
        "voided                1 ",
        "uncertain             1 ",
        f"duplicates suppressed {COUNT}",
        "pop_mode MTLS_DPOP",
        "yes  refused and attested: bank A's token over bank B's certificate: 401 TOKEN_CERT_MISMATCH",
        "yes  refused and attested: the same request a second time: 401 DPOP_REPLAYED",
        "yes  refused and attested: a body that was changed on its way: 400 DIGEST_MISMATCH",
        "yes  refused and attested: a certificate revoked between two requests of one open connection: 401 CERT_REVOKED",
        "yes  refused: at OpenBao the worker asks for a secret of the ingress, which the ingress may read: 403",
        "yes  each of the 84 payments by alias is DISPATCHED on a registry's answer that had not expired",
        "yes  by its own ledger the registry told of each of the 69 numbers once",
        "PROXY_ANSWER    TEMP_UNAVAILABLE  reason_code PROXY_",
        "PROXY_RESOLVED  RESOLVED          proxy_type MBNO, source sandbox,",
        "source_version sandbox-",
        "yes  nobody was paid before the registry had answered",
        "yes  the rail paid whom the registry names",
        "yes  nobody's number is VOIDED (ISO 20022 BE23 AccountProxyInvalid), a case: have the payer correct the alias",
        "yes  while the registry was down",
        "yes  meanwhile 20 payments to accounts were DISPATCHED",
        "yes  then it healed, and the 60 payments by alias went on in the order they came",
        "yes  the aliases stand beside the parties, and in no other table of a whole dump, no log and no ledger",
        "p99 ",
    ):
        assert said in demo.output, demo.output
    assert " no  " not in demo.output
    # PostgreSQL, OpenBao, the rail, the registry, ingress, worker, resolver, maintenance
    assert len(PROCESS.findall(demo.output)) >= 8
    demo.assert_nothing_left()


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("PostgreSQL 18 started", signal.SIGTERM),
        ("OpenBao 2.7 started", signal.SIGTERM),
        ("submitted a pain.001", signal.SIGINT),
    ],
)
def test_an_interruption_leaves_nothing(demos: Any, said: str, number: signal.Signals) -> None:
    demo: Demo = demos()
    demo.wait_for(said)
    os.killpg(demo.process.pid, number)
    os.kill(demo.process.pid, number)  # an impatient second one
    assert demo.ended() == 128 + number, demo.output
    assert "FAILED: interrupted" in demo.output
    assert "Traceback" not in demo.output
    demo.assert_nothing_left()


def test_a_service_that_dies_is_a_failure_with_its_last_words(demos: Any) -> None:
    demo: Demo = demos()
    demo.wait_for("started: rail-sandbox")
    found = re.search(r"worker \(process (\d+)\)", demo.output)
    assert found is not None
    os.kill(int(found[1]), signal.SIGKILL)
    assert demo.ended() == 1
    assert "FAILED: worker ended with status -9" in demo.output
    assert "worker.log: {" in demo.output
    demo.assert_nothing_left()


def test_too_little_time_is_a_failure_and_keep_keeps_the_directory(demos: Any, temp: Path) -> None:
    demo: Demo = demos("--timeout-s", "1", "--keep")
    assert demo.ended() == 1, demo.output
    assert re.search(r"FAILED: \d+ instructions have no outcome after 1 s", demo.output), demo.output
    [kept] = temp.iterdir()
    assert {"data", "rail.db", "worker.log", "instructions.jsonl"} <= {entry.name for entry in kept.iterdir()}
    assert (kept / "logins.json").stat().st_mode & 0o077 == 0
    shutil.rmtree(kept)
    demo.assert_nothing_left()
