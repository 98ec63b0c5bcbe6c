"""Applied migrations are immutable (INV-001): against the previous release's commit and the database's ledger."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from gates.gate import Gate, NotApplicable
from gates.previous_release import check_commit, named
from gates.site import Site
from symphony.operator_error import OperatorError

_FOLDER = "sql/migrations"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LEDGER = "select version, name, sha256 from core.schema_migration order by version"


def landed_gates() -> list[Gate]:
    """Return the gates over migrations that others have applied."""
    return [
        Gate(
            id="M18",
            title="the previous release's migrations are unchanged, and new ones follow them",
            invariants=("INV-001", "INV-003"),
            remedy="restore the file; a correction is a new migration with the next number",
            look=_against_release,
        ),
        Gate(
            id="M19",
            title="the database's ledger and the migration files agree",
            invariants=("INV-001", "INV-004"),
            remedy="find out what was applied; restore the file, or migrate",
            look=_against_ledger,
        ),
    ]


def previous_commit(root: Path) -> str:
    """Return the commit of the previous release. Raises as previous_release.named and check_commit do."""
    tag, commit = named(root)
    check_commit(root, tag, commit)
    return commit


def previous_migrations(root: Path) -> dict[str, bytes]:
    """Return the previous release's migrations: file name and content. Raises as previous_commit."""
    commit = previous_commit(root)
    listed = _git(root, "ls-tree", "-r", "--name-only", "-z", commit, "--", _FOLDER)
    if not listed:
        raise _missing(commit, f"it has no {_FOLDER}", "name the commit of the previous release")
    found = {}
    for path in filter(None, listed.decode().split("\0")):
        content = _git(root, "cat-file", "blob", f"{commit}:{path}")
        if content is None:
            raise _missing(f"{commit}:{path}", "this clone does not have it", "git fetch --tags --unshallow")
        found[path.removeprefix(f"{_FOLDER}/")] = content
    return found


def last_landed(site: Site) -> int:
    """Return the highest number among the previous release's migrations, 0 when there is no previous release."""
    try:
        return max(_number(name) for name in previous_migrations(site.root))
    except NotApplicable:
        return 0


def _git(root: Path, *arguments: str) -> bytes | None:
    """Run git in the checkout, whoever owns it; None when it fails."""
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _missing(thing: str, reason: str, next_action: str) -> OperatorError:
    return OperatorError("PREVIOUS_RELEASE_MISSING", thing=thing, reason=reason, next_action=next_action)


def _number(name: str) -> int:
    digits = re.match(r"\d+", name)
    return int(digits[0]) if digits else 0


def _against_release(site: Site) -> Iterator[tuple[str, str]]:
    landed = previous_migrations(site.root)
    present = {path.name: path for path in (site.sql_dir / "migrations").iterdir()}
    for name, content in landed.items():
        if name not in present:
            yield f"{_FOLDER}/{name}", "the previous release has it; it is gone or renamed"
        elif present[name].read_bytes() != content:
            was, now = (hashlib.sha256(data).hexdigest()[:12] for data in (content, present[name].read_bytes()))
            yield f"{_FOLDER}/{name}", f"SHA-256 {now}… instead of {was}…"
    last = max(_number(name) for name in landed)
    for name in present.keys() - landed.keys():
        if _number(name) <= last:
            yield f"{_FOLDER}/{name}", f"its number does not follow {last:04}, the previous release's last"


def _against_ledger(site: Site) -> Iterator[tuple[str, str]]:
    files = {_number(path.name): path for path in (site.sql_dir / "migrations").glob("*.sql")}
    with site.session() as connection:
        applied = {int(version): (str(name), bytes(sha256)) for version, name, sha256 in connection.execute(_LEDGER)}
    for version, (name, sha256) in applied.items():
        path = files.get(version)
        if path is None:
            yield f"migration {version:04}", f"the ledger has {name}, the checkout does not"
        elif path.stem != f"{version:04}_{name}":
            yield f"migration {version:04}", f"the ledger calls it {name}, the checkout {path.name}"
        elif hashlib.sha256(path.read_bytes()).digest() != sha256:
            yield f"migration {version:04}", f"{path.name} is not what was applied (SHA-256 {sha256.hex()[:12]}…)"
    for version in sorted(files.keys() - applied.keys()):
        yield f"migration {version:04}", f"{files[version].name} is not applied to this database"
