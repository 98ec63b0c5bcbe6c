"""The sandbox rail as a process: its ledger, its answers, its durability."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from tests.sandbox_process import PERSONAL, SandboxProcess, payment, submit


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("rail") / "ledger.db") as process:
        yield process
    assert process.stderr() == ""


@pytest.fixture
def sandbox(shared: SandboxProcess) -> SandboxProcess:
    shared.set_faults()
    return shared


def test_says_ready_listens_on_loopback_only_and_ends_on_sigterm(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path / "ledger.db") as sandbox:
        assert sandbox.ready["event"] == "ready"
        assert sandbox.ready["pid"] == sandbox.process.pid
        assert sandbox.call("GET", "/healthz") == (200, {"status": "OK"})
        listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
        assert [at for at in listening if at.endswith(f":{sandbox.port:04X}")] == [f"0100007F:{sandbox.port:04X}"]
        assert sandbox.end(signal.SIGTERM) == 0
        assert sandbox.stderr() == ""


def test_sigterm_ends_a_call_that_a_fault_holds_open(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path / "ledger.db") as sandbox:
        sandbox.set_faults({"kind": "timeout_after_success"})
        body = payment()

        async def held() -> None:
            async with ClientSession() as session:
                call = asyncio.create_task(session.post(f"{sandbox.base_url}/payments", json=body))
                while not sandbox.executions(body["reference"]):  # noqa: ASYNC110 - another process does it
                    await asyncio.sleep(0.01)
                assert await asyncio.to_thread(sandbox.end, signal.SIGTERM) == 0
                with pytest.raises(ClientError):
                    await call

        asyncio.run(held())


def test_same_reference_same_content_is_one_effect_and_one_answer(sandbox: SandboxProcess) -> None:
    body = payment()
    first = sandbox.call("POST", "/payments", body)
    again = sandbox.call("POST", "/payments", json.dumps(dict(reversed(body.items())), indent=2))
    assert first == again
    status, answer = first
    assert status == 200
    assert answer["status"] == "ACCEPTED"
    assert {name: answer[name] for name in ("reference", "amount", "currency")} == {
        name: body[name] for name in ("reference", "amount", "currency")
    }
    assert sandbox.executions(body["reference"]) == 1
    assert sandbox.calls(body["reference"]) == [("SUBMIT", 200, "ACCEPTED", None)] * 2
    assert sandbox.call("GET", f"/payments/{body['reference']}") == first


@pytest.mark.parametrize(
    "change",
    [{"amount": "125.51"}, {"currency": "USD"}, {"creditor": {"account": "other"}}, {"purpose": "SALA"}],
)
def test_same_reference_other_content_is_a_conflict_without_effect(
    sandbox: SandboxProcess, change: dict[str, Any]
) -> None:
    body = payment()
    sandbox.call("POST", "/payments", body)
    expected = {"status": "REFERENCE_REUSED", "reference": body["reference"]}
    assert sandbox.call("POST", "/payments", {**body, **change}) == (409, expected)
    assert sandbox.executions(body["reference"]) == 1
    sandbox.set_faults({"kind": "reject"})
    rejected = payment()
    sandbox.call("POST", "/payments", rejected)
    assert sandbox.call("POST", "/payments", {**rejected, **change})[0] == 409
    assert sandbox.executions(rejected["reference"]) == 0


async def test_32_identical_submits_at_once_execute_exactly_once(sandbox: SandboxProcess) -> None:
    body = payment()

    async def post(session: ClientSession) -> str:
        async with session.post(f"{sandbox.base_url}/payments", json=body) as response:
            assert response.status == 200
            return await response.text()

    async with ClientSession() as session:
        answers = await asyncio.gather(*[post(session) for _ in range(32)])
    assert len(set(answers)) == 1
    assert sandbox.executions(body["reference"]) == 1
    assert len(sandbox.calls(body["reference"])) == 32


def test_not_idempotent_executes_twice_and_the_judge_sees_it(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path / "ledger.db") as sandbox:
        sandbox.set_faults({"kind": "not_idempotent"})
        body = payment()
        first, second = (sandbox.call("POST", "/payments", body)[1] for _ in range(2))
        assert first["rail_reference"] != second["rail_reference"]
        assert sandbox.executions(body["reference"]) == 2
        assert sandbox.rows("select execution_count from effects") == [(2,)]
        stats = sandbox.call("GET", "/stats")[1]
        assert (stats["executed"], stats["references"], stats["max_executions_per_reference"]) == (2, 1, 2)


async def _submit_until_killed(sandbox: SandboxProcess) -> tuple[dict[str, str], set[str]]:
    """Answered (reference -> rail reference) and all sent references, with the process killed on the way."""
    answered: dict[str, str] = {}
    sent: set[str] = set()

    async def client(session: ClientSession) -> None:
        while True:
            body = payment()
            sent.add(body["reference"])
            try:
                async with session.post(f"{sandbox.base_url}/payments", json=body) as response:
                    answer = await response.json()
            except (ClientError, OSError):
                return
            answered[answer["reference"]] = answer["rail_reference"]

    async with ClientSession() as session:
        clients = [asyncio.create_task(client(session)) for _ in range(24)]
        while len(answered) < 200:  # noqa: ASYNC110 - another process answers
            await asyncio.sleep(0.01)
        sandbox.process.send_signal(signal.SIGKILL)
        await asyncio.gather(*clients)
    return answered, sent


async def test_kill_9_under_load_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    answered: dict[str, str] = {}
    sent: set[str] = set()
    for _ in range(3):
        sandbox = SandboxProcess(tmp_path / "ledger.db")
        try:
            more_answered, more_sent = await _submit_until_killed(sandbox)
        finally:
            assert sandbox.end(signal.SIGKILL) == -signal.SIGKILL
        answered |= more_answered
        sent |= more_sent
    with SandboxProcess(tmp_path / "ledger.db") as sandbox:
        executed = sandbox.rows("select reference, rail_reference from executions")
        assert len(executed) == len(dict(executed))
        assert answered.items() <= dict(executed).items()
        assert dict(executed).keys() <= sent
        reference, rail_reference = next(iter(answered.items()))
        assert sandbox.call("GET", f"/payments/{reference}")[1]["rail_reference"] == rail_reference
        assert sandbox.call("GET", "/stats")[1]["max_executions_per_reference"] == 1


async def test_many_calls_share_a_commit(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path / "ledger.db") as sandbox:
        async with ClientSession() as session:
            await asyncio.gather(*[session.post(f"{sandbox.base_url}/payments", json=payment()) for _ in range(100)])
        stats = sandbox.call("GET", "/stats")[1]
    assert stats["executed"] == 100
    assert stats["commits"] < 100
    assert sandbox.rows("pragma journal_mode") == [("wal",)]


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("update executions set amount = '1'", "executions is append-only"),
        ("delete from executions", "executions is append-only"),
        ("update calls set answer = 'ACCEPTED'", "calls is append-only"),
        ("delete from calls", "calls is append-only"),
        (
            "insert into executions (reference, amount, currency, content_hash, rail_reference, executed_at)"
            " values ('r', '1', 'ZMW', 'h', 'x', 'now')",
            "an execution needs its effect",
        ),
    ],
)
def test_the_ledger_refuses_to_be_rewritten(sandbox: SandboxProcess, statement: str, refusal: str) -> None:
    submit(sandbox)
    before = sandbox.rows("select * from executions"), sandbox.rows("select * from calls")
    with (
        closing(sqlite3.connect(sandbox.file)) as intruder,
        pytest.raises(sqlite3.IntegrityError, match=refusal),
    ):
        intruder.execute(statement)
    assert (sandbox.rows("select * from executions"), sandbox.rows("select * from calls")) == before


def test_a_second_process_is_refused_the_ledger(sandbox: SandboxProcess) -> None:
    said = SandboxProcess.refused_start("--port", "0", "--ledger", str(sandbox.file))
    assert "another sandbox rail has it open; stop that one or choose another file" in said
    assert "Traceback" not in said


def test_a_used_port_is_refused_with_the_next_action(sandbox: SandboxProcess, tmp_path: Path) -> None:
    said = SandboxProcess.refused_start("--port", str(sandbox.port), "--ledger", str(tmp_path / "ledger.db"))
    assert f"127.0.0.1:{sandbox.port}" in said
    assert "choose another --port" in said


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not SQLite " * 1000)
    assert "file is not a database; check the file" in SandboxProcess.refused_start(
        "--port", "0", "--ledger", str(tmp_path / "ledger.db")
    )


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ("{", "body"),
        ("[]", "body"),
        ('{"a":1,"a":1}', "body"),
        (payment(reference="../x"), "reference"),
        (payment(reference=7), "reference"),
        (payment(amount="0.00"), "amount"),
        (payment(amount="1e3"), "amount"),
        (payment(amount=12.5), "amount"),
        (payment(amount="١٢"), "amount"),
        (payment(currency="zmw"), "currency"),
        (payment(creditor={"name": PERSONAL}), "creditor"),
        (payment(debtor=PERSONAL), "debtor"),
        (payment(creditor={"account": "1", "participant_id": PERSONAL.lower()}), "participant_id"),
    ],
)
def test_a_bad_payment_is_refused_by_member_name(sandbox: SandboxProcess, body: object, member: str) -> None:
    before = sandbox.call("GET", "/stats")[1]
    assert sandbox.call("POST", "/payments", body) == (400, {"status": "INVALID", "member": member})
    after = sandbox.call("GET", "/stats")[1]
    assert after["executed"] == before["executed"]
    assert after["submits"] == before["submits"] + 1


def test_unknown_paths_and_long_bodies_are_refused(sandbox: SandboxProcess) -> None:
    assert sandbox.call("GET", "/nothing")[0] == 404
    assert sandbox.call("GET", "/payments/a.b")[0] == 400
    assert sandbox.call("POST", "/payments", " " * 70_000)[0] == 413


def test_the_ledger_is_paged_in_order(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path / "ledger.db") as sandbox:
        sent = [submit(sandbox)[1]["reference"] for _ in range(5)]
        seen: list[str] = []
        after: int | None = 0
        while after is not None:
            page = sandbox.call("GET", f"/ledger?after={after}&limit=2")[1]
            seen += [row["reference"] for row in page["executions"]]
            after = page["next_after"]
        assert seen == sent
        for table in ("effects", "calls"):
            assert len(sandbox.call("GET", f"/ledger?table={table}")[1][table]) == 5
        assert sandbox.call("GET", "/ledger?table=key")[0] == 400
        assert sandbox.call("GET", "/ledger?limit=0")[0] == 400


def test_no_personal_data_reaches_the_ledger_or_the_output(tmp_path: Path) -> None:
    with SandboxProcess(tmp_path / "ledger.db") as sandbox:
        submit(sandbox)
        sandbox.call("POST", "/payments", payment(amount=PERSONAL))
        sandbox.call("POST", "/payments", f'{{"debtor":"{PERSONAL}"')
        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert b"ACCEPTED" in written
        assert PERSONAL.encode() not in written
        assert sandbox.stderr() == ""
