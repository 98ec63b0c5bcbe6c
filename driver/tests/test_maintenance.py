"""The maintenance loop: health becomes metrics, failures are counted and survived, SIGTERM ends it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from symphony.api import connect, ops, trust
from symphony.api.connection import Connection
from symphony.errors import SymphonyError
from symphony.maintenance import Duty, InvalidSettings, Maintenance, MaintenanceSettings
from symphony.metrics import CATALOGUE, Metrics
from symphony.postgres_throwaway import Cluster
from tests.payments import Books, establish
from tests.proxy_cell import accept_aliases, alias_hash, alias_item, claim_aliases, resolve
from tests.sql_cell import A, B, policy
from tests.until import until

DRIVER = Path(__file__).resolve().parents[1]
QUICK = MaintenanceSettings(
    health_interval_ms=100, partitions_interval_ms=200, upkeep_interval_ms=100, aliases_interval_ms=100, retry_ms=100
)
TASKS = ("health", "partitions", "replay", "logins", "proxy_cache", "aliases")
IMPATIENT = {
    "mode": "DEFER",
    "ttl_ms": 60_000,
    "pending_max_ms": 1_000,
    "sync_budget_ms": 500,
    "misses_per_hour_max": 100,
}
MAIN = "from symphony.maintenance_command import maintain; maintain()"


@pytest.fixture
def dead_url() -> Iterator[str]:
    """Where nobody listens: its port stays taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none"


def runs(metrics: Metrics, task: str, result: str) -> float:
    labels = {"task": task, "result": result}
    return metrics.registry.get_sample_value("maintenance_runs_total", labels) or 0.0


@pytest.mark.parametrize(
    ("name", "value"),
    [("months_ahead", 0), ("months_ahead", 25), ("health_interval_ms", 1), ("aliases_interval_ms", 1), ("retry_ms", 0)],
)
def test_settings_out_of_range_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(InvalidSettings, match=rf"^{name} is {value}; use a value from \d+ to \d+$"):
        MaintenanceSettings(**{name: value})


async def test_without_a_database_it_goes_on_counts_and_is_not_ready(dead_url: str) -> None:
    metrics = Metrics()
    work = Maintenance(database=dead_url, metrics=metrics, settings=QUICK)
    task = asyncio.create_task(work.run(announce_ready=pytest.fail))
    await until(lambda: min(runs(metrics, name, "failed") for name in TASKS) >= 2)
    assert work.not_ready() == "the database's health has not been read yet"
    labels = {"point": "maintain", "kind": "unavailable"}
    assert (metrics.registry.get_sample_value("database_errors_total", labels) or 0) >= 4
    work.stop()
    async with asyncio.timeout(30):
        await task


async def test_with_a_database_health_is_exported_and_goes_stale(database_url: str) -> None:
    metrics = Metrics()
    now_s = [1_000.0]
    work = Maintenance(database=database_url, metrics=metrics, settings=QUICK, clock=lambda: now_s[0])
    ready = asyncio.Event()
    task = asyncio.create_task(work.run(announce_ready=ready.set))
    async with asyncio.timeout(60):
        await ready.wait()
    assert work.not_ready() is None
    assert runs(metrics, "health", "ok") >= 1
    assert runs(metrics, "partitions", "ok") >= 1
    await until(lambda: min(runs(metrics, name, "ok") for name in TASKS) >= 1)
    assert metrics.registry.get_sample_value("clock_offset_seconds") == 0
    assert metrics.registry.get_sample_value("oldest_pending_age_seconds") == 0
    assert metrics.registry.get_sample_value("stuck_dispatching_count") == 0
    work.stop()
    async with asyncio.timeout(30):
        await task
    now_s[0] += 60
    assert "last read 60 s ago" in str(work.not_ready())


async def test_another_duty_is_done_and_its_trouble_is_not_the_databases(database_url: str) -> None:
    done: list[bool] = []

    async def work_or_fail(connection: Connection) -> None:
        done.append(not connection.closed)
        if len(done) == 1:
            raise SymphonyError("a source is away")

    metrics = Metrics()
    duty = Duty("revocation", work_or_fail, 100)
    work = Maintenance(database=database_url, metrics=metrics, settings=QUICK, duties=[duty])
    task = asyncio.create_task(work.run())
    await until(lambda: runs(metrics, "revocation", "ok") >= 1)
    work.stop()
    async with asyncio.timeout(30):
        await task
    assert all(done)
    assert runs(metrics, "revocation", "failed") == 1
    labels = {"point": "maintain", "kind": "unavailable"}
    assert metrics.registry.get_sample_value("database_errors_total", labels) is None


async def test_a_login_that_should_have_ended_is_counted(own_cluster: Cluster) -> None:
    """On a server of its own: logins are the whole server's."""
    url = own_cluster.server.url(own_cluster.clone())
    metrics = Metrics()
    work = Maintenance(database=url, metrics=metrics, settings=QUICK)
    async with await connect(url, application_name="test") as connection:
        await work._find_overdue_logins(connection)
        assert metrics.registry.get_sample_value("overdue_logins") == 0
        await connection.execute("create role \"lease-test\" login valid until '2026-01-01'")
        await work._find_overdue_logins(connection)
    assert metrics.registry.get_sample_value("overdue_logins") == 1


