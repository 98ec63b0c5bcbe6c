"""The whole `symphony resolver` process: crashes, ends, OpenBao, and what it refuses to start with."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from symphony import api
from symphony.bao.enrolment import issue_enrolment, write_enrolment
from tests.bao_logins import place
from tests.bao_process import Bao
from tests.payments import Books, establish
from tests.proxy_cell import alias_item
from tests.registry_process import RegistryProcess, entry, mobile
from tests.sandbox_child import environment
from tests.sandbox_process import SandboxProcess
from tests.sql_cell import policy, row_counts
from tests.worker_process import WorkerProcess, wait_for

pytest_plugins = ("tests.bao_fixtures",)

PAYEES = 10
KEYS = f"1 {bytes(range(32)).hex()}\n"
RESOLVED = "select count(*) from proxy.proxy_resolutions where status = 'RESOLVED'"
WAITING = "select count(*) from proxy.resolution_queue"
START = [sys.executable, "-W", "error", "-c", "from symphony.resolver.command import resolver; resolver()"]


class ResolverProcess(WorkerProcess):
    """`symphony resolver` as a child process; whatever happened, it must not have logged an alias."""

    def __init__(self, registry_url: str, *arguments: str, variables: dict[str, str]) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by close)
        self.process = subprocess.Popen(
            [*START, "--registry", f"sandbox={registry_url}", "--poll-ms", "50", *arguments],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**environment(), **variables},
        )
        self.ready: dict[str, Any] = {}
        self.wait_ready()

    def close(self) -> None:
        """As WorkerProcess; no alias and nothing of a payee in the log either."""
        said = "" if self._stderr.closed else self.log()
        super().close()
        assert not [number for number in range(PAYEES) if mobile(number)[1:] in said or mobile(number)[4:] in said]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of local keys, for development."""
    path = tmp_path / "keys"
    path.write_text(KEYS, encoding="ascii")
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    """A registry that knows ten mobile numbers."""
    with RegistryProcess(tmp_path / "registry.sqlite") as process:
        process.put(*(entry(mobile(number)) for number in range(PAYEES)))
        yield process


def started(url: str, registry: RegistryProcess, keys: Path, *arguments: str) -> ResolverProcess:
    """A resolver with local keys."""
    variables = {"SYMPHONY_DATABASE_URL": url, "SYMPHONY_ENVIRONMENT": "dev"}
    return ResolverProcess(registry.base_url, "--local-hash-keys", str(keys), *arguments, variables=variables)


async def accept(url: str, instructions: int) -> None:
    """Accept so many instructions to ten aliases in turn."""
    async with await api.connect(url, application_name="test") as connection:
        await establish(connection, policy())
        items = [alias_item(f"I-{n}", mobile(n % PAYEES)) for n in range(instructions)]
        decisions = await api.ingress.accept(connection, items=items)
        assert {decision.state for decision in decisions} == {"AWAITING_PROXY_RESOLUTION"}


def asked(registry: RegistryProcess) -> bool:
    """A question has arrived and waits for its answer."""
    return any(rule["picked"] for rule in registry.call("GET", "/admin/faults")[1])


def paid(rail: SandboxProcess) -> dict[str, int]:
    """Counts of the rail's ledger."""
    found: dict[str, int] = rail.call("GET", "/stats")[1]
    return found


@pytest.mark.slow
async def test_killed_while_the_registry_thinks_another_resolves_and_each_is_paid_once(
    fresh_database: str, registry: RegistryProcess, keys: Path, tmp_path: Path
) -> None:
    books = Books(fresh_database)
    registry.set_faults({"kind": "slow", "ms": 3_000})
    await accept(fresh_database, 30)
    timing = ("--lease-ms", "8000", "--call-timeout-ms", "4000")
    with (
        SandboxProcess(tmp_path / "rail.db") as rail,
        WorkerProcess(fresh_database, rail.base_url, "--poll-ms", "50") as worker,
    ):
        with started(fresh_database, registry, keys, *timing) as first:
            wait_for(lambda: asked(registry), "a question")
            first.kill9()
        leased = books.rows("select claimed_by, min(lease_expires_at), count(*) from proxy.resolution_queue group by 1")
        ((holder, lease_ends_at, held),) = leased
        assert (holder, held) == (first.ready["resolver_id"], 30), "it died holding them all"
        assert books.number(RESOLVED) == 0
        registry.set_faults()
        with started(fresh_database, registry, keys, *timing) as second:
            wait_for(lambda: paid(rail)["executed"] == 30, "30 payments", seconds=60)
            wait_for(lambda: books.number(WAITING) == 0, "an empty queue", seconds=60)
            second.signal(signal.SIGTERM)
            assert second.wait() == 0
        assert worker.process.poll() is None
        rows = books.rows(
            "select resolved_by, count(*), count(distinct outbox_id), min(recorded_at) from proxy.proxy_resolutions"
            " where status = 'RESOLVED' group by 1"
        )
        assert rows[0][:3] == (second.ready["resolver_id"], 30, 30)
        assert len(rows) == 1
        assert rows[0][3] > lease_ends_at, "not before the lease of the dead one ended"
        assert books.number("select count(*) from proxy.proxy_resolutions") == 30
        assert (paid(rail)["references"], paid(rail)["max_executions_per_reference"]) == (30, 1)


