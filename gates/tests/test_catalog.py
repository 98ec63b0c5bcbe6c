"""The catalog gates: green on a fresh database, red on a planted violation that names the object, green without it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.acl import acl_gates
from gates.bodies_rules import DENIED
from gates.catalog import DIRECTORY, catalog_gates
from gates.functions import function_gates
from gates.gate import Finding, Gate, run
from gates.site import Site
from gates.tests.conftest import Looked
from symphony.logins_command import logins

WARNINGS: frozenset[str] = frozenset()  # catalog gates that only warn: none
GATES = {gate.id: gate for gate in [*catalog_gates(), *acl_gates(), *function_gates()]}
SABOTAGES = sorted((DIRECTORY.parent / "sabotage").glob("C[0-9][0-9]*.sql"))
_HEAD = re.compile(r"-- expects: (?P<expects>\S.*)\n(?P<alone>-- outside a transaction\b)?")


def _gate_of(sabotage: Path) -> Gate:
    return GATES[sabotage.stem.partition("_")[0]]


def _head(sabotage: Path) -> re.Match[str]:
    head = _HEAD.match(sabotage.read_text(encoding="utf-8"))
    assert head is not None, "its first line is not «-- expects: text»"
    return head


def _wrong(site: Site, gates: dict[str, Gate] = GATES) -> list[str]:
    """What keeps any gate from being green."""
    results = [run(gate, site) for gate in gates.values()]
    return [f"{r.gate.id} {r.verdict} {r.reason} {f.object}: {f.detail}" for r in results for f in r.findings] + [
        f"{r.gate.id} {r.verdict} {r.reason}" for r in results if r.verdict != "PASS" and not r.findings
    ]


def test_every_gate_has_a_sabotage_and_every_sabotage_a_gate() -> None:
    assert {path.stem for path in SABOTAGES} >= set(GATES), "each gate has a file of its own name"
    assert {_gate_of(path).id for path in SABOTAGES} == set(GATES)
    assert {gate.id for gate in GATES.values() if gate.severity == "warning"} == WARNINGS


def test_the_gate_of_stored_trees_denies_what_the_gates_of_bodies_deny() -> None:
    (path,) = DIRECTORY.glob("C83_*.sql")
    assert f"'^(?:{DENIED.pattern})$'" in path.read_text(encoding="utf-8")


def test_triggers_whose_when_speaks_of_new_are_looked_at(inside: Connection[TupleRow]) -> None:
    inside.execute(
        "create trigger planted before insert on outbox.payment_outbox_attempts for each row"
        " when (new.attempt_no > 0) execute function core.refuse_change()"
    )
    assert GATES["C56"].findings(Site(connection=inside)) == []


def _red(gate: Gate, site: Site) -> list[Finding]:
    """Return what the gate finds, as a run of it would: red, unless it is one of the gates that only warn."""
    result = run(gate, site)
    assert result.verdict == ("PASS" if gate.id in WARNINGS else "FAIL"), (result.verdict, result.reason)
    return list(result.findings)


def _planted(gate: Gate, sabotage: Path, connection: Connection[TupleRow]) -> list[Finding]:
    """Plant the violation, look, take it away."""
    site = Site(connection=connection)
    assert gate.findings(site) == [], "green before"
    if connection.autocommit:
        connection.execute(sabotage.read_bytes())
        return _red(gate, site)
    with connection.transaction(force_rollback=True):
        connection.execute(sabotage.read_bytes())
        found = _red(gate, site)
    assert gate.findings(site) == [], "green again"
    return found


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda path: path.stem)
def test_a_gate_is_red_on_its_sabotage_and_green_without(
    sabotage: Path, looked_at: Looked, inside: Connection[TupleRow]
) -> None:
    gate, head = _gate_of(sabotage), _head(sabotage)
    if head["alone"]:
        with psycopg.connect(looked_at.url, autocommit=True) as alone:
            alone.execute("set search_path = pg_catalog")
            found = _planted(gate, sabotage, alone)
        deadline = time.monotonic() + 60  # seconds: the server ends a session after its client has gone
        while left := gate.findings(Site(connection=inside)):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
    else:
        found = _planted(gate, sabotage, inside)
    assert [finding for finding in found if head["expects"] in finding.object], found
    assert all(finding.detail and finding.remedy for finding in found)


def test_a_fresh_database_is_green(looked_at: Looked) -> None:
    assert _wrong(Site(database_url=looked_at.url)) == []


def test_pgtap_in_its_own_schema_is_green(inside: Connection[TupleRow]) -> None:
    inside.execute("create schema tap")
    inside.execute("create extension pgtap with schema tap")
    inside.execute("grant usage on schema tap to public")
    inside.execute("grant execute on all functions in schema tap to public")
    assert _wrong(Site(connection=inside)) == []


@pytest.fixture
def with_logins(looked_at: Looked) -> Iterator[str]:
    """The same database, with the logins that symphony logins create makes, one bound to its capability."""
    answer = CliRunner().invoke(logins, ["create", "--dev", "--suffix", "gate", "--database-url", looked_at.url])
    assert answer.exit_code == 0, answer.output
    with psycopg.connect(looked_at.url, autocommit=True) as connection:
        connection.execute("alter role symphony_executor_gate set role = 'symphony_executor'")
        connection.execute("alter role symphony_executor_gate set statement_timeout = '5s'")
        yield looked_at.url
        names = connection.execute(
            "select rolname from pg_catalog.pg_roles where rolname ~ '^symphony_.*_gate$'"
        ).fetchall()
        for (name,) in names:
            connection.execute(psycopg.sql.SQL("drop role {}").format(psycopg.sql.Identifier(name)))
    assert len(names) == 11


def test_development_logins_are_green_and_a_wrong_one_is_red(with_logins: str) -> None:
    with psycopg.connect(with_logins) as connection:
        connection.execute("set local search_path = pg_catalog")
        assert _wrong(Site(connection=connection)) == []
        connection.execute("grant symphony_ingest to symphony_ingest_gate with inherit true")
        found = GATES["C14"].findings(Site(connection=connection))
        connection.rollback()
    assert [finding.object for finding in found] == ["symphony_ingest_gate"]


def test_another_superuser_may_have_migrated_and_anybody_may_own_the_database(inside: Connection[TupleRow]) -> None:
    inside.execute("create role migrator superuser login")
    inside.execute("create role keeper login")
    for owned in ("table core.schema_migration", "table core.schema_repeatable"):
        inside.execute(f"alter {owned} owner to migrator".encode())
    inside.execute(f"alter database {inside.info.dbname} owner to keeper".encode())
    assert _wrong(Site(connection=inside)) == []


def test_the_queries_run_as_they_stand_in_psql(looked_at: Looked) -> None:
    files = [argument for path in sorted(DIRECTORY.glob("*.sql")) for argument in ("-f", str(path))]
    program = looked_at.cluster.server.binaries.program("psql")
    command = [program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", looked_at.url, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_database_without_symphony_is_not_green(looked_at: Looked) -> None:
    name = looked_at.cluster.empty()
    with psycopg.connect(looked_at.cluster.server.url(name), autocommit=True) as connection:
        wrong = _wrong(Site(connection=connection))
    looked_at.cluster.drop(name)
    for gate in (
        "C18",
        "C29",
        "C55",
        "C57",
        "C59",
        "C61",
        "C62",
        "C63",
        "C64",
        "C65",
        "C66",
        "C67",
        "C68",
        "C69",
        "C70",
        "C80",
    ):
        assert [line for line in wrong if line.startswith(gate)], gate


@pytest.mark.parametrize(
    "head",
    [
        "select 1, 2;\n",
        "-- C01: a title\n-- severity: error\n-- invariants: INV-001\n-- remedy: none\n",
        "-- C02: a title\n-- invariants: INV-001\n-- severity: error\n-- remedy: none\n",
        "-- C01: a title\n-- invariants: INV-001\n-- severity: fatal\n-- remedy: none\n",
    ],
)
def test_a_file_whose_head_cannot_be_read_is_refused(head: str, tmp_path: Path) -> None:
    (tmp_path / "C01_planted.sql").write_text(head + "select 'a', 'b';\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"C01_planted\.sql"):
        catalog_gates(tmp_path)


def test_a_query_that_fails_is_an_error_and_not_green(looked_at: Looked, tmp_path: Path) -> None:
    head = "-- C01: a title\n-- invariants: INV-001\n-- severity: error\n-- remedy: none\n"
    (tmp_path / "C01_planted.sql").write_text(head + "select 'a', 'b' from no_such_table;\n", encoding="utf-8")
    (gate,) = catalog_gates(tmp_path)
    result = run(gate, Site(database_url=looked_at.url))
    assert result.verdict == "ERROR"
    assert result.reason.startswith("42P01")
