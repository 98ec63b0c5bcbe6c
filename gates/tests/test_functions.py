"""Functions, catalog against files: what CREATE FUNCTION says is read the same way from both."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.functions import defined, function_gates
from gates.gate import run
from gates.site import ROOT, Site

(GATE,) = function_gates()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the function files that a test may edit."""
    shutil.copytree(ROOT / "sql" / "functions", tmp_path / "sql" / "functions")
    return tmp_path


def test_every_file_with_a_function_is_read() -> None:
    names = dict(defined(ROOT / "sql"))
    assert len(names) > 70
    claim = names["outbox.claim_outbox_batch"]
    assert claim.definer
    assert "search_path=pg_catalog, pg_temp" in claim.settings
    assert claim.arguments[:4] == ("p_worker", "p_limit", "p_rail", "p_lease")
    assert names["core.now"].body is None


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("where p.status = 'ACTIVE'", "where p.status <> 'DRAFT'", "its body differs from its file"),
        (
            "volatile security definer",
            "stable security definer",
            "its volatility differs from its file: volatile, not stable",
        ),
        ("security definer", "security invoker", "its definer differs from its file: True, not False"),
        ("checksum bytea", "digest bytea", "its arguments differs from its file: "),
        ("pg_catalog, pg_temp", "pg_catalog", "its settings differs from its file: "),
    ],
)
def test_a_file_that_says_something_else_is_named(
    old: str, new: str, detail: str, checkout: Path, inside: Connection[TupleRow]
) -> None:
    file = checkout / "sql" / "functions" / "policy" / "get_active.sql"
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    (finding,) = GATE.findings(Site(root=checkout, connection=inside))
    assert finding.object == "policy.get_active()"
    assert finding.detail.startswith(detail)


def test_a_deleted_file_leaves_an_orphan(checkout: Path, inside: Connection[TupleRow]) -> None:
    (checkout / "sql" / "functions" / "policy" / "get_active.sql").unlink()
    (finding,) = GATE.findings(Site(root=checkout, connection=inside))
    assert (finding.object, finding.detail) == ("policy.get_active()", "no file of sql/functions makes it")


def test_a_file_that_cannot_be_parsed_is_an_error(checkout: Path, inside: Connection[TupleRow]) -> None:
    (checkout / "sql" / "functions" / "policy" / "planted.sql").write_text("create function ;", encoding="utf-8")
    result = run(GATE, Site(root=checkout, connection=inside))
    assert (result.verdict, "policy/planted.sql" in result.reason) == ("ERROR", True)
