"""One run of the migration runner: segments of the pending list, each under the runner's lock."""

from __future__ import annotations

import asyncio
import getpass
import random
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from symphony import migration_ledger as ledger
from symphony.migration_files import Migration, Sources, SqlFile
from symphony.migration_ledger import Connection
from symphony.migration_plan import Plan, plan
from symphony.operator_error import OperatorError

_LOCK_POLL_S = 0.1
_CREATED_INDEX = re.compile(
    rb'\bindex\s+concurrently\s+(?:if\s+not\s+exists\s+)?"?(\w+)"?\s+on\s+(?:only\s+)?(?:"?(\w+)"?\s*\.)?',
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Options:
    """How a run behaves.

    Attributes:
        lock_timeout_ms: longest wait for one table lock; other sessions queue behind us meanwhile.
        statement_timeout_ms: longest single statement of a transactional file.
        concurrent_lock_timeout_ms: longest wait of a nontransactional file for older transactions to end;
            readers and writers do not queue behind that wait.
        lock_attempts: how often a whole transaction is tried when a lock was not to be had.
        retry_pause_ms: pause before the second try; it doubles, with jitter.
        runner_wait_ms: longest wait for another runner.
        release: what core.schema_repeatable records as the release.
    """

    lock_timeout_ms: int = 3_000
    statement_timeout_ms: int = 300_000
    concurrent_lock_timeout_ms: int = 60_000
    lock_attempts: int = 5
    retry_pause_ms: int = 1_000
    runner_wait_ms: int = 600_000
    release: str = "development"


@dataclass(frozen=True, slots=True)
class Run:
    """A connection in autocommit mode, the files, and how to behave; `say` takes lines for people."""

    conn: Connection
    sources: Sources
    options: Options
    say: Callable[[str], None]

    async def next_segment(self) -> tuple[list[str], bool]:
        """Apply what comes next; return its paths, and whether there may be more to do.

        Every segment compares files and ledger anew under the lock, so a concurrent runner's work is seen.

        Raises:
            OperatorError: those of migration_plan.compare; SQL_FAILED, LOCK_NOT_HAD, RUNNER_BUSY,
                TRANSACTION_ENDED, INDEX_INVALID.
        """
        for attempt in range(1, self.options.lock_attempts + 1):
            try:
                done, alone = await self._transaction()
                break
            except _LockNotHad as refused:
                if attempt == self.options.lock_attempts:
                    raise _lock_not_had(refused, attempt) from refused.error
                jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
                pause_ms = self.options.retry_pause_ms * 2 ** (attempt - 1) * jitter
                self.say(f"{refused.file.path}: no lock yet, all rolled back, trying again in {pause_ms:.0f} ms")
                await asyncio.sleep(pause_ms / 1000)
        if alone is not None:
            return [*done, *await self._nontransactional(alone)], True
        return done, False

    async def _transaction(self) -> tuple[list[str], Migration | None]:
        """Apply everything up to the next nontransactional migration, which is returned, or to the end.

        A transaction that does not get the runner's lock ends at once and another is tried later. One that
        waited would be waited for by the other runner's CREATE INDEX CONCURRENTLY, each for the other.
        """
        deadline = self._deadline()
        while True:
            async with self.conn.transaction():
                if await ledger.try_lock_transaction(self.conn):
                    return await self._apply_pending()
            await self._pause(deadline)

    async def _apply_pending(self) -> tuple[list[str], Migration | None]:
        await self._settings()
        pending = await plan(self.conn, self.sources)
        if not pending.paths:
            return [], None
        await ledger.bootstrap(self.conn)
        done: list[str] = []
        for migration in pending.migrations:
            if not migration.transactional:
                return done, migration
            duration_ms = await self._execute(migration.file)
            await ledger.record_migration(self.conn, migration, duration_ms=duration_ms, runner=_runner())
            done.append(migration.file.path)
        await self._repeatables(pending)
        return pending.paths, None

    async def _repeatables(self, pending: Plan) -> None:
        for file in [*pending.functions, *([pending.grants] if pending.grants else [])]:
            await self._execute(file)
            await ledger.record_repeatable(self.conn, file, release=self.options.release)

    async def _settings(self) -> None:
        await ledger.set_local(
            self.conn,
            lock_timeout_ms=self.options.lock_timeout_ms,
            statement_timeout_ms=self.options.statement_timeout_ms,
        )

    async def _execute(self, file: SqlFile) -> int:
        """Run a file inside the transaction and return its duration in milliseconds."""
        await self._settings()  # anew: the file before may have changed a setting
        transaction = await ledger.transaction_id(self.conn)
        begin = time.monotonic()
        try:
            await self.conn.execute(file.content)
        except (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure) as error:
            raise _LockNotHad(file, error) from error
        except psycopg.Error as error:
            raise _sql_failed(file, error, "correct the file and run migrate again: nothing was changed") from error
        duration_ms = round((time.monotonic() - begin) * 1000)
        still_inside = self.conn.info.transaction_status == TransactionStatus.INTRANS
        if not still_inside or await ledger.transaction_id(self.conn) != transaction:
            raise OperatorError(
                "TRANSACTION_ENDED",
                thing=file.path,
                reason="it ended the runner's transaction with COMMIT or ROLLBACK",
                next_action="take the transaction control out, and look at what the file left behind",
            )
        self.say(f"applied {file.path} ({duration_ms} ms)")
        return duration_ms

    async def _nontransactional(self, expected: Migration) -> list[str]:
        """Run one migration alone, in autocommit mode, and record it when no index is left invalid."""
        deadline = self._deadline()
        while not await ledger.try_lock_session(self.conn):
            await self._pause(deadline)
        try:
            pending = (await plan(self.conn, self.sources)).migrations
            if not pending or pending[0] != expected:
                return []  # another runner was faster; the next segment looks again
            await ledger.set_session(
                self.conn, lock_timeout_ms=self.options.concurrent_lock_timeout_ms, statement_timeout_ms=0
            )
            await self._drop_invalid(expected)
            begin = time.monotonic()
            try:
                # The extended protocol (binary=True) refuses more than one statement.
                await self.conn.execute(expected.file.content, binary=True)
            except psycopg.Error as error:
                raise await self._alone_failed(expected, error) from error
            await self._check_indexes(expected)
            duration_ms = round((time.monotonic() - begin) * 1000)
            await ledger.record_migration(self.conn, expected, duration_ms=duration_ms, runner=_runner())
            self.say(f"applied {expected.file.path} alone ({duration_ms} ms)")
            return [expected.file.path]
        finally:
            if not self.conn.broken:
                await ledger.unlock_session(self.conn)

    async def _drop_invalid(self, migration: Migration) -> None:
        """Drop the invalid index that an interrupted run of this file left, so that it can be built."""
        created = {name.decode() for name, _schema in _CREATED_INDEX.findall(migration.file.content)}
        schemas = {schema.decode() for _name, schema in _CREATED_INDEX.findall(migration.file.content)}
        for index in await ledger.invalid_indexes(self.conn):
            schema, _, name = index.partition(".")
            if name in created and schema in schemas:
                await ledger.drop_index(self.conn, index)
                self.say(f"{migration.file.path}: dropped the invalid index {index} of an interrupted run")

    async def _check_indexes(self, migration: Migration) -> None:
        invalid = await ledger.invalid_indexes(self.conn)
        if invalid:
            raise OperatorError(
                "INDEX_INVALID",
                thing=migration.file.path,
                reason=f"invalid: {', '.join(invalid)}; the migration is not recorded",
                next_action="drop index concurrently those that this file does not build (its own is dropped"
                " and built anew), then run migrate again",
            )

    async def _alone_failed(self, migration: Migration, error: psycopg.Error) -> OperatorError:
        invalid = [] if self.conn.broken else await ledger.invalid_indexes(self.conn)
        if not invalid:
            return _sql_failed(migration.file, error, "correct the cause and run migrate again")
        return OperatorError(
            "INDEX_INVALID",
            thing=migration.file.path,
            reason=f"{describe(error)}; it left the invalid index {', '.join(invalid)} and is not recorded",
            next_action="end the transactions it waited for (pg_stat_activity.xact_start), run migrate again:"
            " it drops an invalid index of this file and builds it anew; others need drop index concurrently",
        )

    def _deadline(self) -> float:
        return time.monotonic() + self.options.runner_wait_ms / 1000

    async def _pause(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise OperatorError(
                "RUNNER_BUSY",
                thing="the runner's advisory lock",
                reason=f"another runner has held it for {self.options.runner_wait_ms} ms",
                next_action="find application_name 'symphony migrate' in pg_stat_activity, try again",
            )
        await asyncio.sleep(_LOCK_POLL_S)


class _LockNotHad(Exception):
    """A file could not have a lock; the transaction is rolled back and may be tried again."""

    def __init__(self, file: SqlFile, error: psycopg.Error) -> None:
        super().__init__(file.path)
        self.file = file
        self.error = error


def _lock_not_had(refused: _LockNotHad, attempts: int) -> OperatorError:
    return OperatorError(
        "LOCK_NOT_HAD",
        thing=_place(refused.file, refused.error),
        reason=f"{describe(refused.error)}, {attempts} times; nothing was applied",
        next_action="find who holds the table (pg_blocking_pids), wait for it or raise --lock-timeout-ms",
    )


def _sql_failed(file: SqlFile, error: psycopg.Error, next_action: str) -> OperatorError:
    return OperatorError("SQL_FAILED", thing=_place(file, error), reason=describe(error), next_action=next_action)


def _place(file: SqlFile, error: psycopg.Error) -> str:
    position = error.diag.statement_position
    if position is None:
        return file.path
    line = file.content.decode()[: int(position) - 1].count("\n") + 1
    return f"{file.path} line {line}"


def describe(error: psycopg.Error) -> str:
    """Return SQLSTATE, message, detail and context of an error in one line."""
    said = error.diag
    parts = (said.message_primary or str(error), said.message_detail, said.context)
    text = "; ".join(" ".join(part.split()) for part in parts if part)
    return f"{error.sqlstate or 'connection lost'} {text}"


def _runner() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}"
