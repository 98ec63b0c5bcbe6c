"""Attack: what a rail has accepted is never sent again, and never ends FAILED without a case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.outbox import Claim
from tests.payments import establish, item
from tests.sql_cell import answer, claim, policy


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new cell: no settle time, no retries."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        rail = {"settle_ms": 0, "retry_max": 1, "retry_base_ms": 1, "retry_cap_ms": 1, "enquiry_after_ms": [1, 1, 1]}
        await establish(connection, policy(rail=rail))
        yield connection


async def dispatched(judge: Connection, *, lease_ms: int = 30_000) -> Claim:
    """One instruction, claimed for dispatch."""
    await api.ingress.accept(judge, items=[item("I-1")])
    (taken,) = await claim(judge, lease_ms=lease_ms)
    return taken


async def enquire_not_found(judge: Connection) -> None:
    """The enquiry that follows finds nothing, settle time over."""
    await asyncio.sleep(0.05)
    (asked,) = await claim(judge)
    assert asked.action == "ENQUIRE"
    await api.rails.record_answers(judge, worker="w", answers=[answer(asked, "NOT_FOUND", rail_reference=None)])


async def next_actions(judge: Connection) -> list[str]:
    """What the machine does next."""
    await asyncio.sleep(0.05)
    return [taken.action for taken in await claim(judge)]


@pytest.mark.parametrize("changes", [{"rail_reference": None}, {"echoed_amount_minor": 1}])
async def test_an_unusable_acceptance_is_not_sent_again(judge: Connection, changes: dict[str, Any]) -> None:
    taken = await dispatched(judge)
    await api.rails.record_answers(judge, worker="w", answers=[answer(taken, **changes)])
    await enquire_not_found(judge)
    assert "DISPATCH" not in await next_actions(judge), "the rail said ACCEPTED, and it is sent again"


async def test_a_late_acceptance_stops_the_second_send(judge: Connection) -> None:
    taken = await dispatched(judge, lease_ms=1_000)
    await asyncio.sleep(1.1)
    assert await api.outbox.repair_expired_leases(judge, limit=10) == 1
    await enquire_not_found(judge)
    await api.rails.record_answers(judge, worker="w", answers=[answer(taken)])
    assert "DISPATCH" not in await next_actions(judge), "the rail said ACCEPTED, and it is sent again"


async def test_a_late_acceptance_before_a_failure_opens_a_case(judge: Connection) -> None:
    taken = await dispatched(judge, lease_ms=1_000)
    await judge.execute("update outbox.payment_outbox_in_flight set retries_used = 1")  # at the ceiling
    await asyncio.sleep(1.1)
    assert await api.outbox.repair_expired_leases(judge, limit=10) == 1
    await api.rails.record_answers(judge, worker="w", answers=[answer(taken)])  # LEASE_LOST, kept as evidence
    await enquire_not_found(judge)
    states = await judge.execute("select state::text from outbox.payment_outbox_attempts where state = 'FAILED'")
    cases = await judge.execute("select kind from evidence.cases")
    assert not await states.fetchall() or await cases.fetchall(), "FAILED against a recorded ACCEPTED, and no case"
