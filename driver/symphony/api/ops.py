"""ops: partitions and health (role symphony_maintainer)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from symphony.api.connection import Connection, call
from symphony.errors import DatabaseUnavailable


@dataclass(frozen=True, slots=True)
class HealthSample:
    """One gauge: metric name, labels and value (the unit is in the name)."""

    name: str
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Status:
    """What the server promises, which cell this database is, which policy is ACTIVE (None: not yet)."""

    server_version: str
    fsync: str
    synchronous_commit: str
    full_page_writes: str
    data_checksums: str
    is_standby: bool
    cell_id: str | None
    cell_epoch: int | None
    policy_version: int | None
    policy_checksum: bytes | None
    policy_activated_at: datetime | None


@dataclass(frozen=True, slots=True)
class AppliedFile:
    """A file of sql/ in force in the database; `version` and `name` are those of a migration."""

    path: str
    version: int | None
    name: str | None
    sha256: bytes
    applied_at: datetime


async def installed(connection: Connection) -> bool:
    """Whether this database has the ops functions (a migration test may run other files)."""
    cursor = await connection.execute("select to_regprocedure('ops.ensure_partitions(integer)') is not null")
    row = await cursor.fetchone()
    return bool(row and row[0])


async def ensure_partitions(connection: Connection, *, months_ahead: int) -> list[str]:
    """Create the missing monthly partitions of every ledger; returns the names created (deferred ones come later)."""
    query = "select partition_name from ops.ensure_partitions(p_months_ahead => %s) where not deferred"
    # Month by month: what an attach locks stays locked to the end of its transaction.
    made: list[str] = []
    for months in range(months_ahead + 1):
        rows = await call(connection, role="symphony_maintainer", query=query, params=(months,))
        made += [str(row[0]) for row in rows]
    return made


async def health(connection: Connection) -> list[HealthSample]:
    """Everything worth watching that only the database knows."""
    query = "select metric, labels, value from ops.health()"
    rows = await call(connection, role="symphony_maintainer", query=query)
    return [HealthSample(name=row[0], labels=row[1], value=float(row[2])) for row in rows]


async def reports_status(connection: Connection) -> bool:
    """Whether this database has `status` and `applied_files`; any login may ask. Raises DatabaseUnavailable."""
    query = (
        "select count(*) = 2 from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace"
        " where n.nspname = 'ops' and p.proname in ('get_status', 'list_applied_files')"
    )
    try:
        cursor = await connection.execute(query)
        row = await cursor.fetchone()
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the database did not answer: {type(error).__name__}") from error
    return bool(row and row[0])


async def status(connection: Connection) -> Status:
    """The durability settings, the cell and the active policy."""
    query = (
        "select server_version, fsync, synchronous_commit, full_page_writes, data_checksums, is_standby, cell_id,"
        " cell_epoch, policy_version, policy_checksum, policy_activated_at from ops.get_status()"
    )
    rows = await call(connection, role="symphony_maintainer", query=query)
    return Status(*rows[0])


async def applied_files(connection: Connection) -> list[AppliedFile]:
    """Every migration, and the latest application of every other file of sql/."""
    query = "select path, version, name, sha256, applied_at from ops.list_applied_files()"
    rows = await call(connection, role="symphony_maintainer", query=query)
    return [AppliedFile(*row) for row in rows]
