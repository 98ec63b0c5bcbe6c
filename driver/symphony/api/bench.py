"""bench: history, the machine's own limit and counters. Superuser SQL, used by `symphony bench` only."""

from __future__ import annotations

from dataclasses import dataclass

from symphony.api.connection import Connection

_LIMIT_TABLE = """
create table if not exists public.machine_limit (
  id uuid primary key default uuidv7(), account text not null, seq bigint not null, payload text not null)
"""
_LIMIT_INSERT = (
    "insert into public.machine_limit (account, seq, payload) select * from unnest(%b::text[], %b::int8[], %b::text[])"
)

# One chunk of finished payments: all ledger rows a DISPATCHED instruction has, made set-wise on the server.
_HISTORY = """
with made as materialized (
  select 'ZM-BENCH-' || (g.n %% %(participants)s) as participant_id, uuidv7(-%(age)s::interval) as attestation_id,
    uuidv7(-%(age)s::interval) as outbox_id, %(first)s + g.n as n, gen_random_uuid() as random_id,
    sha256(int8send(%(first)s + g.n)) as digest
  from generate_series(1, %(rows)s) as g(n)
), attestation as (
  insert into ingress.ingress_attestations (participant_id, attestation_id, decision, tenant_id, cell_id, cell_epoch,
    instruction_id, outbox_id, pop_mode, body_sha256, policy_version, policy_checksum, db_role, correlation_id,
    received_at, verified_at, recorded_at, commitment)
  select m.participant_id, m.attestation_id, 'ACCEPT', 'bench', 'bench', 1, 'H-' || m.random_id, m.outbox_id,
    'DEV_HEADER', m.digest, 1, m.digest, 'symphony_ingest', m.random_id, now(), now(), now(), m.digest
  from made as m
), ledger as (
  insert into outbox.idempotency_ledger (participant_id, instruction_id, idempotency_key, outbox_id)
  select m.participant_id, 'H-' || m.random_id, 'K-' || m.random_id, m.outbox_id from made as m
), instruction as (
  insert into outbox.payment_instructions (participant_id, outbox_id, sequence_id, attestation_id, instruction_id,
    idempotency_key, rail, currency, amount_minor, initial_state, payload_sha256, parties_commitment, policy_version,
    limit_day, received_at, recorded_at, commitment)
  select m.participant_id, m.outbox_id, m.n, m.attestation_id, 'H-' || m.random_id, 'K-' || m.random_id, 'bench', 'ZMW',
    1000, 'PENDING', m.digest, m.digest, 1, current_date, now(), now(), m.digest
  from made as m
), parties as (
  insert into outbox.instruction_parties (participant_id, outbox_id, salt, parties)
  select m.participant_id, m.outbox_id, uuid_send(m.random_id), %(parties)s from made as m
)
insert into outbox.payment_outbox_attempts (participant_id, outbox_id, entry_no, attempt_no, state, action, claimed_by,
  lease_token, rail, rail_code, rail_reference, request_sha256, response_sha256, latency_us, recorded_at, commitment)
select m.participant_id, m.outbox_id, e.entry_no, 1, e.state, 'DISPATCH', 'history', m.random_id, 'bench',
  case when e.entry_no = 2 then 'ACCEPTED' end, case when e.entry_no = 2 then 'R-' || m.random_id end,
  case when e.entry_no = 2 then m.digest end, case when e.entry_no = 2 then m.digest end, 900, now(), m.digest
from made as m
cross join (values (1, 'DISPATCHING'::outbox.attempt_state), (2, 'DISPATCHED')) as e(entry_no, state)
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """What the server has done so far: WAL bytes written, rows inserted into Symphony's tables."""

    wal_bytes: int
    rows_inserted: int


async def make_limit_table(connection: Connection) -> None:
    """Create the table of the plain batched INSERT."""
    await connection.execute(_LIMIT_TABLE)


