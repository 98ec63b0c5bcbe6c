"""Attack: a policy that knows one more participant becomes active while a batch waits for another's lock."""

from __future__ import annotations

import asyncio

from symphony import api
from tests.payments import activate, establish, item
from tests.sql_cell import A, C, policy, sessions
from tests.test_replay_races import until_waiting


async def test_a_participant_that_arrives_while_a_batch_waits_does_not_fail_the_batch(fresh_database: str) -> None:
    async with sessions(fresh_database, 3) as (judge, holder, waiting):
        without = policy()
        without["participants"] = [p for p in without["participants"] if p["participant_id"] != C]
        await establish(judge, without)
        async with holder.transaction():
            await holder.execute("select outbox.lock_participants(array['ZM-BANK-A'])")
            items = [item("I-1", participant_id=A), item("I-2", participant_id=C)]
            accepting = asyncio.create_task(api.ingress.accept(waiting, items=items))
            await until_waiting(judge, accepting)
            await activate(judge, policy(version=2))
        decisions = await accepting
        assert decisions[0].decision == "ACCEPT"
