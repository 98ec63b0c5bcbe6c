""".github/changes: every change to what runs is recorded: by whom, with what, verified how, taken back how."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gates import manifest, yaml_documents
from gates.anchors import git
from gates.gate import Gate
from gates.previous_release import check_commit, named
from gates.site import Site

_WATCHED = (
    *("sql/", "driver/symphony/", "gates/", "scripts/", ".ci/", ".github/workflows/", ".github/CODEOWNERS"),
    *("release.json", "pyproject.toml", "requirements"),
)
_RECORDS = ".github/changes/"


def change_gates() -> list[Gate]:
    """Return the gates over change records."""
    return [
        Gate(
            id="X05",
            title="every change record is complete and names invariants there are",
            invariants=("INV-EVID-001",),
            remedy="complete the record (gates/changes.schema.json)",
            look=_incomplete,
        ),
        Gate(
            id="X06",
            title="what changed since the base (SYMPHONY_CHANGE_BASE, else the previous release) has a change record",
            invariants=("INV-EVID-001",),
            remedy="add .github/changes/<id>.yml",
            look=_unrecorded,
        ),
    ]


def _incomplete(site: Site) -> Iterator[tuple[str, str]]:
    known = manifest.load(site.root).ids()
    for path in sorted((site.root / _RECORDS).glob("*")):
        name = path.relative_to(site.root).as_posix()
        if path.suffix != ".yml":
            yield name, "records are .yml files"
            continue
        try:
            record = yaml_documents.read(path, schema="changes.schema.json")
        except yaml_documents.InvalidDocument as error:
            yield name, str(error)
            continue
        if record["id"] != path.stem:
            yield name, f"it holds {record['id']}"
        for unknown in sorted(set(record["invariants"]) - set(known)):
            yield name, f"{unknown} is no invariant"


def base_of(site: Site) -> str:
    """Return the commit that changes are counted from. Raises NotApplicable; OperatorError as check_commit does."""
    named_base = os.environ.get("SYMPHONY_CHANGE_BASE")
    if named_base:
        return named_base
    tag, commit = named(site.root)
    check_commit(site.root, tag, commit)
    return commit


def _unrecorded(site: Site) -> Iterator[tuple[str, str]]:
    base = base_of(site)
    commit = git(site.root, "rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}").strip()
    changed = git(site.root, "diff", "--name-only", "--no-renames", "-z", commit).split("\0")
    changed += git(site.root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    watched = sorted(path for path in changed if path.startswith(_WATCHED))
    records = [path for path in changed if path.startswith(_RECORDS) and path.endswith(".yml")]
    recorded = any((site.root / path).is_file() for path in records)  # one that was removed records nothing
    if watched and not recorded:
        yield watched[0], f"{len(watched)} watched files changed since {base[:12]}, and no record was added or changed"
