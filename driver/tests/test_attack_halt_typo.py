"""Attack: a halt of something that does not exist is an operator's typing error, not a success."""

from __future__ import annotations

from typing import Any

import pytest

from symphony import api
from symphony.errors import SymphonyError
from tests.payments import establish, policy_document


@pytest.mark.parametrize(
    "subject", [{"scope": "RAIL", "rail": "sandbx"}, {"scope": "PARTICIPANT", "participant_id": "NOBODY"}]
)
async def test_a_halt_of_an_unknown_subject_is_refused(fresh_database: str, subject: dict[str, Any]) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy_document())
        with pytest.raises(SymphonyError):
            await api.policy.halt(judge, operator="o", reason="r", **subject)
