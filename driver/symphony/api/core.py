"""core: which cell this database is (role symphony_policy_admin)."""

from __future__ import annotations

from symphony.api.connection import Connection, call


async def establish_cell(connection: Connection, *, cell_id: str, epoch: int) -> None:
    """Name this database's cell, or raise its epoch; doing it twice changes nothing.

    Raises:
        Conflict: SC001, the database is another cell already or its epoch is higher.
    """
    query = "select core.establish_cell(p_cell_id => %s, p_epoch => %s)"
    await call(connection, role="symphony_policy_admin", query=query, params=(cell_id, epoch))
