"""Partitions: made ahead of time, never at the writers' expense, and guarded like their parents."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import psycopg
import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.errors import DatabaseUnavailable
from tests.payments import establish, item
from tests.proxy_cell import accept_aliases, alias_item, claim_aliases, resolve
from tests.sql_cell import B, claim, complete, policy, sessions

LEDGERS = {
    "ingress.ingress_attestations": "attestation_id", "outbox.payment_instructions": "outbox_id",
    "outbox.instruction_parties": "outbox_id", "outbox.payment_outbox_attempts": "outbox_id",
    "rails.rail_messages": "message_id", "evidence.evidence_events": "event_id",
    "ingress.refusal_counts": "count_id", "proxy.proxy_resolutions": "resolution_id",
}  # fmt: skip


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new, established cell."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy(rail={"enquiry_after_ms": [1]}))
        yield connection


async def leaves(connection: Connection) -> set[str]:
    """Every monthly leaf there is."""
    cursor = await connection.execute(
        "select i.inhrelid::regclass::text from pg_inherits as i where i.inhparent = any (%s::text[]::regclass[])",
        (list(LEDGERS),),
    )
    return {str(row[0]) for row in await cursor.fetchall()}


async def ensure(connection: Connection, months: int) -> tuple[set[str], set[str]]:
    """Call ops.ensure_partitions; returns the names made and the names deferred."""
    cursor = await connection.execute(
        "select partition_name, deferred from ops.ensure_partitions(p_months_ahead => %s)", (months,)
    )
    rows = await cursor.fetchall()
    return {row[0] for row in rows if not row[1]}, {row[0] for row in rows if row[1]}


async def test_partitions_are_made_once_with_everything_their_parents_have(judge: Connection) -> None:
    before = await leaves(judge)
    made, deferred = await ensure(judge, 6)
    assert deferred == set()
    assert {name.rpartition("_")[0] for name in made} == set(LEDGERS)
    assert await leaves(judge) == before | made
    assert await ensure(judge, 6) == (set(), set())
    for ledger in LEDGERS:
        of_ledger = sorted(name for name in await leaves(judge) if name.startswith(ledger))
        assert len(of_ledger) == 7
        for query in (
            "select array_agg(t.tgname || t.tgenabled::text || t.tgtype order by t.tgname) from pg_trigger as t"
            " where t.tgrelid = %s::regclass and not t.tgisinternal",
            "select array_agg(pg_get_constraintdef(c.oid) order by 1) from pg_constraint as c"
            " where c.conrelid = %s::regclass and c.contype <> 't'",
            "select relowner::regrole::text, relacl::text from pg_class where oid = %s::regclass",
            "select count(*), bool_and(indisvalid) from pg_index where indrelid = %s::regclass",
        ):
            answers = {str(await (await judge.execute(query.encode(), (name,))).fetchall()) for name in of_ledger}
            assert len(answers) == 1, f"the leaves of {ledger} differ: {answers}"


async def test_months_out_of_range_are_refused(judge: Connection) -> None:
    before = await leaves(judge)
    for months in (-1, 25):
        with pytest.raises(psycopg.Error, match="month_out_of_range") as caught:
            await ensure(judge, months)
        assert caught.value.sqlstate == "SV002"
    assert await leaves(judge) == before


async def test_rows_land_in_their_month_and_bounds_leave_no_gap(judge: Connection) -> None:
    await ensure(judge, 2)
    await accept_aliases(judge, alias_item("I-alias"))
    await resolve(judge, await claim_aliases(judge))
    decisions = await api.ingress.accept(judge, items=[item(f"I-{n}") for n in range(3)])
    await complete(judge, await claim(judge), "TIMEOUT")
    await judge.execute("select evidence.record_event('DRILL_HELD', 'test', '{}')")
    await judge.execute(
        "select ingress.record_refusal_counts(array[row(uuidv7(), 'CONNECTION', 'CONNECTION_LIMIT', null, null, null, null, 1,"
        " now(), now(), 'test')::ingress.refusal_count])"
    )
    month = datetime.now(UTC).strftime("%Y%m")
    for ledger, key in LEDGERS.items():
        cursor = await judge.execute(
            f"select tableoid::regclass::text, uuid_extract_timestamp({key}) from {ledger}".encode()
        )
        rows = await cursor.fetchall()
        assert rows
        assert {name for name, _ in rows} == {f"{ledger}_{at.astimezone(UTC):%Y%m}" for _, at in rows}
    assert decisions[0].outbox_id is not None
    cursor = await judge.execute("select ((%s)::date + interval '1 month')::date::text", (f"{month}01",))
    next_month = str((await cursor.fetchall())[0][0])
    cursor = await judge.execute("select core.uuidv7_floor(%s::timestamp at time zone 'UTC')", (next_month,))
    bound: uuid.UUID = (await cursor.fetchall())[0][0]
    last = uuid.UUID(int=bound.int - 1)
    for event_id, expected in ((last, month), (bound, next_month.replace("-", "")[:6])):
        cursor = await judge.execute(
            "insert into evidence.evidence_events (participant_id, event_id, kind, actor, facts, recorded_at, commitment)"
            " values ('-', %s, 'EDGE', 'test', '{}', now(), sha256('')) returning tableoid::regclass::text",
            (event_id,),
        )
        assert await cursor.fetchall() == [(f"evidence.evidence_events_{expected}",)]


async def hold_accept(connection: Connection) -> None:
    """An open transaction that has written what accept writes."""
    await connection.execute(
        "select ingress.accept(array[jsonb_populate_record(null::ingress.item, %s::jsonb)])",
        (
            '{"participant_id": "ZM-BANK-A", "instruction_id": "I-open", "idempotency_key": "I-open", "rail": "sandbox",'
            ' "currency": "ZMW", "amount_minor": 5, "requires_proxy": false, "parties": "{}", "pop_mode": "DEV_HEADER",'
            ' "body_sha256": "\\\\x0000000000000000000000000000000000000000000000000000000000000000", "db_role": "test",'
            ' "correlation_id": "11111111-1111-4111-8111-111111111111", "received_at": "2026-11-21T12:00:00Z",'
            ' "verified_at": "2026-11-21T12:00:00Z"}',
        ),
    )


async def hold_instructions(connection: Connection) -> None:
    """An open transaction that has written instructions only: the lock that enqueue_payment_outbox takes."""
    await connection.execute("lock table outbox.payment_instructions in row exclusive mode")


async def hold_completion(connection: Connection) -> None:
    """An open transaction that has claimed."""
    await connection.execute("select outbox.claim_outbox_batch('holder', 1, 'sandbox', '30 s')")


async def longest_write(connection: Connection, *, until: asyncio.Event) -> float:
    """Accept instructions one after another; returns the seconds that the slowest took."""
    longest = 0.0
    while not until.is_set():
        begin = time.monotonic()
        await api.ingress.accept(connection, items=[item(uuid.uuid4().hex, participant_id=B)])
        longest = max(longest, time.monotonic() - begin)
        await asyncio.sleep(0.01)
    return longest


@pytest.mark.parametrize("months", [4, pytest.param(16, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "hold",
    [hold_accept, *(pytest.param(hold, marks=pytest.mark.slow) for hold in (hold_instructions, hold_completion))],
)
async def test_an_open_writer_defers_partitions_and_other_writers_hardly_wait(
    fresh_database: str, judge: Connection, hold: Callable[[Connection], Awaitable[None]], months: int
) -> None:
    await api.ingress.accept(judge, items=[item("I-0", participant_id=B)])
    before = await leaves(judge)
    took: list[float] = []
    waited: list[float] = []
    async with sessions(fresh_database, 3) as (holder, writer, maintainer):
        async with holder.transaction():
            await hold(holder)
            for last in (False, False, True):
                stopping = asyncio.Event()
                writing = asyncio.create_task(longest_write(writer, until=stopping))
                await asyncio.sleep(0.1)
                begin = time.monotonic()
                try:
                    async with maintainer.transaction(force_rollback=not last):  # the same work each time
                        made, deferred = await ensure(maintainer, months)
                finally:
                    took.append(time.monotonic() - begin)
                    stopping.set()
                    waited.append(await writing)
        # What is slow is slow more than once; a pause of the machine is not.
        assert sorted(took)[1] < 2.5, f"the calls took {took} s"
        assert sorted(waited)[1] < 1.0, f"a writer waited {waited} s"
        missing = await expected(judge, months) - before
        assert len(deferred) == 1, "it stops at the first leaf whose lock is not to be had"
        assert made | deferred <= missing
        assert await leaves(judge) == before | made
        assert await ensure(maintainer, months) == (missing - made, set()), "the next run makes the rest"


async def expected(connection: Connection, months: int) -> set[str]:
    """The leaves there should be."""
    cursor = await connection.execute(
        "select to_char(date_trunc('month', now() at time zone 'UTC') + n * interval '1 month', 'YYYYMM')"
        " from generate_series(0, %s) as n",
        (months,),
    )
    names = [row[0] for row in await cursor.fetchall()]
    return {f"{ledger}_{name}" for ledger in LEDGERS for name in names}


async def test_without_a_partition_for_the_month_nothing_is_half_recorded(judge: Connection) -> None:
    cursor = await judge.execute("select count(*) from outbox.idempotency_ledger")
    before = await cursor.fetchall()
    month = datetime.now(UTC).strftime("%Y%m")
    await judge.execute(
        f"alter table outbox.instruction_parties detach partition outbox.instruction_parties_{month}".encode()
    )
    with pytest.raises(DatabaseUnavailable):
        await api.ingress.accept(judge, items=[item("I-1")])
    cursor = await judge.execute("select count(*) from outbox.idempotency_ledger")
    assert await cursor.fetchall() == before
    cursor = await judge.execute("select count(*) from ingress.ingress_attestations")
    assert await cursor.fetchall() == [(0,)]
