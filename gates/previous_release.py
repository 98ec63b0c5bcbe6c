"""The previous release: which it is, its tree, and databases it made.

release.json names it by its commit; a tag of the same name must point there. Its tree is taken from git into the
throwaway server's directory, once, and removed with it.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from gates.databases import migrate
from gates.gate import NotApplicable
from gates.release_digest import functions_digest, migrations_digest
from gates.site import Site
from symphony.migrate import DEFAULT_SQL_DIR
from symphony.migration_files import read
from symphony.operator_error import OperatorError
from symphony.postgres_throwaway import PGTAP, TEMPLATE, Cluster

SESSION = Path(__file__).with_name("release_session.py")
_PARTS = ("sql", "driver")
_LONGEST_S = 60


@dataclass(frozen=True, slots=True)
class Previous:
    """The release before this one: its commit and its tree."""

    tag: str
    commit: str
    tree: Path

    @property
    def sql_dir(self) -> Path:
        """Its SQL."""
        return self.tree / "sql"


def previous_release(site: Site) -> Previous:
    """Return the previous release, with its tree taken from git.

    Raises:
        NotApplicable: release.json says that there is none.
        OperatorError: RELEASE_FILE_INVALID, PREVIOUS_RELEASE_MISSING, PREVIOUS_TAG_MOVED, GATE_NEEDS_SERVER.
    """
    tag, commit = named(site.root)
    check_commit(site.root, tag, commit)
    cluster = site.server()
    tree = cluster.directory / f"previous-{commit[:12]}"
    with _alone(cluster):
        if not tree.exists():
            _extract(site.root, commit, tree)
    return Previous(tag=tag, commit=commit, tree=tree)


def named(root: Path) -> tuple[str, str]:
    """Return (tag, commit) that release.json names. Raises NotApplicable; OperatorError: RELEASE_FILE_INVALID."""
    path = root / "release.json"
    try:
        previous = json.loads(path.read_text(encoding="utf-8"))["previous"]
        if previous is None:
            raise NotApplicable("release.json says that no release came before this one")
        tag, commit = str(previous["tag"]), str(previous["commit"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            "RELEASE_FILE_INVALID",
            thing=str(path),
            reason=f"it does not name the previous release ({type(error).__name__}: {error})",
            next_action='write {"release": …, "previous": {"tag": …, "commit": …}}, or null for the first release',
        ) from error
    if len(commit) != 40 or not set(commit) <= set("0123456789abcdef"):
        raise OperatorError(
            "RELEASE_FILE_INVALID",
            thing=str(path),
            reason=f"{commit!r} is no full commit id",
            next_action=f"write what git rev-parse {tag}^{{commit}} prints",
        )
    return tag, commit


def check_commit(root: Path, tag: str, commit: str) -> None:
    """Check that git has the commit, and that the tag, where there is one, points to it.

    Raises:
        OperatorError: PREVIOUS_RELEASE_MISSING, PREVIOUS_RELEASE_WRONG, PREVIOUS_TAG_MOVED.
    """
    _check_is_earlier(root, tag, commit)
    found = _git(root, "rev-parse", "--quiet", "--verify", f"refs/tags/{tag}^{{commit}}")
    pointed_to = found.stdout.decode().strip()
    if found.returncode == 0 and pointed_to != commit:
        raise OperatorError(
            "PREVIOUS_TAG_MOVED",
            thing=f"tag {tag}",
            reason=f"it points to {pointed_to}, release.json says {commit}",
            next_action="find out which is the release that was shipped; a tag is never moved",
        )


def _check_is_earlier(root: Path, tag: str, commit: str) -> None:
    """Refuse a commit that is not here, not before HEAD, or by its own release.json another release than the tag's."""
    looked = _git(root, "cat-file", "-e", f"{commit}^{{commit}}")
    if looked.returncode != 0:
        raise OperatorError(
            "PREVIOUS_RELEASE_MISSING",
            thing=f"commit {commit} ({tag})",
            reason=f"this clone does not have it ({_said(looked) or 'git says no more'})",
            next_action="git fetch --tags --unshallow (in CI: fetch-depth 0), then look again",
        )
    if _git(root, "merge-base", "--is-ancestor", commit, "HEAD").returncode != 0:
        raise _not_previous(tag, commit, "it is not among the commits that led here")
    theirs = _git(root, "cat-file", "blob", f"{commit}:release.json")
    if theirs.returncode == 0:
        ours = json.loads((root / "release.json").read_text(encoding="utf-8"))["release"]
        release = json.loads(theirs.stdout)["release"]
        if release == ours or f"v{release}" != tag:
            raise _not_previous(tag, commit, f"its own release.json says {release}")


