"""`symphony logins create`: what it makes, what it refuses, and how little a login can do."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from symphony.api.logins import CAPABILITIES
from symphony.logins_command import _url_of, logins
from symphony.migrate import apply
from tests.command_calls import SUFFIX, count, create, execute, run

pytest_plugins = ("tests.login_fixtures",)

OWNERS = ("symphony_core_owner", "symphony_outbox_owner", "symphony_evidence_owner", "symphony_ops_owner")
FORBIDDEN = (
    "select * from outbox.payment_instructions",
    "select * from outbox.instruction_parties",
    "select * from evidence.outcomes",
    "select * from core.schema_migration",
    "insert into core.cell (cell_id, epoch, established_at) values ('cell-x', 1, now())",
    "select * from ingress.accept(p_items => null)",
    "select * from outbox.claim_outbox_batch(p_worker => 'w', p_limit => 1, p_rail => 'sandbox', p_lease => '30 s')",
    "select * from ops.health()",
    "select * from ops.get_status()",
    "select * from policy.get_active()",
    "select core.establish_cell(p_cell_id => 'cell-x', p_epoch => 1)",
    "create table public.mine (n integer)",
    "create table outbox.mine (n integer)",
    "create temporary table mine (n integer)",
    "create schema mine",
    "create role mine",
    "set session authorization postgres",
    "truncate outbox.payment_instructions",
)


def test_logins_are_for_development_only(fresh_database: str, tmp_path: Path) -> None:
    refused = create(fresh_database, "--out", tmp_path / "logins.json")
    assert refused.exit_code == 1
    assert "DEVELOPMENT_ONLY" in refused.stderr
    assert "OpenBao" in refused.stderr
    assert not (tmp_path / "logins.json").exists()
    assert count(fresh_database, f"select count(*) from pg_roles where rolname like '%\\_{SUFFIX}'") == 0


def test_a_login_has_one_capability_and_nothing_else(fresh_database: str, urls: dict[str, str]) -> None:
    assert tuple(urls) == CAPABILITIES
    with psycopg.connect(fresh_database) as connection:
        found = connection.execute(
            "select u.rolname, g.rolname from pg_roles as u join pg_auth_members as m on m.member = u.oid"
            " join pg_roles as g on g.oid = m.roleid where u.rolname like %s and u.rolcanlogin and not u.rolinherit"
            " and not (u.rolsuper or u.rolcreaterole or u.rolcreatedb or u.rolreplication or u.rolbypassrls)"
            " and m.set_option and not m.inherit_option and not m.admin_option and u.rolconfig is null",
            (f"%\\_{SUFFIX}",),
        ).fetchall()
    assert sorted(found) == sorted((f"{capability}_{SUFFIX}", capability) for capability in CAPABILITIES)


def test_the_file_of_the_logins_is_private_and_renewing_ends_the_old_passwords(
    fresh_database: str, urls: dict[str, str], tmp_path: Path
) -> None:
    path, login = tmp_path / "logins.json", f"symphony_ingest_{SUFFIX}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    execute(
        fresh_database,
        f"alter role {login} createdb inherit connection limit 1",
        f"alter role {login} set role symphony_ingest",
        f"grant symphony_auditor to {login} with admin option",
        f"grant symphony_ingest to {login} with inherit true, admin true",
    )
    done = create(fresh_database, "--dev", "--out", path)
    assert (done.exit_code, done.stdout) == (0, f"0 logins created, 11 renewed; their URLs are in {path}\n")
    renewed = json.loads(path.read_text())
    test_a_login_has_one_capability_and_nothing_else(fresh_database, renewed)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(urls["symphony_ingest"])
    assert count(renewed["symphony_ingest"], "select 1") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["logins.json"]


def test_a_name_that_is_taken_is_left_alone(fresh_database: str) -> None:
    taken = f"symphony_ingest_{SUFFIX}"
    for made in ("superuser login", "nologin"):
        execute(fresh_database, f"create role {taken} {made}")
        try:
            refused = create(fresh_database, "--dev")
            assert refused.exit_code == 1
            assert f"LOGIN_NAME_TAKEN: {taken}" in refused.stderr
            query = f"select count(*) from pg_authid where rolname = '{taken}' and rolpassword is null"
            assert count(fresh_database, query) == 1
        finally:
            execute(fresh_database, f"drop role {taken}")


def test_somebody_who_may_not_create_logins_is_told(fresh_database: str, urls: dict[str, str]) -> None:
    refused = run(logins, "create", "--dev", "--suffix", f"{SUFFIX}x", url=urls["symphony_operator"])
    assert refused.exit_code == 1
    assert "LOGIN_NOT_CREATED" in refused.stderr
    assert "superuser" in refused.stderr
    assert count(fresh_database, f"select count(*) from pg_roles where rolname like '%\\_{SUFFIX}x'") == 0


def refused_by(connection: psycopg.Connection[Any], statement: str | sql.Composed) -> str | None:
    """The SQLSTATE a statement is refused with, None when it is not."""
    try:
        with connection.transaction():
            connection.execute(statement.encode() if isinstance(statement, str) else statement)
    except psycopg.Error as error:
        return error.sqlstate
    return None


def test_a_login_without_set_role_can_do_nothing(empty_database: str, tmp_path: Path) -> None:
    # Migrated itself: a clone does not have the rights on its template (TEMPORARY), which are the database's own.
    asyncio.run(apply(empty_database))
    path = tmp_path / "logins.json"
    assert create(empty_database, "--dev", "--out", path).exit_code == 0
    try:
        for capability, url in json.loads(path.read_text()).items():
            with psycopg.connect(url, autocommit=True) as connection:
                for statement in FORBIDDEN:
                    said = refused_by(connection, statement)
                    assert said == errors.InsufficientPrivilege.sqlstate, f"{capability}: {statement}: {said}"
        assert count(empty_database, "select count(*) from core.cell") == 0
        assert count(empty_database, "select count(*) from pg_class where relname = 'mine'") == 0
    finally:
        execute(empty_database, *(f"drop role {capability}_{SUFFIX}" for capability in CAPABILITIES))


def test_a_login_reaches_its_capability_and_no_other_role(urls: dict[str, str]) -> None:
    for capability, url in urls.items():
        others = [name for name in (*CAPABILITIES, *OWNERS, "postgres") if name != capability]
        with psycopg.connect(url, autocommit=True) as connection:
            for other in others:
                set_role = sql.SQL("set local role {}").format(sql.Identifier(other))
                assert refused_by(connection, set_role) == "42501", f"{capability} became {other}"
            assert refused_by(connection, sql.SQL("set local role {}").format(sql.Identifier(capability))) is None
            # Nor from inside its capability: that is a member of nothing.
            connection.execute(sql.SQL("set role {}").format(sql.Identifier(capability)))
            for other in others:
                set_role = sql.SQL("set local role {}").format(sql.Identifier(other))
                assert refused_by(connection, set_role) == "42501", f"{capability} became {other} in two steps"


def test_the_url_of_a_login_keeps_the_place_and_its_settings() -> None:
    def made(database_url: str) -> str:
        return _url_of(database_url, login="l", password="p/w", dbname="d b")

    assert (
        made("postgresql://u:s@db:6432/x?sslmode=verify-full")
        == "postgresql://l:p%2Fw@db:6432/d%20b?sslmode=verify-full"
    )
    assert made("host=::1 port=5 user=u") == "postgresql://l:p%2Fw@[::1]:5/d%20b"
    assert made("host=/run/pg user=u password=s") == "postgresql://l:p%2Fw@/d%20b?host=%2Frun%2Fpg"
    assert psycopg.conninfo.conninfo_to_dict(made("host=/run/pg"))["host"] == "/run/pg"