async def test_an_overdue_alias_is_voided_although_no_resolver_runs(fresh_database: str) -> None:
    async with await connect(fresh_database, application_name="test") as connection:
        await establish(connection, policy(participants={A: {"proxy": IMPATIENT}}))
        await accept_aliases(connection, alias_item("I-1"), alias_item("I-2", participant_id=B))
    books = Books(fresh_database)
    work = Maintenance(database=fresh_database, metrics=Metrics(), settings=QUICK)
    task = asyncio.create_task(work.run())
    await until(lambda: books.number("select count(*) from outbox.payment_outbox_attempts") == 1)
    work.stop()
    async with asyncio.timeout(30):
        await task
    query = "select participant_id, state::text, claimed_by from outbox.payment_outbox_attempts"
    assert books.rows(query) == [(A, "VOIDED", "symphony-maintain")]
    assert books.rows("select participant_id, kind, facts ->> 'waited' from evidence.cases") == [
        (A, "PROXY_UNRESOLVED", "pending_max_ms")
    ]
    assert books.rows("select participant_id from proxy.resolution_queue") == [(B,)], "who has patience still waits"


async def test_expired_answers_leave_the_cache_and_others_stay(fresh_database: str) -> None:
    async with await connect(fresh_database, application_name="test") as connection:
        await establish(connection, policy())
        numbers = [f"+26097123456{n}" for n in range(2)]
        await accept_aliases(connection, *(alias_item(f"I-{n}", number) for n, number in enumerate(numbers)))
        for lease, number in zip(await claim_aliases(connection), numbers, strict=True):
            await resolve(connection, [lease], value=number)
        await connection.execute(
            "update proxy.proxy_resolution_current set expires_at = clock_timestamp() - interval '15 minutes'"
            " where proxy_hash = %s",
            (alias_hash(numbers[0]),),
        )
    books = Books(fresh_database)
    assert books.number("select count(*) from proxy.proxy_resolution_current") == 2
    metrics = Metrics()
    work = Maintenance(database=fresh_database, metrics=metrics, settings=QUICK)
    task = asyncio.create_task(work.run())
    await until(lambda: runs(metrics, "proxy_cache", "ok") >= 1)
    work.stop()
    async with asyncio.timeout(30):
        await task
    assert books.rows("select proxy_hash from proxy.proxy_resolution_current") == [(alias_hash(numbers[1]),)]
    assert books.number("select count(*) from proxy.proxy_resolutions") == 2, "the ledger keeps both"


async def test_the_database_reports_every_gauge_and_nothing_else(database_url: str) -> None:
    connection = await connect(database_url, application_name="test")
    async with connection:
        await trust.retire_seen(connection)  # before the first time there is no horizon, so no age of it
        samples = await ops.health(connection)
    metrics = Metrics()
    assert metrics.update_from_health(samples) == []
    unlabelled = {name for name, spec in CATALOGUE.items() if not hasattr(metrics, name) and not spec.labels}
    assert unlabelled <= {sample.name for sample in samples}
    ahead = {s.labels["table"]: s.value for s in samples if s.name == "partitions_ahead_months"}
    assert len(ahead) >= 6
    assert min(ahead.values()) >= 3
    assert len({(s.name, *sorted(s.labels.items())) for s in samples}) == len(samples)


async def test_two_at_once_do_no_harm(database_url: str) -> None:
    sets = [Metrics(), Metrics()]
    works = [Maintenance(database=database_url, metrics=m, settings=QUICK) for m in sets]
    tasks = [asyncio.create_task(work.run()) for work in works]
    await until(lambda: min(runs(m, name, "ok") for m in sets for name in TASKS) >= 3)
    for work in works:
        work.stop()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_the_command_announces_itself_serves_metrics_and_ends_on_sigterm(database_url: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(DRIVER), "SYMPHONY_DATABASE_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", MAIN, "--health-interval-ms", "200",
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(90):
            ready = json.loads(await process.stdout.readline())
            assert ready["event"] == "ready"
            status, text = await asyncio.to_thread(get, ready["metrics_port"], "/metrics")
            assert status == 200
            assert "\nstuck_dispatching_count 0.0\n" in text
            assert await asyncio.to_thread(get, ready["metrics_port"], "/readyz") == (200, "ready\n")
            process.send_signal(signal.SIGTERM)
            _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    lines = [json.loads(line) for line in errors.decode().splitlines()]
    assert [line["event"] for line in lines][-1] == "maintenance stopped"
    assert database_url not in errors.decode()


async def test_a_bad_setting_is_a_usage_error() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, "--database-url", "postgresql://h/d", "--months-ahead", "99",
        env={**os.environ, "PYTHONPATH": str(DRIVER)}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"months_ahead is 99; use a value from 1 to 24" in errors
