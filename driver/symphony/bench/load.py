"""The load of the core bench: items, and the two client loops that run in processes of their own."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Item
from symphony.api.rails import RailAnswer

PARTICIPANTS = 64
MOST_ITEMS_PER_SECOND = 25_000
RAIL = "bench"
PARTIES = (
    '{"creditor":{"account":"0001234567890","name":"Fictional Beneficiary Number One","agent":"ZMBANKXX"},'
    '"debtor":{"account":"9988776655443","name":"Fictional Trading Company Limited","agent":"ZMBANKYY"},'
    '"remittance":"Invoice 2026/11/000123, delivery of fictional goods to Lusaka, thank you for your order"}'
)
_DIGEST = hashlib.sha256(b"bench").digest()


def policy_document() -> dict[str, object]:
    """A policy whose limits never bind, so that the bench measures the path and not a refusal."""
    participant = {
        "tenant_id": "bench",
        "home_cell_id": "bench",
        "home_cell_epoch": 1,
        "status": "ACTIVE",
        "rails": [RAIL],
        "in_flight_cap": 100_000,
        "limits": [
            {
                "currency": "ZMW",
                "transaction_max_minor": "1000000000",
                "day_value_max_minor": "9000000000000000",
                "day_count_max": 1_000_000_000,
            }
        ],
    }
    return {
        "version": 1,
        "name": "bench",
        "time_zone": "Africa/Lusaka",
        "caps": {"in_flight_global": 100_000},
        "participants": [participant | {"participant_id": f"ZM-BENCH-{n}"} for n in range(PARTICIPANTS)],
        "rails": [
            {
                "rail": RAIL,
                "currencies": ["ZMW"],
                "in_flight_cap": 100_000,
                "lease_ms": 60_000,
                "settle_ms": 5_000,
                "retry_max": 8,
                "retry_base_ms": 1_000,
                "retry_cap_ms": 300_000,
                "enquiry_after_ms": [2_000, 10_000, 60_000],
            }
        ],
    }


def response_classes() -> dict[str, object]:
    """What the pretended rail's one answer means."""
    accepted = {"phase": "SUBMIT", "rail_code": "ACCEPTED", "answer_class": "ACCEPTED", "meaning": "accepted"}
    return {"rail": RAIL, "version": 1, "owner": "bench", "classes": [accepted]}


def make_items(count: int, *, lane: int, lanes: int) -> list[Item]:
    """`count` instructions of distinct ids over the participants of one lane (as the ingress's lanes have them)."""
    own = [f"ZM-BENCH-{n}" for n in range(PARTICIPANTS) if n % lanes == lane]
    now = datetime.now(UTC)
    return [
        Item(
            participant_id=own[n % len(own)],
            tenant_id="bench",
            instruction_id=f"I-{uuid.uuid4()}",
            idempotency_key=str(uuid.uuid4()),
            rail=RAIL,
            currency="ZMW",
            amount_minor=12_550,
            creditor_participant_id=None,
            end_to_end_id="E2E-BENCH",
            purpose="SALA",
            uetr=None,
            requires_proxy=False,
            parties=PARTIES,
            client_id="bench",
            cert_sha256=None,
            token_iss=None,
            token_aud=None,
            token_kid=None,
            token_jti_sha256=None,
            cnf=None,
            pop_mode="DEV_HEADER",
            body_sha256=_DIGEST,
            signature_key_id=None,
            signature_alg=None,
            db_role="symphony_ingest",
            correlation_id=uuid.UUID(int=n),
            received_at=now,
            verified_at=now,
        )
        for n in range(count)
    ]


@dataclass(frozen=True, slots=True)
class Tally:
    """What one client loop did: rows, the seconds it took, its own CPU, and each call's latency in milliseconds."""

    rows: int
    seconds: float
    client_cpu_seconds: float
    call_ms: list[float]
    rows_by_half: tuple[int, int]