async def test_sigterm_records_what_is_under_way_and_claims_no_more(
    fresh_database: str, registry: RegistryProcess, keys: Path
) -> None:
    books = Books(fresh_database)
    registry.set_faults({"kind": "slow", "ms": 2_500})
    await accept(fresh_database, 30)
    one_batch = ("--batch", "10", "--batches-at-once", "1", "--call-timeout-ms", "15000")
    with started(fresh_database, registry, keys, *one_batch) as process:
        wait_for(lambda: asked(registry), "a question")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert process.events("resolver_stopped")
        assert "Traceback" not in process.log()
    assert books.number(RESOLVED) == 10
    left = "select count(*), count(claimed_by) from proxy.resolution_queue"
    assert books.rows(left) == [(20, 0)], "no lease is left behind"


@pytest.mark.slow
async def test_enrolled_at_openbao_it_hashes_there_under_a_leased_login(
    lender: Bao, database_url: str, registry: RegistryProcess, tmp_path: Path
) -> None:
    await accept(database_url, 20)
    enrolment = tmp_path / "resolver.json"
    write_enrolment(issue_enrolment(lender.root, "resolver"), enrolment)
    books = Books(database_url)
    arguments = ("--bao-enrolment", str(enrolment), "--database-place", place(database_url))
    with ResolverProcess(registry.base_url, *arguments, variables={"SYMPHONY_ENVIRONMENT": "production"}) as process:
        wait_for(lambda: books.number(WAITING) == 0, "an empty queue")
        users = (
            "select distinct usename::text from pg_stat_activity"
            " where starts_with(application_name, 'symphony-resolver') and datname = current_database()"
        )
        assert [user.startswith("lease-symphony_resolver-") for (user,) in books.rows(users)] == [True]
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert books.rows(
        "select status::text, hash_key_id, count(*), count(distinct proxy_hash) from proxy.proxy_resolutions group by 1, 2"
    ) == [("RESOLVED", "proxy-hash:v1", 20, PAYEES)]
    assert not enrolment.exists(), "taken once"
    said = lender.said()
    assert "transit/hmac/proxy-hash" in said
    assert not [number for number in range(PAYEES) if mobile(number) in said]


@pytest.mark.parametrize(
    ("environment_name", "key_lines", "refused"),
    [
        ("dev", None, "ALIAS_KEYS_MISSING"),
        ("dev", "1 abc\n", "ALIAS_KEYS_UNREADABLE"),
        ("dev", "", "ALIAS_KEYS_UNREADABLE"),
        ("production", KEYS, "LOCAL_KEYS_REFUSED"),
        (None, KEYS, "LOCAL_KEYS_REFUSED"),
    ],
)
async def test_without_keys_that_may_be_used_it_does_not_start(
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment_name: str | None,
    key_lines: str | None,
    refused: str,
) -> None:
    await accept(fresh_database, 1)
    before = row_counts(fresh_database)
    arguments: list[str] = []
    if key_lines is not None:
        (tmp_path / "keys").write_text(key_lines, encoding="ascii")
        arguments = ["--local-hash-keys", str(tmp_path / "keys")]
    monkeypatch.delenv("SYMPHONY_ENVIRONMENT", raising=False)
    # Outside development a URL with a password is refused before the keys are looked at.
    url = fresh_database if environment_name == "dev" else f"{place(fresh_database)} user=nobody"
    variables = {} if environment_name is None else {"SYMPHONY_ENVIRONMENT": environment_name}
    ended = await asyncio.to_thread(
        subprocess.run,
        [*START, "--registry", "sandbox=http://127.0.0.1:1", *arguments],
        env={**os.environ, **environment(), **variables, "SYMPHONY_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"Error: {refused}"), ended.stderr
    assert bytes(range(32)).hex() not in ended.stderr
    assert "Traceback" not in ended.stderr
    assert row_counts(fresh_database) == before
    books = Books(fresh_database)
    assert books.rows(f"select count(*), count(claimed_by) from ({WAITING.replace('count(*)', '*')}) as q") == [(1, 0)]
