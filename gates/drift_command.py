"""The command `symphony drift`: is a database's schema what this release makes of an empty one?

The login needs to be a member of symphony_maintainer, to read what was applied and to record the answer; the catalog is
open to any login. What ALTER SYSTEM and the configuration files changed only a superuser sees; the answer says so. It
writes one evidence event, and locks nothing. What the database is compared with is built on a throwaway server beside.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.drift import Difference, catalog_session, differences, fresh_fingerprint
from gates.fingerprint import Fingerprint, take
from gates.release_digest import digest, functions_digest, migrations, migrations_digest, repeatables
from gates.site import ROOT
from symphony.migrate import DEFAULT_SQL_DIR
from symphony.migration_files import Sources, read
from symphony.operator_error import OperatorError, reported
from symphony.postgres_throwaway import Cluster

SAME, VERSION_MISMATCH, DRIFT = 0, 3, 4
_ACTOR = "symphony drift"
_APPLIED = "select a.path, a.version, a.sha256 from ops.list_applied_files() as a"
_RECORD = (
    "select ops.record_drift(p_fingerprint => %s, p_expected => %s, p_differences => %s,"
    " p_actor => %s)::pg_catalog.text"
)


@dataclass(frozen=True, slots=True)
class Release:
    """What a database or a checkout says it is: the last migration, and the digests of its files."""

    migration_version: int
    migrations_sha256: str
    functions_sha256: str


@click.command("drift")
@click.option(
    "--database-url",
    envvar=["DATABASE_URL", "SYMPHONY_DATABASE_URL"],
    required=True,
    help="Whom to look at: the URL of a login that is a member of symphony_maintainer.",
)
@click.option(
    "--evidence",
    type=click.Path(dir_okay=False, path_type=Path),
    default=ROOT / "evidence" / "drift.json",
    help="Where the report goes.  [default: evidence/drift.json]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report.")
@click.pass_context
def drift(context: click.Context, /, *, database_url: str, evidence: Path, as_json: bool) -> None:
    """Compare a database's schema with this release's (login: symphony_maintainer).

    Exit status 0: the same. 3: by its ledger the database is of another release (of the same migrations it is compared
    all the same). 4: drift, and every line that differs is printed. 1: it could not look.
    """
    with reported():
        report = look(database_url)
        evidence.parent.mkdir(parents=True, exist_ok=True)
        evidence.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(report))
    else:
        for line in lines(report):
            click.echo(line)
    context.exit({"SAME": SAME, "VERSION_MISMATCH": VERSION_MISMATCH, "DRIFT": DRIFT}[report["result"]])


def look(database_url: str) -> dict[str, Any]:
    """Compare, record the answer in the database, and return the report.

    Raises:
        OperatorError: DRIFT_NOT_LOOKED, SERVER_DIFFERS; what symphony migrate raises for the database beside.
    """
    begin = time.monotonic()
    sources = read(DEFAULT_SQL_DIR)
    ours = Release(_last(sources), migrations_digest(sources).hex(), functions_digest(sources).hex())
    with _looking(database_url) as connection:
        found = take(connection)
        theirs = _applied(connection, sources)
    report: dict[str, Any] = {
        "schema": "symphony/drift/1",
        "looked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "result": "VERSION_MISMATCH",
        "release": _shown(ours),
        "database": _shown(theirs),
        "fingerprint_sha256": found.sha256,
        "server_version_num": found.server_version_num,
        "unseen": list(found.unseen),
    }
    # Of the same migrations the schemas are compared even when the ledger names other function files: a line added to
    # the ledger must not hide a change of the schema.
    if theirs.migrations_sha256 == ours.migrations_sha256:
        expected = _expected(found)
        different = differences(expected, found)
        if theirs == ours:
            report["result"] = "DRIFT" if different else "SAME"
        report["expected_sha256"] = expected.sha256
        report["differences"] = [_said(difference) for difference in different]
        report["event_id"] = _record(database_url, found, expected, len(different))
    report["duration_ms"] = round((time.monotonic() - begin) * 1000)
    return report


def lines(report: dict[str, Any]) -> Iterator[str]:
    """What people read."""
    for thing in report["unseen"]:
        yield f"not looked at: {thing}"
    if report["result"] == "VERSION_MISMATCH":
        yield "VERSION_MISMATCH: by its ledger the database is of another release"
        for name, ours in report["release"].items():
            theirs = report["database"][name]
            yield f"{' ' if ours == theirs else '!'} {name}: release {ours}, database {theirs}"
        yield from report.get("differences", ["nothing was compared: the migrations differ"])
        yield "Next: run the drift check of the release that is deployed, or symphony migrate."
        return
    if report["result"] == "DRIFT":
        yield f"DRIFT: {len(report['differences'])} lines differ; - is of the release and missing, + is not of it"
        yield from report["differences"]
        yield "Next: find out who changed it and why; undo it, or put it into a migration."
        return
    version, sha256 = report["release"]["migration_version"], report["fingerprint_sha256"]
    yield f"the same: migration {version:04d}, fingerprint {sha256}"


@contextmanager
def _looking(database_url: str) -> Iterator[Connection[TupleRow]]:
    try:
        with catalog_session(database_url) as connection:
            yield connection
    except psycopg.Error as error:
        raise _not_looked(error) from error


def _not_looked(error: psycopg.Error) -> OperatorError:
    return OperatorError(
        "DRIFT_NOT_LOOKED",
        thing="the database",
        reason=f"{error.sqlstate or 'no answer'} {error.diag.message_primary or type(error).__name__}",
        next_action="name a database of Symphony and a login that is a member of symphony_maintainer",
    )


def _applied(connection: Connection[TupleRow], sources: Sources) -> Release:
    """Return what the database's ledger says; a file that a release removed stays applied, and is not counted."""
    connection.execute("set local role symphony_maintainer")
    rows = connection.execute(_APPLIED).fetchall()
    ours = migrations(sources).keys() | repeatables(sources).keys()
    numbered = {path: bytes(sha256) for path, version, sha256 in rows if version is not None}
    others = {path: bytes(sha256) for path, version, sha256 in rows if version is None and path in ours}
    last = max((version for _path, version, _sha256 in rows if version is not None), default=0)
    return Release(last, digest(numbered).hex(), digest(others).hex())


