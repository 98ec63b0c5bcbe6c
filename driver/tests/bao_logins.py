"""Logins that a test's OpenBao lends: sessions of them, and what the database knows of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from symphony.bao.rights import LOGIN_PREFIX
from symphony.bao.session import LoginGrant, Session
from tests.bao_process import Bao

ISSUER = f"issuer_{os.getpid()}"
INGEST = "symphony_ingest"


def place(database_url: str) -> str:
    """Where the database is, without a login."""
    parts = psycopg.conninfo.conninfo_to_dict(database_url)
    return psycopg.conninfo.make_conninfo(host=parts["host"], port=parts["port"], dbname=parts["dbname"])


def as_login(database_url: str, grant: LoginGrant) -> psycopg.Connection:
    """A session of a leased login."""
    return psycopg.connect(place(database_url), user=grant.username, password=grant.password, autocommit=True)


def sessions_of(admin: psycopg.Connection, oid: int) -> int:
    """How many sessions a role has, also when it is gone."""
    row = admin.execute("select count(*) from pg_stat_activity where usesysid = %s", (oid,)).fetchone()
    assert row is not None
    return int(row[0])


def oid_of(admin: psycopg.Connection, name: str) -> int | None:
    """The role's oid, None when it is not there."""
    row = admin.execute("select oid from pg_roles where rolname = %s", (name,)).fetchone()
    return None if row is None else int(row[0])


@asynccontextmanager
async def lent(lender: Bao, *, service: str = "ingress") -> AsyncIterator[tuple[Session, LoginGrant]]:
    """A service's session and a login of its capability."""
    async with lender.session(service) as session:
        grant = await session.grant_login({"ingress": INGEST, "worker": "symphony_executor"}[service])
        lender.secrets.add(grant.password)
        yield session, grant


def operator(lender: Bao) -> Session:
    """A session with the root token."""
    return Session(lender.server.address, token=lender.server.root_token())


def short_lives(lender: Bao, database_url: str, *, ttl_s: int, max_ttl_s: int) -> None:
    """Have logins made from now on end that soon."""
    lender.bootstrap(database_url=database_url, issuer=ISSUER, login_ttl_s=ttl_s, login_max_ttl_s=max_ttl_s)


def logins_of(admin: psycopg.Connection, issuer: str) -> list[str]:
    """The logins that an issuer made and that are still there."""
    query = (
        "select g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid"
        " where m.member = %s::regrole and starts_with(g.rolname, %s) group by 1"
    )
    return [row[0] for row in admin.execute(query, (issuer, LOGIN_PREFIX))]
