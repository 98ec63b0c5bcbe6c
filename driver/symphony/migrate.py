"""The migration runner and its command: versioned files once, repeatable files when changed, grants last.

Everything pending is applied in one transaction under one advisory lock. A `-- runner: nontransactional`
migration (CREATE INDEX CONCURRENTLY) cannot be part of one: it splits the pending list, and runs alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import click
import psycopg
from psycopg import AsyncConnection

from symphony.api import ops
from symphony.migration_files import read
from symphony.migration_ledger import Connection
from symphony.migration_plan import Plan, plan
from symphony.migration_run import Options, Run, describe
from symphony.operator_error import OperatorError, reported

DEFAULT_SQL_DIR = Path(__file__).resolve().parents[2] / "sql"
PENDING_STATUS = 3
MONTHS_AHEAD = 3
_DEFAULTS = Options()


async def check(database_url: str, *, sql_dir: Path = DEFAULT_SQL_DIR) -> Plan:
    """Return what `apply` would do, changing nothing. Raises OperatorError as `apply` does."""
    sources = read(sql_dir)
    async with _connection(database_url) as conn, conn.transaction():
        await conn.execute("set transaction read only")
        return await plan(conn, sources)


async def apply(
    database_url: str,
    *,
    sql_dir: Path = DEFAULT_SQL_DIR,
    options: Options | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> list[str]:
    """Bring the database up to the files and return the paths applied, none when it was current.

    Raises:
        OperatorError: those of migration_files.read, migration_plan.compare and Run.next_segment;
            DATABASE_UNREACHABLE, SERVER_TOO_OLD.
    """
    sources = read(sql_dir)
    done: list[str] = []
    async with _connection(database_url) as conn:
        run = Run(conn=conn, sources=sources, options=options or _DEFAULTS, say=say)
        more = True
        while more:
            paths, more = await run.next_segment()
            done += paths
        for remark in (await plan(conn, sources)).remarks:
            say(f"warning: {remark}")
        # A fresh database has no partition yet, and records nothing without.
        if await ops.installed(conn):
            for name in await ops.ensure_partitions(conn, months_ahead=MONTHS_AHEAD):
                say(f"partition {name}")
    return done


@asynccontextmanager
async def _connection(database_url: str) -> AsyncIterator[Connection]:
    try:
        conn = await AsyncConnection.connect(
            database_url,
            autocommit=True,
            application_name="symphony migrate",
            connect_timeout=5,
            client_encoding="utf8",
        )
    except psycopg.Error as error:
        raise OperatorError(
            "DATABASE_UNREACHABLE",
            thing="the database URL",
            reason=" ".join(str(error).split()),
            next_action="check that the server runs (symphony db status) and that the URL names it",
        ) from error
    async with conn:
        if conn.info.server_version < 180_000:
            raise OperatorError(
                "SERVER_TOO_OLD",
                thing=f"PostgreSQL {conn.info.server_version // 10_000}",
                reason="Symphony needs PostgreSQL 18 or later",
                next_action="use another server",
            )
        try:
            yield conn
        except psycopg.Error as error:
            raise OperatorError(
                "DATABASE_FAILED",
                thing="the migration run",
                reason=describe(error),
                next_action="correct the cause and run migrate again: what was not committed is rolled back",
            ) from error


@click.command()
@click.option(
    "--database-url", envvar=["DATABASE_URL", "SYMPHONY_DATABASE_URL"], required=True, help="Whom to migrate."
)
@click.option("--sql-dir", type=click.Path(path_type=Path), default=DEFAULT_SQL_DIR, help="Folder with migrations/.")
@click.option("--check", "only_check", is_flag=True, help="Change nothing: exit 0 current, 3 pending, 1 broken.")
@click.option("--lock-timeout-ms", type=click.IntRange(1), default=_DEFAULTS.lock_timeout_ms, show_default=True)
@click.option(
    "--statement-timeout-ms",
    type=click.IntRange(1),
    default=_DEFAULTS.statement_timeout_ms,
    show_default=True,
)
@click.option(
    "--concurrent-lock-timeout-ms",
    type=click.IntRange(1),
    default=_DEFAULTS.concurrent_lock_timeout_ms,
    show_default=True,
    help="For nontransactional files: longest wait for older transactions.",
)
@click.option("--lock-attempts", type=click.IntRange(1), default=_DEFAULTS.lock_attempts, show_default=True)
@click.option(
    "--release",
    envvar="SYMPHONY_RELEASE",
    default=_DEFAULTS.release,
    help="Recorded. [env: SYMPHONY_RELEASE]",
)
@click.pass_context
def migrate(
    context: click.Context,
    /,
    *,
    database_url: str,
    sql_dir: Path,
    only_check: bool,
    lock_timeout_ms: int,
    statement_timeout_ms: int,
    concurrent_lock_timeout_ms: int,
    lock_attempts: int,
    release: str,
) -> None:
    """Bring a database up to this release, or say what that would do (--check)."""
    with reported():
        if only_check:
            found = asyncio.run(check(database_url, sql_dir=sql_dir))
            context.exit(_tell(found))
        options = Options(
            lock_timeout_ms=lock_timeout_ms,
            statement_timeout_ms=statement_timeout_ms,
            concurrent_lock_timeout_ms=concurrent_lock_timeout_ms,
            lock_attempts=lock_attempts,
            release=release,
        )
        done = asyncio.run(apply(database_url, sql_dir=sql_dir, options=options, say=click.echo))
        click.echo(f"{len(done)} files applied; the database is current")


def _tell(found: Plan) -> int:
    for remark in found.remarks:
        click.echo(f"warning: {remark}")
    for path in found.paths:
        click.echo(f"pending {path}")
    click.echo(f"{len(found.paths)} files pending" if found.paths else "the database is current")
    return PENDING_STATUS if found.paths else 0
