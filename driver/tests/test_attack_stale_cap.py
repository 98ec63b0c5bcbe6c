"""Attack: a claim that waits for the gate while the cap is lowered must not use the old cap."""

from __future__ import annotations

import asyncio

from tests.payments import accept, activate, establish
from tests.sql_cell import claim, policy, sessions


async def test_a_claim_that_waited_uses_the_cap_of_now(fresh_database: str) -> None:
    async with sessions(fresh_database, 3) as (judge, holder, waiting):
        await establish(judge, policy(rail={"in_flight_cap": 10}))
        await accept(judge, 20, wake=False)
        async with holder.transaction():
            await holder.execute("select from outbox.claim_gate where rail = '*' for update")
            claiming = asyncio.create_task(claim(waiting))
            await asyncio.sleep(0.3)
            assert not claiming.done()
            await activate(judge, policy(version=2, rail={"in_flight_cap": 1}))
        assert len(await claiming) <= 1
