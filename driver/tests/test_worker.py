"""The worker as a process, on real PostgreSQL, with the sandbox rail's own ledger as judge."""

from __future__ import annotations

import json
import signal
import socket

import pytest

from symphony import api
from symphony.api.connection import Connection
from tests.payments import PARTICIPANTS, Books, accept, called, drained, references
from tests.sandbox_process import PARTIES, PERSONAL, SandboxProcess
from tests.worker_process import WorkerProcess, wait_for

pytest_plugins = ("tests.payment_fixtures",)
QUICK = ("--repair-interval-ms", "100")
TIMES_OUT = (*QUICK, "--call-timeout-ms", "3000")


async def test_everything_accepted_is_dispatched_once(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    with WorkerProcess(cell, rail.base_url) as worker:
        decisions = await accept(connection, 700)
        drained(books)
        wait_for(lambda: worker.metric('in_flight{rail="sandbox"}') == 0, "the worker has heard of its last commit")
        assert books.check(rail) == {"DISPATCHED": 700}
        assert worker.metric('attempts_total{rail="sandbox",state="DISPATCHED"}') == 700
        assert worker.metric("wakeup_latency_seconds_count") == 700
        assert worker.metric('batch_size_sum{point="claim"}') == 700
        assert worker.metric('batch_size_sum{point="completion"}') == 700
        assert worker.metric("claim_batches_total") < 700
        assert PERSONAL not in worker.log()
    assert all(rail.executions(reference) == 1 for reference in references(decisions)[:5])


async def test_a_call_that_certainly_did_not_happen_is_tried_again(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "unavailable", "first": 30})
    with WorkerProcess(cell, rail.base_url, *QUICK):
        await accept(connection, 20)
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 20}
    assert books.states()["RETRYABLE"] == 30


async def test_the_retry_ceiling_ends_in_failed_without_any_execution(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "unavailable"})
    with WorkerProcess(cell, rail.base_url, *QUICK):
        (decision,) = await accept(connection, 1)
        drained(books)
    assert books.check(rail) == {"FAILED": 1}
    assert books.story(references([decision])[0]).count("RETRYABLE") == 8


@pytest.mark.parametrize(
    "kind",
    [
        "timeout_after_success",
        "5xx_after_success",
        pytest.param("drop_connection_after_success", marks=pytest.mark.slow),
        pytest.param("garbage_answer", marks=pytest.mark.slow),
    ],
)
async def test_an_uncertain_answer_is_enquired_and_not_sent_again(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books, kind: str
) -> None:
    rail.set_faults({"kind": kind, "first": 5}, {"kind": "not_idempotent"})
    with WorkerProcess(cell, rail.base_url, *TIMES_OUT):
        decisions = await accept(connection, 10)
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 10}
    struck = [r for r in references(decisions) if any(call[3] == kind for call in rail.calls(r))]
    assert len(struck) == 5
    for reference in struck:
        assert [call[0] for call in rail.calls(reference)] == ["SUBMIT", "QUERY"]


async def test_an_unknown_reference_is_sent_again_only_after_the_settle_time(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "timeout_before_effect", "first": 1}, {"kind": "not_idempotent"})
    with WorkerProcess(cell, rail.base_url, *TIMES_OUT):
        (decision,) = await accept(connection, 1)
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
    phases = [phase for phase, *_ in rail.calls(*references([decision]))]
    assert (phases[0], phases[-1], phases.count("SUBMIT")) == ("SUBMIT", "SUBMIT", 2)
    assert "QUERY" in phases
    ((claims, between_s),) = books.rows(
        "select count(*), extract(epoch from max(recorded_at) - min(recorded_at))::float8"
        " from outbox.payment_outbox_attempts where outbox_id = %s and state = 'DISPATCHING'",
        decision.outbox_id,
    )
    assert (claims, between_s > 3.0 + 0.7) == (2, True), "the call's time-out, then the settle time"


async def test_an_exhausted_enquiry_goes_to_a_person(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "5xx_after_success"}, {"kind": "pending_for", "ms": 600_000})
    with WorkerProcess(cell, rail.base_url, *QUICK):
        (decision,) = await accept(connection, 1)
        drained(books)
    assert books.check(rail) == {"PENDING_MANUAL": 1}
    reference = references([decision])[0]
    assert books.cases() == {reference: "OUTCOME_UNCERTAIN"}
    assert [call[0] for call in rail.calls(reference)] == ["SUBMIT", *["QUERY"] * 5]


async def test_killed_before_the_call_reached_the_rail(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "not_idempotent"})
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:  # takes connections, reads nothing
        silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with WorkerProcess(cell, silent_url, "--call-timeout-ms", "60000") as victim:
            await accept(connection, 3)
            wait_for(lambda: books.leased() == 3, "leased by the victim")
            victim.kill9()
    books.end_leases()
    with WorkerProcess(cell, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 3}
    assert books.states()["ZOMBIE_REQUEUE"] == 3


