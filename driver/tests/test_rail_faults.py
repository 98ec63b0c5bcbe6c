"""Every fault of the sandbox rail, seen by the adapter and by the rail's own ledger."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from symphony.rail_sandbox import faults
from symphony.rails.adapter import Rail, RailReply
from tests.raw_rail import IMPATIENT, adapter
from tests.sandbox_process import PERSONAL, PaymentClaim, SandboxProcess


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("rail") / "ledger.db") as process:
        yield process
    assert process.stderr() == ""


@pytest.fixture
def sandbox(shared: SandboxProcess) -> SandboxProcess:
    shared.set_faults()
    return shared


@pytest.fixture
async def rail(sandbox: SandboxProcess) -> AsyncIterator[Rail]:
    async with adapter(sandbox.base_url) as opened:
        yield opened


@pytest.fixture
async def hasty(sandbox: SandboxProcess) -> AsyncIterator[Rail]:
    """The same rail, for calls that are to run out of time."""
    async with adapter(sandbox.base_url, **IMPATIENT) as opened:
        yield opened


async def heard(sandbox: SandboxProcess, claim: PaymentClaim) -> None:
    """Wait until the rail has recorded a call; who has no time may have left before."""
    async with asyncio.timeout(30):
        while not sandbox.calls(claim.reference):  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.01)


# kind and parameters -> code of the submit, real executions at once, code of an undisturbed query after it
SUBMIT_FAULTS: list[tuple[dict[str, Any], str, int, str]] = [
    ({"kind": "timeout_after_success"}, "TIMEOUT", 1, "ACCEPTED"),
    ({"kind": "timeout_before_effect"}, "TIMEOUT", 0, "NOT_FOUND"),
    ({"kind": "5xx_after_success", "status": 502}, "HTTP_502", 1, "ACCEPTED"),
    ({"kind": "5xx_after_success", "status": 503}, "HTTP_503", 1, "ACCEPTED"),
    ({"kind": "5xx_before_effect"}, "HTTP_500", 0, "NOT_FOUND"),
    ({"kind": "drop_connection_after_success"}, "CONNECTION_LOST", 1, "ACCEPTED"),
    ({"kind": "drop_connection_before_effect"}, "CONNECTION_LOST", 0, "NOT_FOUND"),
    ({"kind": "garbage_answer"}, "UNREADABLE_ANSWER", 1, "ACCEPTED"),
    ({"kind": "duplicate_answer"}, "ACCEPTED", 1, "ACCEPTED"),
    ({"kind": "wrong_amount_echo"}, "ACCEPTED", 1, "ACCEPTED"),
    ({"kind": "wrong_reference_echo"}, "UNREADABLE_ANSWER", 1, "ACCEPTED"),
    ({"kind": "slow", "ms": 60}, "ACCEPTED", 1, "ACCEPTED"),
    ({"kind": "slow", "ms": 5000}, "TIMEOUT", 1, "ACCEPTED"),
    ({"kind": "unavailable"}, "UNAVAILABLE", 0, "NOT_FOUND"),
    ({"kind": "reject", "code": "AC01"}, "REJECTED_AC01", 0, "REJECTED_AC01"),
    ({"kind": "late_effect", "ms": 60_000}, "TIMEOUT", 0, "NOT_FOUND"),
    ({"kind": "not_idempotent"}, "ACCEPTED", 1, "ACCEPTED"),
]


@pytest.mark.parametrize(("rule", "code", "executions", "truth"), SUBMIT_FAULTS)
async def test_each_fault_of_a_submit_has_its_code_and_its_real_effects(
    sandbox: SandboxProcess, rail: Rail, hasty: Rail, rule: dict[str, Any], code: str, executions: int, truth: str
) -> None:
    sandbox.set_faults(rule)
    claim = PaymentClaim()
    reply = await (hasty if code == "TIMEOUT" else rail).submit(claim)
    await heard(sandbox, claim)
    assert reply.rail_code == code
    assert sandbox.executions(claim.reference) == executions
    silent = code in ("TIMEOUT", "CONNECTION_LOST") and rule["kind"] != "slow"
    ((phase, status, _, fault),) = sandbox.calls(claim.reference)
    assert (phase, status is None, fault) == ("SUBMIT", silent, rule["kind"])
    assert (reply.response_sha256 is None) == (code in ("TIMEOUT", "CONNECTION_LOST"))
    if rule["kind"] == "slow":
        assert reply.latency_us >= min(rule["ms"], IMPATIENT["total_timeout_ms"]) * 1000
    sandbox.set_faults()
    assert (await rail.query(claim)).rail_code == truth


# kind and parameters -> code of a query after a payment that was really executed
QUERY_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "timeout_after_success"}, "TIMEOUT"),
    ({"kind": "timeout_before_effect"}, "TIMEOUT"),
    ({"kind": "5xx_after_success"}, "HTTP_500"),
    ({"kind": "5xx_before_effect", "status": 504}, "HTTP_504"),
    ({"kind": "drop_connection_after_success"}, "CONNECTION_LOST"),
    ({"kind": "drop_connection_before_effect"}, "CONNECTION_LOST"),
    ({"kind": "garbage_answer"}, "UNREADABLE_ANSWER"),
    ({"kind": "duplicate_answer"}, "ACCEPTED"),
    ({"kind": "wrong_amount_echo"}, "ACCEPTED"),
    ({"kind": "wrong_reference_echo"}, "UNREADABLE_ANSWER"),
    ({"kind": "slow", "ms": 30}, "ACCEPTED"),
    ({"kind": "unavailable"}, "UNAVAILABLE"),
    ({"kind": "not_found_for", "ms": 60_000}, "NOT_FOUND"),
    ({"kind": "pending_for", "ms": 60_000}, "PENDING"),
]


@pytest.mark.parametrize(("rule", "code"), QUERY_FAULTS)
async def test_each_fault_of_a_query_has_its_code_and_no_effect(
    sandbox: SandboxProcess, rail: Rail, hasty: Rail, rule: dict[str, Any], code: str
) -> None:
    claim = PaymentClaim()
    assert (await rail.submit(claim)).rail_code == "ACCEPTED"
    sandbox.set_faults({"phase": "QUERY", **rule})
    assert (await (hasty if code == "TIMEOUT" else rail).query(claim)).rail_code == code
    sandbox.set_faults()
    assert (await rail.query(claim)).rail_code == "ACCEPTED"
    assert sandbox.executions(claim.reference) == 1


def test_every_fault_kind_is_observed() -> None:
    seen = {rule["kind"] for rule, *_ in SUBMIT_FAULTS}, {rule["kind"] for rule, _ in QUERY_FAULTS}
    for phase, kinds in zip(("SUBMIT", "QUERY"), seen, strict=True):
        assert kinds == {kind for kind, phases in faults.KINDS.items() if phase in phases}


async def test_wrong_amount_is_echoed_as_said_and_executed_as_ordered(sandbox: SandboxProcess, rail: Rail) -> None:
    for rule, echoed in (({}, 12_650), ({"echo_amount": "1.00"}, 100)):
        sandbox.set_faults({"kind": "wrong_amount_echo", **rule})
        claim = PaymentClaim()
        reply = await rail.submit(claim)
        assert (reply.rail_code, reply.echoed_amount_minor) == ("ACCEPTED", echoed)
        assert sandbox.rows("select amount from executions where reference = ?", claim.reference) == [("125.50",)]


async def test_a_late_effect_comes_after_the_client_left(sandbox: SandboxProcess, rail: Rail, hasty: Rail) -> None:
    sandbox.set_faults({"kind": "late_effect", "ms": 5000})
    claim = PaymentClaim()
    assert (await hasty.submit(claim)).rail_code == "TIMEOUT"
    assert (await rail.query(claim)).rail_code == "NOT_FOUND"
    assert sandbox.executions(claim.reference) == 0
    async with asyncio.timeout(30):
        while not sandbox.executions(claim.reference):  # noqa: ASYNC110 - another process's file
            await asyncio.sleep(0.05)
    assert (await rail.query(claim)).rail_code == "ACCEPTED"
    assert sandbox.executions(claim.reference) == 1


async def test_not_found_for_a_while_after_a_success(sandbox: SandboxProcess, rail: Rail) -> None:
    sandbox.set_faults({"kind": "not_found_for", "ms": 3000, "amount": "125.50"})
    claim = PaymentClaim()
    await rail.submit(claim)
    assert (await rail.query(claim)).rail_code == "NOT_FOUND"
    await asyncio.sleep(3.05)
    assert (await rail.query(claim)).rail_code == "ACCEPTED"


@pytest.mark.parametrize("delay_ms", [None, 20])
async def test_an_answer_given_twice_is_not_taken_for_the_next_payment(
    sandbox: SandboxProcess, delay_ms: int | None
) -> None:
    rule: dict[str, Any] = {"kind": "duplicate_answer", "first": 1}
    sandbox.set_faults(rule if delay_ms is None else {**rule, "ms": delay_ms})
    async with adapter(sandbox.base_url, max_connections=1) as rail:
        first = await rail.submit(PaymentClaim())
        await asyncio.sleep(0.15 if delay_ms is None else 2)
        second = await rail.submit(PaymentClaim())
    assert (first.rail_code, second.rail_code) == ("ACCEPTED", "ACCEPTED")
    assert first.rail_reference != second.rail_reference


async def test_no_personal_data_in_replies_logs_or_exceptions(
    sandbox: SandboxProcess, rail: Rail, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    replies: list[RailReply] = []
    for rule in [rule for rule, code, *_ in SUBMIT_FAULTS if code != "TIMEOUT"]:
        sandbox.set_faults(rule)
        replies.append(await rail.submit(PaymentClaim()))
    replies.append(await rail.submit(PaymentClaim(parties=PERSONAL)))
    assert PERSONAL not in repr(replies)
    assert PERSONAL not in caplog.text
