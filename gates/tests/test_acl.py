"""The exact privileges: the list is current, and a privilege too many or too few is named with its holder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.acl import EXPECTED, HEADER, acl_gates, expected, held, text
from gates.gate import run
from gates.site import ROOT, Site

(GATE,) = acl_gates()


def test_the_list_is_what_a_fresh_database_has(inside: Connection[TupleRow]) -> None:
    stale = "stale: run python -m gates.acl --write, and review its diff as you review sql/grants.sql"
    assert (ROOT / EXPECTED).read_text(encoding="utf-8") == text(held(inside)), stale


def test_the_list_holds_no_write_on_any_relation_and_nothing_grantable() -> None:
    for thing, grantee, privilege in expected():
        if thing.startswith(("table ", "view ", "leaves of ", "column ", "sequence ")):
            assert privilege == "SELECT" or (privilege == "ALL" and grantee.endswith(("_owner", "superuser"))), thing
        assert "grantable" not in privilege
        assert grantee != "PUBLIC" or privilege.endswith("(revoked)") or thing.startswith("type "), thing


def test_too_much_and_too_little_are_both_named(inside: Connection[TupleRow]) -> None:
    inside.execute("grant execute on function outbox.wake_executors() to symphony_router")
    inside.execute("revoke select on evidence.outcomes from symphony_auditor")
    found = {(finding.object, finding.detail) for finding in GATE.findings(Site(connection=inside))}
    assert found == {
        ("function outbox.wake_executors()", "symphony_router holds EXECUTE, which is not expected"),
        ("view evidence.outcomes", "symphony_auditor does not hold SELECT, which is expected"),
    }


def test_a_privilege_with_grant_option_is_another_one(inside: Connection[TupleRow]) -> None:
    inside.execute("grant select on evidence.outcomes to symphony_auditor with grant option")
    found = {finding.detail for finding in GATE.findings(Site(connection=inside))}
    assert found == {
        "symphony_auditor holds SELECT (grantable), which is not expected",
        "symphony_auditor does not hold SELECT, which is expected",
    }


def test_new_leaves_are_their_tables_leaves(inside: Connection[TupleRow]) -> None:
    inside.execute("select * from ops.ensure_partitions(5)")
    assert GATE.findings(Site(connection=inside)) == []


@pytest.mark.parametrize("content", ["view evidence.outcomes | symphony_auditor\n", "nonsense\n"])
def test_a_list_that_cannot_be_read_is_an_error(content: str, tmp_path: Path, inside: Connection[TupleRow]) -> None:
    (tmp_path / "gates").mkdir()
    (tmp_path / EXPECTED).write_text(HEADER + content, encoding="utf-8")
    result = run(GATE, Site(root=tmp_path, connection=inside))
    assert (result.verdict, content.strip() in result.reason) == ("ERROR", True)


def test_a_missing_list_is_an_error(tmp_path: Path, inside: Connection[TupleRow]) -> None:
    assert run(GATE, Site(root=tmp_path, connection=inside)).verdict == "ERROR"


@pytest.mark.slow
def test_the_command_says_that_the_list_is_current() -> None:
    done = subprocess.run([sys.executable, "-m", "gates.acl"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{EXPECTED} is current\n")
