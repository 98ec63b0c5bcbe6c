"""gates/invariants.yml is held to its word: X01, X02, X03 are red when it says what is not so."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from gates import manifest
from gates.gate import run
from gates.registry import all_gates
from gates.site import ROOT, Site
from gates.yaml_documents import InvalidDocument

ENFORCERS, PROOFS, REVIEWED, THINNED = (all_gates()[name] for name in ("X01", "X02", "X03", "X08"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A copy of what the manifest speaks of."""
    manifest.asserted_ids.cache_clear()
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("sql", "gates", "driver"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    shutil.copy(ROOT / "release.json", tmp_path)
    return Site(root=tmp_path)


@pytest.fixture
def here(site: Site, database_url: str) -> Iterator[Site]:
    """The copy, seen through a session whose changes are rolled back."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set local search_path = pg_catalog")
        site.connection = connection
        yield site
        connection.rollback()


def edit(site: Site, path: str, old: str, new: str) -> None:
    """Replace a text in a file of the copy."""
    text = (site.root / path).read_text(encoding="utf-8")
    assert old in text
    (site.root / path).write_text(text.replace(old, new), encoding="utf-8")


def test_ours_is_true(here: Site) -> None:
    for gate in (ENFORCERS, PROOFS, REVIEWED):
        assert gate.findings(here) == []


@pytest.mark.parametrize(
    ("sabotage", "invariant", "named"),
    [
        ("drop index outbox.ux_attempts_one_terminal_per_outbox", "INV-OUTBOX-02", "index outbox.ux_attempts"),
        ("drop trigger refuse_change on policy.halts", "INV-014", "trigger policy.halts.refuse_change"),
        ("alter table policy.halts enable trigger refuse_change", "INV-014", "trigger policy.halts.refuse_change"),
        (
            "alter table policy.policy_versions alter checksum drop not null",
            "INV-017",
            "not_null policy.policy_versions",
        ),
        ("alter role symphony_auditor login", "INV-007", "role symphony_auditor"),
        ("drop function policy.halt", "INV-HALT-001", "function policy.halt"),
        (
            "alter table evidence.case_decisions drop constraint case_decision_needs_two_identities",
            "INV-CASE-001",
            "constraint evidence.case_decisions.case_decision_needs_two_identities",
        ),
    ],
)
def test_a_missing_enforcer_is_named(here: Site, sabotage: str, invariant: str, named: str) -> None:
    assert here.connection is not None
    here.connection.execute(sabotage.encode())
    found = ENFORCERS.findings(here)
    assert any(f.object == invariant and f.detail.startswith(named) for f in found), found


def test_a_missing_class_or_file_is_named(here: Site) -> None:
    edit(here, "driver/symphony/ingress/breaker.py", "class Breaker:", "class Fuse:")
    (here.root / "sql" / "grants.sql").unlink()
    found = {(f.object, f.detail) for f in ENFORCERS.findings(here)}
    assert ("INV-SHED-001", "python symphony.ingress.breaker:Breaker does not exist") in found
    assert ("INV-010", "file sql/grants.sql does not exist") in found


def test_without_a_database_it_is_an_error_not_a_pass(site: Site) -> None:
    assert run(ENFORCERS, site).verdict == "ERROR"


@pytest.mark.parametrize(
    ("path", "old", "new", "thing", "detail"),
    [
        (
            "driver/tests/test_claim_bounds.py",
            "def test_a_halt_stops_dispatches_and_lets_enquiries_go_on(",
            "def test_renamed(",
            "INV-HALT-001",
            "test_a_halt_stops_dispatches_and_lets_enquiries_go_on does not exist",
        ),
        ("sql/tests/contract/outbox.sql", "'INV-011: ", "'INV-911: ", "sql/tests", "INV-911, which is not in the manifest"),
        ("gates/invariants.yml", "gate C29", "gate C98", "INV-OUTBOX-02", "gate C98 does not exist"),
        ("gates/invariants.yml", "gate C29", "gate X01", "INV-OUTBOX-02", "gate C29 says it proves this"),
        ("gates/invariants.yml", "gate C01", "gate C29", "INV-008", "the manifest says gate C29 proves this"),
    ],
)  # fmt: skip
def test_a_proof_that_is_gone_or_unknown_is_named(
    site: Site, path: str, old: str, new: str, thing: str, detail: str
) -> None:
    edit(site, path, old, new)
    found = PROOFS.findings(site)
    assert any(f.object == thing and detail in f.detail for f in found), found


@pytest.mark.parametrize(
    ("path", "thing"),
    [
        ("sql/functions/policy/halt.sql", "sql/functions"),
        ("sql/grants.sql", "sql/functions"),
        ("sql/migrations/0003_policy.sql", "sql/migrations"),
    ],
)
def test_changed_sql_must_be_held_against_the_manifest(site: Site, path: str, thing: str) -> None:
    with (site.root / path).open("a", encoding="utf-8") as file:
        file.write("-- one more line\n")
    assert [finding.object for finding in REVIEWED.findings(site)] == [thing]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("severity: critical", "severity: utmost"),
        ("id: INV-001", "id: INV-002"),
        ("enforced_by: [table core.cell", "enforced_by: [thing core.cell"),
        ("verified_by: [pgtap INV-018", "verified_by: [hope INV-018"),
        ("status: implemented\n    owner: policy", "status: done\n    owner: policy"),
        ("owner: routing", "owner: nobody"),
    ],
)
def test_a_manifest_that_is_not_what_its_schema_says_stops_everything(site: Site, old: str, new: str) -> None:
    edit(site, "gates/invariants.yml", old, new)
    with pytest.raises((InvalidDocument, ValueError)):
        manifest.load(site.root)
    assert run(REVIEWED, site).verdict == "ERROR"


def git(root: Path, *arguments: str) -> str:
    """Run git in the copy."""
    options = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *options, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_manifest_that_promises_less_than_before_is_red(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    git(site.root, "init", "-q")
    git(site.root, "add", "gates/invariants.yml")
    git(site.root, "commit", "-q", "-m", "before")
    monkeypatch.setenv("SYMPHONY_CHANGE_BASE", git(site.root, "rev-parse", "HEAD"))
    assert THINNED.findings(site) == []
    path = site.root / "gates" / "invariants.yml"
    whole = path.read_text(encoding="utf-8")
    gone = re.sub(r"(?ms)^  - id: INV-CELL-001.*?(?=^  - id: )", "", whole)
    back = re.sub(
        r"(?ms)(- id: INV-SHED-001.*?)status: implemented(.*?)verified_by: \[.*?\]",
        r"\1status: roadmap\2verified_by: []",
        whole,
        count=1,
    )
    thin = whole.replace("test driver/tests/test_cell_fence.py, ", "", 1)
    for text, detail in (
        (gone, "is gone"),
        (back, "a promise again"),
        (thin, "no longer names test driver/tests/test_cell_fence.py"),
    ):
        assert text != whole
        path.write_text(text, encoding="utf-8")
        found = THINNED.findings(site)
        assert [detail in finding.detail for finding in found] == [True], found
    edit(site, "gates/invariants.yml", "id: INV-018", "id: INV-918")
    assert {finding.object for finding in THINNED.findings(site)} >= {"INV-018"}


def test_a_gate_may_not_prove_what_is_only_promised(site: Site) -> None:
    path = site.root / "gates" / "invariants.yml"
    text = path.read_text(encoding="utf-8")
    text = re.sub(
        r"(?ms)(- id: INV-018.*?)status: implemented(.*?)verified_by: \[.*?\]",
        r"\1status: roadmap\2verified_by: []",
        text,
        count=1,
    )
    path.write_text(text, encoding="utf-8")
    assert any(f.object == "INV-018" and "C62 says it proves this" in f.detail for f in PROOFS.findings(site))
