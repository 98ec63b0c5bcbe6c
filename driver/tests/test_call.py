"""The one way a function of the SQL API is called: one flight, one transaction, one role; and how it ends when it does not succeed."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg.pq import TransactionStatus

from symphony import api
from symphony.api.connection import Connection, call
from symphony.errors import DatabaseRefused, DatabaseUnavailable, OutcomeUnknown
from tests.until import until

ROLE = "symphony_ingest"
WRITE = "insert into words.written values (%s) returning current_user::text"
PREPARE = """
create schema words;
grant usage on schema words to symphony_ingest;
create table words.written (word text);
grant insert, select on words.written to symphony_ingest;
create function words.judge_word() returns trigger language plpgsql as $$
begin
  if new.word like 'slow%' then perform pg_sleep(600); end if;
  if new.word like 'refused%' then raise exception 'no' using errcode = 'SX100'; end if;
  return null;
end $$;
create trigger at_once after insert on words.written for each row
  when (new.word not like '%at commit') execute function words.judge_word();
create constraint trigger at_commit after insert on words.written deferrable initially deferred for each row
  when (new.word like '%at commit') execute function words.judge_word();
"""


@pytest.fixture(scope="module")
def written(database_url: str) -> str:
    """A database with a table whose rows are judged at once or at the commit."""
    with psycopg.connect(database_url) as admin:
        admin.execute(PREPARE)
    return database_url


@pytest_asyncio.fixture
async def connection(written: str) -> AsyncIterator[Connection]:
    """A session as the services have it, and an empty table."""
    with psycopg.connect(written) as admin:
        admin.execute("truncate words.written")
    async with await api.connect(written, application_name="test", statement_timeout_ms=60_000) as opened:
        yield opened


async def write(connection: Connection, word: str, *, role: str = ROLE) -> list[tuple[object, ...]]:
    return await call(connection, role=role, query=WRITE, params=(word,))


def words(url: str) -> list[str]:
    """What is written."""
    with psycopg.connect(url) as admin:
        return [word for (word,) in admin.execute("select word from words.written").fetchall()]


async def usable(connection: Connection) -> list[str]:
    """What is written, asked on the same session: no transaction is left open, and no role."""
    assert connection.info.transaction_status is TransactionStatus.IDLE
    cursor = await connection.execute("select current_user = session_user, (select array_agg(word) from words.written)")
    row = await cursor.fetchone()
    assert row is not None
    assert row[0] is True
    return list(row[1] or [])


async def test_a_call_is_committed_when_it_returns_and_was_one_flight(connection: Connection) -> None:
    for _ in range(7):  # prepared on the way, by psycopg
        assert await write(connection, "once") == [(ROLE,)]
    with tempfile.TemporaryFile() as trace:
        connection.pgconn.trace(trace.fileno())
        await write(connection, "traced")
        connection.pgconn.untrace()
        os.lseek(trace.fileno(), 0, os.SEEK_SET)
        messages = re.findall(r"^\S+ \S+\t([FB])\t\d+\t(\w+)", trace.read().decode(), re.MULTILINE)
    directions = "".join(direction for direction, _ in messages)
    assert re.fullmatch("F+B+", directions), "nothing is sent after the first answer"
    assert [name for direction, name in messages if direction == "F"].count("Sync") == 1
    assert await usable(connection) == ["once"] * 7 + ["traced"]


async def test_what_is_refused_is_not_written(connection: Connection) -> None:
    for _ in range(7):
        with pytest.raises(DatabaseRefused) as refused:
            await write(connection, "refused")
        assert refused.value.sqlstate == "SX100"
        assert await usable(connection) == []
    assert await write(connection, "next") == [(ROLE,)]
    assert await usable(connection) == ["next"]


async def test_what_its_commit_refuses_is_not_written_and_ends_the_session(
    connection: Connection, written: str
) -> None:
    with pytest.raises(DatabaseRefused) as refused:
        await write(connection, "refused at commit")
    assert refused.value.sqlstate == "SX100"
    assert connection.closed
    assert words(written) == []


async def test_a_flight_that_did_not_begin_ends_the_session(
    connection: Connection, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the flight that prepares its statements the server skips them; the session may not be lent again."""
    for _ in range(5):
        await write(connection, "before")
    execute = connection.execute

    async def refused(query: Any, *args: Any, **options: Any) -> Any:
        return await execute("select 1 / 0" if query == "begin" else query, *args, **options)

    monkeypatch.setattr(connection, "execute", refused)
    with pytest.raises(DatabaseUnavailable, match="22012"):
        await write(connection, "after")
    assert connection.closed
    assert words(written) == ["before"] * 5


async def test_under_a_role_without_the_right_nothing_runs(connection: Connection) -> None:
    with pytest.raises(DatabaseUnavailable, match="42501"):
        await write(connection, "x", role="symphony_auditor")
    with pytest.raises(DatabaseUnavailable, match="22023"):
        await write(connection, "x", role="nobody_has_this_role")
    assert await usable(connection) == []


async def test_a_parameter_that_cannot_be_sent_leaves_no_transaction(connection: Connection) -> None:
    with pytest.raises(UnicodeEncodeError):
        await write(connection, "\ud800")
    assert await usable(connection) == []


@pytest.mark.parametrize("word", ["slow", "slow at commit"])
async def test_cancelled_it_leaves_no_transaction(connection: Connection, written: str, word: str) -> None:
    calling = asyncio.create_task(write(connection, word))
    await until_running(written, connection)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert words(written) == []
    if not connection.closed:
        assert await usable(connection) == []


@pytest.mark.parametrize("word", ["slow", "slow at commit"])
async def test_a_session_that_ends_on_the_way_leaves_the_outcome_unknown(
    connection: Connection, written: str, word: str
) -> None:
    calling = asyncio.create_task(write(connection, word))
    await until_running(written, connection)
    with psycopg.connect(written) as admin:
        admin.execute("select pg_terminate_backend(%s)", (connection.info.backend_pid,))
    with pytest.raises(OutcomeUnknown):
        await calling
    assert connection.closed


async def test_inside_a_transaction_of_the_caller_it_is_a_savepoint(connection: Connection) -> None:
    async with connection.transaction(force_rollback=True):
        assert await write(connection, "first") == [(ROLE,)]
        with pytest.raises(DatabaseRefused):
            await write(connection, "refused")
        assert await write(connection, "second") == [(ROLE,)]
        cursor = await connection.execute("select count(*) from words.written")
        assert await cursor.fetchone() == (2,)
    assert await usable(connection) == [], "it is the caller's to commit"


async def until_running(url: str, connection: Connection) -> None:
    """Wait until the session sleeps in the trigger."""
    query = "select wait_event from pg_stat_activity where pid = %s"

    async def sleeps() -> bool:
        return await (await looking.execute(query, (connection.info.backend_pid,))).fetchone() == ("PgSleep",)

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as looking:
        await until(sleeps, seconds=30)
