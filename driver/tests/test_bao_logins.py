"""Database logins that OpenBao lends: one capability, an end that is an end, and an end that fails is seen."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from contextlib import suppress

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from symphony.api import connect
from symphony.api.login_issuer import OverdueLogin
from symphony.api.logins import CAPABILITIES
from symphony.bao.command import OVERDUE_STATUS
from symphony.bao.command import bao as command
from symphony.bao.errors import BaoRefused, BaoUnavailable, RevocationFailed
from symphony.bao.overdue import report_overdue
from symphony.bao.rights import LOGIN_PREFIX
from symphony.bao.session import LoginGrant
from symphony.operator_error import OperatorError
from tests.bao_logins import INGEST, ISSUER, as_login, lent, logins_of, oid_of, operator, sessions_of, short_lives
from tests.bao_process import Bao
from tests.until import until

pytest_plugins = ("tests.bao_fixtures",)


def test_bootstrap_twice_changes_nothing(lender: Bao, database_url: str) -> None:
    assert lender.bootstrap(database_url=database_url, issuer=ISSUER) == []


def test_a_login_is_its_capability_and_nothing_else(lender: Bao, database_url: str, admin: psycopg.Connection) -> None:
    async def work() -> None:
        async with lent(lender) as (_, grant):
            assert grant.password not in repr(grant)
            with as_login(database_url, grant) as session:
                who = session.execute("select session_user, current_user").fetchone()
                assert who == (grant.username, INGEST)
                assert grant.username.startswith(f"{LOGIN_PREFIX}{INGEST}-")
                for other in {*CAPABILITIES, "symphony_ingress_owner", "postgres", ISSUER} - {INGEST}:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied to set role"):
                        session.execute(sql.SQL("set role {}").format(sql.Identifier(other)))
                for table in (
                    "outbox.payment_instructions",
                    "outbox.instruction_parties",
                    "ingress.ingress_attestations",
                ):
                    for statement in (f"select from {table}", f"delete from {table}"):
                        with pytest.raises(
                            psycopg.errors.InsufficientPrivilege, match=r"permission denied for (table|schema)"
                        ):
                            session.execute(statement.encode())
                session.execute("set role none")
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for schema"):
                    session.execute("select ingress.accept(null)")
            found = admin.execute(
                "select r.rolinherit or r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls,"
                " array(select (m.roleid::regrole::text, m.inherit_option, m.set_option, m.admin_option)::text"
                "  from pg_auth_members m where m.member = r.oid), r.rolvaliduntil - now() between '59 min' and '61 min'"
                " from pg_roles r where r.rolname = %s",
                (grant.username,),
            ).fetchone()
            assert found == (False, [f"({INGEST},f,t,f)"], True)

    asyncio.run(work())


def test_a_service_gets_no_login_of_another(lender: Bao, admin: psycopg.Connection) -> None:
    async def work() -> None:
        async with lent(lender, service="worker") as (session, grant), lent(lender) as (_, others):
            before = sorted(logins_of(admin, ISSUER))  # roles are the cluster's: other tests make theirs
            with pytest.raises(BaoRefused) as refused:
                await session.grant_login(INGEST)
            assert refused.value.status == 403
            assert sorted(logins_of(admin, ISSUER)) == before
            with pytest.raises(BaoRefused) as not_its_own:
                await session.renew_login(others.lease_id, seconds=60)
            assert not_its_own.value.status == 403
            with pytest.raises(BaoRefused) as no_operator:
                await session.revoke_login(grant.lease_id)
            assert no_operator.value.status == 403

    asyncio.run(work())


def test_the_issuer_makes_logins_and_can_do_nothing_itself(
    lender: Bao, database_url: str, admin: psycopg.Connection
) -> None:
    attributes = admin.execute(
        "select rolsuper, rolcreatedb, rolreplication, rolbypassrls, rolinherit, rolcreaterole from pg_roles where rolname = %s",
        (ISSUER,),
    ).fetchone()
    assert attributes == (False, False, False, False, False, True)

    async def work() -> None:
        async with lent(lender) as (_, grant):
            with psycopg.connect(database_url, autocommit=True) as session, as_login(database_url, grant) as leased:
                bystander = admin.execute("select pg_backend_pid()").fetchone()
                session.execute(sql.SQL("set session authorization {}").format(sql.Identifier(ISSUER)))
                for role in (INGEST, grant.username, "pg_signal_backend", "postgres"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        session.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
                for statement in ("select ingress.accept(null)", "select from outbox.payment_instructions"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        session.execute(statement.encode())
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied to terminate"):
                    session.execute("select pg_terminate_backend(%s)", bystander)
                assert session.execute(
                    "select pg_terminate_backend(%s, 5000)", (leased.info.backend_pid,)
                ).fetchone() == (True,)

    asyncio.run(work())
    assert admin.execute(
        "select array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid"
        " where m.member = %s::regrole and not starts_with(g.rolname, %s) order by 1)",
        (ISSUER, LOGIN_PREFIX),
    ).fetchone() == (sorted(CAPABILITIES),)


def test_it_may_not_end_sessions_of_another_plain_login(
    lender: Bao, database_url: str, admin: psycopg.Connection
) -> None:
    """pg_signal_backend would let it end everybody's: the migration's, the auditor's."""
    plain = f"plain_{os.getpid()}"
    admin.execute(f"create role {plain} login".encode())
    try:
        with (
            psycopg.connect(database_url, autocommit=True) as victim,
            psycopg.connect(database_url, autocommit=True) as it,
        ):
            victim.execute(f"set session authorization {plain}".encode())
            it.execute(sql.SQL("set session authorization {}").format(sql.Identifier(ISSUER)))
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied to terminate process"):
                it.execute("select pg_terminate_backend(%s)", (victim.info.backend_pid,))
            assert victim.execute("select 1").fetchone() == (1,)
    finally:
        admin.execute(f"drop role {plain}".encode())


