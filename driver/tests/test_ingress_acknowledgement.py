"""No acknowledgement without a commit: commits held, refused, cut off; servers and ingresses killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio

from tests.held_commits import at_commit, commits_wait, nothing_at_commit, until_waiting
from tests.ingress_bench import A, Bench, counts, instruction, prepare, recorded, rows, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def dsn(database_url: str) -> str:
    """One database for this module."""
    asyncio.run(prepare(database_url))
    return database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(dsn: str) -> AsyncIterator[Bench]:
    async with serving(dsn, breaker_failures=100) as running:
        yield running


async def test_no_answer_while_the_participant_is_locked_by_another_session(bench: Bench) -> None:
    assert (await bench.client.post(instruction("lock-0"), key="K-lock-0")).status == 202
    async with await psycopg.AsyncConnection.connect(bench.dsn) as other:
        await other.execute(
            "select from outbox.participant_outbox_sequences where participant_id = %s for update", (A,)
        )
        posting = asyncio.create_task(bench.client.post(instruction("lock-1"), key="K-lock-1"))
        await asyncio.sleep(0.3)
        assert not posting.done()
        assert await recorded(bench.dsn, "INV-lock-1") == 0
        await other.rollback()
    assert (await posting).status == 202
    assert await recorded(bench.dsn, "INV-lock-1") == 1


async def test_no_answer_while_the_commit_is_held(bench: Bench) -> None:
    async with commits_wait(bench.dsn):
        posting = asyncio.create_task(bench.client.post(instruction("held"), key="K-held"))
        await until_waiting(bench.dsn)
        await asyncio.sleep(0.2)
        assert not posting.done()
        assert await recorded(bench.dsn, "INV-held") == 0
    assert (await posting).status == 202
    assert await recorded(bench.dsn, "INV-held") == 1


async def test_a_failing_commit_is_a_503_and_records_nothing(bench: Bench) -> None:
    before = await counts(bench.dsn)
    await at_commit(bench.dsn, "raise exception 'no' using errcode = '53100';")
    try:
        answers = await asyncio.gather(
            *(bench.client.post(instruction(f"refused-{n}"), key=f"K-refused-{n}") for n in range(5))
        )
    finally:
        await nothing_at_commit(bench.dsn)
    assert {(answer.status, answer.reason) for answer in answers} == {(503, "DATABASE_UNAVAILABLE")}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert await counts(bench.dsn) == before
    again = await bench.client.post(instruction("refused-0"), key="K-refused-0")
    assert again.status == 202
    assert "Idempotency-Replayed" not in again.headers


async def test_a_killed_backend_is_a_503_and_the_retry_is_clean(bench: Bench) -> None:
    async with commits_wait(bench.dsn):
        posting = [
            asyncio.create_task(bench.client.post(instruction(f"killed-{n}"), key=f"K-killed-{n}")) for n in range(5)
        ]
        pids = await until_waiting(bench.dsn)
        for pid in pids:
            await rows(bench.dsn, "select pg_terminate_backend(%s)", pid)
        first = await posting[0]
        assert first.status == 503
        assert first.reason in {"OUTCOME_UNKNOWN", "DATABASE_UNAVAILABLE"}
        assert int(first.headers["Retry-After"]) >= 1
        assert await recorded(bench.dsn, "INV-killed-0") == 0
    await asyncio.gather(*posting)
    retried = await asyncio.gather(
        *(bench.client.post(instruction(f"killed-{n}"), key=f"K-killed-{n}") for n in range(5))
    )
    assert [answer.status for answer in retried] == [202] * 5
    assert "Idempotency-Replayed" not in retried[0].headers
    assert [await recorded(bench.dsn, f"INV-killed-{n}") for n in range(5)] == [1] * 5


async def test_an_answer_lost_after_the_commit_is_repeated(bench: Bench) -> None:
    async with commits_wait(bench.dsn):
        posting = asyncio.create_task(bench.client.post(instruction("lost"), key="K-lost"))
        await until_waiting(bench.dsn)
        posting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await posting
    async with asyncio.timeout(30):
        while not await recorded(bench.dsn, "INV-lost"):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    retried = await bench.client.post(instruction("lost"), key="K-lost")
    assert retried.status == 202
    assert retried.headers["Idempotency-Replayed"] == "true"
    assert await recorded(bench.dsn, "INV-lost") == 1


async def test_a_poisoned_item_alone_is_refused(bench: Bench) -> None:
    await at_commit(
        bench.dsn,
        "if new.amount_minor = 66600 then"
        " raise exception 'no' using errcode = 'check_violation', constraint = 'c'; end if;",
    )
    try:
        answer = await bench.client.batch(
            [instruction(f"poison-{n}", amount="666.00" if n == 7 else "1.00") for n in range(20)],
            key="poison",
        )
    finally:
        await nothing_at_commit(bench.dsn)
    results = answer.json["results"]
    assert [result["status"] for result in results] == [500 if n == 7 else 202 for n in range(20)]
    assert results[7]["reason_code"] == "ITEM_UNRECORDABLE"
    query = "select decision::text, reason_code from ingress.ingress_attestations where attestation_id = %s"
    assert await rows(bench.dsn, query, results[7]["attestation_id"]) == [("REJECT", "ITEM_UNRECORDABLE")]
    assert [await recorded(bench.dsn, f"INV-poison-{n}") for n in range(20)] == [int(n != 7) for n in range(20)]
    assert bench.service.breaker.state.name == "CLOSED"


def batches(bench: Bench) -> tuple[float, float]:
    """How many batches were flushed, and how many items in all."""
    registry, labels = bench.metrics.registry, {"point": "ingest"}
    number = registry.get_sample_value("batch_size_count", labels)
    return number or 0.0, registry.get_sample_value("batch_size_sum", labels) or 0.0


async def test_batches_fill_while_a_flush_runs(bench: Bench) -> None:
    before = batches(bench)
    answers = await asyncio.gather(
        *(bench.client.post(instruction(f"load-{n}"), key=f"K-load-{n}") for n in range(300))
    )
    assert {answer.status for answer in answers} == {202}
    number, total = (after - before for after, before in zip(batches(bench), before, strict=True))
    assert total == 300
    assert number < 100, "300 concurrent requests share batches"


async def test_executors_are_woken_after_the_commit(bench: Bench) -> None:
    await bench.service.engine.waker.close()  # nothing of before is still to be announced
    async with await psycopg.AsyncConnection.connect(bench.dsn, autocommit=True) as listener:
        await listener.execute("listen symphony_outbox_due")
        assert (await bench.client.post(instruction("wake"), key="K-wake")).status == 202
        assert [note async for note in listener.notifies(timeout=20, stop_after=1)]
        await bench.service.engine.waker.close()
        async for _ in listener.notifies(timeout=0.2):
            pass  # the trailing ones
        assert (await bench.client.post(b"{", key="K-wake-not")).status == 400
        assert [note async for note in listener.notifies(timeout=0.3, stop_after=1)] == []


async def test_a_drained_stop_answers_what_it_took(dsn: str) -> None:
    async with serving(dsn) as bench:
        async with commits_wait(dsn):
            posting = [
                asyncio.create_task(bench.client.post(instruction(f"drain-{n}"), key=f"K-drain-{n}")) for n in range(4)
            ]
            await until_waiting(dsn)
            async with asyncio.timeout(30):
                while bench.service.ingress.in_flight < 4:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
            stopping = asyncio.create_task(bench.service.stop())
            await asyncio.sleep(0.1)
            assert not stopping.done()
        answers = await asyncio.gather(*posting)
        assert {answer.status for answer in answers} == {202}
        await stopping