async def test_killed_during_the_call(cell: str, connection: Connection, rail: SandboxProcess, books: Books) -> None:
    rail.set_faults({"kind": "slow", "ms": 60_000, "first": 3}, {"kind": "not_idempotent"})
    with WorkerProcess(cell, rail.base_url, "--call-timeout-ms", "60000") as victim:
        decisions = await accept(connection, 3)
        wait_for(lambda: called(rail, decisions) == 3, "the rail has the calls")
        victim.kill9()
    books.end_leases()
    with WorkerProcess(cell, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 3}
    assert books.states()["ZOMBIE_REQUEUE"] == 3


async def test_the_judge_sees_a_second_execution(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    with WorkerProcess(cell, rail.base_url):
        (decision,) = await accept(connection, 1)
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
    rail.set_faults({"kind": "not_idempotent"})
    parties = json.loads(PARTIES)
    payment = {
        "reference": references([decision])[0],
        "amount": "125.50",
        "currency": "ZMW",
        "purpose": "SALA",
        "creditor": {**parties["creditor"], "participant_id": PARTICIPANTS[1]},
        "debtor": parties["debtor"],
        "remittance": parties["remittance"],
    }
    assert rail.call("POST", "/payments", payment)[0] == 200
    with pytest.raises(AssertionError, match="not executed"):
        books.check(rail)


@pytest.mark.parametrize("session_dies", [False, True])
async def test_killed_after_the_call_before_its_answer_was_recorded(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books, session_dies: bool
) -> None:
    rail.set_faults({"kind": "slow", "ms": 4_000, "first": 1}, {"kind": "not_idempotent"})
    waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    sessions = "select 1 from pg_stat_activity where datname = current_database() and application_name ~ '^symphony'"
    victim_runs = WorkerProcess(cell, rail.base_url, "--call-timeout-ms", "60000")
    async with await api.connect(cell, application_name="test holder") as holder:
        with victim_runs as victim:
            (decision,) = await accept(connection, 1)
            wait_for(lambda: books.leased() == 1, "leased")
            async with holder.transaction():
                await holder.execute("select from outbox.payment_outbox_in_flight for update")
                wait_for(lambda: bool(books.rows(waiting)), "the answer waits to be recorded")
                assert rail.executions(references([decision])[0]) == 1
                victim.kill9()
                if session_dies:
                    books.rows(f"select pg_terminate_backend(w.pid, 20000) from ({waiting}) as w")
    wait_for(lambda: not books.rows(sessions), "the victim's sessions have ended")
    books.end_leases()
    with WorkerProcess(cell, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
    if session_dies:
        assert books.states()["ZOMBIE_REQUEUE"] == 1


async def test_sigterm_finishes_and_records_calls_under_way(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 4_000})
    with WorkerProcess(cell, rail.base_url, "--in-flight", "10") as worker:
        decisions = await accept(connection, 30)
        wait_for(lambda: called(rail, decisions) == 10, "the rail has ten calls")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        assert worker.events("worker_stopped")
        assert not worker.events("answers_not_recorded")
    assert books.leased() == 0
    assert books.states()["DISPATCHED"] == 10
    assert books.open_items() == 20, "the rest stays queued"
    rail.set_faults()
    with WorkerProcess(cell, rail.base_url):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 30}


async def test_sigterm_leaves_a_call_that_outlasts_the_grace_to_an_enquiry(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 60_000, "first": 1})
    with WorkerProcess(cell, rail.base_url, "--call-timeout-ms", "60000", "--grace-ms", "200") as worker:
        (decision,) = await accept(connection, 1)
        wait_for(lambda: called(rail, [decision]) == 1, "the rail has the call")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
    query = "select next_action::text from outbox.payment_outbox_pending where outbox_id = %s"
    assert books.rows(query, decision.outbox_id) == [("ENQUIRE",)]
    with WorkerProcess(cell, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
    assert "ZOMBIE_REQUEUE" not in books.story(references([decision])[0])


async def test_a_second_sigterm_ends_the_process_at_once(
    cell: str, connection: Connection, rail: SandboxProcess, books: Books
) -> None:
    rail.set_faults({"kind": "slow", "ms": 60_000, "first": 1})
    with WorkerProcess(cell, rail.base_url, "--call-timeout-ms", "60000") as worker:
        (decision,) = await accept(connection, 1)
        wait_for(lambda: called(rail, [decision]) == 1, "the rail has the call")
        worker.signal(signal.SIGTERM)
        wait_for(lambda: bool(worker.events("worker_stopping")), "stopping")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 143
    assert books.leased() == 1
    books.end_leases()
    with WorkerProcess(cell, rail.base_url, *QUICK):
        drained(books)
    assert books.check(rail) == {"DISPATCHED": 1}
