"""The HTTP contract over a real database: answers, states, batches, and what must hold at the start."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
import pytest_asyncio

from symphony import api
from symphony.ingress import openapi
from symphony.ingress.identity import StartRefused
from symphony.ingress.reasons import REGISTERED
from symphony.ingress.service import start
from symphony.ingress.settings import IngressSettings
from symphony.metrics import Metrics
from tests.ingress_bench import (
    A,
    B,
    Bench,
    conforms,
    counts,
    instruction,
    last_attestation,
    policy_document,
    prepare,
    rows,
    serving,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def dsn(database_url: str) -> str:
    """One database for this module."""
    asyncio.run(prepare(database_url))
    return database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(dsn: str) -> AsyncIterator[Bench]:
    """One ingress for this module."""
    async with serving(dsn, reject_attestations_burst=10_000) as running:
        yield running


async def test_the_openapi_document_is_itself_valid_and_served(bench: Bench) -> None:
    answer = await bench.client.get("/v1/openapi.json", participant=None)
    assert answer.status == 200
    assert answer.json == openapi.document()
    for schema in openapi.document()["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_reasons_are_the_registered_ones(dsn: str) -> None:
    registered = await rows(
        dsn,
        "select reason_code, http_status, meaning, next_action from core.reasons where http_status <> 202",
    )
    assert {code: tuple(reason) for code, reason in REGISTERED.items()} == {row[0]: row[1:] for row in registered}


async def test_one_instruction_is_recorded_and_answered(bench: Bench) -> None:
    before = await counts(bench.dsn)
    body = json.dumps(instruction("one")).encode()
    answer = await bench.client.post(body, key="K-one")
    assert answer.status == 202
    assert answer.headers["Content-Type"] == "application/json"
    assert "Idempotency-Replayed" not in answer.headers
    accepted = conforms(answer, "Accepted")
    assert list(accepted) == [
        "instruction_id",
        "outbox_id",
        "sequence_id",
        "state",
        "received_at",
        "policy_version",
        "attestation_id",
        "receipt_hash",
    ]
    after = await counts(bench.dsn)
    assert {table: after[table] - before[table] for table in after} == dict.fromkeys(after, 1)
    recorded = await rows(
        bench.dsn,
        "select outbox_id::text, sequence_id, amount_minor, attestation_id::text, encode(commitment, 'hex'),"
        " policy_version from outbox.payment_instructions"
        " where participant_id = %s and instruction_id = 'INV-one'",
        A,
    )
    assert recorded == [
        (
            accepted["outbox_id"],
            accepted["sequence_id"],
            12_550,
            accepted["attestation_id"],
            accepted["receipt_hash"],
            accepted["policy_version"],
        )
    ]
    attested = await last_attestation(bench.dsn, answer.headers["Symphony-Correlation-Id"])
    assert attested[:2] == (A, "ACCEPT")
    assert bytes(attested[4]) == hashlib.sha256(body).digest()
    assert attested[5:7] == ("DEV_HEADER", "symphony_ingest")


async def test_the_state_can_be_read_only_by_its_participant(bench: Bench) -> None:
    await bench.client.post(instruction("a/b:c"), key="K-state")
    for path in ("/v1/instructions/INV-a/b:c", "/v1/instructions/INV-a%2Fb%3Ac"):
        answer = await bench.client.get(path)
        assert answer.status == 200
        status = conforms(answer, "Status")
        assert (status["state"], status["amount"], status["attempts"]) == ("PENDING", "125.50", 0)
    for path, participant in (("INV-a/b:c", B), ("INV-unknown", A), ("%00", A), ("x" * 65, A)):
        answer = await bench.client.get(f"/v1/instructions/{path}", participant=participant)
        assert (answer.status, answer.reason) == (404, "INSTRUCTION_UNKNOWN")
        conforms(answer, "Problem")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", "/v1/instructions", 405, "POST"),
        ("GET", "/v1/instructions", 405, "POST"),
        ("OPTIONS", "/v1/instructions/batch", 405, "GET, POST"),
        ("DELETE", "/v1/instructions/INV-1", 405, "GET"),
        ("POST", "/v1/instructions/INV-1", 405, "GET"),
        ("POST", "/v1/openapi.json", 405, "GET"),
        ("GET", "/", 404, None),
        ("POST", "/v2/instructions", 404, None),
        ("GET", "/metrics", 404, None),
    ],
)
async def test_unknown_resources_and_methods(
    bench: Bench, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = await bench.client.get(path, method=method)
    assert answer.status == status
    assert answer.headers.get("Allow") == allow
    conforms(answer, "Problem")


async def test_a_batch_judges_every_item_alone_and_answers_in_order(bench: Bench) -> None:
    await bench.client.post(instruction("b-known", amount="9.00"), key="K-b-known")
    items: list[dict[str, object]] = [
        instruction("b-1"),
        instruction("b-2", amount="1.005"),
        instruction("b-3", idempotency_key="own-key"),
        instruction("b-1"),
        instruction("b-4", idempotency_key="own-key"),
        instruction("b-known", amount="8.00"),
        instruction("b-5", rail="other"),
        {"instruction_id": "b-6"},
    ]
    answer = await bench.client.batch(items, key="run-1")
    assert answer.status == 200
    results = conforms(answer, "BatchResults")["results"]
    assert [result["status"] for result in results] == [202, 422, 202, 202, 409, 409, 403, 422]
    assert results[1]["pointer"] == "/instructions/1/amount"
    assert results[3] == {**results[0], "idempotency_replayed": True}
    keys = await rows(
        bench.dsn,
        "select idempotency_key from outbox.payment_instructions"
        " where instruction_id in ('INV-b-1', 'INV-b-3') order by instruction_id",
    )
    assert keys == [("run-1/INV-b-1",), ("own-key",)]
    again = await bench.client.batch(items, key="run-1")
    assert [result["status"] for result in again.json["results"]] == [202, 422, 202, 202, 409, 409, 403, 422]
    assert again.json["results"][2] == {**results[2], "idempotency_replayed": True}


async def test_a_batch_of_five_hundred_and_no_more(bench: Bench) -> None:
    items = [instruction(f"many-{n}") for n in range(500)]
    answer = await bench.client.batch(items, key="many")
    assert answer.status == 200
    results = answer.json["results"]
    assert [result["instruction_id"] for result in results] == [f"INV-many-{n}" for n in range(500)]
    sequence = sorted(result["sequence_id"] for result in results)
    assert sequence == list(range(sequence[0], sequence[0] + 500))
    answer = await bench.client.batch([*items, instruction("many-500")], key="many")
    assert (answer.status, answer.reason) == (422, "BATCH_TOO_LARGE")


async def test_a_halt_answers_503_with_retry_after_and_a_replay_still_works(bench: Bench) -> None:
    first = await bench.client.post(instruction("halt-1"), key="K-halt-1")
    async with await api.connect(bench.dsn, application_name="test") as connection:
        halt_id = await api.policy.halt(connection, scope="GLOBAL", operator="test", reason="drill")
        try:
            halted = await bench.client.post(instruction("halt-2"), key="K-halt-2")
            replay = await bench.client.post(instruction("halt-1"), key="K-halt-1")
        finally:
            await api.policy.lift_halt(connection, halt_id=halt_id, operator="test", reason="drill over")
    assert (halted.status, halted.reason) == (503, "HALTED_GLOBAL")
    assert int(halted.headers["Retry-After"]) >= 30
    assert (replay.status, replay.raw) == (202, first.raw)
    assert (await bench.client.post(instruction("halt-2"), key="K-halt-2")).status == 202


async def test_without_an_active_policy_the_ingress_does_not_start(fresh_database: str) -> None:
    await prepare(fresh_database, policy=False)
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 0,
        "settings": IngressSettings(),
        "metrics": Metrics(),
    }
    with pytest.raises(StartRefused, match="no policy version is ACTIVE"):
        await start(fresh_database, **options)
    async with await api.connect(fresh_database, application_name="test") as connection:
        await api.policy.propose(connection, document=policy_document(), operator="test")
    with pytest.raises(StartRefused, match="no policy version is ACTIVE"):
        await start(fresh_database, **options)


async def test_a_port_in_use_is_named(bench: Bench) -> None:
    with pytest.raises(StartRefused, match=f"127.0.0.1:{bench.service.port} cannot be bound"):
        await start(
            bench.dsn,
            host="127.0.0.1",
            port=bench.service.port,
            settings=IngressSettings(),
            metrics=Metrics(),
        )
