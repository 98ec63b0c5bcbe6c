"""What was applied to a database: two append-only tables, and the catalog questions a migration asks.

The one place besides symphony.api with SQL in it: it must work before any function of the SQL API exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from symphony.migration_files import Migration, SqlFile

type Connection = AsyncConnection[TupleRow]

# One key for every runner of a database: the letters "symphony" as a number.
_LOCK_KEY = int.from_bytes(b"symphony", "big")

# The runner makes its own tables, because the first migration is already recorded in them. They belong to
# whoever runs the first migration, and nobody else may use them until a migration or the grants file says so.
_BOOTSTRAP = b"""
create schema if not exists core;
create table if not exists core.schema_migration (
  version integer not null,
  name text collate "C" not null,
  sha256 bytea not null,
  applied_at timestamptz not null default pg_catalog.clock_timestamp(),
  duration_ms bigint not null,
  runner text collate "C" not null,
  constraint schema_migration_applied_once primary key (version),
  constraint schema_migration_version_is_positive check (version > 0),
  constraint schema_migration_sha256_is_a_digest check (pg_catalog.octet_length(sha256) = 32)
);
create table if not exists core.schema_repeatable (
  path text collate "C" not null,
  sha256 bytea not null,
  applied_at timestamptz not null default pg_catalog.clock_timestamp(),
  release text collate "C" not null,
  constraint schema_repeatable_path_and_time primary key (path, applied_at),
  constraint schema_repeatable_sha256_is_a_digest check (pg_catalog.octet_length(sha256) = 32)
);
revoke all on core.schema_migration, core.schema_repeatable from public;
comment on table core.schema_migration is
  'Ledger of applied migrations, append-only. The runner stops when the file of a row is edited or missing.';
comment on table core.schema_repeatable is
  'Ledger of applied function files and of grants.sql, append-only: the latest row of a path counts.';
comment on column core.schema_migration.sha256 is 'SHA-256 of the bytes of the file.';
comment on column core.schema_migration.duration_ms is 'How long the file took, in milliseconds.';
comment on column core.schema_migration.runner is 'Who ran it: account and host.';
comment on column core.schema_repeatable.sha256 is 'SHA-256 of the bytes of the file.';
comment on column core.schema_repeatable.release is 'The release whose file it was.';
"""


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """A row of core.schema_migration."""

    version: int
    name: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Applied:
    """The ledger: migrations by number, the digest in force of each repeatable path, and whether the grants
    file has run since the last of them."""

    migrations: tuple[AppliedMigration, ...]
    repeatables: dict[str, bytes]
    grants_are_last: bool


async def set_local(conn: Connection, *, lock_timeout_ms: int, statement_timeout_ms: int) -> None:
    """Set what a migration may rely on, for this transaction (in autocommit mode: for nothing)."""
    await _set(conn, lock_timeout_ms=lock_timeout_ms, statement_timeout_ms=statement_timeout_ms, local=True)


async def set_session(conn: Connection, *, lock_timeout_ms: int, statement_timeout_ms: int) -> None:
    """Set the same for the session, for a statement that runs outside a transaction block."""
    await _set(conn, lock_timeout_ms=lock_timeout_ms, statement_timeout_ms=statement_timeout_ms, local=False)


async def _set(conn: Connection, *, lock_timeout_ms: int, statement_timeout_ms: int, local: bool) -> None:
    values = {
        "lock_timeout": f"{lock_timeout_ms}ms",
        "statement_timeout": f"{statement_timeout_ms}ms",
        "transaction_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "search_path": "pg_catalog, pg_temp",
        "TimeZone": "UTC",
        "check_function_bodies": "on",
        "client_min_messages": "warning",
        "session_replication_role": "origin",
    }
    await conn.execute(
        "select pg_catalog.set_config(s.name, s.value, %s)"
        " from rows from (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])) as s (name, value)"
        " where pg_catalog.current_setting(s.name) is distinct from s.value",
        (local, list(values), list(values.values())),
    )


async def transaction_id(conn: Connection) -> int:
    """Return the id of the transaction in progress: another number means another transaction."""
    cursor = await conn.execute("select pg_catalog.pg_current_xact_id()::text")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def try_lock_transaction(conn: Connection) -> bool:
    """Take the runner's lock until the transaction ends; false when another runner holds it."""
    return await _answer(conn, "select pg_catalog.pg_try_advisory_xact_lock(%s)", (_LOCK_KEY,))


