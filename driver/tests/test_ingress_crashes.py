"""The database goes away or hangs, the ingress is killed: no false answer, and every retry is clean."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from typing import Any

import aiohttp
import psycopg
import pytest

from symphony.errors import DatabaseUnavailable
from symphony.ingress import recorder, service
from symphony.ingress.settings import IngressSettings
from symphony.metrics import Metrics
from symphony.postgres_throwaway import Cluster
from tests.held_commits import commits_wait, until_waiting
from tests.ingress_bench import A, Client, instruction, prepare, recorded, rows, serving
from tests.stopped import stopped


@pytest.fixture(scope="module")
def dsn(database_url: str) -> str:
    """One database for this module."""
    asyncio.run(prepare(database_url))
    return database_url


async def test_503_while_the_database_is_down_and_recovery_after(own_cluster: Cluster) -> None:
    server = own_cluster.server
    url = server.url(own_cluster.clone())
    await prepare(url)
    async with serving(url, pool_acquire_ms=200, breaker_probe_after_ms=5_000) as bench:
        assert (await bench.client.post(instruction("up"), key="K-up")).status == 202
        await asyncio.to_thread(server.stop)
        try:
            reasons = []
            for n in range(12):
                answer = await bench.client.post(instruction(f"down-{n}"), key=f"K-down-{n}")
                assert answer.status == 503
                assert int(answer.headers["Retry-After"]) >= 1
                reasons.append(answer.reason)
            assert set(reasons) <= {"OUTCOME_UNKNOWN", "DATABASE_UNAVAILABLE", "BREAKER_OPEN"}
            assert reasons[-1] == "BREAKER_OPEN"
            assert bench.shed("breaker") >= 1
            refused = await bench.client.post(b"{", key="K-bad")
            assert refused.status == 503, "a refusal that cannot be attested is not given"
        finally:
            await asyncio.to_thread(server.start)
        deadline = time.monotonic() + 60
        while (await bench.client.post(instruction("down-0"), key="K-down-0")).status != 202:
            assert time.monotonic() < deadline, "no recovery within a minute"
            await asyncio.sleep(0.1)
        assert bench.service.breaker.state.name == "CLOSED"
        found = await rows(url, "select instruction_id from outbox.payment_instructions order by 1")
        assert found == [("INV-down-0",), ("INV-up",)]


async def test_ready_means_that_a_batch_would_find_a_connection(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_FIRST_CONNECTION_S", 0.2)
    places = [dsn]  # for the look at the policy, and none after it

    def place() -> str:
        if not places:
            raise psycopg.OperationalError("no login")
        return places.pop()

    before = asyncio.all_tasks()
    with pytest.raises(DatabaseUnavailable):
        await service.start(place, host="127.0.0.1", port=0, settings=IngressSettings(), metrics=Metrics())
    assert not places
    assert asyncio.all_tasks() == before, "and nothing of it is left"


PARTIES = "outbox.instruction_parties"


async def test_a_month_without_a_partition_is_not_the_instructions_fault(fresh_database: str) -> None:
    await prepare(fresh_database)
    leaves = await rows(
        fresh_database,
        "select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass",
        PARTIES,
    )
    for (leaf,) in leaves:
        await rows(fresh_database, f"drop table {leaf}")
    async with serving(fresh_database, breaker_failures=100) as bench:
        answers = await asyncio.gather(*(bench.client.post(instruction(f"p-{n}"), key=f"K-p-{n}") for n in range(5)))
        assert {(answer.status, answer.reason) for answer in answers} == {(503, "DATABASE_UNAVAILABLE")}
        await prepare(fresh_database, policy=False)
        assert (await bench.client.post(instruction("p-0"), key="K-p-0")).status == 202


async def test_a_server_that_hangs_is_an_unknown_outcome_and_the_retry_is_clean(dsn: str) -> None:
    limits = {
        "statement_timeout_ms": 200,
        "transaction_timeout_ms": 200,
        "pool_acquire_ms": 50,
        "flush_timeout_ms": 400,
    }
    async with serving(dsn, breaker_failures=100, **limits) as bench:
        await bench.service.engine.pools.ingest.wait(timeout=60)  # it fills up behind the start
        found = await rows(
            dsn,
            "select pid from pg_stat_activity where application_name = 'symphony-ingress'"
            " and datname = current_database()",
        )
        assert len(found) >= IngressSettings().pool_size
        with stopped(*(pid for (pid,) in found)):
            answer = await asyncio.wait_for(bench.client.post(instruction("hang"), key="K-hang"), 30)
        assert (answer.status, answer.reason) == (503, "OUTCOME_UNKNOWN")
        deadline = time.monotonic() + 60
        while (retried := await bench.client.post(instruction("hang"), key="K-hang")).status != 202:
            assert retried.status == 503, "its limits are short: a slow answer is no answer, but never a false one"
            assert time.monotonic() < deadline, "no recovery within a minute"
            await asyncio.sleep(0.1)
        assert await recorded(dsn, "INV-hang") == 1


PROGRAM = "from symphony.ingress.command import ingress; ingress()"


async def spawn(dsn: str, *options: str) -> tuple[asyncio.subprocess.Process, dict[str, object]]:
    """Start the command as a process of its own and wait until it says it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *("--port", "0", "--metrics-port", "0"),
        *options,
        env={**os.environ, "SYMPHONY_DATABASE_URL": dsn, "SYMPHONY_ENVIRONMENT": "dev"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    return process, json.loads(line) if line else {}


async def test_kill_9_with_a_half_full_batch_and_a_clean_retry(dsn: str) -> None:
    process, ready = await spawn(dsn, "--dev")
    async with commits_wait(dsn), Client(f"http://127.0.0.1:{ready['port']}") as client:
        posting = [asyncio.create_task(client.post(instruction(f"nine-{n}"), key=f"K-nine-{n}")) for n in range(40)]
        await until_waiting(dsn)
        process.kill()
        await process.communicate()
        results: list[Any] = await asyncio.gather(*posting, return_exceptions=True)
        # No answer at all, or that it waited too long behind the two batches: nothing was acknowledged.
        assert all(isinstance(result, OSError | aiohttp.ClientError) or result.status == 503 for result in results)
        assert any(isinstance(result, OSError | aiohttp.ClientError) for result in results)
    async with serving(dsn) as bench:
        retried = await asyncio.gather(
            *(bench.client.post(instruction(f"nine-{n}"), key=f"K-nine-{n}") for n in range(40))
        )
    assert {answer.status for answer in retried} == {202}
    assert [await recorded(dsn, f"INV-nine-{n}") for n in range(40)] == [1] * 40
    sequences = await rows(
        dsn, "select count(*), max(sequence_id) from outbox.payment_instructions where participant_id = %s", A
    )
    assert sequences[0][0] == sequences[0][1], "no gap"


async def test_sigterm_ends_the_process_with_status_0(dsn: str) -> None:
    process, ready = await spawn(dsn, "--dev")
    assert ready["event"] == "ready"
    async with Client(f"http://127.0.0.1:{ready['port']}") as client:
        assert (await client.post(instruction("term"), key="K-term")).status == 202
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        errors = await asyncio.wait_for(process.stderr.read(), 60)
    assert await process.wait() == 0
    assert b"Traceback" not in errors
    assert b"Chanda" not in errors


async def test_the_command_refuses_to_start_without_dev(dsn: str) -> None:
    process, ready = await spawn(dsn)
    assert ready == {}
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"must be told whom to believe; give --issuer, --audience, --origin, --jwks-url" in errors
