"""Connections, and the one way a function of the SQL API is called: one transaction under one role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncCursor, errors, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from symphony.errors import DatabaseUnavailable, OutcomeUnknown, from_sqlstate

type Connection = AsyncConnection[TupleRow]
type Pool = AsyncConnectionPool[Connection]
type Dsn = str | Callable[[], str]
"""Where the database is and who we are there; a function gives the login of the moment, or raises."""


def _connection_options(
    *, application_name: str, statement_timeout_ms: int, transaction_timeout_ms: int
) -> dict[str, Any]:
    return {
        "autocommit": True,
        "application_name": application_name,
        "connect_timeout": 2,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 5,
        "options": (
            f"-c statement_timeout={statement_timeout_ms} -c transaction_timeout={transaction_timeout_ms}"
            f" -c idle_in_transaction_session_timeout={transaction_timeout_ms} -c timezone=UTC"
        ),
    }


async def connect(
    dsn: Dsn,
    *,
    application_name: str,
    statement_timeout_ms: int = 5_000,
    transaction_timeout_ms: int = 10_000,
) -> Connection:
    """Open one connection in autocommit mode; raises DatabaseUnavailable when it cannot be had."""
    options = _connection_options(
        application_name=application_name,
        statement_timeout_ms=statement_timeout_ms,
        transaction_timeout_ms=transaction_timeout_ms,
    )
    try:
        return await AsyncConnection.connect(dsn() if callable(dsn) else dsn, **options)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"cannot connect to the database: {type(error).__name__}") from error


def open_pool(
    dsn: Dsn,
    *,
    application_name: str,
    min_size: int = 2,
    max_size: int = 8,
    acquire_timeout_s: float = 1.0,
    statement_timeout_ms: int = 5_000,
    transaction_timeout_ms: int = 10_000,
) -> Pool:
    """Make a named pool (not yet opened: `await pool.open()`); waiting longer than acquire_timeout_s is refused."""
    return AsyncConnectionPool(
        dsn,
        kwargs=_connection_options(
            application_name=application_name,
            statement_timeout_ms=statement_timeout_ms,
            transaction_timeout_ms=transaction_timeout_ms,
        ),
        min_size=min_size,
        max_size=max_size,
        timeout=acquire_timeout_s,
        # A failed reconnection gives up at once and the next caller tries again, paced by its own back-off:
        # the pool's would keep a service down for minutes after a long outage.
        reconnect_timeout=0.0,
        name=application_name,
        open=False,
    )


@asynccontextmanager
async def acquire(pool: Pool) -> AsyncIterator[Connection]:
    """Borrow a connection; raises DatabaseUnavailable when none is free in time."""
    try:
        async with pool.connection() as connection:
            yield connection
    except PoolTimeout as error:
        raise DatabaseUnavailable("no database connection became free in time") from error


async def call(connection: Connection, *, role: str, query: str, params: Sequence[Any] = ()) -> list[TupleRow]:
    """Run one function call in its own transaction under SET LOCAL ROLE and return its rows after the commit.

    BEGIN to COMMIT are sent in one flight: what follows a refused statement in it is skipped by the server, COMMIT
    too (PostgreSQL protocol, pipelining). Inside a transaction of the caller it is a savepoint instead.

    Raises:
        DatabaseRefused: a registered error (class S); rolled back.
        DatabaseUnavailable: the server said it did not do the work (any other SQLSTATE).
        OutcomeUnknown: no SQLSTATE, so the commit may have happened (facts: 2 of 21 lost answers had committed).
    """
    transaction = _one_flight if connection.info.transaction_status is TransactionStatus.IDLE else _savepoint
    try:
        async with transaction(connection):
            await connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            cursor: AsyncCursor[TupleRow] = await connection.execute(query.encode(), params, binary=True)
        return await cursor.fetchall()
    except psycopg.Error as error:
        raise _translated(error) from error


@asynccontextmanager
async def _one_flight(connection: Connection) -> AsyncIterator[None]:
    try:
        async with connection.pipeline():
            await connection.execute("begin", prepare=False)
            yield
            await connection.execute("commit", prepare=False)
    except BaseException:
        # It is the first error that tells what happened. What the server skipped psycopg may take for prepared, and
        # forgets with a rollback; where there is none (BEGIN or COMMIT was refused) the session has to end.
        with suppress(psycopg.Error):
            if connection.info.transaction_status is TransactionStatus.IDLE:
                await connection.close()
            else:
                await connection.rollback()
        raise


@asynccontextmanager
async def _savepoint(connection: Connection) -> AsyncIterator[None]:
    async with connection.pipeline(), connection.transaction():
        yield


def _translated(error: psycopg.Error) -> Exception:
    diagnostic = error.diag
    state = error.sqlstate or diagnostic.sqlstate
    if state is None:
        return OutcomeUnknown(f"the database gave no answer: {type(error).__name__}")
    if state.startswith("S"):
        return from_sqlstate(
            state,
            message=diagnostic.message_primary or "",
            detail=diagnostic.message_detail,
            hint=diagnostic.message_hint,
        )
    if diagnostic.severity_nonlocalized in ("FATAL", "PANIC") or isinstance(error, errors.CrashShutdown):
        return OutcomeUnknown(f"the database ended the session: {state}")
    return DatabaseUnavailable(f"the database refused with SQLSTATE {state}")
