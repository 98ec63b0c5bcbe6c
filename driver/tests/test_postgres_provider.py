"""`symphony db`: real servers started, stopped, killed, and every refusal with its name."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from symphony import postgres_binaries
from symphony.operator_error import OperatorError
from symphony.postgres import Server
from symphony.postgres_command import db
from symphony.postgres_directory import PASSWORD_FILE, free_port, processes_of
from symphony.postgres_throwaway import throwaway_directory as make_directory
from symphony.providers import DockerProvider, UrlProvider, choose

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="ownership can only be changed by root")
SMALL = {"shared_buffers": "16MB", "max_wal_size": "128MB", "min_wal_size": "32MB"}


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    made = make_directory()
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def initialised(directory: Path) -> Path:
    """A data directory that was started once and stopped: the tests take copies of it."""
    server = Server(directory / "initialised", free_port(), settings=SMALL)
    assert server.start()[0].startswith("initialised ")
    server.stop()
    return server.data


@pytest.fixture
def data(directory: Path, initialised: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A copy of `initialised`, owners kept; whatever runs in it at the end of the test is stopped."""
    copy = directory / request.node.name.translate(str.maketrans("[]/ =.", "______"))[:40]
    subprocess.run(["cp", "-a", str(initialised), str(copy)], check=True)
    yield copy
    Server(copy, 0).kill9()
    shutil.rmtree(copy, ignore_errors=True)


def server_of(data: Path, **settings: str) -> Server:
    return Server(data, free_port(), settings={**SMALL, **settings})


def refused(server: Server) -> OperatorError:
    with pytest.raises(OperatorError) as raised:
        server.start()
    assert raised.value.next_action in str(raised.value)
    assert not processes_of(server.data)
    return raised.value


def show(url: str, setting: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute("select current_setting(%s)", (setting,)).fetchone()
    assert row is not None
    return row[0]


def test_a_new_directory_is_initialised_durable_and_private(directory: Path) -> None:
    server = server_of(directory / "new")
    try:
        messages = server.start()
        assert messages[0].startswith(f"initialised {server.data}")
        assert messages[1] == f"started: process {server.pid}, port {server.port}, data {server.data}"
        expected = {
            "data_checksums": "on", "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
            "wal_compression": "lz4", "autovacuum_naptime": "5s", "track_functions": "all", "jit": "off",
            "max_connections": "200", "TimeZone": "UTC", "listen_addresses": "127.0.0.1",
            "password_encryption": "scram-sha-256", "unix_socket_directories": "", "shared_buffers": "16MB",
        }  # fmt: skip
        url = server.url()
        assert {name: show(url, name) for name in expected} == expected
        with psycopg.connect(url) as connection:
            query = "select datlocprovider, datlocale from pg_database where datname = current_database()"
            assert connection.execute(query).fetchone() == ("b", "C.UTF-8")
            query = "select distinct auth_method from pg_hba_file_rules where not (options is not null)"
            assert connection.execute(query).fetchall() == [("scram-sha-256",)]
        assert server.data.stat().st_mode & 0o777 == 0o700
        assert (server.data / PASSWORD_FILE).stat().st_mode & 0o777 == 0o600
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace("postgres:", "postgres:x"))
    finally:
        server.stop()


@as_root
def test_for_root_the_server_runs_as_another_account_with_a_bare_environment(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret-of-ours@h/d")
    server = server_of(data)
    server.start()
    assert Path(f"/proc/{server.pid}").stat().st_uid == postgres_binaries.service_account().uid != 0
    assert b"secret-of-ours" not in Path(f"/proc/{server.pid}/environ").read_bytes()


def test_starting_a_running_server_says_so(data: Path) -> None:
    server = server_of(data)
    server.start()
    pid = server.pid
    again = Server(data, free_port())
    assert again.start() == [f"already running: process {pid}, port {server.port}, data {data}"]
    assert again.url() == server.url()
    assert server.stop() == [f"stopped: process {pid}, data {data}"]
    assert server.stop() == [f"not running: data {data}"]


def test_data_and_password_survive_a_restart(data: Path) -> None:
    server = server_of(data)
    server.start()
    with psycopg.connect(server.url()) as connection:
        connection.execute("create table kept as select 42 as answer")
    before = server.url()
    server.stop()
    server.start()
    assert server.url() == before
    with psycopg.connect(before) as connection:
        assert connection.execute("select answer from kept").fetchall() == [(42,)]


def test_after_kill_9_it_recovers_with_every_commit_and_says_so(data: Path) -> None:
    server = server_of(data)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept select generate_series(1, 1000)")
        pid = server.pid
        server.kill9()
    assert (data / "postmaster.pid").exists()
    status = server.status()
    assert not status.running
    assert f"postmaster.pid is left from process {pid}, which died" in status.detail
    assert server.start()[0] == f"recovering: postmaster.pid was left by process {pid}, which died without stopping"
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1000,)


