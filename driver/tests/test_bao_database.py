"""A service on leased logins: one for each capability, told apart, replaced unnoticed, and ended when revoked."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from symphony.api import connect
from symphony.bao.access import DatabaseAccess
from symphony.bao.database import ServiceCredentials
from symphony.bao.enrolment import issue_enrolment, write_enrolment
from symphony.bao.errors import LoginLeaseEnded
from symphony.bao.rights import SERVICES
from symphony.errors import DatabaseUnavailable
from symphony.metrics import Metrics
from symphony.operator_error import OperatorError
from symphony.registrar.client_command import client
from symphony.routing.controller import Controller, RouteSettings
from symphony.routing.haproxy import RuntimeSocket
from symphony.routing.measurement import SharedMeter
from symphony.worker.session import Session as LoopSession
from tests.bao_logins import ISSUER, logins_of, operator, place, short_lives
from tests.bao_process import Bao
from tests.sandbox_child import environment
from tests.until import until

pytest_plugins = ("tests.bao_fixtures",)

INGRESS = SERVICES["ingress"].capabilities


def enrolled(lender: Bao, service: str, directory: Path) -> Path:
    """A new enrolment of the service in a file."""
    path = directory / f"{service}.json"
    write_enrolment(issue_enrolment(lender.root, service), path)
    return path


@pytest.fixture
async def lasting(lender: Bao, database_url: str) -> None:
    """Logins that outlive the test, however short another test has made them."""
    await asyncio.to_thread(short_lives, lender, database_url, ttl_s=3_600, max_ttl_s=86_400)


@asynccontextmanager
async def opened(lender: Bao, database_url: str, directory: Path, service: str) -> AsyncIterator[ServiceCredentials]:
    """The service's credentials, closed at the end."""
    path = enrolled(lender, service, directory)
    credentials = await ServiceCredentials.open(path, service=service, place=place(database_url))
    assert not path.exists()
    lender.secrets |= {login._grant.password for login in credentials._logins.values() if login._grant is not None}
    try:
        yield credentials
    finally:
        await credentials.close()


@pytest.mark.usefixtures("lasting")
async def test_a_service_has_a_login_of_its_own_for_each_capability(
    lender: Bao, database_url: str, tmp_path: Path, admin: psycopg.Connection
) -> None:
    async with opened(lender, database_url, tmp_path, "ingress") as credentials:
        users = set()
        for capability in INGRESS:
            async with await connect(credentials.dsn(capability), application_name="test") as connection:
                row = await (await connection.execute("select session_user::text, current_user::text")).fetchone()
                assert row is not None
                assert row[1] == capability
                users.add(row[0])
                for other in {*INGRESS, "symphony_executor"} - {capability}:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        await connection.execute(sql.SQL("set role {}").format(sql.Identifier(other)))
        assert len(users) == 3
        credentials.check()
        assert 0 <= credentials.age_s < 10
        with pytest.raises(KeyError):
            credentials.dsn("symphony_executor")
    await until(lambda: not users & set(logins_of(admin, ISSUER)), seconds=30)


async def test_an_enrolment_of_another_service_is_refused_and_kept(
    lender: Bao, database_url: str, tmp_path: Path
) -> None:
    path = enrolled(lender, "worker", tmp_path)
    with pytest.raises(OperatorError, match=r"ENROLMENT_FOR_ANOTHER.*'worker', and this is ingress"):
        await ServiceCredentials.open(path, service="ingress", place=place(database_url))
    assert path.exists()
    with pytest.raises(OperatorError, match="LOGIN_REFUSED"):
        await ServiceCredentials.open(
            path, service="worker", place=place(database_url), capabilities=["symphony_operator"]
        )


