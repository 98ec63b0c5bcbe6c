"""Attack: a key that was answered once means that content for ever, also when the answer was a replay."""

from __future__ import annotations

from dataclasses import replace

from symphony import api
from tests.payments import establish, item, policy_document


async def test_a_key_answered_by_a_replay_is_not_free_for_other_content(fresh_database: str) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy_document())
        first = item("I-1")
        same = replace(first, idempotency_key="K-9")
        other = replace(item("I-2", amount_minor=99), idempotency_key="K-9")
        decisions = [(await api.ingress.accept(judge, items=[each]))[0].decision for each in (first, same, other)]
        assert decisions.count("ACCEPT") == 1, "K-9 brought 202 for two different payments"
