"""Attack: a commitment does not depend on the session's DateStyle (03/04/2026 is two days)."""

from __future__ import annotations

from symphony import api
from tests.payments import establish, item, policy_document

RECOMPUTED = """
select i.commitment = core.commitment(array['outbox.payment_instructions', i.participant_id, i.outbox_id::text,
  i.sequence_id::text, i.attestation_id::text, i.idempotency_key, encode(i.payload_sha256, 'hex'),
  encode(i.parties_commitment, 'hex'), i.policy_version::text, to_char(i.limit_day, 'YYYY-MM-DD'),
  core.epoch_us(i.received_at), core.epoch_us(i.recorded_at)])
from outbox.payment_instructions as i order by i.sequence_id
"""


async def test_the_commitment_of_an_instruction_does_not_depend_on_datestyle(fresh_database: str) -> None:
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy_document())
        await api.ingress.accept(connection, items=[item("I-1")])
        await connection.execute("set datestyle = 'SQL, DMY'")
        await api.ingress.accept(connection, items=[item("I-2")])
        await connection.execute("reset datestyle")
        cursor = await connection.execute(RECOMPUTED.encode())
        assert await cursor.fetchall() == [(True,), (True,)]