async def test_a_revoked_login_stops_the_work_in_order_and_is_told(
    lender: Bao, database_url: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(short_lives, lender, database_url, ttl_s=6, max_ttl_s=60)
    async with opened(lender, database_url, tmp_path, "worker") as credentials:
        stop = asyncio.Event()
        ended_in_order = False

        async def work() -> None:
            nonlocal ended_in_order
            await stop.wait()
            await asyncio.sleep(0.05)
            ended_in_order = True

        (login,) = credentials._logins.values()
        assert login._grant is not None
        await operator(lender).revoke_login(login._grant.lease_id)
        async with asyncio.timeout(60):
            with pytest.raises(LoginLeaseEnded, match="symphony_executor was revoked"):
                await credentials.keep_while(work(), stop=stop.set)
        assert ended_in_order
        with pytest.raises(LoginLeaseEnded):
            credentials.check()
        with pytest.raises(DatabaseUnavailable):  # what every loop of every service already survives
            await connect(credentials.dsn("symphony_executor"), application_name="test")


@pytest.mark.usefixtures("lasting")
async def test_work_that_ends_or_fails_by_itself_does_so(lender: Bao, database_url: str, tmp_path: Path) -> None:
    async def done() -> int:
        return 7

    async def fails() -> None:
        raise ValueError("its own")

    async with opened(lender, database_url, tmp_path, "worker") as credentials:
        assert await credentials.keep_while(done(), stop=pytest.fail) == 7
        with pytest.raises(ValueError, match="its own"):
            await credentials.keep_while(fails(), stop=pytest.fail)


@pytest.mark.usefixtures("lasting")
async def test_every_pool_is_drained_also_after_one_that_fails(lender: Bao, database_url: str, tmp_path: Path) -> None:
    drained = []

    async def broken() -> None:
        raise psycopg.OperationalError("the pool is closed")

    async def fine() -> None:
        drained.append(1)

    async with opened(lender, database_url, tmp_path, "worker") as credentials:
        for drain in (broken, fine):
            credentials.on_replaced("symphony_executor", drain)
        await credentials._logins["symphony_executor"]._replace()
    assert drained == [1]


async def test_a_loops_connection_follows_the_login(database_url: str) -> None:
    dsn = [database_url]
    session = LoopSession(dsn=lambda: dsn[0], application_name="test")
    async with session.connection() as first:
        pass
    async with session.connection() as again:
        assert again is first
    dsn[0] = f"{database_url}?connect_timeout=7"
    async with session.connection() as second:
        assert second is not first
        assert first.closed
    await session.aclose()


async def test_the_controllers_connection_follows_the_login(database_url: str, tmp_path: Path) -> None:
    dsn = [database_url]
    controller = Controller(
        database=lambda: dsn[0], actor="c", haproxy=RuntimeSocket(tmp_path / "none"), meters={},
        shared=SharedMeter(None, None), read_back=None, metrics=Metrics(), settings=RouteSettings(),
    )  # fmt: skip
    first = await controller._connected()
    assert await controller._connected() is first
    dsn[0] = f"{database_url}?connect_timeout=7"
    second = await controller._connected()
    assert second is not first
    assert first.closed
    await controller._disconnect()


PLACE = "host=127.0.0.1 port=5432 dbname=d"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "DATABASE_ACCESS_MISSING"),
        ({"database_url": "postgresql://h/d", "bao_enrolment": Path("e")}, "DATABASE_ACCESS_TWICE"),
        ({"bao_enrolment": Path("e")}, "DATABASE_PLACE_MISSING"),
        ({"bao_enrolment": Path("e"), "database_place": f"{PLACE} user=u"}, "DATABASE_PLACE_INVALID"),
        ({"bao_enrolment": Path("e"), "database_place": "postgresql://u:hush@h/d"}, "DATABASE_PLACE_INVALID"),
        ({"bao_enrolment": Path("e"), "database_place": "postgres//hush"}, "DATABASE_URL_INVALID"),
    ],
)
def test_exactly_one_way_into_the_database(options: Any, code: str) -> None:
    with pytest.raises(OperatorError, match=f"^{code}: ") as refused:
        DatabaseAccess(**options)
    assert "hush" not in str(refused.value)


