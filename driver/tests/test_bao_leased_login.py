"""A service's login over time: OpenBao away, the lease renewed, replaced, revoked, over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest
from psycopg import sql
from psycopg_pool import AsyncConnectionPool

from symphony.bao.enrolment import issue_enrolment
from symphony.bao.errors import BaoUnavailable, LoginLeaseEnded
from symphony.bao.leased_login import LeasedLogin
from symphony.bao.session import Session
from tests.bao_logins import INGEST, ISSUER, logins_of, oid_of, operator, place, short_lives
from tests.bao_process import Bao, running
from tests.until import until

pytest_plugins = ("tests.bao_fixtures",)


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_openbao_away_changes_nothing_until_the_lease_ends(
    lender: Bao, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    async with lender.session("ingress", timeout_s=3) as hasty, lender.session("ingress", timeout_s=20) as session:
        login = LeasedLogin(session, capability=INGEST, place=place(database_url), clock=clock)
        with pytest.raises(LoginLeaseEnded):
            login.dsn()
        await login.open()
        with lender.hung():
            with pytest.raises(BaoUnavailable):
                await hasty.renew_token()
            clock.now += 3_599.9
            async with await psycopg.AsyncConnection.connect(login.dsn()) as connection:
                assert await (await connection.execute("select current_user::text")).fetchone() == (INGEST,)
            clock.now += 0.1
            with pytest.raises(LoginLeaseEnded, match=INGEST) as ended:
                login.dsn()
            with pytest.raises(LoginLeaseEnded):
                login.check()
        lender.secrets.add(password := psycopg.conninfo.conninfo_to_dict(login._dsn)["password"])  # type: ignore[arg-type]
        assert str(password) not in f"{ended.value!r} {login!r} {vars(login)}".replace(login._dsn, "")
        # It is back: a new login, without anybody's help.
        await login._keep()
        assert (login.generation, login.ends_at) == (2, clock.now + 3_600)
        login.check()


@asynccontextmanager
async def kept(login: LeasedLogin) -> AsyncIterator[asyncio.Task[None]]:
    """The login opened and its keeper running."""
    await login.open()
    keeper: asyncio.Task[None] = asyncio.create_task(login.run())
    try:
        yield keeper
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


@pytest.mark.slow
async def test_a_pool_lives_longer_than_any_login(lender: Bao, database_url: str, admin: psycopg.Connection) -> None:
    await asyncio.to_thread(short_lives, lender, database_url, ttl_s=6, max_ttl_s=12)
    async with lender.session("ingress") as session:
        drained = 0

        async def drain() -> None:
            nonlocal drained
            drained += 1
            await pool.drain()

        login = LeasedLogin(session, capability=INGEST, place=place(database_url), on_replaced=drain)
        pool = AsyncConnectionPool(login.dsn, min_size=1, max_size=2, open=False, timeout=20)
        async with kept(login) as keeper:
            await pool.open(wait=True)
            users: set[str] = set()
            deadline = time.monotonic() + 100
            while len(users) < 3:
                assert time.monotonic() < deadline, "logins are not replaced"
                async with pool.connection() as connection:
                    row = await (await connection.execute("select session_user::text, current_user::text")).fetchone()
                assert row is not None
                assert row[1] == INGEST
                users.add(row[0])
                await asyncio.sleep(0.05)
            assert not keeper.done()
            await pool.close()
        assert login.generation == drained + 1
        assert 3 <= len(users) <= login.generation
        # The first ones are gone: the pool left them before they ended.
        await until(lambda: sum(oid_of(admin, user) is not None for user in users) < len(users), seconds=60)


@pytest.mark.slow
async def test_a_lease_that_is_revoked_is_not_replaced(lender: Bao, database_url: str) -> None:
    await asyncio.to_thread(short_lives, lender, database_url, ttl_s=6, max_ttl_s=60)
    async with lender.session("ingress") as session:
        login = LeasedLogin(session, capability=INGEST, place=place(database_url))
        async with kept(login) as keeper:
            assert login._grant is not None
            await operator(lender).revoke_login(login._grant.lease_id)
            with pytest.raises(LoginLeaseEnded, match="revoked"):
                await asyncio.wait_for(keeper, 30)
            with pytest.raises(LoginLeaseEnded):
                login.dsn()
            assert login.generation == 1
    lender.secrets.add(login._grant.password)
    assert "database login revoked" in lender.logged.getvalue()


def test_no_log_holds_a_password_or_a_token(lender: Bao) -> None:
    assert len(lender.secrets) > 3, "the tests above did not run"
    assert "database/creds/symphony_ingest" in lender.said()
    assert [secret[:4] for secret in lender.secrets if secret in lender.said()] == []


@pytest.mark.slow
async def test_openbao_stopped_for_less_and_for_more_than_the_lease(database_url: str) -> None:
    """A server that keeps its data, really stopped and started again; the database outlives it."""
    issuer = f"{ISSUER}_kept"
    with running() as probe:
        data = probe.server.directory.with_name(probe.server.directory.name + "-kept")
    try:
        with running(data) as first:
            port = first.server.port
            await asyncio.to_thread(
                first.bootstrap, database_url=database_url, issuer=issuer, login_ttl_s=30, login_max_ttl_s=600
            )
            session = await Session.login(issue_enrolment(first.root, "ingress"), timeout_s=10)
            login = LeasedLogin(session, capability=INGEST, place=place(database_url))
            await login.open()
            keeper: asyncio.Task[None] = asyncio.create_task(login.run())
        # Stopped for less than the lease: nothing changes.
        user = await _user(login)
        await asyncio.sleep(1.5)
        assert await _user(login) == user
        before = login.ends_at
        with running(data, port=port):
            await until(lambda: login.ends_at > before, seconds=25)  # renewed after the restart
            assert await _user(login) == user
        # Stopped for more: refused at the end, by us, although nobody is there to revoke it.
        await until(lambda: time.monotonic() >= login.ends_at, seconds=60)
        with pytest.raises(LoginLeaseEnded):
            login.dsn()
        assert not keeper.done()
        with running(data, port=port):
            await until(lambda: login.generation > 1, seconds=60)
            assert await _user(login) != user
            with psycopg.connect(database_url) as admin:
                await until(lambda: oid_of(admin, user) is None, seconds=60)
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await session.close()
            with psycopg.connect(database_url) as admin:
                await until(lambda: not logins_of(admin, issuer), seconds=60)
    finally:
        for path in sorted(data.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        data.rmdir()
        with psycopg.connect(database_url, autocommit=True) as admin:
            for name in [*logins_of(admin, issuer), issuer]:
                admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))


async def _user(login: LeasedLogin) -> str:
    async with await psycopg.AsyncConnection.connect(login.dsn()) as connection:
        row = await (await connection.execute("select session_user::text")).fetchone()
    assert row is not None
    return str(row[0])
