"""One command, one connection, one capability: how a command line reaches the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from symphony.api import connect, logins
from symphony.api.connection import Connection
from symphony.operator_error import OperatorError, reported


def run_as[T](capability: str, database_url: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do `work` on a connection of its own; every SymphonyError becomes one line and exit status 1.

    Refused beforehand: LOGIN_LACKS_CAPABILITY, SCHEMA_MISSING (a cluster without our roles).
    """

    async def session() -> T:
        connection = await connect(database_url, application_name="symphony-cli")
        async with connection:
            await check(connection, capability=capability)
            return await work(connection)

    with reported():
        return asyncio.run(session())


async def check(connection: Connection, *, capability: str) -> None:
    """Raise OperatorError when this login may not act as the capability."""
    allowed = await logins.may_act_as(connection, capability=capability)
    if allowed is None:
        raise OperatorError(
            "SCHEMA_MISSING",
            thing=f"database {connection.info.dbname}",
            reason=f"this cluster has no role {capability}",
            next_action="run symphony migrate first",
        )
    if not allowed:
        raise OperatorError(
            "LOGIN_LACKS_CAPABILITY",
            thing=f"login {connection.info.user}",
            reason=f"it may not act as {capability}, which this command needs",
            next_action=f"name a login that is a member of {capability} in --database-url",
        )
