"""`symphony migrate`: the ledger, the order, the refusals, locks, and CONCURRENTLY, on a real server."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import AsyncConnection, sql

from symphony.migrate import apply, check, migrate
from symphony.migration_run import Options
from symphony.operator_error import OperatorError
from symphony.postgres_directory import free_port
from symphony.postgres_throwaway import Cluster
from tests.until import until

TABLE = "create schema app; create table app.t (id int);\n"
INDEX = "-- runner: nontransactional\ncreate unique index concurrently t_id on app.t (id);\n"
QUICK = Options(
    lock_timeout_ms=200,
    concurrent_lock_timeout_ms=300,
    lock_attempts=2,
    retry_pause_ms=50,
    runner_wait_ms=20_000,
)
PATIENT = Options(retry_pause_ms=50)


class Release:
    """A folder of SQL files and the database they are applied to."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.said: list[str] = []
        (folder / "migrations").mkdir()

    def write(self, path: str, content: str | bytes) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    async def apply(self, options: Options = PATIENT) -> list[str]:
        return await apply(self.url, sql_dir=self.folder, options=options, say=self.said.append)

    async def pending(self) -> list[str]:
        return (await check(self.url, sql_dir=self.folder)).paths

    async def refused(self, code: str, options: Options = PATIENT) -> OperatorError:
        """Apply, expect this refusal, and expect the ledger to be what it was."""
        before = self.ledger()
        with pytest.raises(OperatorError) as raised:
            await self.apply(options)
        assert raised.value.code == code, raised.value
        assert self.ledger() == before
        return raised.value

    def ledger(self) -> list[Any]:
        if not self.ask("select 1 from pg_class where oid = to_regclass('core.schema_migration')"):
            return []
        return self.ask("select version, name, sha256 from core.schema_migration order by 1") + self.ask(
            "select path, sha256 from core.schema_repeatable order by applied_at"
        )

    def ask(self, query: str) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def release(tmp_path: Path, empty_database: str) -> Release:
    return Release(tmp_path, empty_database)


