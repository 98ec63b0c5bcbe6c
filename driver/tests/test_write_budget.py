"""INV-PERF-001: what a payment on the happy path writes, in rows and in WAL bytes, at batches of 200."""

from __future__ import annotations

import json
import random

from symphony import api
from symphony.api.connection import Connection
from symphony.postgres_throwaway import Cluster
from tests.payments import establish, item
from tests.sql_cell import CONTEXTS, A, B, C, claim, complete, policy

BATCH = 200
ROWS = 8
WAL_BYTES = 4_096
PARTIES = json.dumps(
    {
        "creditor": {"account": "0123456789012", "agent": "ZMBKZMLU", "name": "Mutale Chilufya Trading Limited"},
        "debtor": {"account": "9876543210987", "agent": "ZMBAZMLU", "name": "Chanda Mwape and Sons"},
        "remittance": "Invoice 2026-0001 of 21 November 2026, maize seed and fertiliser",
    },
    sort_keys=True,
)


async def inserted(connection: Connection) -> dict[str, int]:
    """Rows inserted so far, by table; leaves are counted, whether the rows stayed or passed."""
    await connection.execute("select pg_stat_force_next_flush()")
    cursor = await connection.execute(
        "select schemaname || '.' || relname, n_tup_ins from pg_stat_all_tables where schemaname = any (%s)",
        (list(CONTEXTS),),
    )
    return {str(name): int(number) for name, number in await cursor.fetchall()}


async def wal_position(connection: Connection) -> int:
    """Bytes of WAL inserted so far."""
    cursor = await connection.execute("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
    rows = await cursor.fetchall()
    return int(rows[0][0])


async def drive(connection: Connection, first: int) -> None:
    """One batch of payments from accept to DISPATCHED."""
    items = [item(f"I-{first + n}", participant_id=(A, B, C)[n % 3]) for n in range(BATCH)]
    for one in items:
        object.__setattr__(one, "parties", PARTIES)
    random.Random(first).shuffle(items)
    decisions = await api.ingress.accept(connection, items=items)
    assert {decision.decision for decision in decisions} == {"ACCEPT"}
    claims = await claim(connection, limit=BATCH)
    assert len(claims) == BATCH
    outcomes = await complete(connection, claims)
    assert {outcome.outcome for outcome in outcomes} == {"DISPATCHED"}


async def test_a_payment_writes_at_most_8_rows_and_4_kib_of_wal(own_cluster: Cluster) -> None:
    url = own_cluster.server.url(own_cluster.clone())  # a server of its own, for the WAL is the server's
    async with await api.connect(url, application_name="budget") as connection:
        await establish(connection, policy())
        await drive(connection, 0)  # first rows of sequences, usage and gates
        await connection.execute("checkpoint")
        await drive(connection, BATCH)  # the full-page images after the checkpoint
        before, begin = await inserted(connection), await wal_position(connection)
        batches = 10
        for number in range(batches):
            await drive(connection, (number + 2) * BATCH)
        end, after = await wal_position(connection), await inserted(connection)
    payments = batches * BATCH
    rows = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    per_payment = (end - begin) / payments
    print(f"rows per payment {sum(rows.values()) / payments:.3f}, WAL bytes per payment {per_payment:.0f}: {rows}")
    assert sum(rows.values()) <= ROWS * payments, rows
    assert per_payment <= WAL_BYTES
