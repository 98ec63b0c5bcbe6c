"""Set-up of the routing tests: quick rules, samples, and what the ledger says afterwards."""

from __future__ import annotations

from typing import Any

import psycopg

from symphony import api
from symphony.api import routing
from symphony.api.connection import Connection
from symphony.api.routing import ColourSample

QUICK: dict[str, object] = {
    "window_ms": 100, "requests_min": 5, "breach_windows": 2, "healthy_windows": 2, "heartbeat_interval_ms": 3_000,
    "heartbeat_misses_max": 2, "hold_down_ms": 400, "hold_down_max_ms": 3_200, "cooldown_ms": 200,
    "canary_ladder_pct": [20, 100], "sample_keep_ms": 20_000, "override_max_ms": 60_000,
}  # fmt: skip
BAD = {"requests": 100, "errors": 50, "latency_count": 10, "latency_total_ms": 9_000}
GOOD = {"requests": 100, "errors": 0, "latency_count": 10, "latency_total_ms": 50}


def sample(colour: str, **measured: Any) -> ColourSample:
    """A good heartbeat with these measurements."""
    return ColourSample(colour=colour, **{"heartbeat_ok": True, **measured})


async def publish(connection: Connection, **changes: object) -> None:
    """Put the quick rules, with changes, in force."""
    await routing.publish_rules(connection, changes={**QUICK, **changes}, operator="test", reason="test")


async def begin(connection: Connection, **changes: object) -> None:
    """Quick rules and a canary of green at its first step."""
    await api.ops.ensure_partitions(connection, months_ahead=0)
    await publish(connection, **changes)
    await routing.record_health(connection, samples=[sample("blue"), sample("green")])
    await routing.begin_canary(connection, candidate="green", operator="test", reason="test")


def ledger(url: str) -> list[tuple[Any, ...]]:
    """Every decision in order: kind, actor, blue before, blue after, hold (milliseconds), reason."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            "select kind, actor, blue_weight_before_pct, blue_weight_after_pct, (facts ->> 'hold_ms')::int, reason"
            " from routing.routing_decisions order by decision_id"
        ).fetchall()


def kinds(url: str) -> list[str]:
    """The decisions' kinds in order."""
    return [str(row[0]) for row in ledger(url)]
