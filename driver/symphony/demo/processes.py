"""The demonstration's child processes: started, waited for, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, Final

from symphony.errors import SymphonyError

_DRIVER: Final = Path(__file__).resolve().parents[2]
# Linux ends a process with its parent when it asks for that (prctl 1: PR_SET_PDEATHSIG, kept across exec); a parent
# that is gone already will never end again. In a program of its own, for a fork that runs Python is not safe here.
_TIED: Final = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
# Reads what nobody writes: the end of it is ours, however it came.
_AFTERWARDS: Final = "import os, sys; sys.stdin.buffer.read(); os.execv(sys.argv[1], sys.argv[1:])"
_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL_LINES: Final = 12
_STOP_TIMEOUT_S: Final = 20.0


class DemoFailed(SymphonyError):
    """The demonstration cannot go on; the message says what, why, and quotes the process's last lines."""


class Interrupted(KeyboardInterrupt):
    """The person, or the system, wants the demonstration to end; `number` is the signal.

    A KeyboardInterrupt, because an event loop lets nothing else out of its callbacks.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class Interruption:
    """Turns the first SIGINT, SIGTERM or SIGHUP into Interrupted, but not while something is half started."""

    def __init__(self) -> None:
        self._held = 0
        self._waiting: int | None = None
        self._ended = False
        for number in _ENDING:
            signal.signal(number, self._handle)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put a signal off until the block is over."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._held == 0 and self._waiting is not None:
                self._ended = True
                raise Interrupted(self._waiting)

    def ignore(self) -> None:
        """Let nothing interrupt the cleaning up."""
        self._ended = True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._ended:
            return
        if self._held:
            self._waiting = number
            return
        self._ended = True
        raise Interrupted(number)


def tied(command: Sequence[str]) -> list[str]:
    """The command as one that gets SIGTERM when this process ends, be it by SIGKILL. Linux only; elsewhere as it is."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]


def environment_of(overrides: Mapping[str, str]) -> dict[str, str]:
    """The environment of a `symphony` of ours: PYTHONPATH says which code runs, the working directory has no say."""
    return {**os.environ, "PYTHONPATH": str(_DRIVER), "PYTHONSAFEPATH": "1", **overrides}


class Guard:
    """Stops the database server when this process ends without having done so; the server is nobody's child."""

    def __init__(self, data: Path) -> None:
        stop = [sys.executable, "-m", "symphony.cli", "db", "stop", "--provider", "binaries", "--data", str(data)]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _AFTERWARDS, *stop],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment_of({}),
            start_new_session=True,
        )

    def release(self) -> None:
        """Not needed any more."""
        self._process.kill()
        self._process.communicate()


class Child:
    """One `symphony` command in a process of its own; what it says goes to NAME.out and NAME.log."""

    def __init__(self, name: str, arguments: Sequence[str], *, directory: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.out = directory / f"{name}.out"
        self.log = directory / f"{name}.log"
        with self.out.open("wb") as out, self.log.open("wb") as log:
            self._process = subprocess.Popen(
                tied([sys.executable, "-m", "symphony.cli", *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env=environment_of(environment),
                start_new_session=True,  # Ctrl-C reaches the demonstration alone, which then stops them in order
            )
        self.pid = self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    def wait_ready(self, *, seconds: float) -> dict[str, Any]:
        """Return its JSON ready line; raises DemoFailed when it ends or is silent."""
        deadline = time.monotonic() + seconds
        while True:
            first, newline, _ = self.out.read_text(encoding="utf-8").partition("\n")
            if newline:
                break
            if self.status is not None:
                raise DemoFailed(f"{self.name} ended with status {self.status} before it was ready{self.tail()}")
            if time.monotonic() > deadline:
                raise DemoFailed(f"{self.name} was not ready within {seconds:.0f} s{self.tail()}")
            time.sleep(0.02)
        try:
            ready = json.loads(first)
        except ValueError:
            ready = None
        if not isinstance(ready, dict) or ready.get("event") != "ready":
            raise DemoFailed(f"{self.name} said something else than that it is ready: {first[:200]}")
        return ready

    def wait_done(self, *, seconds: float, expect: tuple[int, ...] = (0,)) -> str:
        """Wait for its end and return its output; raises DemoFailed for another status or too long a wait."""
        try:
            status = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"{self.name} did not end within {seconds:.0f} s{self.tail()}") from None
        if status not in expect:
            raise DemoFailed(f"{self.name} ended with status {status}{self.tail()}")
        return self.out.read_text(encoding="utf-8")

    def stop(self) -> None:
        """SIGTERM, a wait, and SIGKILL when that does not help."""
        if self.status is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_TIMEOUT_S)

    def tail(self) -> str:
        """The last lines of its output and its log, indented, for a failure."""
        said: list[str] = []
        for path in (self.out, self.log):
            with path.open(encoding="utf-8", errors="replace") as file:
                last = deque(file, maxlen=_TAIL_LINES)
            said += [f"    {path.name}: {line.rstrip()[:500]}" for line in last]
        return "\n" + "\n".join(said) if said else ""


class Children:
    """All the processes the demonstration started."""

    def __init__(self, directory: Path, interruption: Interruption) -> None:
        self._directory = directory
        self._interruption = interruption
        self._children: list[Child] = []

    def start(
        self,
        name: str,
        *arguments: str,
        database_url: str | None = None,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Child:
        """Start `symphony ARGUMENTS`; its login travels in the environment, not on the command line."""
        environment = (
            {**environment} if database_url is None else {**environment, "SYMPHONY_DATABASE_URL": database_url}
        )
        with self._interruption.held():
            child = Child(name, arguments, directory=self._directory, environment=environment)
            self._children.append(child)
        return child

    def run(self, name: str, *arguments: str, database_url: str | None = None, expect: tuple[int, ...] = (0,)) -> str:
        """Run `symphony ARGUMENTS` to its end and return its output; raises DemoFailed."""
        child = self.start(name, *arguments, database_url=database_url)
        return child.wait_done(seconds=120, expect=expect)

    def check(self, services: Sequence[Child]) -> None:
        """Raise DemoFailed when one of the services has ended."""
        for child in services:
            if child.status is not None:
                raise DemoFailed(f"{child.name} ended with status {child.status}{child.tail()}")

    def tails(self) -> str:
        """The last lines of every process that still runs."""
        return "".join(child.tail() for child in self._children if child.status is None)

    def stop(self, say: Callable[[str], None]) -> None:
        """Stop what still runs, the latest started first."""
        running = [child for child in reversed(self._children) if child.status is None]
        for child in running:
            child.stop()
        if running:
            say("stopped " + ", ".join(f"{child.name} ({child.pid})" for child in running))