def test_outside_development_no_password_comes_with_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    with_password, without = "postgresql://u:hush@h/d", "postgresql://u@h/d?sslmode=verify-full"
    for environment_name in (None, "dev"):
        if environment_name is not None:
            monkeypatch.setenv("SYMPHONY_ENVIRONMENT", environment_name)
        DatabaseAccess(database_url=with_password)
    for environment_name in ("production", "test", "DEV", ""):
        monkeypatch.setenv("SYMPHONY_ENVIRONMENT", environment_name)
        with pytest.raises(OperatorError, match=r"^PASSWORD_OUTSIDE_DEVELOPMENT: ") as refused:
            DatabaseAccess(database_url=with_password)
        assert "hush" not in str(refused.value)
        DatabaseAccess(database_url=without)
        DatabaseAccess(bao_enrolment=Path("e"), database_place=PLACE)
    monkeypatch.setenv("PGPASSWORD", "hush")
    with pytest.raises(OperatorError, match="PASSWORD_OUTSIDE_DEVELOPMENT"):
        DatabaseAccess(database_url=without)


@pytest.mark.usefixtures("lasting")
async def test_an_operators_command_works_on_a_leased_login(lender: Bao, database_url: str, tmp_path: Path) -> None:
    def call(enrolment: Path) -> Result:
        return CliRunner().invoke(client, [
            "register", "client-a", "ZM-BANK-A", "--operator", "olga", "--reason", "ticket 7",
            "--bao-enrolment", str(enrolment), "--database-place", place(database_url),
        ])  # fmt: skip

    said = await asyncio.to_thread(call, enrolled(lender, "operator", tmp_path))
    assert (said.exit_code, said.stdout) == (0, "client client-a registered for ZM-BANK-A\n"), said.output
    worker = enrolled(lender, "worker", tmp_path)
    refused = await asyncio.to_thread(call, worker)
    assert refused.exit_code == 1
    assert "ENROLMENT_FOR_ANOTHER" in refused.stderr
    spent = tmp_path / "spent.json"
    spent.write_bytes(worker.read_bytes().replace(b'"worker"', b'"operator"'))
    stolen = await asyncio.to_thread(call, spent)
    assert stolen.exit_code == 1
    assert "was made for something else: raise an alarm" in stolen.stderr


COMMANDS = {
    "worker": ("symphony.worker.command:worker", "symphony_executor", ["--rail", "sandbox=http://127.0.0.1:1"]),
    "maintainer": ("symphony.maintenance_command:maintain", "symphony_maintainer", ["--health-interval-ms", "100"]),
    "router": (
        "symphony.routing.command:route", "symphony_router",
        ["--haproxy-socket", "absent", "--blue", "http://127.0.0.1:1", "--green", "http://127.0.0.1:1"],
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("service", list(COMMANDS))
async def test_a_service_outlives_its_logins_and_ends_when_one_is_revoked(
    lender: Bao, database_url: str, tmp_path: Path, admin: psycopg.Connection, service: str
) -> None:
    await asyncio.to_thread(short_lives, lender, database_url, ttl_s=6, max_ttl_s=12)
    path, capability, options = COMMANDS[service]
    module, _, name = path.partition(":")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", f"from {module} import {name}; {name}()", *options,
        "--bao-enrolment", str(enrolled(lender, service, tmp_path)), "--database-place", place(database_url),
        env={**environment(), "SYMPHONY_ENVIRONMENT": "production"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            if service != "router":  # it is ready with an HAProxy, and steers without one
                assert json.loads(await process.stdout.readline())["event"] == "ready"
            users: set[str] = set()
            while len(users) < 3:
                found = admin.execute(
                    "select distinct usename::text from pg_stat_activity where usename like %s",
                    (f"lease-{capability}-%",),
                ).fetchall()
                users |= {row[0] for row in found}
                assert process.returncode is None
                await asyncio.sleep(0.1)
            root = lender.root
            await asyncio.to_thread(root.write, f"sys/leases/revoke-prefix/database/creds/{capability}")
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    text = said.decode()
    assert process.returncode == 1, text
    assert text.splitlines()[-1] == f"Error: the database login for {capability} was revoked"
    assert "database login ended" in text
    assert "Traceback" not in text
    lender.logged.write(text)


def test_no_log_holds_a_password_or_a_token(lender: Bao) -> None:
    assert len(lender.secrets) > 5, "the tests above did not run"
    assert "database/creds/symphony_executor" in lender.said()
    assert [secret[:4] for secret in lender.secrets if secret in lender.said()] == []
