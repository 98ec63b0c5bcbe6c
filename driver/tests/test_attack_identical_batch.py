"""Attack: a batch that names one instruction many times is answered, not told to come again for ever."""

from __future__ import annotations

from symphony import api
from tests.ingress_bench import instruction, serving
from tests.payments import establish, policy_document


async def test_a_batch_of_one_instruction_five_hundred_times_is_answered(fresh_database: str) -> None:
    async with await api.connect(fresh_database, application_name="judge") as judge:
        await establish(judge, policy_document())
    async with serving(fresh_database, max_queue_wait_ms=5_000) as bench:
        many = [instruction(1, creditor={"account": "2"}) for _ in range(500)]
        answer = await bench.client.batch(many, key="one", participant="ZM-BANK-A")
    assert answer.status == 200
