"""X05, X06: changes are recorded, and records are whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from gates.changes import change_gates
from gates.gate import NotApplicable
from gates.site import ROOT, Site
from symphony.operator_error import OperatorError

COMPLETE, RECORDED = change_gates()
RECORD = """id: 0002-example
title: An example of a record
author: a.banda
tools: [none]
invariants: [INV-011]
verification: ["./scripts/test: 2707 passed, 0 failed"]
rollback: the functions of the release before work on these tables; redeploy it
"""


def git(root: Path, *arguments: str) -> str:
    """Run git in the little checkout."""
    options = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *options, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    (tmp_path / "gates").mkdir()
    shutil.copy(ROOT / "gates" / "invariants.yml", tmp_path / "gates")
    (tmp_path / ".github" / "changes").mkdir(parents=True)
    (tmp_path / ".github" / "changes" / "0001-before.yml").write_text(
        RECORD.replace("0002-example", "0001-before"), "utf-8"
    )
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "grants.sql").write_text("-- none\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("x\n", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "before")
    monkeypatch.setenv("SYMPHONY_CHANGE_BASE", git(tmp_path, "rev-parse", "HEAD"))
    return Site(root=tmp_path)


def test_nothing_changed_needs_no_record(site: Site) -> None:
    assert RECORDED.findings(site) == []
    (site.root / "README.md").write_text("y\n", encoding="utf-8")
    assert RECORDED.findings(site) == []


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("path", ["sql/grants.sql", "driver/symphony/new.py"])
def test_a_watched_change_needs_a_record_of_its_own(site: Site, path: str, committed: bool) -> None:
    changed = site.root / path
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_text("-- more\n", encoding="utf-8")
    if committed:
        git(site.root, "add", ".")
        git(site.root, "commit", "-q", "-m", "change")
    assert [finding.object for finding in RECORDED.findings(site)] == [path]
    (site.root / ".github" / "changes" / "0002-example.yml").write_text(RECORD, encoding="utf-8")
    assert RECORDED.findings(site) == []


def test_a_base_that_is_no_commit_is_an_error_not_a_pass(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMPHONY_CHANGE_BASE", "--output=/tmp/x")
    with pytest.raises(Exception, match="COMMIT_UNKNOWN"):
        RECORDED.findings(site)
    monkeypatch.delenv("SYMPHONY_CHANGE_BASE")
    with pytest.raises(OperatorError, match="RELEASE_FILE_INVALID"):
        RECORDED.findings(site)
    (site.root / "release.json").write_text('{"release": "1", "previous": null}', encoding="utf-8")
    with pytest.raises(NotApplicable):
        RECORDED.findings(site)


@pytest.mark.parametrize(
    ("old", "new", "detail"),
    [
        ("rollback: the functions of the release before work on these tables; redeploy it\n", "", "rollback"),
        ("tools: [none]", "tools: []", "tools"),
        ("[INV-011]", "[INV-999]", "INV-999 is no invariant"),
        ("id: 0002-example", "id: 0003-example", "it holds 0003-example"),
        ("author: a.banda", "author: a.banda\nauthor: b", "stands twice"),
        ('["./scripts/test: 2707 passed, 0 failed"]', "[]", "verification"),
    ],
)
def test_an_incomplete_record_is_red(site: Site, old: str, new: str, detail: str) -> None:
    assert old in RECORD
    path = site.root / ".github" / "changes" / "0002-example.yml"
    path.write_text(RECORD, encoding="utf-8")
    assert COMPLETE.findings(site) == []
    path.write_text(RECORD.replace(old, new), encoding="utf-8")
    found = COMPLETE.findings(site)
    assert [finding.object for finding in found] == [".github/changes/0002-example.yml"]
    assert detail in found[0].detail
