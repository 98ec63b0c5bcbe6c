"""The drill's stage: the demonstration's PostgreSQL, two ingress colours, HAProxy and the controller."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from symphony.demo.processes import Child, Children, DemoFailed, Interruption, environment_of, tied
from symphony.demo.script import PARTICIPANT, RAIL
from symphony.demo.stage import Say, Services, Stage
from symphony.postgres_directory import free_port
from symphony.rehearsal.load import instruction
from symphony.rehearsal.relay import Relay
from symphony.routing import configuration

_READY_S: Final = 30.0
_READ_BACK_MS: Final = 1_000
_DRIVER: Final = Path(__file__).resolve().parents[2]
_WHO: Final = "import symphony.cli; print(symphony.__version__); print(symphony.__file__)"


class _Program(Child):
    """A program that is not ours; it prints no ready line."""

    def __init__(self, name: str, command: Sequence[str], *, directory: Path) -> None:
        self.name = name
        self.out = directory / f"{name}.out"
        self.log = directory / f"{name}.log"
        with self.out.open("wb") as out, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                tied(command), stdin=subprocess.DEVNULL, stdout=out, stderr=log, start_new_session=True
            )
        self.pid = self._process.pid


@dataclass(frozen=True, slots=True)
class Code:
    """Which code a colour runs: its version, where in its checkout it lies, and a digest over its modules."""

    version: str
    file: str
    modules_sha256: str

    @classmethod
    def of(cls, driver: Path) -> Code:
        """What Python finds when it is told that driver folder, as the colour is; raises DemoFailed for other code."""
        done = subprocess.run(
            [sys.executable, "-c", _WHO], env=_environment(driver), capture_output=True, text=True, check=False
        )
        version, _, file = done.stdout.strip().partition("\n")
        package = Path(file).resolve().parent
        if done.returncode != 0 or package.parent != driver.resolve():
            raise DemoFailed(f"{driver} is no driver folder of a release; name one that has symphony/cli.py")
        digest = hashlib.sha256()
        for module in sorted(package.rglob("*.py")):
            digest.update(f"{module.relative_to(package)}\0".encode() + hashlib.sha256(module.read_bytes()).digest())
        return cls(version, str(Path(file).resolve().relative_to(driver.resolve().parent)), digest.hexdigest())


def _environment(driver: Path) -> dict[str, str]:
    return environment_of({"PYTHONPATH": str(driver)})


class Company(Children):
    """The drill's processes: ours, ours of a previous release, and HAProxy."""

    def start_release(self, name: str, *arguments: str, database_url: str, driver: Path) -> Child:
        """Start `symphony ARGUMENTS` of a driver folder."""
        environment = {"SYMPHONY_DATABASE_URL": database_url, "PYTHONPATH": str(driver), "SYMPHONY_ENVIRONMENT": "dev"}
        with self._interruption.held():
            child = Child(name, arguments, directory=self._directory, environment=environment)
            self._children.append(child)
        return child

    def start_program(self, name: str, *command: str) -> Child:
        """Start a program by its command line."""
        with self._interruption.held():
            child = _Program(name, command, directory=self._directory)
            self._children.append(child)
        return child


@dataclass(frozen=True, slots=True)
class Routes:
    """What runs, the controller last, and where it listens.

    `services` and `metrics` are base URLs by colour, `code` says what each colour runs.
    """

    children: list[Child]
    rail_url: str
    url: str
    socket: Path
    services: dict[str, str]
    metrics: dict[str, str]
    relay: Relay
    code: dict[str, Code]