@pytest.fixture(scope="module")
def two_applied(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Two migrations, applied; the tests change copies of the folder."""
    release = Release(tmp_path_factory.mktemp("release"), cluster.server.url(cluster.empty()))
    release.write("migrations/0001_first.sql", TABLE)
    release.write("migrations/0002_second.sql", "select 1;\n")
    asyncio.run(release.apply())
    return release


def function(name: str, answer: int) -> str:
    return f"create or replace function {name}() returns int language sql return {answer};\n"


async def test_a_fresh_database_gets_everything_in_order_once(release: Release) -> None:
    first = release.write("migrations/0001_first.sql", TABLE)
    release.write("migrations/0002_second.sql", "alter table app.t add column note text;\n")
    release.write("functions/ops/a.sql", function("core.uses_nothing", 1))
    release.write("functions/core/b.sql", function("core.b", 2))
    release.write("functions/core/a.sql", function("core.a", 1))
    release.write("grants.sql", "revoke all on schema core from public;\n")
    expected = [
        "migrations/0001_first.sql", "migrations/0002_second.sql",
        "functions/core/a.sql", "functions/core/b.sql", "functions/ops/a.sql", "grants.sql",
    ]  # fmt: skip
    assert await release.pending() == expected
    assert release.ledger() == []
    assert await release.apply() == expected
    assert await release.pending() == []
    assert await release.apply() == []
    digest = hashlib.sha256(first.read_bytes()).digest()
    assert release.ledger()[0] == (1, "first", digest)
    assert len(release.ledger()) == len(expected)
    rows = release.ask("select duration_ms >= 0, runner ~ '^.+@.+$', applied_at <= now() from core.schema_migration")
    assert rows == [(True, True, True)] * 2
    everybody = "select count(*) from pg_class, aclexplode(relacl) a where relname ~ '^schema_' and a.grantee = 0"
    assert release.ask(everybody) == [(0,)]


async def test_only_changed_functions_run_again_and_the_grants_after_them(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    release.write("functions/core/a.sql", function("core.a", 1))
    release.write("functions/core/b.sql", function("core.b", 1))
    release.write("grants.sql", "revoke all on schema core from public;\n")
    await release.apply()
    release.write("functions/core/b.sql", function("core.b", 2))
    assert await release.apply() == ["functions/core/b.sql", "grants.sql"]
    assert release.ask("select core.a(), core.b()") == [(1, 2)]
    release.write("migrations/0002_second.sql", "select 1;\n")
    assert await release.apply() == ["migrations/0002_second.sql", "grants.sql"]
    release.write("grants.sql", "revoke all on schema app from public;\n")
    assert await release.apply() == ["grants.sql"]
    assert await release.apply() == []


async def test_grants_run_when_a_run_was_broken_off_before_them(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    release.write("grants.sql", "select 1;\n")
    await release.apply()
    row = "insert into core.schema_migration (version, name, sha256, duration_ms, runner)"
    release.ask(f"{row} values (2, 'second', sha256('select 2;'), 0, 'x')")
    release.write("migrations/0002_second.sql", "select 2;")
    assert await release.apply() == ["grants.sql"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (lambda r: r.write("migrations/0001_first.sql", TABLE + " "), "MIGRATION_EDITED", "0001_first.sql"),
        (lambda r: (r.folder / "migrations/0001_first.sql").unlink(), "MIGRATION_MISSING", "0001_first.sql"),
        (
            lambda r: (r.folder / "migrations/0002_second.sql").rename(r.folder / "migrations/0002_other.sql"),
            "MIGRATION_MISSING",
            "0002_second.sql",
        ),
        (lambda r: r.write("migrations/0002_twin.sql", "select 1"), "MIGRATION_DUPLICATE", "0002_second.sql"),
        (lambda r: r.write("migrations/0004_later.sql", "select 1"), "MIGRATION_GAP", "no migration 0003"),
        (lambda r: r.write("migrations/3_short.sql", "select 1"), "MIGRATION_NAME_INVALID", "3_short.sql"),
        (
            lambda r: r.write("migrations/0000_zero.sql", "select 1"),
            "MIGRATION_NAME_INVALID",
            "0000_zero.sql",
        ),
        (lambda r: r.write("functions/cores/a.sql", "select 1"), "CONTEXT_UNKNOWN", "cores"),
        (lambda r: r.write("functions/a.sql", "select 1"), "CONTEXT_UNKNOWN", "a.sql"),
        (
            lambda r: r.write("migrations/0003_x.sql", b"select '\xff'"),
            "SQL_FILE_INVALID",
            "not UTF-8 (byte 8)",
        ),
        (lambda r: r.write("migrations/0003_x.sql", "select 1;\r\n"), "SQL_FILE_INVALID", "carriage return"),
        (
            lambda r: r.write("grants.sql", "select 1;\n\\i other.sql\n"),
            "SQL_FILE_INVALID",
            "line 2 is a psql command",
        ),
        (
            lambda r: r.write("migrations/0003_x.sql", "-- runner: fast\n"),
            "SQL_FILE_INVALID",
            "'-- runner: fast'",
        ),
        (lambda r: r.write("migrations/0003_x.sql", f"\n{INDEX}"), "SQL_FILE_INVALID", "the first line"),
        (lambda r: r.write("functions/core/a.sql", INDEX), "SQL_FILE_INVALID", "no directive here"),
    ],
)
async def test_files_that_contradict_the_ledger_or_the_rules_stop_it(
    two_applied: Release, tmp_path: Path, change: Callable[[Release], object], code: str, words: str
) -> None:
    release = Release(tmp_path, two_applied.url)
    shutil.copytree(two_applied.folder, tmp_path, dirs_exist_ok=True)
    change(release)
    assert words in str(await release.refused(code))
    with pytest.raises(OperatorError, match=code):
        await release.pending()


async def test_a_new_file_below_the_highest_applied_stops_it(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    third = release.write("migrations/0002_third.sql", "select 3;\n")
    await release.apply()
    release.ask("update core.schema_migration set version = 3 where version = 2")
    third.rename(third.with_name("0003_third.sql"))
    release.write("migrations/0002_late.sql", "create table app.late ();\n")
    error = await release.refused("MIGRATION_OUT_OF_ORDER")
    assert error.thing == "migrations/0002_late.sql"
    assert "above 0003" in error.next_action


async def test_an_error_names_file_line_and_sqlstate_and_rolls_everything_back(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    release.write("functions/core/a.sql", "select 1;\n\nselect *\n  from app.absent;\n")
    error = await release.refused("SQL_FAILED")
    assert error.thing == "functions/core/a.sql line 4"
    assert error.reason == '42P01 relation "app.absent" does not exist'
    assert release.ask("select to_regnamespace('app'), to_regnamespace('core')") == [(None, None)]


async def test_a_plpgsql_body_is_checked_and_its_line_named(release: Release) -> None:
    release.write(
        "functions/core/a.sql",
        "create function core.a() returns int language plpgsql as $$\nbegin\n  return 1 +;\nend $$;\n",
    )
    error = await release.refused("SQL_FAILED")
    assert (error.thing, error.reason[:5]) == ("functions/core/a.sql line 3", "42601")


async def test_a_deferred_constraint_that_fails_at_the_end_is_reported(release: Release) -> None:
    release.write(
        "migrations/0001_first.sql",
        "create table public.p (id int primary key);"
        " create table public.c (id int references public.p deferrable initially deferred);"
        " insert into public.c values (1);\n",
    )
    assert "23503" in (await release.refused("DATABASE_FAILED")).reason


@pytest.mark.parametrize("ending", ["commit;", "commit; begin;", "rollback; begin;"])
async def test_a_file_that_ends_the_transaction_is_found_out(release: Release, ending: str) -> None:
    release.write("migrations/0001_first.sql", f"select 1; {ending}\n")
    assert (await release.refused("TRANSACTION_ENDED")).thing == "migrations/0001_first.sql"


async def test_every_file_meets_the_same_settings_whatever_the_one_before_set(release: Release) -> None:
    shown = (
        "select current_setting('search_path') as path, current_setting('lock_timeout') as lock,"
        " current_setting('statement_timeout') as statement, current_setting('TimeZone') as zone,"
        " current_setting('check_function_bodies') as bodies"
    )
    leak = "set search_path = app; set lock_timeout = 0; set statement_timeout = 0; set timezone = 'Asia/Tokyo';"
    release.write("migrations/0001_first.sql", f"{TABLE} create table app.a as {shown}; {leak}\n")
    release.write("migrations/0002_second.sql", f"create table app.b as {shown};\n")
    await release.apply(Options(lock_timeout_ms=3_000, statement_timeout_ms=300_000))
    expected = [("pg_catalog, pg_temp", "3s", "5min", "UTC", "on")]
    assert release.ask("select * from app.a") == release.ask("select * from app.b") == expected


async def test_a_lock_that_is_not_to_be_had_is_tried_again_and_then_named(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    await release.apply()
    release.write("migrations/0002_second.sql", "create table app.new ();\nalter table app.t add column n int;\n")
    async with await AsyncConnection.connect(release.url) as holder:
        await holder.execute("select * from app.t")
        error = await release.refused("LOCK_NOT_HAD", QUICK)
        assert error.thing == "migrations/0002_second.sql"
        assert "55P03" in error.reason
        assert "2 times" in error.reason
        assert release.ask("select to_regclass('app.new')") == [(None,)]
        release.said.clear()
        running = asyncio.create_task(release.apply(Options(lock_timeout_ms=200, lock_attempts=10, retry_pause_ms=50)))
        await until(lambda: release.said, seconds=60)  # the first try has failed
        await holder.rollback()
        assert await running == ["migrations/0002_second.sql"]
    assert any("all rolled back, trying again" in line for line in release.said)


async def test_a_statement_that_takes_too_long_is_ended(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    await release.apply()  # the ledger is made under the same limit
    release.write("migrations/0002_second.sql", "select pg_sleep(100);\n")
    with pytest.raises(OperatorError, match=r"SQL_FAILED.*57014"):
        await release.apply(Options(statement_timeout_ms=2_000))


async def test_a_nontransactional_file_runs_alone_between_two_transactions(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    release.write("migrations/0002_index.sql", INDEX)
    release.write("migrations/0003_third.sql", "select 3;\n")
    release.write("functions/core/a.sql", function("core.a", 1))
    release.write("grants.sql", "select 1;\n")
    done = await release.apply()
    assert [path.split("/")[-1] for path in done] == [
        "0001_first.sql", "0002_index.sql", "0003_third.sql", "a.sql", "grants.sql",
    ]  # fmt: skip
    assert release.ask("select indisvalid from pg_index where indexrelid = 'app.t_id'::regclass") == [(True,)]
    assert await release.apply() == []


async def test_a_nontransactional_file_with_two_statements_is_refused(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    await release.apply()
    release.write("migrations/0002_index.sql", INDEX + "select 1;\n")
    error = await release.refused("SQL_FAILED")
    assert "42601 cannot insert multiple commands" in error.reason
    assert release.ask("select to_regclass('app.t_id')") == [(None,)]


async def test_an_index_left_invalid_is_named_not_recorded_and_built_anew_by_the_next_run(
    release: Release,
) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    await release.apply()
    release.write("migrations/0002_index.sql", INDEX)
    async with await AsyncConnection.connect(release.url) as old:
        await old.execute("insert into app.t values (1)")  # a transaction older than the index
        error = await release.refused("INDEX_INVALID", QUICK)
    assert error.thing == "migrations/0002_index.sql"
    assert "55P03" in error.reason
    assert "app.t_id" in error.reason
    assert "is not recorded" in error.reason
    assert release.ask("select indisvalid from pg_index where indexrelid = 'app.t_id'::regclass") == [(False,)]
    assert await release.apply() == ["migrations/0002_index.sql"]
    assert "migrations/0002_index.sql: dropped the invalid index app.t_id of an interrupted run" in release.said
    assert release.ask("select indisvalid from pg_index where indexrelid = 'app.t_id'::regclass") == [(True,)]


async def test_an_invalid_index_of_another_origin_is_named_and_left_alone(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE + "insert into app.t values (1), (1);\n")
    await release.apply()
    with pytest.raises(psycopg.errors.UniqueViolation):
        release.ask("create unique index concurrently other on app.t (id)")
    release.write("migrations/0002_index.sql", INDEX.replace("unique ", "").replace("t_id", "t_plain"))
    error = await release.refused("INDEX_INVALID")
    assert "invalid: app.other;" in error.reason
    release.ask("drop index concurrently app.other")
    with pytest.raises(OperatorError, match="42P07"):  # valid, but not recorded: a person decides
        await release.apply()


async def test_two_runners_at_once_do_the_work_once(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE + "select pg_sleep(0.3);\n")
    release.write("migrations/0002_index.sql", INDEX)
    release.write("migrations/0003_third.sql", "select 3;\n")
    release.write("functions/core/a.sql", function("core.a", 1))
    done = await asyncio.gather(*(release.apply() for _ in range(3)))
    assert sorted(path for paths in done for path in paths) == [
        "functions/core/a.sql",
        "migrations/0001_first.sql", "migrations/0002_index.sql", "migrations/0003_third.sql",
    ]  # fmt: skip
    assert len(release.ledger()) == 4


async def test_a_runner_does_not_wait_for_ever_for_another(release: Release) -> None:
    release.write("migrations/0001_first.sql", "select pg_advisory_xact_lock(4711);\n")
    waiting = (
        "select 1 from pg_locks where not granted and locktype = 'advisory' and objid = 4711"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    with psycopg.connect(release.url, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(4711)")
        first = asyncio.create_task(release.apply(Options(lock_timeout_ms=100_000)))
        # It is in its file, under the runners' lock.
        await until(lambda: holder.execute(waiting).fetchall(), seconds=60)
        with pytest.raises(OperatorError, match=r"RUNNER_BUSY.*held it for 300 ms"):
            await release.apply(Options(runner_wait_ms=300))
        holder.execute("select pg_advisory_unlock(4711)")
        assert await first == ["migrations/0001_first.sql"]


async def test_what_has_no_file_any_more_is_reported_and_kept(release: Release) -> None:
    release.write("migrations/0001_first.sql", "create type core.span as range (subtype = int);\n")
    gone = release.write("functions/core/a.sql", function("core.a", 1))
    release.write("functions/core/b.sql", function('"core"."b"', 1))
    await release.apply()
    assert not [line for line in release.said if line.startswith("warning")]
    gone.unlink()
    assert await release.apply() == []
    assert [line for line in release.said if line.startswith("warning")] == [
        "warning: functions/core/a.sql was applied once and is gone: nothing is dropped by that",
        "warning: function core.a is in the database but in no file",
    ]
    assert release.ask("select core.a()") == [(1,)]


def run(release: Release, *arguments: str, url: str = "") -> Result:
    options = ["--database-url", url or release.url, "--sql-dir", str(release.folder), *arguments]
    return CliRunner().invoke(migrate, options)


def test_the_command_and_its_exit_status(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    pending = run(release, "--check")
    assert (pending.exit_code, pending.stdout) == (3, "pending migrations/0001_first.sql\n1 files pending\n")
    applied = run(release)
    assert applied.exit_code == 0
    assert applied.stdout.endswith("1 files applied; the database is current\n")
    assert run(release, "--check").exit_code == 0
    release.write("migrations/0001_first.sql", TABLE + "-- edited\n")
    for broken in (run(release, "--check"), run(release)):
        assert broken.exit_code == 1
        assert broken.stderr.startswith("Error: MIGRATION_EDITED: migrations/0001_first.sql: ")


def test_an_unreachable_server_is_named_without_the_password(release: Release) -> None:
    refused = run(release, url=f"postgresql://u:very-secret@127.0.0.1:{free_port()}/d")
    assert refused.exit_code == 1
    assert "DATABASE_UNREACHABLE" in refused.stderr
    assert "very-secret" not in refused.stderr
    assert "SQL_DIRECTORY_MISSING" in run(release, "--sql-dir", str(release.folder / "absent")).stderr


def test_a_role_without_rights_is_told_so(release: Release) -> None:
    release.write("migrations/0001_first.sql", TABLE)
    with psycopg.connect(release.url, autocommit=True) as connection:
        connection.execute("drop role if exists migrate_nobody")
        connection.execute(sql.SQL("create role migrate_nobody login password 'x'"))
    refused = run(release, url=release.url.replace(release.url.split("//")[1].split("@")[0], "migrate_nobody:x"))
    assert refused.exit_code == 1
    assert "42501 permission denied for database" in refused.stderr
