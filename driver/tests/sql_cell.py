"""A cell for tests of the SQL API alone: policies to bend, real sessions, and answers to give."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql

from symphony import api
from symphony.api.connection import Connection
from symphony.api.outbox import Claim
from symphony.api.rails import Outcome, RailAnswer
from tests.payments import policy_document

A, B, C = "ZM-BANK-A", "ZM-BANK-B", "ZM-MNO-C"
CONTEXTS = ("core", "evidence", "policy", "proxy", "outbox", "ingress", "rails", "routing", "ops")


def policy(
    *,
    version: int = 1,
    global_cap: int = 100_000,
    rails: Sequence[str] = ("sandbox",),
    rail: Mapping[str, object] | None = None,
    participants: Mapping[str, Mapping[str, object]] | None = None,
    limits: Mapping[str, int] | None = None,
    time_zone: str = "Africa/Lusaka",
) -> dict[str, Any]:
    """The test policy with changes: to every rail, to single participants, to everybody's limits."""
    document: dict[str, Any] = dict(policy_document(version=version))
    document["caps"] = {"in_flight_global": global_cap}
    document["time_zone"] = time_zone
    pattern = {**document["rails"][0], **(rail or {})}
    document["rails"] = [{**copy.deepcopy(pattern), "rail": name} for name in rails]
    changes = participants or {}
    document["participants"] = [
        {
            **participant,
            "rails": list(rails),
            "limits": [{**participant["limits"][0], **(limits or {})}],
            **changes.get(participant["participant_id"], {}),
        }
        for participant in document["participants"]
    ]
    return document


@asynccontextmanager
async def sessions(url: str, number: int) -> AsyncIterator[list[Connection]]:
    """Open that many sessions of their own."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(await api.connect(url, application_name=f"test session {n}"))
            for n in range(number)
        ]


def answer(claim: Claim, rail_code: str = "ACCEPTED", **changes: Any) -> RailAnswer:
    """What a rail that behaves would answer to this claim."""
    fields: dict[str, Any] = {
        "participant_id": claim.participant_id,
        "outbox_id": claim.outbox_id,
        "lease_token": claim.lease_token,
        "rail": claim.rail,
        "phase": "SUBMIT" if claim.action == "DISPATCH" else "QUERY",
        "rail_code": rail_code,
        "rail_reference": f"R-{claim.reference}",
        "echoed_amount_minor": claim.amount_minor,
        "echoed_currency": claim.currency,
        "latency_us": 1_000,
    }
    return RailAnswer(**{**fields, **changes})


async def claim(
    connection: Connection, *, limit: int = 100, rail: str = "sandbox", worker: str = "w", lease_ms: int = 30_000
) -> list[Claim]:
    """Claim under a test's usual arguments."""
    return await api.outbox.claim_outbox_batch(connection, worker=worker, limit=limit, rail=rail, lease_ms=lease_ms)


async def complete(
    connection: Connection, claims: Sequence[Claim], rail_code: str = "ACCEPTED", *, worker: str = "w"
) -> list[Outcome]:
    """Give every claim the same answer."""
    return await api.rails.record_answers(connection, worker=worker, answers=[answer(one, rail_code) for one in claims])


def row_counts(url: str) -> dict[str, int]:
    """How many rows every table and leaf of the contexts holds, counted."""
    with psycopg.connect(url, autocommit=True) as connection:
        tables = connection.execute(
            "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where c.relkind = 'r' and n.nspname = any (%s) order by 1, 2",
            (list(CONTEXTS),),
        ).fetchall()
        union = sql.SQL(" union all ").join(
            sql.SQL("select {}, count(*) from only {}").format(f"{schema}.{name}", sql.Identifier(schema, name))
            for schema, name in tables
        )
        return {str(name): int(number) for name, number in connection.execute(union).fetchall()}
