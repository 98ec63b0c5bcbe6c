"""Attack: documents that policy.propose takes and that break accepts or enquiries later."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.errors import Invalid
from tests.payments import activate, establish, item
from tests.sql_cell import policy

LARGEST_AMOUNT_MINOR = 2**53 - 1


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new cell."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


@pytest.mark.parametrize("ladder", [[None], [30, None], [[30, 60], [90, 120]]])
async def test_an_enquiry_ladder_has_no_missing_rung(judge: Connection, ladder: list[object]) -> None:
    """A null rung (also every rung of a nested array) is a wait of nothing."""
    with pytest.raises(Invalid):
        await activate(judge, policy(version=2, rail={"enquiry_after_ms": ladder}))


async def test_a_huge_day_limit_does_not_break_accepts(judge: Connection) -> None:
    huge = {"transaction_max_minor": 2**63 - 1, "day_value_max_minor": 2**63 - 1}
    try:
        await activate(judge, policy(version=2, limits=huge))
    except Invalid:
        return
    for batch in range(3):
        items = [item(f"I-{batch}-{n}", amount_minor=LARGEST_AMOUNT_MINOR) for n in range(500)]
        decisions = await api.ingress.accept(judge, items=items)
        assert {d.reason_code for d in decisions} <= {None, "LIMIT_DAY_VALUE"}
