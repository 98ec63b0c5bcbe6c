"""Reports of the suites count for the tree they ran on, and only what ran counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates import proofs
from gates.proofs import FAST, PGTAP, SLOW

TAP = """sql/tests/contract/core.sql ..
ok 1 - INV-005: a registered error is raised
not ok 2 - INV-005: another
ok 3 - INV-012: later # TODO not yet
ok 4 - INV-013: elsewhere # SKIP no server
ok 5
ok 6 - INV-014: set-up
1..6
"""
JUNIT = """<testsuites><testsuite name="pytest">
<testcase classname="driver.tests.test_a" name="test_one[x]" time="0.1"/>
<testcase classname="driver.tests.test_a" name="test_two" time="0.1"><failure message="no">trace</failure></testcase>
<testcase classname="driver.tests.test_a" name="test_three" time="0.1"><error message="no">trace</error></testcase>
<testcase classname="driver.tests.test_a" name="test_four" time="0.1"><skipped message="no vectors"/></testcase>
<testcase classname="gates.tests.test_b" name="test_one" time="0.1"/>
</testsuite></testsuites>
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "grants.sql").write_text("-- none\n", encoding="utf-8")
    return tmp_path


def report(root: Path) -> Path:
    """Begin a run and have two suites report."""
    folder = proofs.begin(root)
    (folder / PGTAP).write_text(TAP + "Result: PASS\n", encoding="utf-8")
    (folder / FAST).write_text(JUNIT, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "outcome", "passed", "failed"),
    [
        ("pgtap INV-005", "FAIL", 1, 1),
        ("pgtap INV-012", "FAIL", 0, 1),
        ("pgtap INV-013", "FAIL", 0, 1),
        ("pgtap INV-00", "NOT_RUN", 0, 0),
        ("pgtap INV-014", "NOT_RUN", 0, 0),
        ("test driver/tests/test_a.py", "NOT_RUN", 0, 0),
        ("test driver/tests/test_a.py::test_one", "PASS", 1, 0),
        ("test driver/tests/test_a.py::test_two", "FAIL", 0, 1),
        ("test driver/tests/test_a.py::test_four", "NOT_RUN", 0, 0),
        ("test driver/tests/test_b.py", "NOT_RUN", 0, 0),
        ("test gates/tests/test_b.py", "PASS", 1, 0),
        ("slow driver/tests/test_chaos.py", "NOT_RUN", 0, 0),
    ],
)
def test_only_what_ran_and_passed_is_a_pass(root: Path, name: str, outcome: str, passed: int, failed: int) -> None:
    report(root)
    proof = proofs.load(root).proof(name)
    assert (proof.outcome, proof.passed, proof.failed) == (outcome, passed, failed)
    assert proof.excerpts or proof.reason


def test_assertions_of_a_run_that_did_not_end_well_prove_nothing(root: Path) -> None:
    folder = report(root)
    (folder / PGTAP).write_text("ok 1 - INV-005: all is well\npsql:x.sql:2: ERROR\nResult: FAIL\n", encoding="utf-8")
    proof = proofs.load(root).proof("pgtap INV-005")
    assert (proof.outcome, "did not end well" in proof.reason) == ("FAIL", True)


def test_the_slow_suite_adds_to_the_fast_one(root: Path) -> None:
    slow = JUNIT.replace("driver.tests.test_a", "driver.tests.test_chaos")
    (report(root) / SLOW).write_text(slow, encoding="utf-8")
    found = proofs.load(root)
    assert found.suites == {"pgtap", "test", "slow"}
    assert found.proof("slow driver/tests/test_chaos.py::test_one").outcome == "PASS"
    assert found.proof("test driver/tests/test_a.py::test_one").outcome == "PASS"
    assert found.proof("slow driver/tests/test_a.py::test_one").outcome == "NOT_RUN", "that was the fast suite"


def test_reports_of_another_tree_count_for_nothing(root: Path) -> None:
    report(root)
    (root / "sql" / "grants.sql").write_text("-- other\n", encoding="utf-8")
    found = proofs.load(root)
    assert found.suites == set()
    assert found.proof("pgtap INV-005").outcome == "NOT_RUN"
    assert "another tree" in found.proof("pgtap INV-005").reason


def test_without_a_run_nothing_counts(root: Path) -> None:
    folder = report(root)
    (folder / "run.json").unlink()
    assert proofs.load(root).proof("test gates/tests/test_b.py").outcome == "NOT_RUN"


def test_a_new_run_forgets_the_one_before(root: Path) -> None:
    report(root)
    proofs.begin(root)
    assert proofs.load(root).suites == set()