async def insert_plain(connection: Connection, *, accounts: list[str], numbers: list[int], payloads: list[str]) -> None:
    """One plain batched INSERT, committed: what the machine can do with the same bytes and durability."""
    await connection.execute(_LIMIT_INSERT, (accounts, numbers, payloads))


async def load_history(
    connection: Connection, *, first: int, rows: int, participants: int, age_hours: float, parties: str
) -> None:
    """Insert the ledger rows of `rows` finished payments (two attempts each), past triggers and foreign keys."""
    async with connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(
            _HISTORY,
            {
                "participants": participants,
                "age": f"{age_hours} hours",
                "first": first,
                "rows": rows,
                "parties": parties,
            },
        )


async def finish_history(connection: Connection) -> None:
    """Give the history statistics and a checkpoint, as a server that has been running would have."""
    await connection.execute("vacuum (analyze)")
    await connection.execute("checkpoint")


async def analyse_and_checkpoint(connection: Connection) -> None:
    """A common start line for each phase."""
    await connection.execute(
        "vacuum (analyze) outbox.payment_outbox_pending, outbox.payment_outbox_in_flight, policy.limit_usage,"
        " outbox.participant_outbox_sequences, outbox.claim_gate"
    )
    await connection.execute("checkpoint")


async def counters(connection: Connection) -> Counters:
    """WAL position and inserted rows of every managed table and leaf."""
    await connection.execute("select pg_stat_force_next_flush()")
    cursor = await connection.execute(
        "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint,"
        " (select coalesce(sum(n_tup_ins), 0)::bigint from pg_stat_all_tables"
        " where schemaname in ('ingress', 'outbox', 'policy', 'rails', 'evidence'))"
    )
    row = await cursor.fetchone()
    wal_bytes, rows_inserted = row or (0, 0)
    return Counters(wal_bytes=wal_bytes, rows_inserted=rows_inserted)


async def count_attempts(connection: Connection) -> int:
    """Estimated number of attempt rows (planner statistics; the history is analysed)."""
    cursor = await connection.execute(
        "select coalesce(sum(reltuples), 0)::bigint from pg_class"
        " where oid in (select inhrelid from pg_inherits where inhparent = 'outbox.payment_outbox_attempts'::regclass)"
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def aliases_waiting(connection: Connection) -> int:
    """Instructions that wait for their alias."""
    row = await (await connection.execute("select count(*) from proxy.resolution_queue")).fetchone()
    return int(row[0]) if row else 0


async def resolution_span(connection: Connection, *, last: int) -> tuple[int, int, float]:
    """Of the last so many ledger rows: how many are RESOLVED, how many came after the first commit, and in how long.

    The first batch starts the clock, so it is not counted; seconds.
    """
    cursor = await connection.execute(
        "select count(*) filter (where r.status = 'RESOLVED'), count(*) filter (where r.recorded_at > r.begin),"
        " extract(epoch from max(r.recorded_at) - min(r.recorded_at))::float8"
        " from (select p.recorded_at, p.status, min(p.recorded_at) over () as begin from ("
        " select x.recorded_at, x.status"
        " from proxy.proxy_resolutions as x order by x.recorded_at desc limit %s) as p) as r",
        (last,),
    )
    row = await cursor.fetchone()
    return (int(row[0]), int(row[1]), float(row[2])) if row else (0, 0, 0.0)


async def forget_waiting_aliases(connection: Connection) -> None:
    """Take away what waits for an alias, so that the next turn begins like the first."""
    await connection.execute("delete from outbox.payment_outbox_pending where due_at = 'infinity'")
    await connection.execute("delete from proxy.resolution_queue")


async def settings(connection: Connection) -> dict[str, str]:
    """The settings that durability and speed rest on."""
    cursor = await connection.execute(
        "select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes',"
        " 'data_checksums', 'shared_buffers', 'max_wal_size', 'wal_compression', 'server_version')"
    )
    return {str(row[0]): str(row[1]) for row in await cursor.fetchall()}
