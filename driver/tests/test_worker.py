"""The worker as a process, on real PostgreSQL, with the sandbox rail's own ledger as judge."""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from symphony import api
from symphony.api.connection import Connection
from tests.payments import Books, accept, establish, policy_document, references
from tests.sandbox_process import PERSONAL, SandboxProcess
from tests.worker_process import WorkerProcess, wait_for

QUICK = ("--lease-ms", "1000", "--call-timeout-ms", "400")


@pytest.fixture
def rail(tmp_path: Path) -> Iterator[SandboxProcess]:
    """A fresh sandbox rail."""
    with SandboxProcess(tmp_path / "rail.db", "--synchronous", "off") as process:
        yield process


@pytest.fixture
async def connection(fresh_database: str) -> AsyncIterator[Connection]:
    """A connection of the superuser to an empty, established cell."""
    opened = await api.connect(fresh_database, application_name="test worker")
    await establish(opened, policy_document())
    yield opened
    await opened.close()


@pytest.fixture
def books(fresh_database: str) -> Books:
    """The judge's view of the same database."""
    return Books(fresh_database)


def drained(books: Books, *, seconds: float = 20.0) -> None:
    wait_for(lambda: books.open_items() == 0, f"drained; {books.states()}", seconds=seconds)


async def test_everything_accepted_is_dispatched_once(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    with WorkerProcess(fresh_database, rail.base_url) as worker:
        decisions = await accept(connection, 700)
        drained(books)
        assert books.check(rail) == {"DISPATCHED": 700}
        assert worker.metric('attempts_total{rail="sandbox",state="DISPATCHED"}') == 700
        assert worker.metric("wakeup_latency_seconds_count") == 700
        assert worker.metric('in_flight{rail="sandbox"}') == 0
        assert worker.metric('batch_size_sum{point="claim"}') == 700
        assert worker.metric('batch_size_sum{point="completion"}') == 700
        assert worker.metric("claim_batches_total") < 700
        assert PERSONAL not in worker.log()
    assert all(rail.executions(reference) == 1 for reference in references(decisions)[:5])


async def test_a_call_that_certainly_did_not_happen_is_tried_again(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "unavailable", "first": 30})
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        await accept(connection, 20)
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 20}
    assert books.states()["RETRYABLE"] == 30


async def test_the_retry_ceiling_ends_in_failed_without_any_execution(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "unavailable"})
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        (decision,) = await accept(connection, 1)
        drained(books)
    assert books.check(rail) == {"FAILED": 1}
    assert books.story(references([decision])[0]).count("RETRYABLE") == 8


@pytest.mark.parametrize(
    "kind", ["timeout_after_success", "5xx_after_success", "drop_connection_after_success", "garbage_answer"]
)
async def test_an_uncertain_answer_is_enquired_and_not_sent_again(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books, kind: str
) -> None:
    rail.set_faults({"kind": kind, "first": 5}, {"kind": "not_idempotent"})
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        decisions = await accept(connection, 10)
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 10}
    struck = [r for r in references(decisions) if any(call[3] == kind for call in rail.calls(r))]
    assert len(struck) == 5
    for reference in struck:
        assert [call[0] for call in rail.calls(reference)] == ["SUBMIT", "QUERY"]


async def test_an_unknown_reference_is_sent_again_only_after_the_settle_time(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "timeout_before_effect", "first": 1}, {"kind": "not_idempotent"})
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        (decision,) = await accept(connection, 1)
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
    phases = [call[0] for call in rail.calls(references([decision])[0])]
    assert phases[0] == "SUBMIT"
    assert phases[-1] == "SUBMIT"
    assert phases.count("QUERY") >= 2, "enquired until the settle time had passed"


async def test_an_exhausted_enquiry_goes_to_a_person(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "5xx_after_success"}, {"kind": "pending_for", "ms": 600_000})
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        (decision,) = await accept(connection, 1)
        drained(books)
    assert books.check(rail) == {"PENDING_MANUAL": 1}
    reference = references([decision])[0]
    assert books.cases() == {reference: "OUTCOME_UNCERTAIN"}
    assert [call[0] for call in rail.calls(reference)] == ["SUBMIT", *["QUERY"] * 6]


