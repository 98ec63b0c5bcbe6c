"""A real ingress in front of a real database, and the clients that tests use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import jsonschema
import psycopg

from symphony import api
from symphony.ingress import openapi, service
from symphony.ingress.aliases import AliasSource
from symphony.ingress.settings import IngressSettings
from symphony.metrics import Metrics

A = "ZM-BANK-A"
B = "ZM-BANK-B"
COUNTED = (
    "ingress.ingress_attestations",
    "outbox.payment_instructions",
    "outbox.instruction_parties",
    "outbox.idempotency_ledger",
    "outbox.payment_outbox_pending",
)


# Limits that a loaded machine keeps too; a test about a limit names it.
PATIENT = {
    "pool_acquire_ms": 20_000,
    "max_queue_wait_ms": 30_000,
    "statement_timeout_ms": 30_000,
    "transaction_timeout_ms": 30_000,
    "flush_timeout_ms": 60_000,
    "body_timeout_ms": 30_000,
}
HEAD = [
    b"POST /v1/instructions HTTP/1.1",
    b"Host: 127.0.0.1",
    b"Content-Type: application/json",
    b"Symphony-Participant: ZM-BANK-A",
    b"Idempotency-Key: K-raw",
]


def policy_document(version: int = 1) -> dict[str, object]:
    """A policy with two participants on the sandbox rail and limits that tests do not reach by accident."""
    limits = [
        {
            "currency": "ZMW",
            "transaction_max_minor": 100_000_000,
            "day_value_max_minor": 10**14,
            "day_count_max": 10**9,
        }
    ]
    participant = {
        "tenant_id": "tenant-1",
        "home_cell_id": "cell-1",
        "home_cell_epoch": 1,
        "status": "ACTIVE",
        "in_flight_cap": 1_000,
        "rails": ["sandbox"],
        "limits": limits,
    }
    return {
        "version": version,
        "time_zone": "UTC",
        "caps": {"in_flight_global": 10_000},
        "rails": [
            {
                "rail": "sandbox",
                "currencies": ["ZMW"],
                "in_flight_cap": 1_000,
                "lease_ms": 30_000,
                "settle_ms": 1_000,
                "retry_max": 8,
                "retry_base_ms": 1_000,
                "retry_cap_ms": 300_000,
                "enquiry_after_ms": [2_000, 10_000],
            }
        ],
        "participants": [{**participant, "participant_id": name} for name in (A, B)],
    }


async def prepare(dsn: str, *, policy: bool = True) -> None:
    """Make a migrated database a cell with partitions and, unless told otherwise, an ACTIVE policy."""
    async with await api.connect(dsn, application_name="test-prepare") as connection:
        await connection.execute("select core.establish_cell(p_cell_id => 'cell-1', p_epoch => 1)")
        await api.ops.ensure_partitions(connection, months_ahead=1)
        if policy:
            document = policy_document()
            checksum = await api.policy.propose(connection, document=document, operator="test")
            await api.policy.activate(connection, version=1, checksum=checksum, operator="test")


def instruction(number: int | str, **members: object) -> dict[str, object]:
    """The wire form of one instruction; `members` replace or add top-level members."""
    return {
        "instruction_id": f"INV-{number}",
        "rail": "sandbox",
        "amount": "125.50",
        "currency": "ZMW",
        "debtor": {"name": "Chanda Mwila", "account": "ZM-1-001"},
        "creditor": {"name": "Bwalya Phiri", "account": "ZM-2-002", "participant_id": B},
        "remittance": "invoice 7",
        **members,
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, its body as received."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def reason(self) -> str:
        return str(self.json["reason_code"])


class Client:
    """Sends requests to one ingress."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._session.close()

    async def post(
        self,
        body: object,
        *,
        key: str | None,
        path: str = "/v1/instructions",
        participant: str | None = A,
        media: str | None = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """POST a body: bytes as they are, anything else as JSON."""
        sent = dict(headers or {})
        if key is not None:
            sent["Idempotency-Key"] = key
        if participant is not None:
            sent["Symphony-Participant"] = participant
        if media is not None:
            sent["Content-Type"] = media
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        skip = [] if media is not None else ["Content-Type"]
        async with self._session.post(self.base + path, data=data, headers=sent, skip_auto_headers=skip) as response:
            return Answer(response.status, dict(response.headers), await response.read())

    async def batch(self, items: list[dict[str, object]], *, key: str, participant: str = A) -> Answer:
        """POST a batch."""
        return await self.post({"instructions": items}, key=key, path="/v1/instructions/batch", participant=participant)

    async def get(self, path: str, *, participant: str | None = A, method: str = "GET") -> Answer:
        """GET a path."""
        headers = {} if participant is None else {"Symphony-Participant": participant}
        async with self._session.request(method, self.base + path, headers=headers) as response:
            return Answer(response.status, dict(response.headers), await response.read())


@dataclass(frozen=True, slots=True, repr=False)
class Bench:
    """A running ingress with its client, its metrics and its database."""

    dsn: str
    service: service.Service
    client: Client
    metrics: Metrics

    def shed(self, cause: str) -> float:
        """How many requests were shed for this cause."""
        return self.metrics.registry.get_sample_value("ingress_shed_total", {"cause": cause}) or 0.0


def patient(settings: dict[str, Any]) -> IngressSettings:
    """These settings, patient where they say nothing; those that name a time-out of the database stand alone."""
    short = settings.keys() & {"flush_timeout_ms", "transaction_timeout_ms"}
    return IngressSettings(**(settings if short else PATIENT | settings))


@asynccontextmanager
async def serving(dsn: str, aliases: AliasSource | None = None, /, **settings: Any) -> AsyncIterator[Bench]:
    """Run an ingress in this process; `aliases` answers aliases within requests."""
    metrics = Metrics()
    running = await service.start(
        dsn, host="127.0.0.1", port=0, settings=patient(settings), metrics=metrics, aliases=aliases
    )
    try:
        async with Client(f"http://127.0.0.1:{running.port}") as client:
            yield Bench(dsn, running, client, metrics)
    finally:
        await running.stop()


async def rows(dsn: str, query: str, *params: object) -> list[tuple[Any, ...]]:
    """What a query answers to the superuser."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(query.encode(), params)
        return await cursor.fetchall() if cursor.description else []


async def counts(dsn: str) -> dict[str, int]:
    """How many rows each table of the accept path holds."""
    query = "select " + ", ".join(f"(select count(*) from {table})" for table in COUNTED)
    return dict(zip(COUNTED, (await rows(dsn, query))[0], strict=True))


def conforms(answer: Answer, schema: str) -> Any:
    """Check a body that was really returned against the OpenAPI document, and return it."""
    document = openapi.document()
    root = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    validator = jsonschema.Draft202012Validator(root, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    body = answer.json
    validator.validate(body)
    return body


async def last_attestation(dsn: str, correlation_id: str) -> tuple[Any, ...]:
    """What was attested of one request."""
    found = await rows(
        dsn,
        "select participant_id, decision::text, reason_code, instruction_id, body_sha256, pop_mode::text,"
        " db_role, attestation_id from ingress.ingress_attestations where correlation_id = %s",
        correlation_id,
    )
    assert len(found) == 1
    return found[0]


async def exchange(bench: Bench, lines: list[bytes], body: bytes = b"", *, length: bool = False) -> bytes:
    """Send raw bytes and return all that comes back until the server closes, or nothing more for 0.5 s.

    The first answer has 20 s, and so has the end of a connection that is not kept open.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.service.port)
    try:
        if length:
            lines = [*lines, b"Content-Length: %d" % len(body)]
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        received = b""
        while True:
            head, answered, _ = received.partition(b"\r\n\r\n")
            kept = answered and head.startswith(b"HTTP/1.1 2") and b"connection: close" not in head.lower()
            try:
                chunk = await asyncio.wait_for(reader.read(65_536), 0.5 if kept else 20)
            except TimeoutError:
                return received
            if not chunk:
                return received + b"<closed>"
            received += chunk
    finally:
        writer.close()


async def recorded(dsn: str, instruction_id: str) -> int:
    """How many instructions of this id are committed."""
    query = "select count(*) from outbox.payment_instructions where participant_id = %s and instruction_id = %s"
    return int((await rows(dsn, query, A, instruction_id))[0][0])
