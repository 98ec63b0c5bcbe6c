"""The drift gates and the command: what is the same, another release, changed by hand, and not to be looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gates.databases import built
from gates.drift import Difference, drift_gates, fingerprint_of, fresh_fingerprint
from gates.gate import Gate, run
from gates.site import ROOT, Site
from gates.tests.planted_checkout import PlantedCheckout
from symphony.migrate import DEFAULT_SQL_DIR
from symphony.postgres_throwaway import Cluster

pytestmark = pytest.mark.slow  # many databases are built

D01, D02 = drift_gates()


@pytest.fixture(scope="module")
def live(cluster: Cluster) -> Iterator[str]:
    """A database of this release, built as an installation's is; its superuser's URL."""
    with built(cluster, DEFAULT_SQL_DIR) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create role drift_looker login password 'drift_looker'")
            connection.execute("grant symphony_maintainer to drift_looker with inherit false, set true")
        yield url
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("drop role drift_looker")


@pytest.fixture(scope="module")
def looker(live: str) -> str:
    """The same database for a login that is a maintainer and nothing else."""
    return f"postgresql://drift_looker:drift_looker@{live.partition('@')[2]}"


def symphony_drift(url: str, report: Path, *more: str) -> tuple[int, str]:
    """Run the command in a process of its own; return its exit status and what it printed."""
    command = [sys.executable, "-m", "symphony.cli", "drift", "--database-url", url, "--evidence", str(report), *more]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'driver'}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=110, check=False)
    return done.returncode, done.stdout + done.stderr


def events(url: str) -> list[tuple[str, str, dict[str, object]]]:
    with psycopg.connect(url) as connection:
        query = "select kind, actor, facts from evidence.evidence_events where kind like 'DRIFT%' order by event_id"
        return connection.execute(query).fetchall()


def check(gate: Gate, site: Site) -> list[tuple[str, str]]:
    result = run(gate, site)
    assert result.verdict in ("PASS", "FAIL"), result.reason
    return [(finding.object, finding.detail) for finding in result.findings]


def test_a_built_database_is_the_same_and_a_changed_one_is_not(cluster: Cluster, live: str) -> None:
    with psycopg.connect(live, autocommit=True) as connection:
        site = Site(connection=connection, cluster=cluster)
        assert check(D01, site) == []
        with connection.transaction(force_rollback=True):
            connection.execute("alter table policy.halts disable trigger refuse_change")
            connection.execute("drop view evidence.outcomes")
            found = check(D01, site)
    said = "trigger policy.halts.refuse_change enabled=D "
    assert [detail for thing, detail in found if thing == "trigger policy.halts.refuse_change" and said in detail] != []
    assert ("view evidence.outcomes", "missing") in [(thing, detail.partition(":")[0]) for thing, detail in found]


@pytest.mark.parametrize(
    ("line", "thing"),
    [
        ("view evidence.outcomes owner=x", "view evidence.outcomes"),
        ("partitioned table outbox.a owner=x", "partitioned table outbox.a"),
        ("system function pg_catalog.lo_put(oid) acl=x", "system function pg_catalog.lo_put(oid)"),
        ("large objects 1", "large objects 1"),
        ("membership a in b set=t", "membership a in b set=t"),
    ],
)
def test_a_difference_is_named_so_that_nothing_else_is_called_so(line: str, thing: str) -> None:
    assert Difference(missing=True, line=line).object == thing


@pytest.mark.slow
def test_a_live_database_is_compared_on_a_server_beside(live: str) -> None:
    assert check(D01, Site(database_url=live)) == []


def test_an_upgraded_database_is_the_same_as_a_fresh_one(cluster: Cluster) -> None:
    assert check(D02, Site(cluster=cluster)) == []


@pytest.mark.slow
def test_an_upgrade_that_is_no_fresh_build_is_found(cluster: Cluster, tmp_path: Path) -> None:
    checkout = PlantedCheckout(tmp_path / "checkout", cluster)
    # A migration that does one thing to a database with history and another to an empty one.
    checkout.migration(
        "do $$ begin if (select count(*) from core.schema_repeatable) > 0 then"
        " alter table policy.halts add column only_upgraded text; end if; end $$;"
    )
    found = check(D02, checkout.site)
    assert ("column policy.halts.only_upgraded", "not of this release") in [
        (thing, said.partition(":")[0]) for thing, said in found
    ]


def test_the_command_says_same_and_records_it(live: str, looker: str, tmp_path: Path) -> None:
    status, said = symphony_drift(looker, tmp_path / "evidence" / "drift.json")
    assert status == 0, said
    assert "the same: migration" in said
    assert "not looked at: server settings" in said
    report = json.loads((tmp_path / "evidence" / "drift.json").read_text())
    assert report["result"] == "SAME"
    assert report["release"] == report["database"]
    assert report["fingerprint_sha256"] == report["expected_sha256"] == fingerprint_of(live).sha256
    kind, actor, facts = events(live)[-1]
    assert (kind, actor) == ("DRIFT_CHECKED", "symphony drift")
    assert facts == {
        "fingerprint": report["fingerprint_sha256"],
        "expected": report["expected_sha256"],
        "differences": 0,
    }


def test_the_command_names_drift_line_by_line(cluster: Cluster, live: str, looker: str, tmp_path: Path) -> None:
    index = "outbox.ux_attempts_one_terminal_per_outbox"
    with psycopg.connect(live, autocommit=True) as connection:
        definition = connection.execute("select pg_get_indexdef(%s::regclass)", (index,)).fetchone()
        connection.execute(f"drop index {index}".encode())
    try:
        status, said = symphony_drift(looker, tmp_path / "drift.json")
    finally:
        with psycopg.connect(live, autocommit=True) as connection:
            assert definition is not None
            connection.execute(str(definition[0]).replace(" ON ONLY ", " ON ").encode())
    assert status == 4, said
    assert "- index outbox.payment_outbox_attempts.ux_attempts_one_terminal_per_outbox unique" in said
    report = json.loads((tmp_path / "drift.json").read_text())
    assert report["result"] == "DRIFT"
    assert events(live)[-1][0] == "DRIFT_FOUND"
    assert events(live)[-1][2]["differences"] == len(report["differences"]) > 0


def test_another_release_is_no_drift(live: str, looker: str, tmp_path: Path) -> None:
    before = events(live)
    with psycopg.connect(live, autocommit=True) as connection:
        connection.execute("alter table policy.halts add column drifted text")
        connection.execute(
            "insert into core.schema_migration (version, name, sha256, duration_ms, runner) values (9999, 'later', sha256('x'), 1, 'x')"
        )
    try:
        status, said = symphony_drift(looker, tmp_path / "drift.json", "--json")
    finally:
        with psycopg.connect(live, autocommit=True) as connection:
            connection.execute("alter table policy.halts drop column drifted")
            connection.execute("alter table core.schema_migration disable trigger user")
            connection.execute("delete from core.schema_migration where version = 9999")
            connection.execute("alter table core.schema_migration enable trigger user")
    assert status == 3, said
    report = json.loads(said)
    assert report["result"] == "VERSION_MISMATCH"
    assert report["database"]["migration_version"] == 9999 != report["release"]["migration_version"]
    assert "differences" not in report
    assert events(live) == before


def test_what_cannot_be_looked_at_is_neither(cluster: Cluster, live: str, tmp_path: Path) -> None:
    with psycopg.connect(live, autocommit=True) as connection:
        connection.execute("create role drift_stranger login password 'drift_stranger'")
    try:
        url = f"postgresql://drift_stranger:drift_stranger@{live.partition('@')[2]}"
        status, said = symphony_drift(url, tmp_path / "drift.json")
    finally:
        with psycopg.connect(live, autocommit=True) as connection:
            connection.execute("drop role drift_stranger")
    assert status == 1
    assert "DRIFT_NOT_LOOKED" in said
    assert "42501" in said
    assert not (tmp_path / "drift.json").exists()
    status, said = symphony_drift("postgresql://127.0.0.1:1/x", tmp_path / "drift.json")
    assert status == 1
    assert "DRIFT_NOT_LOOKED" in said


@pytest.mark.slow
def test_a_fresh_build_is_repeatable(cluster: Cluster) -> None:
    assert fresh_fingerprint(cluster, DEFAULT_SQL_DIR).sha256 == fresh_fingerprint(cluster, DEFAULT_SQL_DIR).sha256
