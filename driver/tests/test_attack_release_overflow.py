"""Attack: an item given back very often (RELEASED counts nothing and waits for nothing) must not stop its rail."""

from __future__ import annotations

from symphony import api
from tests.payments import establish, item
from tests.sql_cell import claim, policy


async def test_an_item_whose_entries_are_used_up_does_not_stop_every_claim(fresh_database: str) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy())
        await api.ingress.accept(judge, items=[item("I-1"), item("I-2")])
        # As after 16,383 claims given back: two attempt rows each, no ceiling, no wait between them.
        await judge.execute(
            "update outbox.payment_outbox_pending set entry_no = 32767, attempt_no = 16383 where sequence_id = 1"
        )
        assert "I-2" in [taken.instruction_id for taken in await claim(judge)]