class RoutingStage(Stage):
    """The demonstration's stage with two colours behind HAProxy; green reaches its database through a relay."""

    def __init__(self, directory: Path, *, interruption: Interruption, say: Say) -> None:
        super().__init__(directory, interruption=interruption, say=say)
        self.company = Company(directory, interruption)
        self.children = self.company
        self._relay: Relay | None = None

    def open_routes(self, *, previous_driver: Path | None) -> Routes:
        """Start the rail, a worker, both colours, HAProxy and the controller."""
        program = configuration.program()
        drivers = {"blue": previous_driver or _DRIVER, "green": _DRIVER}
        code = {colour: Code.of(driver) for colour, driver in drivers.items()}
        self._relay = relay = Relay(self._server.port)
        relay.start()
        start = self.company.start
        rail = start("rail-sandbox", "rail-sandbox", "--port", "0", "--ledger", str(self.directory / "rail.db"))
        ingress = ("ingress", "--dev", "--port", "0", "--metrics-port", "0")
        # An ingress with --dev has one login for all its capabilities, and the logins made here have one each.
        login = self._server.url()
        colours = {
            colour: self.company.start_release(colour, *ingress, database_url=url, driver=drivers[colour])
            for colour, url in (("blue", login), ("green", through(login, relay.port)))
        }
        maintenance = start("maintain", "maintain", database_url=self.urls["symphony_maintainer"])
        rail_url = f"http://127.0.0.1:{rail.wait_ready(seconds=_READY_S)['port']}"
        worker = start("worker", "worker", "--rail", f"{RAIL}={rail_url}", database_url=self.urls["symphony_executor"])
        ready = {name: child.wait_ready(seconds=_READY_S) for name, child in colours.items()}
        maintained = maintenance.wait_ready(seconds=_READY_S)
        worker.wait_ready(seconds=_READY_S)
        services = {name: f"http://127.0.0.1:{said['port']}" for name, said in ready.items()}
        metrics = {name: f"http://127.0.0.1:{said['metrics_port']}" for name, said in ready.items()}
        haproxy, port, socket = self._open_haproxy(program, ready)
        queue_url = f"http://127.0.0.1:{maintained['metrics_port']}"
        route = self._open_controller(socket, services, metrics, queue_url=queue_url)
        children = [rail, worker, maintenance, *colours.values(), haproxy, route]
        self._say("started: " + ", ".join(f"{child.name} (process {child.pid})" for child in children))
        self._say(
            "; ".join(f"{colour} runs {ran.version}, modules {ran.modules_sha256[:12]}" for colour, ran in code.items())
        )
        return Routes(children, rail_url, f"http://127.0.0.1:{port}", socket, services, metrics, relay, code)

    def _open_haproxy(self, program: str, ready: dict[str, dict[str, Any]]) -> tuple[Child, int, Path]:
        port, socket, file = free_port(), self.directory / "haproxy.sock", self.directory / "haproxy.cfg"
        blue, green = (
            configuration.Colour(f"127.0.0.1:{ready[colour]['port']}", int(ready[colour]["metrics_port"]))
            for colour in ("blue", "green")
        )
        file.write_text(configuration.text(socket=socket, port=port, blue=blue, green=green), encoding="utf-8")
        haproxy = self.company.start_program("haproxy", program, "-db", "-f", str(file))
        deadline = time.monotonic() + _READY_S
        while not socket.exists():
            self.company.check([haproxy])
            if time.monotonic() > deadline:
                raise DemoFailed(f"haproxy made no socket within {_READY_S:.0f} s{haproxy.tail()}")
            time.sleep(0.02)
        return haproxy, port, socket

    def _open_controller(
        self, socket: Path, services: dict[str, str], metrics: dict[str, str], *, queue_url: str
    ) -> Child:
        template = self.directory / "heartbeat.json"
        payment = {name: value for name, value in instruction("").items() if name != "instruction_id"}
        template.write_text(json.dumps({"participant": PARTICIPANT, "instruction": payment}), encoding="utf-8")
        route = self.company.start(
            "route", "route", "--haproxy-socket", str(socket), "--blue", metrics["blue"], "--green", metrics["green"],
            "--blue-service", services["blue"], "--green-service", services["green"], "--name", "drill-controller",
            "--read-back", str(template), "--read-back-interval-ms", str(_READ_BACK_MS), "--interval-ms", "250",
            "--queue-age-from", queue_url, database_url=self.urls["symphony_router"],
        )  # fmt: skip
        route.wait_ready(seconds=_READY_S)
        return route

    def drain(self, routes: Routes, *, seconds: float) -> None:
        """Stop the controller, whose heartbeats are payments, and wait until nothing is queued; raises DemoFailed."""
        controller = routes.children[-1]
        controller.stop()
        self.wait_until_ended(Services(routes.children[:-1], routes.rail_url, routes.url), seconds=seconds)

    def close(self, *, keep: bool) -> None:
        """Stop everything, the relay last but one: a server waits for nobody's connection."""
        try:
            self.children.stop(self._say)
        finally:
            if self._relay is not None:
                self._relay.stop()
        super().close(keep=keep)


def through(url: str, port: int) -> str:
    """The same login through another port."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{netloc}:{port}"))
