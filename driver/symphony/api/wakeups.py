"""wakeups: LISTEN for due work or a changed registry on a dedicated connection (any login; a hint, never the truth)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import psycopg
from psycopg import sql

from symphony.api.connection import Connection
from symphony.api.outbox import WAKE_CHANNEL
from symphony.errors import DatabaseUnavailable


async def listen(connection: Connection, *, channel: str = WAKE_CHANNEL) -> None:
    """Subscribe this session (not through a transaction pooler); raises DatabaseUnavailable."""
    try:
        await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"cannot listen for wake-ups: {type(error).__name__}") from error


async def notifications(connection: Connection) -> AsyncGenerator[str, None]:
    """Yield the payload of each notification for ever; raises DatabaseUnavailable when the session ends."""
    try:
        async with aclosing(connection.notifies()) as received:
            async for notification in received:
                yield notification.payload
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the wake-up session ended: {type(error).__name__}") from error
