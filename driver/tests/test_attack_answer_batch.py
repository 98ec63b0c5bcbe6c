"""Attack: one odd answer never fails its batch mates, and no answer vanishes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from symphony import api
from symphony.api.connection import Connection
from tests.payments import establish, item
from tests.sql_cell import answer, claim, policy


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new cell."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


@pytest.mark.parametrize(
    "odd", [{"phase": "BOGUS"}, {"rail_code": None}, {"lease_token": None}, {"outbox_id": None}, {"rail": None}]
)
async def test_an_odd_answer_does_not_fail_its_batch_mate(judge: Connection, odd: dict[str, Any]) -> None:
    await api.ingress.accept(judge, items=[item("I-1"), item("I-2")])
    good, bad = await claim(judge)
    outcomes = await api.rails.record_answers(judge, worker="w", answers=[answer(good), answer(bad, **odd)])
    assert outcomes[0].outcome == "DISPATCHED"


async def test_an_uncertain_answer_without_a_phase_is_kept(judge: Connection) -> None:
    await api.ingress.accept(judge, items=[item("I-1")])
    (taken,) = await claim(judge)
    phase: Any = None
    (outcome,) = await api.rails.record_answers(judge, worker="w", answers=[answer(taken, "ODD", phase=phase)])
    cursor = await judge.execute("select count(*) from rails.rail_messages")
    assert (outcome.outcome, await cursor.fetchone()) == ("ENQUIRE", (1,))


async def test_two_answers_to_one_lease_leave_two_traces(judge: Connection) -> None:
    await api.ingress.accept(judge, items=[item("I-1")])
    (taken,) = await claim(judge)
    both = [answer(taken, "REJECTED_AC04"), answer(taken, "ACCEPTED")]
    await api.rails.record_answers(judge, worker="w", answers=both)
    cursor = await judge.execute(
        "select (select count(*) from outbox.payment_outbox_attempts where rail_code is not null)"
        " + (select count(*) from rails.rail_messages), (select count(*) from evidence.cases)"
    )
    assert await cursor.fetchone() == (2, 1), "REJECTED and ACCEPTED for one lease: one of them vanished"
