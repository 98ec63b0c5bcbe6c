"""One server for the gates that look at roles: other tests make and change roles on the shared one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from symphony.migrate import apply
from symphony.postgres_throwaway import Cluster


@dataclass(frozen=True, slots=True)
class Looked:
    """A server with one database that symphony migrate made, and nothing else."""

    cluster: Cluster
    url: str


@pytest.fixture(scope="session")
def looked_at() -> Iterator[Looked]:
    """A database as symphony migrate makes it, on a server of its own with wal_level logical (for slots).

    Not a copy of the template: CREATE DATABASE ... TEMPLATE loses the privileges of the database itself.
    """
    cluster = Cluster()
    try:
        cluster.start()
        with psycopg.connect(cluster.server.url("postgres"), autocommit=True) as connection:
            connection.execute("alter system set wal_level = logical")
        cluster.server.stop()
        cluster.start()
        url = cluster.server.url(cluster.empty())
        asyncio.run(apply(url))
        yield Looked(cluster, url)
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def _connection(looked_at: Looked) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(looked_at.url) as connection:
        yield connection


@pytest.fixture
def inside(_connection: Connection[TupleRow]) -> Iterator[Connection[TupleRow]]:
    """A superuser's transaction in that database, rolled back whatever happened in it."""
    _connection.execute("set local search_path = pg_catalog")
    yield _connection
    _connection.rollback()