@pytest.mark.parametrize(
    ("planted", "changed"),
    [
        ("revocation_statements", "database/roles/symphony_ingest"),
        ("rollback_statements", "database/roles/symphony_ingest"),
        ("max_ttl", "database/roles/symphony_ingest"),
    ],
)
def test_old_fields_of_a_role_do_not_survive(lender: Bao, database_url: str, planted: str, changed: str) -> None:
    path = f"database/roles/{INGEST}"
    before = (lender.root.read(path) or {})["data"]
    value = 999_999 if planted == "max_ttl" else ["select 1"]
    lender.root.write(path, {**before, planted: value})
    assert lender.bootstrap(database_url=database_url, issuer=ISSUER) == [changed]
    assert (lender.root.read(path) or {})["data"] == before


@pytest.mark.parametrize(
    "planted",
    [
        "grant pg_signal_backend to {issuer}",
        "grant symphony_ingest to {issuer} with set true granted by {issuer}",
        "alter role {issuer} createdb",
        "revoke symphony_sealer from {issuer}",
    ],
)
def test_an_issuer_that_was_changed_is_put_right(
    lender: Bao, database_url: str, admin: psycopg.Connection, planted: str
) -> None:
    admin.execute(planted.format(issuer=ISSUER).encode())
    assert lender.bootstrap(database_url=database_url, issuer=ISSUER) == [f"database login {ISSUER}"]
    assert lender.bootstrap(database_url=database_url, issuer=ISSUER) == []
    found = admin.execute(
        "select g.rolname, m.admin_option, m.inherit_option, m.set_option from pg_auth_members m"
        " join pg_roles g on g.oid = m.roleid where m.member = %s::regrole and not starts_with(g.rolname, %s) order by 1",
        (ISSUER, LOGIN_PREFIX),
    ).fetchall()
    assert found == [(capability, True, False, False) for capability in sorted(CAPABILITIES)]


def test_a_superuser_is_never_the_issuer(lender: Bao, database_url: str) -> None:
    before = (lender.root.read("database/config/symphony") or {})["data"]
    with pytest.raises(OperatorError, match="ISSUER_IS_SUPERUSER"):
        lender.bootstrap(database_url=database_url, issuer="postgres")
    assert (lender.root.read("database/config/symphony") or {})["data"] == before


def test_a_revoked_login_is_gone_with_its_sessions_though_a_pool_reconnects(
    lender: Bao, database_url: str, admin: psycopg.Connection
) -> None:
    """Without the commit in revoke_login.sql the new sessions outlive the revocation."""
    stop = threading.Event()
    opened: list[psycopg.Connection] = []

    def reconnect(grant: LoginGrant) -> None:
        while not stop.is_set():
            with suppress(psycopg.Error):
                session = as_login(database_url, grant)
                opened.append(session)
                while not stop.is_set():
                    session.execute("select 1")
                    time.sleep(0.002)

    async def work() -> None:
        async with lent(lender) as (_, grant):
            oid = oid_of(admin, grant.username)
            assert oid is not None
            threads = [threading.Thread(target=reconnect, args=(grant,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            try:
                await until(lambda: sessions_of(admin, oid) == 3, seconds=30)
                await operator(lender).revoke_login(grant.lease_id)
                await until(lambda: sessions_of(admin, oid) == 0, seconds=30)
                await asyncio.sleep(0.2)
                assert sessions_of(admin, oid) == 0
                assert oid_of(admin, grant.username) is None
                with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                    as_login(database_url, grant)
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
                for session in opened:
                    session.close()

    asyncio.run(work())


def test_giving_the_token_back_ends_the_login(lender: Bao, database_url: str, admin: psycopg.Connection) -> None:
    async def work() -> None:
        async with lent(lender) as (_, grant):
            session = as_login(database_url, grant)
        with session:
            await until(lambda: oid_of(admin, grant.username) is None, seconds=30)
            with pytest.raises(psycopg.errors.AdminShutdown):
                session.execute("select 1")

    asyncio.run(work())


def test_a_database_that_is_away_is_no_lost_lease(lender: Bao, admin: psycopg.Connection) -> None:
    """OpenBao answers 400 to both; taking one for the other would end a service for good."""

    async def work() -> None:
        async with lent(lender) as (session, grant):
            admin.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(ISSUER)))
            admin.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s", (ISSUER,))
            try:
                with pytest.raises(BaoUnavailable):
                    await session.renew_login(grant.lease_id, seconds=60)
                with pytest.raises(BaoUnavailable):
                    await session.grant_login(INGEST)
            finally:
                admin.execute(sql.SQL("alter role {} login").format(sql.Identifier(ISSUER)))
            assert await session.renew_login(grant.lease_id, seconds=3_600) == 3_600
            await operator(lender).revoke_login(grant.lease_id)
            with pytest.raises(BaoRefused) as lost:
                await session.renew_login(grant.lease_id, seconds=60)
            assert (lost.value.status, lost.value.said) == (400, "lease not found")

    asyncio.run(work())


def test_ending_a_login_twice_or_after_it_is_gone_is_no_failure(
    lender: Bao, database_url: str, admin: psycopg.Connection
) -> None:
    async def work() -> None:
        async with lent(lender) as (_, grant):
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(grant.username)))
            await operator(lender).revoke_login(grant.lease_id)

    asyncio.run(work())


