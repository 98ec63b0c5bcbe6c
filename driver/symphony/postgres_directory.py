"""What a data directory is and who holds it: the checks made before a server is started."""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from symphony.operator_error import OperatorError
from symphony.postgres_binaries import MAJOR, Account, run_as

PASSWORD_FILE = "symphony-superuser.password"  # noqa: S105 - a file name
_NAME_ANOTHER = "name a directory that is empty, absent, or a data directory made by symphony db start"


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What postmaster.pid says: process id, TCP port, and whether that process serves the directory."""

    pid: int
    port: int
    alive: bool


def check_reachable(data: Path, account: Account) -> None:
    """Refuse a directory whose parents the service account may not pass through.

    Raises:
        OperatorError: DATA_DIRECTORY_UNREACHABLE, naming the first parent that bars the way.
    """
    if not account.drop:
        return
    parents = [str(parent) for parent in reversed(data.parents) if parent.is_dir()]
    script = 'for d in "$@"; do [ -x "$d" ] || { printf %s "$d"; exit 1; }; done'
    tested = run_as(account, ["/bin/sh", "-c", script, "sh", *parents])
    if tested.returncode != 0:
        raise OperatorError(
            "DATA_DIRECTORY_UNREACHABLE",
            thing=str(data),
            reason=f"the account {account.name}, which runs the server, may not enter {tested.stdout}",
            next_action=f"choose a directory outside it, for example /var/lib/symphony/{data.name}",
        )


def make(data: Path, account: Account) -> None:
    """Make `data` when it is absent, and hand an empty one to the service account.

    Raises:
        OperatorError: DATA_DIRECTORY_UNREACHABLE, NOT_A_DATA_DIRECTORY, DATA_DIRECTORY_NOT_WRITABLE.
    """
    check_reachable(data, account)
    try:
        data.mkdir(parents=True, mode=0o700, exist_ok=True)
        if account.drop and not any(data.iterdir()):
            os.chown(data, account.uid, account.gid)
    except (NotADirectoryError, FileExistsError) as error:
        raise OperatorError(
            "NOT_A_DATA_DIRECTORY",
            thing=str(data),
            reason="it, or a parent of it, is a file",
            next_action=_NAME_ANOTHER,
        ) from error
    except OSError as error:
        raise _not_writable(data, account, error.strerror or "") from error
    check_reachable(data, account)  # again: the parents may just have been made


def must_initialise(data: Path, account: Account) -> bool:
    """Tell an empty directory (true) from a usable data directory (false), and refuse anything else.

    Raises:
        OperatorError: NOT_A_DATA_DIRECTORY, DATA_DIRECTORY_NOT_WRITABLE, DATA_DIRECTORY_NOT_OURS,
            DATA_DIRECTORY_INCOMPLETE, DATA_DIRECTORY_VERSION.
    """
    try:
        entries = {entry.name for entry in data.iterdir()}
    except OSError as error:
        raise _not_writable(data, account, error.strerror or "") from error
    if entries and "PG_VERSION" not in entries:
        raise OperatorError(
            "NOT_A_DATA_DIRECTORY",
            thing=str(data),
            reason=f"it holds {len(entries)} entries but no PG_VERSION",
            next_action=_NAME_ANOTHER,
        )
    if entries:
        _check_existing(data, account, entries)
    writable = run_as(account, ["/bin/sh", "-c", 'test -w "$1" && test -x "$1"', "sh", str(data)])
    if writable.returncode != 0:
        raise _not_writable(data, account, "Permission denied")
    return not entries


def _not_writable(data: Path, account: Account, why: str) -> OperatorError:
    return OperatorError(
        "DATA_DIRECTORY_NOT_WRITABLE",
        thing=str(data),
        reason=f"the account {account.name} may not write to it ({why})",
        next_action=f"chown -R {account.name} the directory, or choose another one",
    )


def _check_existing(data: Path, account: Account, entries: set[str]) -> None:
    version = (data / "PG_VERSION").read_text(encoding="ascii", errors="replace").strip()
    if version != str(MAJOR):
        raise OperatorError(
            "DATA_DIRECTORY_VERSION",
            thing=str(data),
            reason=f"PostgreSQL {version or 'of an unknown version'} made it, these programs are {MAJOR}",
            next_action=f"upgrade it with pg_upgrade, or choose another directory for PostgreSQL {MAJOR}",
        )
    if data.stat().st_uid != account.uid:
        raise OperatorError(
            "DATA_DIRECTORY_NOT_OURS",
            thing=str(data),
            reason=f"it belongs to user id {data.stat().st_uid}, the server would run as {account.name}",
            next_action=f"chown -R {account.name} the directory, or run this as its owner",
        )
    if PASSWORD_FILE not in entries:
        raise OperatorError(
            "DATA_DIRECTORY_INCOMPLETE",
            thing=str(data),
            reason=f"it has no {PASSWORD_FILE}: its initialisation was interrupted, or another tool made it",
            next_action="remove it when new; otherwise start it with its own tools and set DATABASE_URL",
        )


def processes_of(data: Path) -> list[int]:
    """Return the processes that work in `data` (a server and its backends run with it as their directory)."""
    found: list[int] = []
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "cwd") == str(data):
                    found.append(int(entry.name))
            except OSError:
                continue  # gone, or not ours
    return sorted(found)


def wait_until_gone(data: Path, *, timeout_s: float) -> bool:
    """Wait until no process works in `data`; return false when some still do after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while processes_of(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def read_postmaster(data: Path) -> Postmaster | None:
    """Return what postmaster.pid says, or None without one. `alive` is false for a leftover of a dead server.

    Process ids are reused after a restart of the machine: a live process counts only when it runs in `data`.
    """
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        pid = abs(int(lines[0]))
        port = int(lines[3]) if len(lines) > 3 and lines[3].strip() else 0
    except FileNotFoundError:
        return None
    except (IndexError, ValueError):
        return Postmaster(pid=0, port=0, alive=False)
    return Postmaster(pid=pid, port=port, alive=pid in processes_of(data))


def check_port(port: int) -> None:
    """Refuse a TCP port of 127.0.0.1 that somebody holds.

    Raises:
        OperatorError: PORT_IN_USE with the holder's process id where /proc tells it; PORT_INVALID.
    """
    if not 0 < port < 65536:
        raise OperatorError(
            "PORT_INVALID",
            thing=f"port {port}",
            reason="it is not 1..65535",
            next_action="choose another --port",
        )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"it is held by {_holder(port)}"
            else:
                reason = f"it cannot be used ({error.strerror})"
            raise OperatorError(
                "PORT_IN_USE",
                thing=f"port {port} on 127.0.0.1",
                reason=reason,
                next_action="choose another --port, or stop that process",
            ) from error


def _holder(port: int) -> str:
    """Describe the process that listens on `port`, from /proc (socket inode, then who has it open)."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir() if inodes else ():
        if not process.name.isdigit():
            continue
        try:
            if any(os.readlink(handle) in inodes for handle in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"process {process.name} ({name})"
        except OSError:
            continue
    return "a process that cannot be seen from this account"


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody held a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
