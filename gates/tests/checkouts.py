"""Checkouts made for one test: a few SQL files, a site to look at them, and a history to compare them with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gates.gate import Gate
from gates.site import Site


def checkout(root: Path, files: Mapping[str, str]) -> Site:
    """Write the files (paths from the root) and return the site; sql/migrations and sql/functions are there in any case."""
    for folder in ("sql/migrations", "sql/functions", "gates/exceptions"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Site(root=root)


def release(root: Path) -> str:
    """Commit the checkout as the previous release, name it in release.json, and return the commit."""
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "-c", "user.name=t", "-c", "user.email=t@invalid", "commit", "--quiet", "--no-gpg-sign", "--message", "r")
    commit = git(root, "rev-parse", "HEAD")
    (root / "release.json").write_text(
        json.dumps({"release": "2", "previous": {"tag": "v1", "commit": commit}}), encoding="utf-8"
    )
    return commit


def first_release(root: Path) -> None:
    """Say that no release came before this one."""
    (root / "release.json").write_text(json.dumps({"release": "1", "previous": None}), encoding="utf-8")


def git(root: Path, *arguments: str) -> str:
    """Run git there and return what it says."""
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def found(gate: Gate, site: Site) -> list[tuple[str, str]]:
    """Return what the gate finds, as (object, detail)."""
    return [(finding.object, finding.detail) for finding in gate.findings(site)]
