"""Idempotency over HTTP: one instruction, one answer, byte for byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.ingress_bench import A, B, Bench, counts, instruction, prepare, rows, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def dsn(database_url: str) -> str:
    """One database for this module."""
    asyncio.run(prepare(database_url))
    return database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(dsn: str) -> AsyncIterator[Bench]:
    async with serving(dsn) as running:
        yield running


async def test_the_same_key_from_sixteen_clients_at_once_is_one_instruction(bench: Bench) -> None:
    answers = await asyncio.gather(*(bench.client.post(instruction("sixteen"), key="K-sixteen") for _ in range(16)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.raw for answer in answers}) == 1, "byte-identical"
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    found = await rows(
        bench.dsn, "select count(*) from outbox.payment_instructions where instruction_id = 'INV-sixteen'"
    )
    assert found == [(1,)]


async def test_two_ingresses_and_one_key(bench: Bench) -> None:
    async with serving(bench.dsn) as second:
        for n in range(20):
            pair = await asyncio.gather(
                *(one.client.post(instruction(f"two-{n}"), key=f"K-two-{n}") for one in (bench, second))
            )
            assert [answer.status for answer in pair] == [202, 202]
            assert pair[0].raw == pair[1].raw
    found = await rows(
        bench.dsn,
        "select count(*) from outbox.payment_instructions where starts_with(instruction_id, 'INV-two-')",
    )
    assert found == [(20,)]


async def test_a_replay_long_after_repeats_the_bytes(bench: Bench) -> None:
    first = await bench.client.post(instruction("after"), key="K-after")
    async with serving(bench.dsn) as another:
        replay = await another.client.post(instruction("after"), key="K-after")
    assert (replay.status, replay.raw) == (202, first.raw)
    assert replay.headers["Idempotency-Replayed"] == "true"


async def test_other_content_is_a_conflict_with_an_attestation_and_nothing_else(bench: Bench) -> None:
    await bench.client.post(instruction("conflict"), key="K-conflict")
    other = [
        (instruction("conflict", amount="125.51"), "K-conflict"),
        (instruction("conflict", remittance="invoice 8"), "K-conflict"),
        (instruction("conflict-2"), "K-conflict"),
        (instruction("conflict", amount="125.51"), "K-conflict-other"),
    ]
    for body, key in other:
        before = await counts(bench.dsn)
        answer = await bench.client.post(body, key=key)
        assert (answer.status, answer.reason) == (409, "IDEMPOTENCY_CONFLICT")
        after = await counts(bench.dsn)
        grown = {table: after[table] - before[table] for table in after if after[table] != before[table]}
        assert grown == {"ingress.ingress_attestations": 1}
        attested = await rows(
            bench.dsn,
            "select decision::text, reason_code from ingress.ingress_attestations where attestation_id = %s",
            answer.json["attestation_id"],
        )
        assert attested == [("REJECT", "IDEMPOTENCY_CONFLICT")]


async def test_another_key_for_the_same_instruction_is_a_replay(bench: Bench) -> None:
    first = await bench.client.post(instruction("rekeyed"), key="K-rekeyed-1")
    second = await bench.client.post(instruction("rekeyed"), key="K-rekeyed-2")
    assert (second.status, second.raw) == (202, first.raw)
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_another_participant_with_the_same_ids_is_separate(bench: Bench) -> None:
    mine = await bench.client.post(instruction("shared"), key="K-shared", participant=A)
    theirs = await bench.client.post(instruction("shared"), key="K-shared", participant=B)
    assert (mine.status, theirs.status) == (202, 202)
    assert "Idempotency-Replayed" not in theirs.headers
    assert mine.json["outbox_id"] != theirs.json["outbox_id"]


async def test_json_reordered_respaced_and_reescaped_is_the_same_content(bench: Bench) -> None:
    body = instruction("forms", remittance="café €5")
    first = await bench.client.post(body, key="K-forms")
    backwards = dict(reversed(body.items()))
    variants = [
        json.dumps(backwards, indent=4).encode(),
        json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        json.dumps(body).replace("sandbox", "s\\u0061ndbox").encode(),
        b"\r\n\t " + json.dumps(body).encode() + b"\n",
        json.dumps({**body, "amount": "00125.5"}).encode(),
    ]
    for variant in variants:
        replay = await bench.client.post(variant, key="K-forms")
        assert (replay.status, replay.raw) == (202, first.raw)
        assert replay.headers["Idempotency-Replayed"] == "true"


async def test_every_replay_is_attested(bench: Bench) -> None:
    await bench.client.post(instruction("attested"), key="K-attested")
    for _ in range(3):
        await bench.client.post(instruction("attested"), key="K-attested")
    found = await rows(
        bench.dsn,
        "select decision::text, count(*) from ingress.ingress_attestations"
        " where instruction_id = 'INV-attested' group by 1 order by 1",
    )
    assert sorted(found) == [("ACCEPT", 1), ("REPLAY", 3)]
