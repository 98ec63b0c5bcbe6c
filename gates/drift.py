"""Drift: is a database what its release's files make of an empty one? Gates D01 and D02.

The comparison is of fingerprints (gates/fingerprint.py), so what differs is named line by line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.databases import built
from gates.fingerprint import Fingerprint, take
from gates.gate import Gate
from gates.previous_release import previous_release
from gates.site import Site
from symphony.postgres_throwaway import Cluster

_KINDS_OF_TWO_WORDS = frozenset(
    {
        *("partitioned table", "materialized view", "foreign table", "composite type", "event trigger"),
        *("constraint trigger", "security label", "system function", "server setting"),
    }
)
# Whose second word is no name: all of the line is.
_UNNAMED_KINDS = frozenset({"default", "large", "database", "membership", "setting", "leaf"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A line of one fingerprint that the other lacks; `missing` when it is the looked-at database that lacks it."""

    missing: bool
    line: str

    @property
    def object(self) -> str:
        """Kind and name of what differs."""
        words = self.line.split(" ")
        if words[0] in _UNNAMED_KINDS:
            return self.line
        return " ".join(words[: 3 if " ".join(words[:2]) in _KINDS_OF_TWO_WORDS else 2])


def differences(expected: Fingerprint, found: Fingerprint) -> list[Difference]:
    """Return what the found schema lacks of the expected one and has besides it, in the order of the text."""
    delta = difflib.unified_diff(expected.text.splitlines(), found.text.splitlines(), n=0, lineterm="")
    return [
        Difference(missing=line.startswith("-"), line=line[1:])
        for line in delta
        if line[0] in "+-" and not line.startswith(("--- ", "+++ "))
    ]


@contextmanager
def catalog_session(url: str) -> Iterator[Connection[TupleRow]]:
    """Lend a session in one read-only REPEATABLE READ transaction, which is rolled back."""
    with psycopg.connect(url, application_name="symphony drift", connect_timeout=5) as connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("set local statement_timeout = '60s'")
        yield connection
        connection.rollback()


def fingerprint_of(url: str) -> Fingerprint:
    """Take the fingerprint of a database."""
    with catalog_session(url) as connection:
        return take(connection)


@contextmanager
def _server(site: Site) -> Iterator[Cluster]:
    """Lend the site's throwaway server, or one made for this look, for a live server is not the place to build."""
    if site.cluster is not None:
        yield site.cluster
        return
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def fresh_fingerprint(cluster: Cluster, *sql_dirs: Path) -> Fingerprint:
    """Build a database from these releases and take its fingerprint."""
    with built(cluster, *sql_dirs) as url:
        return fingerprint_of(url)


def _told(expected: Fingerprint, found: Fingerprint) -> Iterator[tuple[str, str]]:
    for difference in differences(expected, found):
        yield difference.object, f"{'missing' if difference.missing else 'not of this release'}: {difference.line}"


def _looked_at(site: Site) -> Iterator[tuple[str, str]]:
    with site.session() as connection:
        found = take(connection)
    with _server(site) as cluster:
        yield from _told(fresh_fingerprint(cluster, site.sql_dir), found)


def _upgraded(site: Site) -> Iterator[tuple[str, str]]:
    previous = previous_release(site)
    cluster = site.server()
    fresh = fresh_fingerprint(cluster, site.sql_dir)
    yield from _told(fresh, fresh_fingerprint(cluster, previous.sql_dir, site.sql_dir))


def drift_gates() -> list[Gate]:
    """The gates that compare schemas."""
    return [
        Gate(
            id="D01",
            title="the database is what this release's files make of an empty one",
            invariants=("INV-004",),
            remedy="undo by hand what was changed by hand, or put it into a migration and apply that",
            look=_looked_at,
        ),
        Gate(
            id="D02",
            title="a database upgraded from the previous release is the same as a fresh one",
            invariants=("INV-004", "INV-001"),
            remedy="let a new migration make both the same; applied migrations stay as they are",
            look=_upgraded,
        ),
    ]
