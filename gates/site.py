"""What the gates look at: a checkout, a database built from it, and a server where more may be built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from symphony.operator_error import OperatorError
from symphony.postgres_throwaway import Cluster

ROOT = Path(__file__).resolve().parents[1]


@dataclass(slots=True)
class Site:
    """One place to look at.

    Attributes:
        root: the checkout: sql/, driver/, gates/, .github/.
        database_url: the database looked at, None when there is none (gates that need one then fail).
        cluster: a throwaway server on which gates may create databases, None for a look at a live database.
        connection: set to look through one session, as the sabotage tests do inside a transaction of their own.
    """

    root: Path = ROOT
    database_url: str | None = None
    cluster: Cluster | None = None
    connection: Connection[TupleRow] | None = field(default=None, repr=False)

    @property
    def sql_dir(self) -> Path:
        """The SQL of this checkout."""
        return self.root / "sql"

    @contextmanager
    def session(self) -> Iterator[Connection[TupleRow]]:
        """Lend a session that sees one state of the catalog and changes nothing.

        Raises:
            OperatorError: GATE_NEEDS_DATABASE.
        """
        if self.connection is not None:
            yield self.connection
            return
        with psycopg.connect(self._url(), application_name="symphony gate", connect_timeout=5) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.execute("set local search_path = pg_catalog")
            yield connection
            connection.rollback()

    @contextmanager
    def scratch(self) -> Iterator[str]:
        """Lend the URL of a fresh copy of this release's database, dropped afterwards.

        Raises:
            OperatorError: GATE_NEEDS_SERVER.
        """
        cluster = self.server()
        name = cluster.clone()
        try:
            yield cluster.server.url(name)
        finally:
            cluster.drop(name)

    def server(self) -> Cluster:
        """Return the throwaway server. Raises OperatorError: GATE_NEEDS_SERVER."""
        if self.cluster is None:
            raise OperatorError(
                "GATE_NEEDS_SERVER",
                thing="this gate",
                reason="it builds databases of its own, and a live server is not the place",
                next_action="run it without --database-url",
            )
        return self.cluster

    def _url(self) -> str:
        if self.database_url is None:
            raise OperatorError(
                "GATE_NEEDS_DATABASE",
                thing="this gate",
                reason="there is no database to look at",
                next_action="run it without --no-server, or name one with --database-url",
            )
        return self.database_url
