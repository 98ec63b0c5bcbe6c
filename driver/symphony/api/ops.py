"""ops: partitions and health (role symphony_maintainer)."""

from __future__ import annotations

from dataclasses import dataclass

from symphony.api.connection import Connection, call


@dataclass(frozen=True, slots=True)
class HealthSample:
    """One gauge: metric name, labels and value (the unit is in the name)."""

    name: str
    labels: dict[str, str]
    value: float


async def installed(connection: Connection) -> bool:
    """Whether this database has the ops functions (a migration test may run other files)."""
    cursor = await connection.execute("select to_regprocedure('ops.ensure_partitions(integer)') is not null")
    row = await cursor.fetchone()
    return bool(row and row[0])


async def ensure_partitions(connection: Connection, *, months_ahead: int) -> list[str]:
    """Create the missing monthly partitions of every ledger; returns the names created (deferred ones come later)."""
    query = "select partition_name from ops.ensure_partitions(p_months_ahead => %s) where not deferred"
    rows = await call(connection, role="symphony_maintainer", query=query, params=(months_ahead,))
    return [str(row[0]) for row in rows]


async def health(connection: Connection) -> list[HealthSample]:
    """Everything worth watching that only the database knows."""
    query = "select metric, labels, value from ops.health()"
    rows = await call(connection, role="symphony_maintainer", query=query)
    return [HealthSample(name=row[0], labels=row[1], value=float(row[2])) for row in rows]
