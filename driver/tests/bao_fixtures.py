"""A real OpenBao per test module, in memory, with all but the database engine made by bootstrap.

A test module asks for it with `pytest_plugins = ("tests.bao_fixtures",)`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import psycopg
import pytest
import structlog
from psycopg import sql

from symphony import logs
from tests.bao_logins import ISSUER, logins_of
from tests.bao_process import Bao, running


@pytest.fixture(scope="module")
def bao() -> Iterator[Bao]:
    """The module's server, all but the database engine made by bootstrap."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook
    with running() as found:
        logs.configure("test", level=logging.DEBUG, stream=found.logged)
        root.setLevel(logging.DEBUG)  # what the HTTP libraries say too
        try:
            found.bootstrap()
            yield found
        finally:
            root.handlers[:], root.level, sys.excepthook = before
            structlog.reset_defaults()


@pytest.fixture(scope="module")
def lender(bao: Bao, database_url: str) -> Iterator[Bao]:
    """The module's OpenBao with the database engine; the logins it made and its own are dropped at the end."""
    bao.bootstrap(database_url=database_url, issuer=ISSUER)
    yield bao
    bao.root.write("sys/leases/revoke-force/database")
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in [*logins_of(connection, ISSUER), ISSUER]:
            connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    """A superuser's session, the judge."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection
