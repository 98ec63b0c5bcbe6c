"""Calls of commands and of the database that tests of commands share."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from click.testing import CliRunner, Result

from symphony.logins_command import logins

SUFFIX = f"t{os.getpid()}"


def count(url: str, query: str) -> int:
    """The one number a query answers."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def execute(url: str, *statements: str) -> None:
    """Run statements, each by itself."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def run(command: Any, *arguments: object, url: str) -> Result:
    """Run a command with --database-url."""
    return CliRunner().invoke(command, [*map(str, arguments), "--database-url", url])


def create(url: str, *arguments: object) -> Result:
    """Run `symphony logins create` with the suffix of this run."""
    return run(logins, "create", "--suffix", SUFFIX, *arguments, url=url)
