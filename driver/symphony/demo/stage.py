"""The demonstration's stage: a real PostgreSQL 18 in a directory of its own, and the processes on it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import symphony
from symphony.api import connect, ops
from symphony.demo.processes import Child, Children, DemoFailed, Guard, Interruption
from symphony.demo.script import RAIL, Script
from symphony.demo.trust import Sender, Trust
from symphony.operator_error import OperatorError
from symphony.postgres import Server
from symphony.postgres_binaries import service_account
from symphony.postgres_directory import check_reachable, free_port, processes_of

_ROOT: Final = Path(__file__).resolve().parents[3]
POLICY: Final = _ROOT / "scripts" / "demo.policy.json"
RESPONSES: Final = Path(symphony.__file__).parent / "rails" / "sandbox.responses.json"
_OPERATOR: Final = "demonstration"
_READY_S: Final = 30.0
_POLL_S: Final = 0.1
_CALL_TIMEOUT_MS: Final = 1_500
_LEASE_MS: Final = 8_000
# Small batches one after another, so that an order can be seen; a short pause, so that an outage may be short.
_RESOLVING: Final = ("--batch", "10", "--batches-at-once", "1", "--breaker-pause-max-ms", "1000")
CLIENTS: Final = {"bank-a": "ZM-BANK-A", "bank-b": "ZM-BANK-B", "momo-c": "ZM-MOMO-C"}
"""Who is enrolled: client and participant."""

type Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Services:
    """The running processes and where they listen; without a registry no alias is resolved."""

    children: list[Child]
    rail_url: str
    ingress_url: str
    registry_url: str = ""


def work_directory() -> Path:
    """Make a directory that the server's account can pass through, for data, logs and files.

    Raises:
        OperatorError: WORK_DIRECTORY_UNREACHABLE.
    """
    account = service_account()
    bases = [Path(tempfile.gettempdir()).resolve(), Path("/var/tmp")]  # noqa: S108 - mkdtemp makes it ours
    for base in bases:
        try:
            check_reachable(base / "x", account)
            made = Path(tempfile.mkdtemp(dir=base, prefix="symphony-demo-"))
        except (OperatorError, OSError):
            continue
        made.chmod(0o711)  # passed through, not listed, by the server's account
        return made
    raise OperatorError(
        "WORK_DIRECTORY_UNREACHABLE",
        thing=" and ".join(str(base) for base in bases),
        reason=f"not writable, or the account {account.name}, which runs PostgreSQL, may not enter",
        next_action="set TMPDIR to a directory that everybody may enter",
    )


class Stage:
    """Builds everything up, and takes it down again whatever happened.

    Args:
        directory: the work directory.
        say: prints one step.

    Attributes:
        urls: logins of people, by capability; services borrow theirs.
        senders: enrolled clients by id.
    """

    def __init__(self, directory: Path, *, interruption: Interruption, say: Say) -> None:
        self.directory = directory
        self.children = Children(directory, interruption)
        self.trust = Trust(directory, self.children, operator=_OPERATOR)
        self.urls: dict[str, str] = {}
        self.senders: dict[str, Sender] = {}
        self._interruption = interruption
        self._say = say
        self._guard: Guard | None = None
        self._server = Server(directory / "data", free_port(), settings={"shared_buffers": "128MB"})

    def open_database(self) -> None:
        """Start PostgreSQL, migrate, make the logins, the cell, the policy, the rail's response classes."""
        with self._interruption.held():
            self._guard = Guard(self._server.data)
            self._server.start()
        superuser_url = self._server.url()
        self._say(f"PostgreSQL 18 started: process {self._server.pid}, port {self._server.port}, fsync on")
        migrated = self.children.run("migrate", "migrate", database_url=superuser_url)
        self._say(f"schema migrated: {_last_line(migrated)}")
        logins_file = self.directory / "logins.json"
        self.children.run("logins", "logins", "create", "--dev", "--out", str(logins_file), database_url=superuser_url)
        self.urls = json.loads(logins_file.read_text(encoding="utf-8"))
        self._say(f"{len(self.urls)} logins created, one per capability: each can do nothing without SET ROLE")
        administrator_url = self.urls["symphony_policy_admin"]
        published = [
            self.children.start(name, *arguments, "--operator", _OPERATOR, database_url=administrator_url)
            for name, arguments in (
                ("classes", ("rails", "publish", str(RESPONSES))),
                ("reasons", ("reasons", "publish", "--builtin")),
            )
        ]
        for name, arguments in (
            ("cell", ("cell", "establish", "--cell-id", "cell-1", "--epoch", "1")),
            ("policy", ("policy", "activate", str(POLICY), "--operator", _OPERATOR)),
        ):
            self._say(_last_line(self.children.run(name, *arguments, database_url=administrator_url)))
        for child in published:
            self._say(_last_line(child.wait_done(seconds=_READY_S)))

    def open_trust(self) -> None:
        """Start OpenBao and the token issuer, enrol the clients, and have the database ask for proof."""
        process = self.trust.open_bao(self._server.url())
        self._say(f"OpenBao 2.7 started: process {process}; it issues certificates and lends database logins")
        asyncio.run(self._open_trust())
        self._say(
            f"token issuer started; {len(self.senders)} clients enrolled, each with a certificate of OpenBao's, a DPoP"
            " key and a signing key"
        )

    async def _open_trust(self) -> None:
        await self.trust.open_issuer()
        operator_url = self.urls["symphony_operator"]
        for sender in await self.trust.register(CLIENTS, operator_url=operator_url):
            self.senders[sender.client_id] = sender
        await self.trust.require_proof(operator_url=operator_url)

    def open_services(self, script: Script) -> Services:
        """Start the rail, the registry, and on logins that OpenBao lends: maintenance, ingress, worker, resolver."""
        registry = self.children.start(
            "registry", "registry", "sandbox", "--port", "0", "--store", str(self.directory / "registry.db")
        )
        rail = self.children.start(
            "rail-sandbox", "rail-sandbox", "--port", "0", "--ledger", str(self.directory / "rail.db"),
            "--faults", str(script.faults),
        )  # fmt: skip
        rail_url = f"http://127.0.0.1:{rail.wait_ready(seconds=_READY_S)['port']}"
        place = self._server.url()
        maintenance = self.trust.serve("maintain", "maintainer", place)
        worker = self.trust.serve(
            "worker", "worker", place, "--rail", f"{RAIL}={rail_url}", "--call-timeout-ms", str(_CALL_TIMEOUT_MS),
            "--lease-ms", str(_LEASE_MS),
        )  # fmt: skip
        registry_url = f"http://127.0.0.1:{registry.wait_ready(seconds=_READY_S)['port']}"
        resolver = self.trust.serve("resolver", "resolver", place, "--registry", f"sandbox={registry_url}", *_RESOLVING)
        maintenance.wait_ready(seconds=_READY_S)
        asyncio.run(self.trust.wait_revocations_known(operator_url=self.urls["symphony_operator"], seconds=_READY_S))
        port = free_port()
        url = f"https://127.0.0.1:{port}"
        ingress = self.trust.serve(
            "ingress", "ingress", place, "--port", str(port), *self.trust.ingress_options(origin=url)
        )
        for child in (ingress, worker, resolver):
            child.wait_ready(seconds=_READY_S)
        services = [rail, registry, ingress, worker, resolver, maintenance]
        self._say("started: " + ", ".join(f"{child.name} (process {child.pid})" for child in services))
        return Services(services, rail_url, url, registry_url)

    def submission(self, services: Services, *arguments: str) -> tuple[str, ...]:
        """The command that sends a file as bank A."""
        credentials = str(self.senders["bank-a"].path)
        return ("submit", *arguments, "--url", services.ingress_url, "--credentials", credentials, "--json")

    def dump(self) -> bytes:
        """Every row of the database, as pg_dump writes it."""
        program = self._server.binaries.program("pg_dump")
        environment = {**os.environ, **self._server.environment()}
        done = subprocess.run([program, "--data-only", "--no-sync"], env=environment, capture_output=True, check=False)
        if done.returncode != 0:
            raise DemoFailed(f"pg_dump ended with status {done.returncode}")
        return done.stdout

    def revoke(self, certificate_sha256: str) -> None:
        """End a client certificate, as an operator does it."""
        self.children.run(
            "revoke", "cert", "revoke", "--sha256", certificate_sha256, "--operator", _OPERATOR,
            "--reason", "the key was lost", database_url=self.urls["symphony_operator"],
        )  # fmt: skip

    def wait_until_ended(self, services: Services, *, seconds: float) -> None:
        """Wait until nothing is queued or in flight; raises DemoFailed."""
        asyncio.run(self._drained(services, time.monotonic() + seconds, seconds))

    async def _drained(self, services: Services, deadline: float, seconds: float) -> None:
        connection = await connect(self.urls["symphony_maintainer"], application_name="symphony demo")
        async with connection:
            while True:
                self.children.check(services.children)
                left = sum(
                    sample.value
                    for sample in await ops.health(connection)
                    if sample.name in ("outbox_pending_depth", "in_flight_leases", "proxy_pending_depth")
                )
                if not left:
                    return
                if time.monotonic() > deadline:
                    raise DemoFailed(
                        f"{left:.0f} instructions have no outcome after {seconds:.0f} s{self.children.tails()}"
                    )
                await asyncio.sleep(_POLL_S)

    def close(self, *, keep: bool) -> None:
        """Stop every process and remove the directory; raises DemoFailed when something is left."""
        self.children.stop(self._say)
        if self._server.pid is not None:
            self._say(self._server.stop()[0])
        if self._guard is not None:
            self._guard.release()
        left = processes_of(self._server.data)
        if left:
            raise DemoFailed(f"processes {left} still work in {self._server.data}; end them by hand")
        if keep:
            self._say(f"kept: {self.directory}; its database starts again with")
            self._say(f"  scripts/symphony db start --data {self._server.data} --port {self._server.port}")
            return
        shutil.rmtree(self.directory)
        self._say(f"nothing is left running; {self.directory} is removed")


def _last_line(said: str) -> str:
    return said.rstrip().rpartition("\n")[2]
