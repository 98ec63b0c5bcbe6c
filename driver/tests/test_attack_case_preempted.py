"""Attack: a case opened by hand, or decided, hides the machine's later contradiction of the same kind."""

from __future__ import annotations

import psycopg
import pytest

from symphony import api
from tests.payments import establish, item, policy_document
from tests.sql_cell import answer, claim, complete


async def test_a_case_opened_by_hand_does_not_swallow_a_contradiction(fresh_database: str) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy_document())
        await api.ingress.accept(judge, items=[item("I-1")])
        (taken,) = await claim(judge)
        await complete(judge, [taken], "REJECTED_AC04")
        with pytest.raises(psycopg.Error) as refused:
            async with judge.transaction():
                await judge.execute("set local role symphony_operator")
                await judge.execute(
                    "select evidence.open_case(%s, 'LATE_CONTRADICTION', %s, '{}', 'nothing')",
                    (taken.participant_id, taken.outbox_id),
                )
        assert refused.value.sqlstate == "SV101"
        await api.rails.record_answers(judge, worker="w", answers=[answer(taken)])  # ACCEPTED after FAILED
        cursor = await judge.execute("select count(*) from evidence.cases where facts ->> 'late_answer' = 'ACCEPTED'")
        assert await cursor.fetchone() == (1,)