async def try_lock_session(conn: Connection) -> bool:
    """Take the runner's lock until it is released; false when another runner holds it."""
    return await _answer(conn, "select pg_catalog.pg_try_advisory_lock(%s)", (_LOCK_KEY,))


async def unlock_session(conn: Connection) -> None:
    """Release the lock taken by try_lock_session."""
    await conn.execute("select pg_catalog.pg_advisory_unlock(%s)", (_LOCK_KEY,))


async def _answer(conn: Connection, query: str, parameters: Sequence[object] | Mapping[str, object]) -> bool:
    cursor = await conn.execute(query.encode(), parameters)
    row = await cursor.fetchone()
    return bool(row and row[0])


async def exists(conn: Connection) -> bool:
    """Tell whether the ledger tables are there."""
    return await _answer(
        conn,
        "select pg_catalog.to_regclass('core.schema_migration') is not null"
        " and pg_catalog.to_regclass('core.schema_repeatable') is not null",
        (),
    )


async def bootstrap(conn: Connection) -> None:
    """Make the ledger tables when they are missing. Call it inside a transaction, under the lock."""
    if not await exists(conn):
        await conn.execute(_BOOTSTRAP)


async def read(conn: Connection, *, grants_path: str) -> Applied:
    """Return what the ledger says; an absent ledger is an empty one."""
    if not await exists(conn):
        return Applied(migrations=(), repeatables={}, grants_are_last=True)
    cursor = await conn.execute("select version, name, sha256 from core.schema_migration order by version")
    migrations = tuple(AppliedMigration(*row) for row in await cursor.fetchall())
    cursor = await conn.execute(
        "select distinct on (path) path, sha256 from core.schema_repeatable order by path, applied_at desc"
    )
    repeatables: dict[str, bytes] = dict(await cursor.fetchall())
    last = await _answer(
        conn,
        "with r as (select path, applied_at from core.schema_repeatable)"
        " select coalesce((select max(r.applied_at) from r where r.path = %(grants)s)"
        "   >= greatest((select max(m.applied_at) from core.schema_migration as m),"
        "     (select max(r.applied_at) from r where r.path <> %(grants)s)), false)",
        {"grants": grants_path},
    )
    return Applied(migrations=migrations, repeatables=repeatables, grants_are_last=last)


async def record_migration(conn: Connection, migration: Migration, *, duration_ms: int, runner: str) -> None:
    """Append the row of an applied migration."""
    await conn.execute(
        "insert into core.schema_migration (version, name, sha256, duration_ms, runner) values (%s, %s, %s, %s, %s)",
        (migration.version, migration.name, migration.file.sha256, duration_ms, runner),
    )


async def record_repeatable(conn: Connection, file: SqlFile, *, release: str) -> None:
    """Append the row of an applied function or grants file."""
    await conn.execute(
        "insert into core.schema_repeatable (path, sha256, release) values (%s, %s, %s)",
        (file.path, file.sha256, release),
    )


async def invalid_indexes(conn: Connection) -> list[str]:
    """Return the names of invalid indexes: what an interrupted CONCURRENTLY leaves behind.

    The index of a partitioned table is invalid by design until every partition has its own, and is left out.
    """
    cursor = await conn.execute(
        "select pg_catalog.format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_index as i"
        " join pg_catalog.pg_class as c on c.oid = i.indexrelid"
        " join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
        " where not i.indisvalid and c.relkind = 'i' order by 1"
    )
    return [name for (name,) in await cursor.fetchall()]


async def drop_index(conn: Connection, qualified_name: str) -> None:
    """Drop an index (already quoted, as invalid_indexes returns it) without barring writers."""
    await conn.execute(b"drop index concurrently " + qualified_name.encode())


async def functions_of(conn: Connection, schemas: Sequence[str]) -> set[tuple[str, str]]:
    """Return (schema, name) of the functions in `schemas`, those of extensions and types left out."""
    cursor = await conn.execute(
        "select n.nspname, p.proname from pg_catalog.pg_proc as p"
        " join pg_catalog.pg_namespace as n on n.oid = p.pronamespace where n.nspname = any (%s)"
        " and not exists (select from pg_catalog.pg_depend as d"
        "   where d.classid = 'pg_catalog.pg_proc'::regclass"
        "   and d.objid = p.oid and d.deptype in ('e', 'i'))",
        (list(schemas),),
    )
    return {(schema, name) for schema, name in await cursor.fetchall()}
