"""core: which cell this is and what our reasons mean (role symphony_policy_admin); what time it is (any login)."""

from __future__ import annotations

import json
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one of our reasons means in the taxonomy in force; iso_code is None where ISO 20022 has none."""

    taxonomy_version: int
    reason_code: str
    iso_code: str | None
    iso_name: str | None
    terminal: bool
    auto_retry: bool
    next_action: str
    edition: str


async def publish_reason_taxonomy(connection: Connection, *, document: dict[str, object], operator: str) -> int:
    """Publish the next version of the reason taxonomy; returns rows written, 0 when the same is published already.

    Raises:
        Conflict: SC002, the version is not the next. Invalid: SV004.
    """
    query = "select core.publish_reason_taxonomy(p_document => %s::jsonb, p_operator => %s)"
    rows = await call(connection, role="symphony_policy_admin", query=query, params=(json.dumps(document), operator))
    return int(rows[0][0])


async def list_reason_taxonomy(connection: Connection) -> list[Meaning]:
    """The reason taxonomy in force, by reason code (role symphony_operator)."""
    query = (
        "select taxonomy_version, reason_code, iso_code, iso_name, terminal, auto_retry, next_action, edition"
        " from evidence.reason_taxonomy where in_force order by reason_code"
    )
    return [Meaning(*row) for row in await call(connection, role="symphony_operator", query=query)]


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