def _not_previous(tag: str, commit: str, why: str) -> OperatorError:
    return OperatorError(
        "PREVIOUS_RELEASE_WRONG",
        thing=f"commit {commit[:12]} as {tag}",
        reason=why,
        next_action="name the commit of the release that was shipped before this one",
    )


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, timeout=_LONGEST_S, check=False)


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return " ".join(done.stderr.decode(errors="replace").split())


def _extract(root: Path, commit: str, tree: Path) -> None:
    archive = _git(root, "archive", "--format=tar", commit, *_PARTS)
    if archive.returncode != 0:
        raise OperatorError(
            "PREVIOUS_RELEASE_MISSING",
            thing=f"the files of commit {commit}",
            reason=_said(archive),
            next_action="git fetch --tags --unshallow (in CI: fetch-depth 0), then look again",
        )
    staging = tree.with_name(f"{tree.name}-{uuid.uuid4().hex}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(staging, filter="data")
    staging.rename(tree)


def run_session(driver_tree: Path, mode: str, url: str, seen: dict[str, Any] | None = None) -> dict[str, Any]:
    """Have the driver of a tree do gates/release_session.py's work on a database, and return what it saw.

    Raises:
        OperatorError: RELEASE_SESSION_FAILED with the last line it said.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    environment |= {"PYTHONPATH": str(driver_tree / "driver"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-P", str(SESSION), str(driver_tree), mode, url],
        input=json.dumps(seen),
        env=environment,
        cwd=driver_tree,
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise OperatorError(
            "RELEASE_SESSION_FAILED",
            thing=f"the driver in {driver_tree.name}, {mode}",
            reason=said[-1].replace(url, "the database"),
            next_action="see which call failed; what the previous release does must go on working",
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def filled(site: Site, previous: Previous) -> tuple[str, dict[str, Any]]:
    """Return the name of a database that the previous release made and filled, and what its driver saw doing so.

    It is a template to copy, made once for each server.
    """
    cluster = site.server()
    name = f"symphony_previous_{previous.commit[:12]}"
    account = previous.tree.with_suffix(".json")
    cluster.make_template()  # so that the roles are there; see databases.built
    with _alone(cluster):
        if not account.exists():
            cluster.server.drop_database(name)
            cluster.server.create_database(name)
            url = cluster.server.url(name)
            migrate(url, previous.sql_dir)
            seen = run_session(previous.tree, "fill", url)
            account.write_text(json.dumps(seen), encoding="utf-8")
    seen = json.loads(account.read_text(encoding="utf-8"))
    return name, seen


def candidate(site: Site) -> str:
    """Return the name of a template of this checkout's database, with pgTAP in the schema tap.

    Raises:
        OperatorError: PGTAP_MISSING; what symphony migrate raises.
    """
    cluster = site.server()
    if not PGTAP.is_dir():
        raise OperatorError(
            "PGTAP_MISSING",
            thing="the previous release's tests",
            reason="pgTAP is not set up",
            next_action="run scripts/setup --test",
        )
    cluster.make_template()
    if site.sql_dir == DEFAULT_SQL_DIR:
        return TEMPLATE
    sources = read(site.sql_dir)
    digest = (migrations_digest(sources) + functions_digest(sources)).hex()
    name = f"symphony_candidate_{digest[:12]}_{digest[-12:]}"
    with _alone(cluster):
        ready = cluster.directory / name
        if not ready.exists():
            cluster.server.drop_database(name)
            cluster.server.create_database(name)
            migrate(cluster.server.url(name), site.sql_dir)
            _load_pgtap(cluster.server.url(name))
            ready.touch()
    return name


def _load_pgtap(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema tap")
        connection.execute("create extension pgtap with schema tap")
        connection.execute("grant usage on schema tap to public")
        connection.execute("grant execute on all functions in schema tap to public")


@contextmanager
def _alone(cluster: Cluster) -> Iterator[None]:
    with (cluster.directory / "previous.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