async def record(
    dsn: str, *, seconds: float, batch: int, worker: int, barrier_at: float, lanes: int = 1, rows: int | None = None
) -> Tally:
    """Accept batches for `seconds`, or exactly `rows`."""
    connection = await api.connect(dsn, application_name=f"bench record {worker}", statement_timeout_ms=60_000)
    # Made beforehand: in service the items come out of HTTP requests, which `bench http` measures.
    supply = make_items(rows or int(seconds * MOST_ITEMS_PER_SECOND), lane=worker % lanes, lanes=lanes)
    await asyncio.sleep(max(0.0, barrier_at - time.time()))
    started, cpu, done, calls, half = time.perf_counter(), time.process_time(), 0, [], 0
    while done < len(supply) and (rows is not None or time.perf_counter() - started < seconds):
        items = supply[done : done + batch]
        before = time.perf_counter()
        decisions = await api.ingress.accept(connection, items=items)
        calls.append((time.perf_counter() - before) * 1000)
        if any(decision.decision != "ACCEPT" for decision in decisions):
            raise RuntimeError(f"the bench's items must be accepted: {decisions[0]}")
        done += len(items)
        half = done if time.perf_counter() - started < seconds / 2 else half
    return _tally(done, started, cpu, calls, half)


async def drain(dsn: str, *, seconds: float, batch: int, worker: int, barrier_at: float) -> Tally:
    """Claim and complete batches for `seconds`; the pretended rail accepts at once."""
    connection = await api.connect(dsn, application_name=f"bench drain {worker}", statement_timeout_ms=60_000)
    name = f"bench-{worker}-{os.getpid()}"
    await asyncio.sleep(max(0.0, barrier_at - time.time()))
    started, cpu, done, calls, half = time.perf_counter(), time.process_time(), 0, [], 0
    while time.perf_counter() - started < seconds:
        before = time.perf_counter()
        drained = await drain_once(connection, worker=name, batch=batch)
        if drained is None:
            await asyncio.sleep(0.002)
            continue
        calls.append((time.perf_counter() - before) * 1000)
        done += drained
        half = done if time.perf_counter() - started < seconds / 2 else half
    return _tally(done, started, cpu, calls, half)


async def drain_once(connection: Connection, *, worker: str, batch: int) -> int | None:
    """Claim and complete one batch; returns how many were dispatched, None when nothing was due."""
    claims = await api.outbox.claim_outbox_batch(connection, worker=worker, limit=batch, rail=RAIL, lease_ms=60_000)
    if not claims:
        return None
    answers = [
        RailAnswer(
            participant_id=claim.participant_id,
            outbox_id=claim.outbox_id,
            lease_token=claim.lease_token,
            rail=RAIL,
            phase="SUBMIT",
            rail_code="ACCEPTED",
            rail_reference=f"R-{claim.reference}",
            echoed_amount_minor=claim.amount_minor,
            echoed_currency=claim.currency,
            request_sha256=_DIGEST,
            response_sha256=_DIGEST,
            latency_us=900,
        )
        for claim in claims
    ]
    outcomes = await api.rails.record_answers(connection, worker=worker, answers=answers)
    return sum(outcome.outcome == "DISPATCHED" for outcome in outcomes)


async def plain(dsn: str, *, seconds: float, batch: int, worker: int, barrier_at: float) -> Tally:
    """The machine's own limit: plain batched INSERTs of one row per payment with the same payload bytes."""
    connection = await api.connect(dsn, application_name=f"bench limit {worker}", statement_timeout_ms=60_000)
    accounts, payloads = [f"ZM-BENCH-{n % PARTICIPANTS}" for n in range(batch)], [PARTIES] * batch
    await asyncio.sleep(max(0.0, barrier_at - time.time()))
    started, cpu, done, calls, half = time.perf_counter(), time.process_time(), 0, [], 0
    while time.perf_counter() - started < seconds:
        before = time.perf_counter()
        await api.bench.insert_plain(
            connection, accounts=accounts, numbers=list(range(done, done + batch)), payloads=payloads
        )
        calls.append((time.perf_counter() - before) * 1000)
        done += batch
        half = done if time.perf_counter() - started < seconds / 2 else half
    return _tally(done, started, cpu, calls, half)


def _tally(done: int, started: float, cpu: float, calls: list[float], half: int) -> Tally:
    return Tally(
        rows=done,
        seconds=time.perf_counter() - started,
        client_cpu_seconds=time.process_time() - cpu,
        call_ms=calls,
        rows_by_half=(half, done - half),
    )