def _last(sources: Sources) -> int:
    return max((migration.version for migration in sources.migrations), default=0)


def _shown(release: Release) -> dict[str, Any]:
    return {
        "migration_version": release.migration_version,
        "migrations_sha256": release.migrations_sha256,
        "functions_sha256": release.functions_sha256,
    }


def _said(difference: Difference) -> str:
    return f"{'-' if difference.missing else '+'} {difference.line}"


def _expected(found: Fingerprint) -> Fingerprint:
    cluster = Cluster()
    try:
        cluster.start()
        expected = fresh_fingerprint(cluster, DEFAULT_SQL_DIR)
    finally:
        cluster.stop()
    if expected.server_version_num // 10_000 != found.server_version_num // 10_000:
        raise OperatorError(
            "SERVER_DIFFERS",
            thing=f"PostgreSQL {found.server_version_num // 10_000}",
            reason=f"the server beside is {expected.server_version_num // 10_000}, which words the catalog otherwise",
            next_action="compare on the database's own major version",
        )
    return expected


def _record(database_url: str, found: Fingerprint, expected: Fingerprint, count: int) -> str:
    values = (bytes.fromhex(found.sha256), bytes.fromhex(expected.sha256), count, _ACTOR)
    try:
        with psycopg.connect(database_url, application_name=_ACTOR, connect_timeout=5) as connection:
            connection.execute("set local role symphony_maintainer")
            row = connection.execute(_RECORD, values).fetchone()
    except psycopg.Error as error:
        raise _not_looked(error) from error
    return str(row[0]) if row else ""