async def test_killed_before_the_call_reached_the_rail(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "not_idempotent"})
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:  # takes connections, reads nothing
        silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with WorkerProcess(fresh_database, silent_url, "--lease-ms", "1000", "--call-timeout-ms", "5000") as victim:
            await accept(connection, 3)
            wait_for(lambda: books.leased() == 3, "leased by the victim")
            victim.kill9()
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 3}
    assert books.states()["ZOMBIE_REQUEUE"] == 3


async def test_killed_during_the_call(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 900, "first": 3}, {"kind": "not_idempotent"})
    with WorkerProcess(fresh_database, rail.base_url, "--lease-ms", "1000", "--call-timeout-ms", "5000") as victim:
        await accept(connection, 3)
        wait_for(lambda: len(rail.rows("select 1 from calls")) == 3, "the rail has the calls")
        victim.kill9()
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 3}
    assert books.states()["ZOMBIE_REQUEUE"] == 3


@pytest.mark.parametrize("commit_survives", [True, False])
async def test_killed_after_the_call_before_its_answer_was_recorded(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books, commit_survives: bool
) -> None:
    rail.set_faults({"kind": "slow", "ms": 400, "first": 1}, {"kind": "not_idempotent"})
    holder = await api.connect(fresh_database, application_name="test holder")
    with WorkerProcess(fresh_database, rail.base_url, "--lease-ms", "2000", "--call-timeout-ms", "5000") as victim:
        await accept(connection, 1)
        wait_for(lambda: books.leased() == 1, "leased")
        async with holder.transaction():
            await holder.execute("select from outbox.payment_outbox_in_flight for update")
            waiting = (
                "select pid from pg_stat_activity where wait_event_type = 'Lock' and pid <> pg_backend_pid()"
            )
            wait_for(lambda: bool(books.rows(waiting)), "the answer waits to be recorded")
            assert len(rail.rows("select 1 from executions")) == 1
            victim.kill9()
            if not commit_survives:
                books.rows(f"select pg_terminate_backend(w.pid, 5000) from ({waiting}) as w")
    await holder.close()
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
    assert books.states().get("ZOMBIE_REQUEUE", 0) == (0 if commit_survives else 1)


async def test_sigterm_finishes_and_records_calls_under_way(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 600})
    with WorkerProcess(fresh_database, rail.base_url, "--in-flight", "10") as worker:
        await accept(connection, 30)
        wait_for(lambda: len(rail.rows("select 1 from calls")) == 10, "the rail has ten calls")
        worker.signal(signal.SIGTERM)
        assert worker.wait(seconds=5) == 0
        assert worker.events("worker_stopped")
        assert not worker.events("answers_not_recorded")
    assert books.leased() == 0
    assert books.states()["DISPATCHED"] == 10
    assert books.open_items() == 20, "the rest stays queued"


async def test_sigterm_leaves_a_call_that_outlasts_the_grace_to_an_enquiry(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 5_000, "first": 1})
    with WorkerProcess(fresh_database, rail.base_url, "--grace-ms", "200") as worker:
        (decision,) = await accept(connection, 1)
        wait_for(lambda: len(rail.rows("select 1 from calls")) == 1, "the rail has the call")
        worker.signal(signal.SIGTERM)
        assert worker.wait(seconds=5) == 0
    status = books.rows("select next_action::text from outbox.payment_outbox_pending")
    assert status == [("ENQUIRE",)]
    with WorkerProcess(fresh_database, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
    assert "ZOMBIE_REQUEUE" not in books.story(references([decision])[0])


async def test_a_second_sigterm_ends_the_process_at_once(
    fresh_database: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 5_000, "first": 1})
    with WorkerProcess(fresh_database, rail.base_url) as worker:
        await accept(connection, 1)
        wait_for(lambda: len(rail.rows("select 1 from calls")) == 1, "the rail has the call")
        worker.signal(signal.SIGTERM)
        wait_for(lambda: bool(worker.events("worker_stopping")), "stopping")
        worker.signal(signal.SIGTERM)
        assert worker.wait(seconds=2) == 143
    assert books.leased() == 1
