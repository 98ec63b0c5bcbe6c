"""Kill -9 of workers, clients, the ingress and PostgreSQL at random moments under load, the rail as judge."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from symphony import api
from symphony.migrate import apply
from symphony.postgres_throwaway import Cluster
from tests.chaos_submitter import acknowledged
from tests.payments import Books, drained, establish, policy_document
from tests.sandbox_child import DRIVER, environment
from tests.sandbox_process import SandboxProcess
from tests.worker_process import WorkerProcess

ROUNDS = 36
LADDER = [30, 60, 150, 300, 600, 1_000, 2_000, 3_000, 5_000, 8_000]
WORKER = (
    "--lease-ms",
    "1500",
    "--call-timeout-ms",
    "500",
    "--repair-interval-ms",
    "200",
    "--grace-ms",
    "2000",
)
FAULTS = (
    {"kind": "timeout_after_success", "probability": 0.01, "seed": 1},
    {"kind": "timeout_before_effect", "probability": 0.01, "seed": 2},
    {"kind": "5xx_after_success", "probability": 0.03, "seed": 3},
    {"kind": "drop_connection_after_success", "probability": 0.02, "seed": 4},
    {"kind": "unavailable", "probability": 0.05, "seed": 5},
    {"kind": "reject", "probability": 0.02, "seed": 6},
    {"kind": "slow", "probability": 0.2, "seed": 7, "ms": 120},
    {"kind": "not_idempotent"},  # a second send of anything else would be a second execution
)


@dataclass(slots=True)
class Submitter:
    """A client process and its journal, which outlives it."""

    url: str
    tag: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def journal(self) -> Path:
        return self.folder / f"{self.tag}.journal"

    def start(self) -> None:
        with (self.folder / f"{self.tag}.err").open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos_submitter", self.url, str(self.journal), self.tag],
                cwd=DRIVER,
                env=environment(),
                stderr=errors,
            )

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / f"{self.tag}.err").read_text()[-2000:]
        self.end(signal.SIGKILL)
        self.start()


class IngressProcess:
    """`symphony ingress --dev` on a port that stays the same over restarts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._port = 0
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.start()

    def start(self) -> None:
        start = "from symphony.ingress.command import ingress; ingress()"
        arguments = ["--dev", "--port", str(self._port), "--metrics-port", "0"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, *arguments],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**environment(), "SYMPHONY_DATABASE_URL": self._url, "SYMPHONY_ENVIRONMENT": "dev"},
        )

    def wait_ready(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, os.pread(self._stderr.fileno(), 4_000, 0).decode()
        self._port = json.loads(line)["port"]
        return f"http://127.0.0.1:{self._port}"

    def kill(self) -> None:
        self.close_process()
        self.start()

    def restart_if_it_could_not_start(self) -> None:
        """It refuses to start without a database; a supervisor would start it again."""
        if self.process.poll() is not None:
            said = os.pread(self._stderr.fileno(), 1_000_000, 0).decode()
            assert self.process.returncode == 1, said
            assert "database" in said.lower().splitlines()[-1], said
            self.kill()

    def close_process(self) -> None:
        self.process.kill()
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def close(self) -> None:
        self.close_process()
        self._stderr.close()


class Arena:
    """Everything that runs, and what may be killed."""

    def __init__(self, cluster: Cluster, url: str, folder: Path, stack: ExitStack) -> None:
        self.cluster = cluster
        self.url = url
        self.rail = stack.enter_context(SandboxProcess(folder / "rail.db", "--synchronous", "off"))
        self.ingress = IngressProcess(url)
        stack.callback(self.ingress.close)
        http = self.ingress.wait_ready()
        self.workers = [WorkerProcess(url, self.rail.base_url, *WORKER) for _ in range(2)]
        stack.callback(self._close_workers)
        self.submitters = [
            Submitter(target, tag, folder)
            for target, tag in ((url, "sql1"), (url, "sql2"), (http, "web1"), (http, "web2"))
        ]
        for submitter in self.submitters:
            submitter.start()
            stack.callback(self._end_submitter, submitter)

    def _close_workers(self) -> None:
        for worker in self.workers:
            worker.close()

    @staticmethod
    def _end_submitter(submitter: Submitter) -> None:
        if submitter.process is not None and submitter.process.poll() is None:
            submitter.end(signal.SIGKILL)

    def kill_worker(self, rng: random.Random) -> None:
        index = rng.randrange(len(self.workers))
        assert self.workers[index].process.poll() is None, self.workers[index].log()[-3000:]
        self.workers[index].close()
        self.workers[index] = WorkerProcess(self.url, self.rail.base_url, *WORKER, wait_ready=False)

    def kill_submitter(self, rng: random.Random) -> None:
        rng.choice(self.submitters).kill()

    def kill_ingress(self, rng: random.Random) -> None:
        self.ingress.kill()

    def kill_postgres(self, rng: random.Random) -> None:
        self.cluster.server.kill9()
        self.cluster.server.start()

    def stop_worker_for_a_while(self, rng: random.Random) -> None:
        worker = rng.choice(self.workers)
        worker.signal(signal.SIGSTOP)
        time.sleep(rng.uniform(0.5, 2.5))
        worker.signal(signal.SIGCONT)

    def terminate_worker(self, rng: random.Random) -> None:
        index = rng.randrange(len(self.workers))
        if not self.workers[index].ready:
            self.workers[index].wait_ready(seconds=90)
        self.workers[index].signal(signal.SIGTERM)
        assert self.workers[index].wait(seconds=60) == 0
        self.workers[index].close()
        self.workers[index] = WorkerProcess(self.url, self.rail.base_url, *WORKER, wait_ready=False)

    def blows(self) -> list[Callable[[random.Random], None]]:
        """What a round may do, the harder ones more often."""
        return [
            self.kill_worker,
            self.kill_worker,
            self.kill_postgres,
            self.kill_postgres,
            self.kill_submitter,
            self.kill_ingress,
            self.stop_worker_for_a_while,
            self.terminate_worker,
        ]


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    cluster = Cluster()
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        cluster.start()
        url = cluster.server.url(cluster.empty())
        asyncio.run(_establish(url))
        yield Arena(cluster, url, tmp_path, stack)


async def _establish(url: str) -> None:
    await apply(url)
    async with await api.connect(url, application_name="chaos") as connection:
        await establish(connection, policy_document(enquiry_after_ms=LADDER, in_flight_cap=60))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_kills_lose_nothing_and_execute_nothing_twice(arena: Arena) -> None:
    seed = int(os.environ.get("SYMPHONY_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"\nSYMPHONY_CHAOS_SEED={seed}")
    rng = random.Random(seed)
    arena.rail.set_faults(*FAULTS)
    done: dict[str, int] = {}
    order = [blow for _ in range(ROUNDS // len(arena.blows()) + 1) for blow in arena.blows()][:ROUNDS]
    rng.shuffle(order)
    for blow in order:
        time.sleep(rng.uniform(0.1, 1.2))
        arena.ingress.restart_if_it_could_not_start()
        blow(rng)
        done[blow.__name__] = done.get(blow.__name__, 0) + 1
    time.sleep(1.0)
    for submitter in arena.submitters:
        said = submitter.folder / f"{submitter.tag}.err"
        assert submitter.end(signal.SIGTERM) in (0, -signal.SIGTERM), said.read_text()  # it may just be starting
    arena.rail.set_faults({"kind": "not_idempotent"})
    books = Books(arena.url)
    drained(books, seconds=300)
    acked = [one for submitter in arena.submitters for one in acknowledged(submitter.journal, submitter.tag)]
    counts = books.check(arena.rail, acknowledged=acked)
    print(f"rounds {done}; acknowledged {len(acked)}; outcomes {counts}; attempt rows {books.states()}")
    assert counts["DISPATCHED"] > 200, "there was load"
    assert books.states()["ZOMBIE_REQUEUE"] > 0, "kills hit items under lease"
    for worker in arena.workers:
        if not worker.ready:
            worker.wait_ready(seconds=90)
        worker.signal(signal.SIGTERM)
        assert worker.wait(seconds=60) == 0, worker.log()[-3000:]
