"""Every row of a database as a digest, to see that a migration left them as they were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

# Tables whose rows describe the release itself: new ones come, texts are improved, keys stay.
_REGISTERS = frozenset({"core.errors", "core.reasons", "core.month_partitioned"})
# Written by every migration run.
_RUNNERS = frozenset({"core.schema_migration", "core.schema_repeatable"})
_TABLES = """
select n.nspname, c.relname,
  array(select a.attname::text from pg_attribute as a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and (n.nspname || '.' || c.relname <> all (%s) or a.attnum = any (k.conkey)) order by a.attnum)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
join pg_roles as o on o.oid = n.nspowner and o.rolname ~ '^symphony_[a-z]+_owner$'
left join pg_constraint as k on k.conrelid = c.oid and k.contype = 'p'
where c.relkind in ('r', 'p') and not c.relispartition and n.nspname || '.' || c.relname <> all (%s)
order by 1, 2
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table: over which columns, and how often each digest occurs."""

    schema: str
    table: str
    columns: tuple[str, ...]
    digests: Counter[str]


def rows_of(url: str) -> dict[str, Rows]:
    """Return the rows of every table of the contexts, by table: of registers the keys only."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(_TABLES, (list(_REGISTERS), list(_RUNNERS))).fetchall()
        return {
            f"{schema}.{table}": _read(connection, schema, table, tuple(columns)) for schema, table, columns in tables
        }


def lost(before: Mapping[str, Rows], url: str) -> Iterator[tuple[str, str]]:
    """Yield (table, what is wrong) where rows were lost, changed or, but in registers, added."""
    with psycopg.connect(url) as connection:
        for name, then in before.items():
            try:
                with connection.transaction():
                    now = _read(connection, then.schema, then.table, then.columns)
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                yield f"table {name}", f"its rows cannot be read as before: {error.diag.message_primary}"
                continue
            gone = (then.digests - now.digests).total()
            added = (now.digests - then.digests).total()
            if gone or (added and name not in _REGISTERS):
                yield f"table {name}", f"{gone} of {then.digests.total()} rows lost or changed, {added} others there"


def _read(connection: psycopg.Connection, schema: str, table: str, columns: tuple[str, ...]) -> Rows:
    query = sql.SQL("select pg_catalog.md5(row({})::text) from {}").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier(schema, table)
    )
    digests = Counter(str(digest) for (digest,) in connection.execute(query))
    return Rows(schema=schema, table=table, columns=columns, digests=digests)
