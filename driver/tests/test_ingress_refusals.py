"""Refusals: every one named and attested, and a flood of them bounded."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.ingress_bench import (
    HEAD,
    A,
    B,
    Bench,
    conforms,
    counts,
    instruction,
    last_attestation,
    prepare,
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


BAD: dict[str, tuple[bytes | dict[str, object], str, int]] = {
    "not JSON": (b'{"instruction_id":', "JSON_INVALID", 400),
    "two documents": (b"{}{}", "JSON_INVALID", 400),
    "byte order mark": (b"\xef\xbb\xbf{}", "JSON_INVALID", 400),
    "lone surrogate": (b'{"instruction_id":"\\ud800"}', "JSON_INVALID", 400),
    "NUL": (b'{"instruction_id":"\\u0000"}', "JSON_INVALID", 400),
    "NaN": (b'{"amount":NaN}', "JSON_INVALID", 400),
    "duplicate member": (b'{"rail":"a","\\u0072ail":"b"}', "JSON_DUPLICATE_MEMBER", 400),
    "empty": (b"", "JSON_INVALID", 400),
    "an array": (b"[]", "SCHEMA_INVALID", 422),
    "unknown member": (instruction("bad", colour="red"), "SCHEMA_INVALID", 422),
    "number amount": (instruction("bad", amount=1.5), "SCHEMA_INVALID", 422),
    "Arabic digits": (instruction("bad", amount="١٢"), "AMOUNT_INVALID", 422),
    "three places": (instruction("bad", amount="1.005"), "AMOUNT_DECIMALS", 422),
    "zero": (instruction("bad", amount="0.00"), "AMOUNT_ZERO", 422),
    "currency": (instruction("bad", currency="ZZZ"), "CURRENCY_INVALID", 422),
    "alias": (
        instruction("bad", creditor={"alias": {"type": "MBNO", "value": "+2609712345678"}}),
        "PROXY_INVALID_FORMAT",
        422,
    ),
    "alias type": (
        instruction("bad", creditor={"alias": {"type": "TELE", "value": "+260971234567"}}),
        "PROXY_TYPE_UNSUPPORTED",
        422,
    ),
    "rail": (instruction("bad", rail="other"), "RAIL_NOT_ALLOWED", 403),
    "limit": (instruction("bad", amount="1000000.01"), "LIMIT_TRANSACTION", 422),
    "currency not allowed": (instruction("bad", currency="USD"), "CURRENCY_NOT_ALLOWED", 422),
    "creditor": (
        instruction("bad", creditor={"account": "1", "participant_id": "ZM-BANK-X"}),
        "CREDITOR_PARTICIPANT_UNKNOWN",
        422,
    ),
}


@pytest.mark.parametrize("name", list(BAD))
async def test_bad_input_gets_a_named_reason_and_an_attestation(bench: Bench, name: str) -> None:
    body, reason, status = BAD[name]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    before = await counts(bench.dsn)
    answer = await bench.client.post(raw, key="K-bad")
    assert (answer.status, answer.reason) == (status, reason)
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = conforms(answer, "Problem")
    attested = await last_attestation(bench.dsn, problem["correlation_id"])
    assert attested[:3] == (A, "REJECT", reason)
    assert bytes(attested[4]) == hashlib.sha256(raw).digest()
    assert str(attested[7]) == problem["attestation_id"]
    after = await counts(bench.dsn)
    changed = {table: after[table] - before[table] for table in after if after[table] != before[table]}
    assert changed == {"ingress.ingress_attestations": 1}
    assert b"260971234567" not in answer.raw


HEADERS: dict[str, tuple[dict[str, Any], str, int]] = {
    "no key": ({"key": None}, "IDEMPOTENCY_KEY_MISSING", 400),
    "long key": ({"key": "k" * 65}, "IDEMPOTENCY_KEY_INVALID", 400),
    "key with a comma": ({"key": "a, b"}, "IDEMPOTENCY_KEY_INVALID", 400),
    "text/plain": ({"key": "K", "media": "text/plain"}, "MEDIA_TYPE_UNSUPPORTED", 415),
    "no media type": ({"key": "K", "media": None}, "MEDIA_TYPE_UNSUPPORTED", 415),
    "utf-16": ({"key": "K", "media": "application/json; charset=utf-16"}, "MEDIA_TYPE_UNSUPPORTED", 415),
    "gzip": ({"key": "K", "headers": {"Content-Encoding": "gzip"}}, "CONTENT_CODING_UNSUPPORTED", 415),
    "no participant": ({"key": "K", "participant": None}, "IDENTITY_MISSING", 401),
    "a bad participant": ({"key": "K", "participant": "zm bank"}, "IDENTITY_MISSING", 401),
    "unknown participant": ({"key": "K", "participant": "ZM-BANK-X"}, "PARTICIPANT_UNKNOWN", 403),
}


@pytest.mark.parametrize("name", list(HEADERS))
async def test_bad_headers_get_a_named_reason_and_an_attestation(bench: Bench, name: str) -> None:
    options, reason, status = HEADERS[name]
    raw = json.dumps(instruction("headers")).encode()
    body = gzip.compress(raw) if name == "gzip" else raw
    answer = await bench.client.post(body, **options)
    assert (answer.status, answer.reason) == (status, reason)
    problem = conforms(answer, "Problem")
    participant, decision, attested_reason, *_ = await last_attestation(bench.dsn, problem["correlation_id"])
    expected = "-" if reason == "IDENTITY_MISSING" else options.get("participant", A)
    assert (participant, decision, attested_reason) == (expected, "REJECT", reason)
    if status == 401:
        assert "WWW-Authenticate" in answer.headers
    assert (await bench.client.get("/v1/instructions/INV-headers")).status == 404


async def test_charset_utf_8_is_the_same_media_type(bench: Bench) -> None:
    answer = await bench.client.post(instruction("charset"), key="K-charset", media="Application/JSON; charset=UTF-8")
    assert answer.status == 202


@pytest.mark.parametrize("body", [b"[]", b'{"instructions":[]}', b'{"instructions":{}}', b'{"x":[]}'])
async def test_a_malformed_batch_is_refused_as_a_whole(bench: Bench, body: bytes) -> None:
    answer = await bench.client.post(body, key="K", path="/v1/instructions/batch")
    assert (answer.status, answer.reason) == (422, "SCHEMA_INVALID")
    attested = await last_attestation(bench.dsn, answer.json["correlation_id"])
    assert attested[:3] == (A, "REJECT", "SCHEMA_INVALID")


async def test_a_flood_of_refusals_is_answered_but_bounded_in_the_ledger(dsn: str) -> None:
    async with serving(dsn, reject_attestations_per_s=0.1, reject_attestations_burst=10) as bench:
        before = await counts(dsn)
        answers = await asyncio.gather(*(bench.client.post(b"{", key="K") for _ in range(60)))
        assert {(answer.status, answer.reason) for answer in answers} == {(400, "JSON_INVALID")}
        attested = sum("attestation_id" in answer.json for answer in answers)
        after = await counts(dsn)
        assert attested == 10
        assert after["ingress.ingress_attestations"] - before["ingress.ingress_attestations"] == 10
        assert bench.shed("reject_flood") == 50
        other = await bench.client.post(b"{", key="K", participant=B)
        assert "attestation_id" in other.json


async def test_too_many_refused_instructions_slow_only_their_participant_down(dsn: str) -> None:
    async with serving(dsn, refused_decisions_per_s=0.1, refused_decisions_burst=5) as bench:
        bad = [instruction(f"refused-{n}", rail="other") for n in range(20)]
        answer = await bench.client.batch(bad, key="refused")
        assert [result["status"] for result in answer.json["results"]] == [403] * 20
        slowed = await bench.client.post(instruction("slow"), key="K-slow")
        assert (slowed.status, slowed.reason) == (429, "TOO_MANY_REFUSALS")
        assert int(slowed.headers["Retry-After"]) >= 1
        assert (await bench.client.post(instruction("fast"), key="K-fast", participant=B)).status == 202
        assert bench.shed("refusals") == 1


async def test_too_many_requests_in_flight_are_shed(dsn: str) -> None:
    async with serving(dsn, max_in_flight_requests=1) as bench:
        reader, writer = await asyncio.open_connection("127.0.0.1", bench.service.port)
        writer.write(b"\r\n".join([*HEAD, b"Content-Length: 10"]) + b"\r\n\r\n{")
        await asyncio.sleep(0.1)
        answer = await bench.client.post(instruction("over"), key="K-over")
        assert (answer.status, answer.reason) == (503, "OVERLOADED")
        assert int(answer.headers["Retry-After"]) >= 1
        assert bench.shed("overload") == 1
        writer.close()
        del reader


async def test_one_connection_more_than_allowed_is_dropped(dsn: str) -> None:
    async with serving(dsn, max_connections=1) as bench:
        _, first = await asyncio.open_connection("127.0.0.1", bench.service.port)
        await asyncio.sleep(0.05)
        reader, second = await asyncio.open_connection("127.0.0.1", bench.service.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        first.close()
        second.close()
        await asyncio.sleep(0.05)
        assert (await bench.client.post(instruction("after"), key="K-after")).status == 202
        assert bench.shed("connections") == 1
