"""Workers against each other and against time: shared work, lost wake-ups, stopped processes, restarts."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.migrate import apply
from symphony.postgres_throwaway import Cluster
from tests.payments import Books, accept, activate, called, drained, establish, policy_document, references
from tests.sandbox_process import SandboxProcess
from tests.sql_cell import policy
from tests.stopped import stop, stopped
from tests.worker_process import WorkerProcess, wait_for

pytest_plugins = ("tests.payment_fixtures",)
WAITS_LONG = ("--poll-ms", "60000")


async def test_two_workers_share_the_work_and_execute_nothing_twice(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 30, "every_nth": 2}, {"kind": "not_idempotent"})
    small = ("--claim-batch", "10", "--in-flight", "20")
    with (
        WorkerProcess(cell, rail.base_url, *small) as one,
        WorkerProcess(cell, rail.base_url, *small) as other,
    ):
        number, deadline = 0, time.monotonic() + 60
        while number < 600 or books.workers("DISPATCHED") != {one.worker_id, other.worker_id}:
            assert time.monotonic() < deadline, "one of them does everything"
            await accept(connection, 200)
            number += 200
            drained(books)
    assert books.check(rail) == {"DISPATCHED": number}
    assert books.states() == {"DISPATCHING": number, "DISPATCHED": number}


async def test_caps_of_the_policy_hold_while_the_queue_drains_quickly(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    await activate(connection, policy_document(version=2, in_flight_cap=5))
    most = 0
    with (
        WorkerProcess(cell, rail.base_url, *WAITS_LONG) as one,
        WorkerProcess(cell, rail.base_url, "--poll-ms", "10") as other,
    ):
        with stopped(rail.process.pid):
            await accept(connection, 60)
            wait_for(lambda: books.leased() == 5, "as many under way as may be")
        while books.open_items():
            most = max(most, books.leased())
        await activate(connection, policy_document())
        for worker in (one, other):
            assert not worker.events("database_trouble_began"), "a full cap is no error"
    assert most <= 5
    assert books.check(rail) == {"DISPATCHED": 60}, "freed room is claimed without NOTIFY and long before the poll"


def listeners(books: Books) -> set[int]:
    """The sessions that listen."""
    query = "select pid from pg_stat_activity where query ilike 'listen%%' and datname = current_database()"
    return {int(row[0]) for row in books.rows(query)}


async def test_a_notify_wakes_an_idle_worker_long_before_its_poll(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    others = listeners(books)
    with WorkerProcess(cell, rail.base_url, *WAITS_LONG) as worker:
        wait_for(lambda: bool(listeners(books) - others), "listening")
        await asyncio.sleep(0.3)
        await accept(connection, 3)
        drained(books, seconds=30)
        wait_for(lambda: worker.metric("notify_wakeups_total") >= 1, "woken")
        assert worker.metric("poll_wakeups_total") == 0


async def test_a_lost_notify_is_found_by_the_poll(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    with WorkerProcess(cell, rail.base_url, "--poll-ms", "250") as worker:
        await asyncio.sleep(1.2)
        for _ in range(5):
            await accept(connection, 1, wake=False)
            drained(books, seconds=30)
        assert worker.metric("poll_wakeups_total") >= 5
        query = (
            "select extract(epoch from min(a.recorded_at - i.recorded_at)) * 1000"
            " from outbox.payment_instructions as i join outbox.payment_outbox_attempts as a"
            " using (participant_id, outbox_id) where a.state = 'DISPATCHING' and i.outbox_id > %s"
        )
        assert books.number(query, books.since) < 1_000, "the quickest of them: the poll interval and a moment"


async def test_the_listener_comes_back_after_its_session_is_ended(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    others = listeners(books)
    with WorkerProcess(cell, rail.base_url, *WAITS_LONG) as worker:
        wait_for(lambda: bool(listeners(books) - others), "listening")
        await accept(connection, 1)
        drained(books)
        await asyncio.sleep(0.5)  # it looks once more before it rests
        await accept(connection, 2, wake=False)  # announced to nobody
        await asyncio.sleep(0.3)
        assert books.open_items() == 2
        ended = listeners(books)
        books.rows("select pg_terminate_backend(pid, 30000) from unnest(%s::integer[]) as pid", list(ended))
        drained(books, seconds=30)
        wait_for(lambda: bool(listeners(books) - ended), "listening again")
        await accept(connection, 2)
        drained(books, seconds=30)
        wait_for(lambda: len(worker.events("database_trouble_ended")) == 1, "the end of the trouble is said")
        assert len(worker.events("database_trouble_began")) == 1


async def test_a_rail_no_policy_knows_is_said_and_not_ready(fresh_database: str, rail: SandboxProcess) -> None:
    async with await api.connect(fresh_database, application_name="test worker") as connection:
        await establish(connection, policy(rails=("backup",)))
        with WorkerProcess(fresh_database, rail.base_url) as worker:
            wait_for(lambda: bool(worker.events("database_trouble_began")), "trouble")
            (line,) = worker.events("database_trouble_began")
            assert (line["loop"], line["level"]) == ("claim", "error")
            assert "SN401" in line["error"]
            assert worker.readiness() == (503, "claims fail for rail sandbox; see the log")
            await activate(connection, policy(version=2))
            wait_for(lambda: worker.readiness() == (200, "ready"), "ready")


async def test_a_retired_rail_is_sent_nothing_and_its_uncertain_payments_are_enquired_about(
    fresh_database: str, rail: SandboxProcess
) -> None:
    rail.set_faults({"kind": "5xx_after_success", "first": 1})
    quick = ("--lease-ms", "10000", "--call-timeout-ms", "5000", "--repair-interval-ms", "100")
    async with await api.connect(fresh_database, application_name="test worker") as connection:
        await establish(connection, policy(rail={"enquiry_after_ms": [500, 500, 500], "lease_ms": 30_000}))
        (decision,) = await accept(connection, 1)
        books = Books(fresh_database)
        with WorkerProcess(fresh_database, rail.base_url, *quick) as worker:
            wait_for(lambda: called(rail, [decision]) == 1 and books.leased() == 0, "an uncertain answer")
            await activate(connection, policy(version=2, rails=("backup",)))
            drained(books)
            assert worker.readiness() == (200, "ready")
    assert books.story(references([decision])[0]) == ["DISPATCHING", "DISPATCHED"]


@pytest.mark.slow
async def test_a_long_call_keeps_its_lease_by_renewal(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    await activate(connection, policy_document(version=3, lease_ms=10_000))
    rail.set_faults({"kind": "slow", "ms": 8_000})
    arguments = ("--lease-ms", "3000", "--call-timeout-ms", "30000")
    try:
        with (
            WorkerProcess(cell, rail.base_url, *arguments),
            WorkerProcess(cell, rail.base_url, *arguments),
        ):
            await accept(connection, 5)
            drained(books)
    finally:
        await activate(connection, policy_document())
    assert books.check(rail) == {"DISPATCHED": 5}
    assert books.states() == {"DISPATCHING": 5, "DISPATCHED": 5}


async def test_a_stopped_worker_that_wakes_after_its_lease_writes_no_outcome(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 3_000, "first": 1}, {"kind": "not_idempotent"})
    arguments = ("--lease-ms", "1000", "--call-timeout-ms", "30000")
    with WorkerProcess(cell, rail.base_url, *arguments) as sleeper:
        (decision,) = await accept(connection, 1)
        wait_for(lambda: called(rail, [decision]) == 1, "the rail has the call")
        stop(sleeper.process.pid)
        # Its own lease is long: it is the sleeper's that ends.
        patient = ("--lease-ms", "10000", "--call-timeout-ms", "5000", "--repair-interval-ms", "100")
        with WorkerProcess(cell, rail.base_url, *patient) as other:
            drained(books)
            reference = references([decision])[0]
            story = books.story(reference)
            assert story == ["DISPATCHING", "ZOMBIE_REQUEUE", "DISPATCHED"]
            sleeper.signal(signal.SIGCONT)
            late = "select count(*) from rails.rail_messages where claimed_by = %s and outcome = 'LEASE_LOST'"
            wait_for(lambda: books.number(late, sleeper.worker_id) == 1, "its answer is kept as evidence")
            assert books.story(reference) == story, "and changes nothing"
            assert books.workers("DISPATCHED") == {other.worker_id}
        await accept(connection, 1)
        drained(books)
        wait_for(lambda: bool(sleeper.events("answer_after_lease")), "that it was too late is said")
    assert books.check(rail) == {"DISPATCHED": 2}


@asynccontextmanager
async def own_server() -> AsyncIterator[tuple[Cluster, str]]:
    """A server of this test alone, which may be stopped and killed; with an established cell."""
    cluster = Cluster()
    try:
        cluster.start()
        url = cluster.server.url(cluster.empty())
        yield cluster, url
    finally:
        cluster.stop()


@pytest.mark.slow
async def test_a_restarted_server_is_used_again_and_nothing_is_lost(rail: SandboxProcess) -> None:
    rail.set_faults({"kind": "slow", "ms": 50}, {"kind": "not_idempotent"})
    async with own_server() as (cluster, url):
        await apply(url)
        books = Books.beginning_now(url)
        connection = await api.connect(url, application_name="test worker")
        await establish(connection, policy_document())
        arguments = ("--lease-ms", "2000", "--claim-batch", "20", "--in-flight", "40")
        with WorkerProcess(url, rail.base_url, *arguments) as worker:
            await accept(connection, 400)
            await connection.close()
            wait_for(lambda: books.states().get("DISPATCHED", 0) > 50, "working")
            cluster.server.stop()
            await asyncio.sleep(1.0)
            cluster.server.start()
            drained(books)
            assert books.check(rail) == {"DISPATCHED": 400}
            began = [event["loop"] for event in worker.events("database_trouble_began")]
            assert len(began) == len(set(began)) <= 5, "one line for each loop's outage, not for each try"
            assert sum(1 for _ in worker.events("answer_given_up")) == 0
            worker.signal(signal.SIGTERM)
            assert worker.wait() == 0
