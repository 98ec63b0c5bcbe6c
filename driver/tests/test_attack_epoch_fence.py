"""Attack: once the epoch is raised, nothing is committed any more that was decided under the old one."""

from __future__ import annotations

from symphony import api
from symphony.errors import SymphonyError
from tests.payments import establish, item, policy_document
from tests.sql_cell import sessions


async def test_an_accept_under_the_old_epoch_does_not_commit_after_the_new_one(fresh_database: str) -> None:
    async with sessions(fresh_database, 2) as (judge, ingress):
        await establish(judge, policy_document())
        raised = False
        async with ingress.transaction():
            await api.ingress.accept(ingress, items=[item("I-1")])  # decided, not committed
            try:
                await judge.execute("set lock_timeout = '300ms'")
                await api.core.establish_cell(judge, cell_id="cell-test", epoch=2)
                raised = True
            except SymphonyError:
                raised = False  # made to wait for the accept: as it should
        cursor = await judge.execute("select count(*) from outbox.payment_instructions")
        assert not raised or await cursor.fetchone() == (0,), "committed under epoch 1 after epoch 2 was in force"
