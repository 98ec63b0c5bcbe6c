"""Databases that gates make on a throwaway server: built from files, or copied."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg

from symphony.migrate import apply
from symphony.postgres_throwaway import Cluster


@contextmanager
def built(cluster: Cluster, *sql_dirs: Path) -> Iterator[str]:
    """Lend the URL of a database of its own to which each of these releases was migrated, one after the other.

    It is no copy of a template, which would not have the privileges of the database itself.

    Raises:
        OperatorError: those of symphony migrate.
    """
    # Roles belong to the server: two first migrations at once would both find them missing, and one would fail.
    cluster.make_template()
    name = f"built_{uuid.uuid4().hex[:16]}"
    cluster.server.create_database(name)
    try:
        url = cluster.server.url(name)
        for sql_dir in sql_dirs:
            migrate(url, sql_dir)
        yield url
    finally:
        cluster.drop(name)


def migrate(url: str, sql_dir: Path) -> list[str]:
    """Bring a database up to the files and return the paths applied. Raises OperatorError as symphony migrate does."""
    with ThreadPoolExecutor(1) as thread:  # whoever asks may have a loop running
        return thread.submit(asyncio.run, apply(url, sql_dir=sql_dir)).result()


@contextmanager
def copy_of(cluster: Cluster, template: str) -> Iterator[str]:
    """Lend the name of a copy of a database, dropped afterwards."""
    name = f"copy_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(cluster.server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} template {template}".encode())
        # A copy does not have the privileges of the database itself.
        connection.execute(f"revoke create, temporary on database {name} from public".encode())
    try:
        yield name
    finally:
        cluster.drop(name)
