"""routing: health in, weights out (role symphony_router), and what operators and auditors do with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg

from symphony.api.connection import Connection, call
from symphony.errors import DatabaseUnavailable, SymphonyError

COLOURS: Final = ("blue", "green")
MODES: Final = ("NORMAL", "FALLBACK_ACTIVE", "COOLDOWN")


class SampleRefused(SymphonyError):
    """The database refuses what was measured as impossible; nothing was recorded, and trying again will not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourSample:
    """What was measured of one colour since the last sample: counts and sums; None where nobody looked.

    Attributes:
        read_back_owed: N-1 heartbeats of this colour are sent, and there was no good one lately.
    """

    colour: str
    requests: int = 0
    errors: int = 0
    latency_count: int = 0
    latency_total_ms: int = 0
    queue_age_ms: int | None = None
    rail_answers: int = 0
    rail_rejects: int = 0
    heartbeat_ok: bool | None = None
    read_back_ok: bool | None = None
    read_back_owed: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is to be applied, and whether this call decided it."""

    mode: str
    stable: str
    candidate: str | None
    blue_weight_pct: int
    green_weight_pct: int
    changed: bool
    decision_id: UUID | None

    @property
    def weights(self) -> dict[str, int]:
        """Percent of the traffic by colour."""
        return {"blue": self.blue_weight_pct, "green": self.green_weight_pct}


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """One row of the ledger as the auditor reads it."""

    decision_id: UUID
    kind: str
    mode_after: str
    candidate: str | None
    blue_weight_pct: int
    green_weight_pct: int
    actor: str
    reason: str
    facts: dict[str, Any]
    decided_at: datetime


async def record_health(connection: Connection, *, samples: Sequence[ColourSample]) -> int:
    """Record up to 16 samples at the database's time; returns how many; raises SampleRefused."""
    query = (
        "select routing.record_health(p_samples => (select array_agg(row(u.*)::routing.health_sample_input)"
        " from unnest(%b::routing.colour[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[],"
        " %b::bigint[], %b::bigint[], %b::boolean[], %b::boolean[], %b::boolean[]) as u))"
    )
    columns = [list(column) for column in zip(*map(astuple, samples), strict=True)]
    try:
        rows = await call(connection, role="symphony_router", query=query, params=columns)
    except DatabaseUnavailable as error:
        if isinstance(error.__cause__, psycopg.DataError | psycopg.IntegrityError):
            raise SampleRefused(str(error)) from error
        raise
    return int(rows[0][0])


async def evaluate(connection: Connection, *, actor: str) -> Evaluation:
    """Let the database decide; raises what `call` raises."""
    query = (
        "select mode::text, stable_colour::text, candidate_colour::text, blue_weight_pct, green_weight_pct, changed,"
        " decision_id from routing.evaluate(p_actor => %s)"
    )
    rows = await call(connection, role="symphony_router", query=query, params=(actor,))
    return Evaluation(*rows[0])


async def current(connection: Connection, *, role: str = "symphony_router") -> Evaluation:
    """What is in force, decided by nobody just now (role symphony_router or symphony_operator)."""
    query = (
        "select mode::text, stable_colour::text, candidate_colour::text, blue_weight_pct, green_weight_pct, false,"
        " decision_id from routing.get_current()"
    )
    rows = await call(connection, role=role, query=query)
    return Evaluation(*rows[0])


async def begin_canary(connection: Connection, *, candidate: str, operator: str, reason: str) -> UUID:
    """Give a colour the first step of the ladder (role symphony_operator); returns the decision's id."""
    query = "select routing.begin_canary(p_candidate => %s::routing.colour, p_operator => %s, p_reason => %s)"
    rows = await call(connection, role="symphony_operator", query=query, params=(candidate, operator, reason))
    return UUID(str(rows[0][0]))


async def abandon_canary(connection: Connection, *, operator: str, reason: str) -> UUID:
    """End the canary: everything goes to the stable colour (role symphony_operator); returns the decision's id."""
    query = "select routing.abandon_canary(p_operator => %s, p_reason => %s)"
    rows = await call(connection, role="symphony_operator", query=query, params=(operator, reason))
    return UUID(str(rows[0][0]))


async def promote(connection: Connection, *, operator: str, reason: str) -> UUID:
    """Make the candidate of a complete canary the stable colour (role symphony_operator); returns the decision's id."""
    query = "select routing.promote(p_operator => %s, p_reason => %s)"
    rows = await call(connection, role="symphony_operator", query=query, params=(operator, reason))
    return UUID(str(rows[0][0]))


async def override(
    connection: Connection, *, blue_weight_pct: int, operator: str, reason: str, duration_ms: int
) -> UUID:
    """Set the weights by hand for a bounded time (role symphony_operator); returns the decision's id."""
    query = "select routing.override(p_blue_weight_pct => %s, p_operator => %s, p_reason => %s, p_for => %s)"
    params = (blue_weight_pct, operator, reason, timedelta(milliseconds=duration_ms))
    rows = await call(connection, role="symphony_operator", query=query, params=params)
    return UUID(str(rows[0][0]))


async def lift_override(connection: Connection, *, operator: str, reason: str) -> UUID:
    """End an override before its time (role symphony_operator); returns the decision's id."""
    query = "select routing.lift_override(p_operator => %s, p_reason => %s)"
    rows = await call(connection, role="symphony_operator", query=query, params=(operator, reason))
    return UUID(str(rows[0][0]))


async def publish_rules(connection: Connection, *, changes: dict[str, object], operator: str, reason: str) -> int:
    """Publish the next version of the thresholds (role symphony_policy_admin); returns its number."""
    query = "select routing.publish_rules(p_changes => %s::jsonb, p_operator => %s, p_reason => %s)"
    params = (json.dumps(changes), operator, reason)
    rows = await call(connection, role="symphony_policy_admin", query=query, params=params)
    return int(rows[0][0])


async def decisions(connection: Connection) -> list[RoutingDecision]:
    """The ledger in order (role symphony_auditor)."""
    query = (
        "select decision_id, kind, mode_after, candidate_colour, blue_weight_after_pct, green_weight_after_pct, actor,"
        " reason, facts, decided_at from evidence.routing_decisions order by decision_id"
    )
    rows = await call(connection, role="symphony_auditor", query=query)
    return [RoutingDecision(*row) for row in rows]
