"""A PostgreSQL server to be thrown away: started once, shared by the processes of a run, a template, clones of it.

Tests and gates run on it. Nothing on it is durable: it lives in memory where there is room.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg

from symphony.migrate import DEFAULT_SQL_DIR, apply
from symphony.operator_error import OperatorError
from symphony.postgres import Server
from symphony.postgres_binaries import service_account
from symphony.postgres_directory import check_reachable, free_port, wait_until_gone

PGTAP = Path(__file__).resolve().parents[2] / ".cache" / "pgtap"
TEMPLATE = "symphony_template"
_PREFIX = "symphony-throwaway-"
_END_SESSIONS = """
select pg_terminate_backend(a.pid, 5000) from pg_stat_activity as a
where a.datname = current_database() and a.pid <> pg_backend_pid()
"""
_CALLED = """
select n.nspname || '.' || p.proname, encode(sha256(convert_to(pg_get_functiondef(p.oid), 'UTF8')), 'hex')
from pg_stat_user_functions as s
join pg_proc as p on p.oid = s.funcid
join pg_namespace as n on n.oid = p.pronamespace
join pg_roles as o on o.oid = n.nspowner and o.rolname ~ '^symphony_[a-z]+_owner$'
where s.calls > 0
order by 1
"""
_ROOM = 3 * 2**30  # bytes: what the servers of a run take, several times over


def throwaway_directory() -> Path:
    """Make a directory that the server's account can reach, named after this process; in memory if there is room.

    Directories of runs that were killed are removed first, their servers stopped.
    """
    account = service_account()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > _ROOM else None  # noqa: S108
    bases = [os.environ.get("SYMPHONY_TEST_DIR"), memory, tempfile.gettempdir(), "/var/tmp"]  # noqa: S108
    for base in (Path(name).resolve() for name in bases if name):
        try:
            check_reachable(base / "x", account)
        except OperatorError:
            continue
        _remove_abandoned(base)
        made = Path(tempfile.mkdtemp(dir=base, prefix=f"{_PREFIX}{os.getpid()}-"))
        made.chmod(0o755)
        return made
    raise RuntimeError(f"the account {account.name} can reach none of {bases}; set SYMPHONY_TEST_DIR")


def _remove_abandoned(base: Path) -> None:
    for left in base.glob(f"{_PREFIX}*"):
        owner = left.name.removeprefix(_PREFIX).partition("-")[0]
        if left.stat().st_uid != os.geteuid() or not owner.isdigit() or Path(f"/proc/{owner}").exists():
            continue
        for version in left.glob("*/PG_VERSION"):
            Server(version.parent, 0).stop()
        shutil.rmtree(left, ignore_errors=True)


class Cluster:
    """One server with a template database: all of sql/ migrated, pgTAP in the schema tap.

    Processes of one run share it by its directory: whoever asks first starts it and makes the template.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory or throwaway_directory()
        # One minute between autovacuum's rounds: the databases of a run are many and short-lived.
        settings = {"shared_buffers": "128MB", "max_wal_size": "1GB", "autovacuum_naptime": "1min"}
        with self._alone():
            port = self.directory / "port"
            if not port.exists():
                port.write_text(str(free_port()), encoding="ascii")
                if PGTAP.is_dir():
                    # A copy, for the checkout may lie where the server's account cannot go.
                    shutil.copytree(PGTAP, self.directory / "pgtap")
            if (self.directory / "pgtap").is_dir():
                settings["extension_control_path"] = f"{self.directory / 'pgtap'}:$system"
            self.server = Server(self.directory / "data", int(port.read_text(encoding="ascii")), settings=settings)
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """Start the server unless it runs; the template is made by the first clone."""
        with self._alone():
            self.server.start()

    def stop(self) -> None:
        """Stop the server at once, without the checkpoint that nobody needs, and remove everything it had."""
        if (pid := self.server.pid) is not None:
            os.kill(pid, signal.SIGQUIT)
            wait_until_gone(self.server.data, timeout_s=30)
        shutil.rmtree(self.directory, ignore_errors=True)

    def empty(self) -> str:
        """Create an empty database and return its name.

        The template is made first: roles belong to the server, and two first migrations at once would both make them.
        """
        self.make_template()
        name = self._next_name()
        self.server.create_database(name)
        return name

    def clone(self) -> str:
        """Create a copy of the template and return its name.

        Raises:
            OperatorError: what symphony migrate raises, when sql/ does not apply.
        """
        self.make_template()
        name = self._next_name()
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"create database {name} template {TEMPLATE}".encode())
            # What grants.sql takes from PUBLIC on the database itself, a copy would have again.
            connection.execute(f"revoke create, temporary on database {name} from public".encode())
        return name

    def _next_name(self) -> str:
        return f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}_{next(self._numbers)}"

    def drop(self, name: str) -> None:
        """Drop a database, ending the sessions in it; what they called goes to the file that SYMPHONY_CALLS names."""
        if (calls := os.environ.get("SYMPHONY_CALLS")) is not None:
            self._record_calls(name, Path(calls))
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)".encode())

    def _record_calls(self, name: str, calls: Path) -> None:
        """Append «schema.name digest of the definition» for every function of ours that was called (gate B20)."""
        with psycopg.connect(self.server.url(name), autocommit=True, options="-c search_path=pg_catalog") as connection:
            connection.execute(_END_SESSIONS)  # a session reports its last calls when it ends
            lines = [f"{function} {digest}\n" for function, digest in connection.execute(_CALLED)]
        with calls.open("a", encoding="ascii") as file:
            file.write("".join(lines))

    def make_template(self) -> None:
        """Migrate the template once, and load pgTAP into it so that any role may call it."""
        ready = self.directory / "template"
        if ready.exists():
            return
        with self._alone():
            if not ready.exists():
                self._migrate_template()
                ready.touch()

    def _migrate_template(self) -> None:
        self.server.drop_database(TEMPLATE)
        self.server.create_database(TEMPLATE)
        url = self.server.url(TEMPLATE)
        if any((DEFAULT_SQL_DIR / "migrations").glob("*.sql")):
            with ThreadPoolExecutor(1) as threads:  # a test that asks may have a loop running
                threads.submit(asyncio.run, apply(url)).result()
        if PGTAP.is_dir():
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create schema tap")
                connection.execute("create extension pgtap with schema tap")
                connection.execute("grant usage on schema tap to public")
                connection.execute("grant execute on all functions in schema tap to public")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.directory / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
