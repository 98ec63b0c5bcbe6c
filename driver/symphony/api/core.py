"""core: which cell this database is (role symphony_policy_admin), and what time it is there (any login)."""

from __future__ import annotations

from datetime import datetime

import psycopg

from symphony.api.connection import Connection, call
from symphony.errors import DatabaseUnavailable


async def establish_cell(connection: Connection, *, cell_id: str, epoch: int) -> None:
    """Name this database's cell, or raise its epoch; doing it twice changes nothing.

    Raises:
        Conflict: SC001, the database is another cell already or its epoch is higher.
    """
    query = "select core.establish_cell(p_cell_id => %s, p_epoch => %s)"
    await call(connection, role="symphony_policy_admin", query=query, params=(cell_id, epoch))


async def now(connection: Connection) -> datetime:
    """The database's clock, which windows and leases go by. Raises DatabaseUnavailable."""
    try:
        cursor = await connection.execute("select pg_catalog.clock_timestamp()")
        row = await cursor.fetchone()
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the database did not tell the time: {type(error).__name__}") from error
    assert row is not None  # noqa: S101 - a select without a table has one row
    moment: datetime = row[0]
    return moment