def test_a_pid_file_whose_number_now_belongs_to_another_process_does_not_bar_the_start(data: Path) -> None:
    shutil.copy(data / "PG_VERSION", data / "postmaster.pid")
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n1\n\n127.0.0.1\n", encoding="ascii")
    server = server_of(data)
    assert server.start()[0].startswith(f"recovering: postmaster.pid was left by process {os.getpid()},")
    assert server.pid not in (None, os.getpid())


def test_a_used_port_is_refused_with_its_holder(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        error = refused(Server(data, port))
        assert error.code == "PORT_IN_USE"
        assert f"port {port} " in error.thing
        assert f"process {os.getpid()} (" in error.reason
    assert refused(Server(data, 0)).code == "PORT_INVALID"


def test_a_directory_of_another_major_version_is_refused(data: Path) -> None:
    (data / "PG_VERSION").write_text("17\n", encoding="ascii")
    error = refused(server_of(data))
    assert error.code == "DATA_DIRECTORY_VERSION"
    assert "PostgreSQL 17 made it, these programs are 18" in error.reason


def test_a_directory_of_something_else_is_refused_untouched(directory: Path) -> None:
    other = directory / "photographs"
    other.mkdir()
    (other / "cat.jpg").write_bytes(b"cat")
    error = refused(server_of(other))
    assert (error.code, error.thing) == ("NOT_A_DATA_DIRECTORY", str(other))
    assert [entry.name for entry in other.iterdir()] == ["cat.jpg"]
    for path in (other / "cat.jpg", other / "cat.jpg" / "data"):
        error = refused(server_of(path))
        assert (error.code, error.reason) == ("NOT_A_DATA_DIRECTORY", "it, or a parent of it, is a file")


@as_root
def test_a_directory_that_the_account_cannot_reach_is_refused_before_it_is_made(directory: Path) -> None:
    private = directory / "private"
    private.mkdir(mode=0o700)
    error = refused(server_of(private / "deep" / "data"))
    assert error.code == "DATA_DIRECTORY_UNREACHABLE"
    assert f"may not enter {private}" in error.reason
    assert not (private / "deep").exists()


def test_a_directory_that_is_not_writable_is_refused(data: Path) -> None:
    data.chmod(0o500)
    assert refused(server_of(data)).code == "DATA_DIRECTORY_NOT_WRITABLE"
    data.chmod(0o700)


@as_root
def test_a_directory_of_another_account_is_refused(data: Path) -> None:
    os.chown(data, 0, 0)
    assert refused(server_of(data)).code == "DATA_DIRECTORY_NOT_OURS"


def test_an_interrupted_initialisation_is_refused(data: Path) -> None:
    (data / PASSWORD_FILE).unlink()
    error = refused(server_of(data))
    assert error.code == "DATA_DIRECTORY_INCOMPLETE"
    assert "remove it when new" in error.next_action


@pytest.mark.parametrize(
    ("file", "setting"),
    [
        ("postgresql.conf", "fsync = off"),
        ("postgresql.auto.conf", "synchronous_commit = local"),
        ("postgresql.auto.conf", "full_page_writes = off"),
    ],
)
def test_a_configuration_that_can_lose_a_commit_is_refused(data: Path, file: str, setting: str) -> None:
    with (data / file).open("a", encoding="ascii") as config:
        config.write(f"\n{setting}\n")
    error = refused(server_of(data))
    assert (error.code, error.thing) == ("NOT_DURABLE", setting)


def test_settings_of_the_caller_cannot_turn_durability_off_either(data: Path) -> None:
    assert refused(server_of(data, fsync="off")).thing == "fsync = off"


def test_an_unreadable_configuration_and_a_failed_start_give_the_servers_own_reason(data: Path) -> None:
    error = refused(server_of(data, work_mem="lots"))
    assert error.code == "CONFIGURATION_INVALID"
    assert 'invalid value for parameter "work_mem": "lots"' in error.reason
    error = refused(server_of(data, shared_preload_libraries="absent_library"))
    assert error.code == "START_FAILED"
    assert "absent_library" in error.reason


def test_two_starts_at_once_initialise_once(directory: Path) -> None:
    server = server_of(directory / "raced")
    messages: list[list[str]] = []
    threads = [threading.Thread(target=lambda: messages.append(server.start())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert sorted(lines[0].split(":")[0].split()[0] for lines in messages) == ["already", "initialised"]
    finally:
        server.stop()


def test_the_log_holds_no_parameters_statements_or_details(data: Path) -> None:
    server = server_of(data, log_min_messages="info")
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("create table party (account text primary key)")
        connection.execute("insert into party values (%s)", ("ACCOUNT-4711",))
        with pytest.raises(psycopg.errors.UniqueViolation, match="ACCOUNT-4711"):
            connection.execute("insert into party values (%s)", ("ACCOUNT-4711",))
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into party values ('ACCOUNT-4711')")
    server.stop()
    log = b"".join(path.read_bytes() for path in (data / "log").iterdir())
    assert b"duplicate key value violates unique constraint" in log
    assert b"ACCOUNT-4711" not in log


def test_programs_are_not_run_from_a_directory_that_others_can_write(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = directory / "shared-cache"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("SYMPHONY_POSTGRES_CACHE", str(shared))
    with pytest.raises(OperatorError, match="CACHE_NOT_OURS"):
        postgres_binaries.unpacked()
    shared.chmod(0o755)
    binaries = postgres_binaries.unpacked()
    assert binaries == postgres_binaries.unpacked()
    assert Path(binaries.program("postgres")).stat().st_mode & 0o755 == 0o755
    assert [path.name for path in shared.iterdir()] == [binaries.home.name]


def test_a_url_is_used_but_neither_started_nor_stopped(cluster_url: str) -> None:
    provider = choose("auto", data=None, port=1, environ={"DATABASE_URL": cluster_url})
    assert isinstance(provider, UrlProvider)
    assert provider.url() == cluster_url
    assert provider.url("other").endswith("/other")
    assert provider.status().running
    for refuse in (provider.start, provider.stop):
        with pytest.raises(OperatorError, match="NOT_OURS"):
            refuse()
    nobody = UrlProvider(f"postgresql://u:secret@127.0.0.1:{free_port()}/d").status()
    assert not nobody.running
    assert "secret" not in nobody.detail
    with pytest.raises(OperatorError, match="DATABASE_URL_INVALID"):
        UrlProvider("mysql://u:secret@h/d")


@pytest.fixture
def cluster_url(data: Path) -> str:
    server = server_of(data)
    server.start()
    return server.url()


def test_the_choice_of_a_provider(directory: Path) -> None:
    assert isinstance(choose("auto", data=directory / "a", port=1, environ={}), Server)
    assert isinstance(choose("docker", data=directory / "a", port=1, environ={}), DockerProvider)
    url = {"DATABASE_URL": "postgresql://h/d"}
    assert isinstance(choose("binaries", data=directory / "a", port=1, environ=url), Server)
    with pytest.raises(OperatorError, match="DATABASE_URL_MISSING"):
        choose("url", data=None, port=1, environ={})
    with pytest.raises(OperatorError, match="DATA_DIRECTORY_MISSING"):
        choose("auto", data=None, port=1, environ={})


def test_without_an_engine_the_container_provider_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(OperatorError, match=r"DOCKER_UNAVAILABLE: postgres:18: no Docker engine answers"):
        DockerProvider(directory / "a", 1).start()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(db, arguments, env={"DATABASE_URL": "", "SYMPHONY_DATA": "", "SYMPHONY_PORT": ""})


def test_the_command(data: Path) -> None:
    options = ["--data", str(data), "--port", str(free_port())]
    before = run("status", *options)
    assert (before.exit_code, before.stdout) == (3, f"not running: data {data}\n")
    missing = run("url", *options)
    assert missing.exit_code == 1
    assert "NOT_RUNNING" in missing.stderr
    assert f"symphony db start --data {data}" in missing.stderr
    assert run("start", *options, "--set", "shared_buffers").exit_code == 2
    started = run("start", *options, "--set", "shared_buffers=16MB")
    assert (started.exit_code, started.stdout.split(":")[0]) == (0, "started")
    assert run("status", *options).exit_code == 0
    url = run("url", *options).stdout.strip()
    assert show(url, "shared_buffers") == "16MB"
    assert run("url", *options, "--dbname", "postgres").stdout.strip() == url.replace("/symphony", "/postgres")
    assert run("stop", *options).exit_code == 0
    assert run("start").exit_code == 1
    assert "DATA_DIRECTORY_MISSING" in run("start").stderr


def test_the_library_check_is_a_program_for_setup() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "symphony.postgres_binaries"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "\n"
