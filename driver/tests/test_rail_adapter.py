"""The sandbox rail's client adapter: what it sends, what it reads, what it refuses."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from symphony import rails
from symphony.api.outbox import Claim
from symphony.rails.adapter import Rail, RailClaim, RailMisconfigured, open_rail
from tests.raw_rail import RawServer, Reader, Writer, accepted, adapter, http_answer, options, raw_server
from tests.sandbox_process import PARTIES, PERSONAL, PaymentClaim, SandboxProcess

CLASSES = Path(rails.__file__).parent / "sandbox.responses.json"

SALT = b"sixteen-bytes-ok"  # the salt of PaymentClaim


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("rail") / "ledger.db") as process:
        yield process
    assert process.stderr() == ""


@pytest.fixture
def sandbox(shared: SandboxProcess) -> SandboxProcess:
    shared.set_faults()
    return shared


@pytest.fixture
async def rail(sandbox: SandboxProcess) -> AsyncIterator[Rail]:
    async with adapter(sandbox.base_url) as opened:
        yield opened


def test_claim_and_registry_fit_the_protocol(sandbox: SandboxProcess) -> None:
    def typed(claim: Claim) -> RailClaim:
        return claim

    assert {name for name in dir(RailClaim) if not name.startswith("_")} <= set(dir(Claim))
    with pytest.raises(RailMisconfigured, match=r"known rails: sandbox\. Check"):
        open_rail("zipss", options(sandbox.base_url))


@pytest.mark.parametrize(
    "base_url", ["", "127.0.0.1:1", "ftp://h", "http://u:p@h", "http://h?x=1", "http://h#x", "http://h:x"]
)
def test_a_base_url_that_cannot_work_is_refused_without_repeating_it(base_url: str) -> None:
    with pytest.raises(RailMisconfigured, match="rail sandbox: base_url") as refusal:
        open_rail("sandbox", options(base_url))
    assert "u:p" not in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"total_timeout_ms": 200}, "total_timeout_ms must exceed connect_timeout_ms"),
        ({"connect_timeout_ms": 0}, "connect_timeout_ms is below 1"),
        ({"max_connections": 0}, "max_connections is below 1"),
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, int], said: str) -> None:
    with pytest.raises(RailMisconfigured, match=said):
        options("http://h", **changes)


async def test_an_accepted_payment_is_echoed_hashed_and_timed() -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        while True:
            await server.read(reader)
            await asyncio.sleep(0.02)
            writer.write(http_answer(accepted(claim.reference)))

    claim = PaymentClaim()
    async with raw_server(converse) as server, adapter(server.base_url) as rail:
        began = time.monotonic()
        reply = await rail.submit(claim)
        took_us = (time.monotonic() - began) * 1_000_000
        asked = await rail.query(claim)
    (line, sent), (asked_line, _) = server.requests
    parties = json.loads(PARTIES)
    assert line == "POST /payments HTTP/1.1"
    assert json.loads(sent) == {
        "reference": claim.reference,
        "amount": "125.50",
        "currency": "ZMW",
        "end_to_end_id": "E2E-1",
        "purpose": "SALA",
        "creditor": {**parties["creditor"], "participant_id": "ZM-BANK-B"},
        "debtor": parties["debtor"],
        "remittance": parties["remittance"],
    }
    assert asked_line == f"GET /payments/{claim.reference} HTTP/1.1"
    assert (reply.rail_code, reply.rail_reference) == ("ACCEPTED", "SBX-1")
    assert (reply.echoed_amount_minor, reply.echoed_currency) == (12_550, "ZMW")
    assert reply.request_sha256 == hashlib.sha256(SALT + sent).digest()
    assert reply.response_sha256 == hashlib.sha256(SALT + json.dumps(accepted(claim.reference)).encode()).digest()
    assert asked.request_sha256 == hashlib.sha256(SALT + f"GET /payments/{claim.reference}".encode()).digest()
    assert 20_000 <= reply.latency_us <= took_us
    assert server.connections == 1


@pytest.mark.parametrize(
    ("amount_minor", "currency", "wire"),
    [
        (1, "ZMW", "0.01"),
        (500, "UGX", "500"),
        (1_234, "KWD", "1.234"),
        (2**53 - 1, "USD", "90071992547409.91"),
    ],
)
async def test_amounts_have_the_places_of_their_currency(
    sandbox: SandboxProcess, rail: Rail, amount_minor: int, currency: str, wire: str
) -> None:
    claim = PaymentClaim(amount_minor=amount_minor, currency=currency)
    reply = await rail.submit(claim)
    query = "select amount, currency from executions where reference = ?"
    assert sandbox.rows(query, claim.reference) == [(wire, currency)]
    assert (reply.echoed_amount_minor, reply.echoed_currency) == (amount_minor, currency)


REFERENCE = "0" * 32
GOOD = accepted(REFERENCE)
ANSWERS: list[tuple[str, int, bytes | dict[str, Any], str]] = [
    ("good", 200, GOOD, "ACCEPTED"),
    ("not JSON", 200, b"OK", "UNREADABLE_ANSWER"),
    ("empty", 200, b"", "UNREADABLE_ANSWER"),
    ("not an object", 200, json.dumps([GOOD]).encode(), "UNREADABLE_ANSWER"),
    ("not UTF-8", 200, b'{"status":"\xff"}', "UNREADABLE_ANSWER"),
    ("member twice", 200, json.dumps(GOOD).encode()[:-1] + b',"status":"ACCEPTED"}', "UNREADABLE_ANSWER"),
    ("nested", 200, b"[" * 60_000, "UNREADABLE_ANSWER"),
    ("too long", 200, {**GOOD, "padding": "x" * 70_000}, "UNREADABLE_ANSWER"),
    ("other reference", 200, accepted("1" * 32), "UNREADABLE_ANSWER"),
    *[
        (f"no {name}", 200, {key: value for key, value in GOOD.items() if key != name}, "UNREADABLE_ANSWER")
        for name in GOOD
    ],
    ("unknown status", 200, {**GOOD, "status": "FINE"}, "UNREADABLE_ANSWER"),
    ("float amount", 200, {**GOOD, "amount": 125.5}, "UNREADABLE_ANSWER"),
    ("places", 200, {**GOOD, "amount": "125.501"}, "UNREADABLE_ANSWER"),
    ("currency", 200, {**GOOD, "currency": "ZZZ"}, "UNREADABLE_ANSWER"),
    ("rail reference", 200, {**GOOD, "rail_reference": "a\nb"}, "UNREADABLE_ANSWER"),
    ("reject", 200, {"status": "REJECTED", "reference": REFERENCE, "code": "AC04"}, "REJECTED_AC04"),
    ("reject code", 200, {"status": "REJECTED", "reference": REFERENCE, "code": "x y"}, "UNREADABLE_ANSWER"),
    ("stranger's reject", 200, {"status": "REJECTED", "code": "AC04"}, "UNREADABLE_ANSWER"),
    ("pending", 200, {"status": "PENDING", "reference": REFERENCE}, "PENDING"),
    ("unavailable", 503, {"status": "UNAVAILABLE", "reference": REFERENCE}, "UNAVAILABLE"),
    ("stranger's unavailable", 503, {"status": "UNAVAILABLE"}, "UNREADABLE_ANSWER"),
    ("proxy's 503", 503, b"<html>", "HTTP_503"),
    ("empty 500", 500, b"", "HTTP_500"),
    ("accepted with 503", 503, GOOD, "HTTP_503"),
    ("unavailable with 500", 500, {"status": "UNAVAILABLE", "reference": REFERENCE}, "HTTP_500"),
    ("accepted with 201", 201, GOOD, "HTTP_201"),
    ("proxy's 404", 404, b"<html>", "HTTP_404"),
    ("not found", 404, {"status": "NOT_FOUND", "reference": REFERENCE}, "NOT_FOUND"),
    ("not found with 200", 200, {"status": "NOT_FOUND", "reference": REFERENCE}, "UNREADABLE_ANSWER"),
]


@pytest.mark.parametrize(("status", "body", "code"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
async def test_answers_are_read_strictly(status: int, body: bytes | dict[str, Any], code: str) -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        await server.read(reader)
        writer.write(http_answer(body, status=status))
        await writer.drain()

    async with raw_server(converse) as server, adapter(server.base_url) as rail:
        for call in (rail.submit, rail.query):
            assert (await call(PaymentClaim(reference=REFERENCE))).rail_code == code


async def test_an_endless_answer_and_a_broken_head_are_unreadable() -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        if (await server.read(reader))[0].startswith("GET"):
            writer.write(b"nonsense\r\n\r\n")
            return
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    async with raw_server(converse) as server, adapter(server.base_url) as rail:
        assert (await rail.submit(PaymentClaim())).rail_code == "UNREADABLE_ANSWER"
        assert (await rail.query(PaymentClaim())).rail_code == "UNREADABLE_ANSWER"


async def test_other_content_under_a_used_reference_is_named_and_not_executed(
    sandbox: SandboxProcess, rail: Rail
) -> None:
    claim = PaymentClaim()
    await rail.submit(claim)
    assert (await rail.submit(PaymentClaim(reference=claim.reference, amount_minor=1))).rail_code == (
        "REFERENCE_REUSED"
    )
    assert sandbox.executions(claim.reference) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"parties": None},
        {"parties": PERSONAL},
        {"parties": "[]"},
        {"parties": '{"creditor":{"account":"1"}}'},
        {"parties": PARTIES[:-1] + "\ud800}"},
        {"currency": "XAU"},
        {"amount_minor": 0},
    ],
)
async def test_a_claim_that_cannot_be_put_on_the_wire_is_refused_before_the_call(
    sandbox: SandboxProcess, rail: Rail, changes: dict[str, Any]
) -> None:
    claim = PaymentClaim(**changes)
    reply = await rail.submit(claim)
    assert reply.rail_code == "REFUSED_BEFORE_CALL"
    assert sandbox.calls(claim.reference) == []


def test_the_response_classes_cover_what_the_adapter_can_say_for_certain() -> None:
    document = json.loads(CLASSES.read_text())
    assert (document["rail"], document["version"]) == ("sandbox", 1)
    assert document["owner"]
    classes = {(row["phase"], row["rail_code"]): row["answer_class"] for row in document["classes"]}
    assert len(classes) == len(document["classes"])
    assert all(row["meaning"].endswith(".") for row in document["classes"])
    assert set(classes.values()) == {"ACCEPTED", "REJECTED", "NOT_SENT", "UNCERTAIN", "NOT_FOUND"}
    assert [key for key, said in classes.items() if said == "NOT_SENT"] == [("SUBMIT", "UNAVAILABLE")]
    assert [key for key, said in classes.items() if said == "NOT_FOUND"] == [("QUERY", "NOT_FOUND")]
    rejects = ["AC01", "AC03", "AC04", "AC06", "AM02", "AM04", "AG01", "BE23", "RR04"]
    for phase in ("SUBMIT", "QUERY"):
        assert classes[phase, "ACCEPTED"] == "ACCEPTED"
        codes = {code for (at, code), said in classes.items() if at == phase and said == "REJECTED"}
        assert codes == {f"REJECTED_{code}" for code in rejects}
    certain_of_every_rail = {"CONNECT_FAILED", "TIMEOUT", "CONNECTION_LOST", "UNREADABLE_ANSWER"}
    assert certain_of_every_rail.isdisjoint(code for _, code in classes)