def test_a_revocation_that_fails_is_raised_and_the_login_is_shut_anyway(
    lender: Bao, database_url: str, admin: psycopg.Connection
) -> None:
    async def work() -> None:
        async with lent(lender) as (_, grant):
            oid = oid_of(admin, grant.username)
            assert oid is not None
            # Something of its own keeps a role from being dropped.
            admin.execute(sql.SQL("create schema kept authorization {}").format(sql.Identifier(grant.username)))
            with as_login(database_url, grant) as session:
                with pytest.raises(RevocationFailed):
                    await operator(lender).revoke_login(grant.lease_id)
                await until(lambda: "lease revocation failed" in lender.said(), seconds=30)
                with pytest.raises(psycopg.errors.AdminShutdown):
                    session.execute("select 1")
            with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
                as_login(database_url, grant)
            admin.execute("drop schema kept")
            await operator(lender).revoke_login(grant.lease_id)
            assert oid_of(admin, grant.username) is None

    asyncio.run(work())


@pytest.mark.slow
def test_a_login_ends_at_its_time_with_its_sessions(lender: Bao, database_url: str, admin: psycopg.Connection) -> None:
    short_lives(lender, database_url, ttl_s=6, max_ttl_s=60)

    async def work() -> None:
        started = time.monotonic()
        async with lent(lender) as (_, grant):
            assert grant.seconds == 6
            with as_login(database_url, grant) as session:
                await until(lambda: oid_of(admin, grant.username) is None, seconds=30)
                assert time.monotonic() - started > 5.5
                with pytest.raises(psycopg.errors.AdminShutdown):
                    session.execute("select 1")
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                as_login(database_url, grant)

    asyncio.run(work())


@pytest.mark.slow
def test_a_login_whose_end_fails_is_found_by_the_database(
    lender: Bao, database_url: str, admin: psycopg.Connection
) -> None:
    short_lives(lender, database_url, ttl_s=6, max_ttl_s=60)
    alarms: list[OverdueLogin] = []

    async def look() -> list[str]:
        """The overdue logins of this test's issuer: roles are the cluster's, and other tests have theirs."""
        alarms.clear()
        async with await connect(database_url, application_name="test") as connection:
            assert await report_overdue(connection, grace_s=0.5, alarm=alarms.append) == len(alarms)
        made_here = logins_of(admin, ISSUER)
        return [alarm.login for alarm in alarms if alarm.login in made_here]

    async def nobody_is_overdue() -> bool:
        return (await asyncio.to_thread(_check, database_url)).exit_code == 0

    async def work() -> None:
        async with lent(lender) as (_, grant):
            admin.execute(sql.SQL("create schema kept authorization {}").format(sql.Identifier(grant.username)))
            assert await look() == []
            await until(look, seconds=60)
            assert await look() == [grant.username]
            shown = await asyncio.to_thread(_check, database_url)
            assert shown.exit_code == OVERDUE_STATUS
            told = [json.loads(line)["login"] for line in shown.stdout.splitlines() if line.startswith('{"login":')]
            assert grant.username in told
            admin.execute("drop schema kept")
            await operator(lender).revoke_login(grant.lease_id)
            assert await look() == []
            await until(nobody_is_overdue, seconds=30)

    asyncio.run(work())


def _check(database_url: str) -> Result:
    return CliRunner().invoke(command, ["check", "--database-url", database_url, "--grace-s", "0.5"])


def test_no_log_holds_a_password_or_a_token(lender: Bao) -> None:
    said = lender.said()
    assert len(lender.secrets) > 10, "the tests above did not run"
    assert "database/creds/symphony_ingest" in said
    assert [secret[:4] for secret in lender.secrets if secret in said] == []
