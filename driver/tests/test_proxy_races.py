"""Resolvers at once: no item is held twice, nothing moves backwards, no ring of locks."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.proxy import Lease
from symphony.errors import DatabaseUnavailable
from tests.payments import activate, establish, item
from tests.proxy_cell import accept_aliases, alias_hash, alias_item, claim_aliases, nobody, resolve, says
from tests.sql_cell import A, B, C, answer, claim, complete, policy, row_counts, sessions

CLAIM = "proxy.claim_resolutions(text, integer, interval)"
PLANS: dict[str, dict[str, str] | None] = {
    "pinned": None,
    "unpinned": {},
    "nested loops over sequential scans": {
        "enable_hashjoin": "off", "enable_mergejoin": "off", "enable_indexscan": "off", "enable_bitmapscan": "off",
        "enable_indexonlyscan": "off", "enable_material": "off", "enable_tidscan": "off",
    },
    "hash joins": {"enable_nestloop": "off", "enable_mergejoin": "off", "enable_tidscan": "off"},
    "merge joins": {"enable_nestloop": "off", "enable_hashjoin": "off", "enable_tidscan": "off"},
    "bitmap scans": {"enable_indexscan": "off", "enable_seqscan": "off", "enable_indexonlyscan": "off"},
    "custom plans": {"plan_cache_mode": "force_custom_plan"},
}  # fmt: skip


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new, established cell, whose tables were never analysed."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


async def number(connection: Connection, query: str, *params: object) -> int:
    """One query's only number."""
    row = await (await connection.execute(query.encode(), params)).fetchone()
    assert row is not None
    return int(row[0])


async def until_waiting(judge: Connection, how_many: int) -> None:
    """Wait until that many sessions wait for a lock."""
    query = (
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        " and pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if await number(judge, query) >= how_many:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"fewer than {how_many} sessions wait")


async def early_in_the_hour() -> None:
    """Misses are counted by the hour: wait for the next one when this one is nearly over."""
    left_s = 3_600 - time.time() % 3_600
    if left_s < 20:
        await asyncio.sleep(left_s + 0.5)


@pytest.mark.parametrize("plan", list(PLANS))
async def test_a_claim_keeps_its_limit_and_its_order_under_every_plan(judge: Connection, plan: str) -> None:
    settings = PLANS[plan]
    if settings is not None:
        await judge.execute(f"alter function {CLAIM} reset all".encode())
        for name, value in {"search_path": "pg_catalog, pg_temp", **settings}.items():
            await judge.execute(f"alter function {CLAIM} set {name} = {value}".encode())
    assert (
        await number(
            judge, "select greatest(reltuples, 0) from pg_class where oid = 'proxy.resolution_queue'::regclass"
        )
        == 0
    )
    decisions = await accept_aliases(judge, *(alias_item(f"I-{n}", participant_id=(A, C)[n % 2]) for n in range(40)))
    expected = sorted(d.outbox_id for d in decisions if d.outbox_id is not None)
    taken: list[Lease] = []
    for wanted in (7, 7, 7, 7, 7, 5, 0):
        got = await claim_aliases(judge, limit=7)
        assert len(got) == wanted, "never more than the limit, and no less than there is"
        assert {one.outbox_id for one in got} == set(expected[len(taken) : len(taken) + wanted]), "oldest first"
        taken += got
    assert await api.proxy.release_resolutions(judge, worker="r", leases=taken[10:20]) == 10
    again = await claim_aliases(judge, limit=100)
    assert {one.outbox_id for one in again} == {one.outbox_id for one in taken[10:20]}, (
        "what is given back, and no more"
    )


async def test_sixteen_resolvers_share_nothing(fresh_database: str, judge: Connection) -> None:
    await accept_aliases(judge, *(alias_item(f"I-{n}", participant_id=(A, B, C)[n % 3]) for n in range(400)))
    async with sessions(fresh_database, 16) as workers:

        async def work(n: int, connection: Connection) -> list[Lease]:
            got: list[Lease] = []
            while batch := await claim_aliases(connection, limit=9, worker=f"r{n}"):
                assert len(batch) <= 9
                got += batch
                if random.random() < 0.3:
                    back, got = got[-3:], got[:-3]
                    assert await api.proxy.release_resolutions(connection, worker=f"r{n}", leases=back) == len(back)
            return got

        held = [
            lease for leases in await asyncio.gather(*(work(n, w) for n, w in enumerate(workers))) for lease in leases
        ]
    assert len({lease.outbox_id for lease in held}) == len(held) == 400, "each item has one holder"
    assert await number(judge, "select count(distinct (outbox_id, lease_token)) from proxy.resolution_queue") == 400


async def test_a_locked_row_is_passed_by(fresh_database: str, judge: Connection) -> None:
    await accept_aliases(judge, *(alias_item(f"I-{n}") for n in range(10)))
    async with sessions(fresh_database, 1) as (worker,), judge.transaction():
        await judge.execute("select from proxy.resolution_queue order by outbox_id limit 4 for update")
        await worker.execute("set lock_timeout = '1s'")
        assert len(await claim_aliases(worker, limit=10)) == 6


async def test_the_cache_never_moves_backwards(fresh_database: str, judge: Connection) -> None:
    await accept_aliases(judge, *(alias_item(f"I-{n}") for n in range(160)))
    async with sessions(fresh_database, 17) as (*workers, watcher):
        claims = [(n, await claim_aliases(workers[n % 16], limit=1, worker=f"r{n % 16}")) for n in range(160)]
        random.shuffle(claims)
        seen: list[object] = []
        done = asyncio.Event()

        async def watch() -> None:
            while not done.is_set():
                cursor = await watcher.execute("select observed_at from proxy.proxy_resolution_current")
                seen.extend(row[0] for row in await cursor.fetchall())

        async def record(session: int) -> None:
            for n, leases in claims:
                if n % 16 == session:
                    recorded = await resolve(
                        workers[session],
                        leases,
                        worker=f"r{session}",
                        sealed_beneficiary=b"%d" % n,
                        source_version=str(n),
                    )
                    assert [one.outcome for one in recorded] == ["RESOLVED"]

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(record(n) for n in range(16)))
        done.set()
        await watching
    assert seen == sorted(seen, key=str), "whoever looks sees it stand or move forward"
    cursor = await judge.execute(
        "select sealed_beneficiary, source_version, observed_at from proxy.proxy_resolution_current"
    )
    newest = max((leases[0].claimed_at, n) for n, leases in claims)
    assert await cursor.fetchall() == [(b"%d" % newest[1], str(newest[1]), newest[0])], "the newest question's answer"
    assert await number(judge, "select count(*) from proxy.proxy_resolutions") == 160, "and every answer is recorded"


async def test_an_older_answer_does_not_bring_back_what_was_revoked(judge: Connection) -> None:
    await accept_aliases(judge, alias_item("I-1"), alias_item("I-2"))
    (older,) = await claim_aliases(judge, limit=1)
    (newer,) = await claim_aliases(judge, limit=1)
    await api.proxy.record_resolutions(judge, worker="r", answers=[nobody(newer, "REVOKED", "PROXY_REVOKED")])
    await resolve(judge, [older])
    key = (A, "MBNO", alias_hash("+260971234567"))
    assert await api.proxy.lookup(judge, keys=[key]) == []
    assert await number(judge, "select count(*) from proxy.proxy_resolution_current where status = 'REVOKED'") == 1


async def test_a_lease_lost_while_the_registry_was_asked_writes_nothing(fresh_database: str, judge: Connection) -> None:
    await accept_aliases(judge, alias_item("I-1"))
    (lost,) = await claim_aliases(judge, worker="slow")
    assert await claim_aliases(judge) == [], "it is held"
    await judge.execute(
        "update proxy.resolution_queue set claimed_at = claimed_at - interval '1 hour',"
        " lease_expires_at = lease_expires_at - interval '1 hour', due_at = due_at - interval '1 hour'"
    )
    before = row_counts(fresh_database)
    assert await resolve(judge, [lost], worker="slow") == []
    assert await api.proxy.read_leased_aliases(judge, worker="slow", leases=[lost]) == []
    (found,) = await claim_aliases(judge, worker="quick")
    for pretender in (lost, found):
        assert await resolve(judge, [pretender], worker="slow") == [], "nor under the next holder's token"
    assert await resolve(judge, [lost], worker="quick") == [], "nor the next holder under the lost token"
    assert row_counts(fresh_database) == before, "nothing was written"
    assert await claim(judge) == []
    assert [one.outcome for one in await resolve(judge, [found], worker="quick")] == ["RESOLVED"]
    assert len(await claim(judge)) == 1


async def test_one_answer_sent_by_eight_sessions_counts_once(fresh_database: str, judge: Connection) -> None:
    await accept_aliases(judge, *(alias_item(f"I-{n}") for n in range(20)))
    leases = await claim_aliases(judge)
    async with sessions(fresh_database, 8) as callers:
        results = await asyncio.gather(
            *(resolve(caller, random.sample(leases, len(leases))) for caller in callers)
        )  # in any order: no ring either
    assert Counter(one.outbox_id for result in results for one in result) == Counter(
        lease.outbox_id for lease in leases
    )
    assert await number(judge, "select count(*) from proxy.proxy_resolutions") == 20
    assert await number(judge, "select count(*) from proxy.resolution_queue") == 0


async def test_misses_are_counted_exactly_and_stop_one_participant(fresh_database: str, judge: Connection) -> None:
    await early_in_the_hour()
    rule = {
        "mode": "SYNC",
        "ttl_ms": 60_000,
        "pending_max_ms": 60_000,
        "sync_budget_ms": 100,
        "misses_per_hour_max": 128,
    }
    await activate(judge, policy(version=2, participants={A: {"proxy": rule}}))
    async with sessions(fresh_database, 16) as callers:

        async def guess(n: int, caller: Connection) -> None:
            for k in range(8):
                (refused,) = await api.ingress.accept(caller, items=[alias_item(f"I-{n}-{k}")], answers=[nobody(None)])
                assert refused.reason_code in ("PROXY_NOT_FOUND", "PROXY_THROTTLED")

        await asyncio.gather(*(guess(n, caller) for n, caller in enumerate(callers)))
    assert await number(judge, "select sum(misses) from proxy.miss_counts where participant_id = %s", A) == 128, (
        "exactly"
    )
    (stopped,) = await api.ingress.accept(judge, items=[alias_item("I-x")], answers=[nobody(None)])
    assert stopped.reason_code == "PROXY_THROTTLED", "what the registry said is not passed on"
    assert await number(judge, "select sum(misses) from proxy.miss_counts") == 128
    await accept_aliases(judge, alias_item("I-c", participant_id=C))
    assert [lease.participant_id for lease in await claim_aliases(judge)] == [C]


async def test_misses_and_usage_are_locked_in_one_order(fresh_database: str, judge: Connection) -> None:
    """A resolver that voids and an ingress that refuses a guess, both about one participant, never wait in a ring."""
    await early_in_the_hour()
    await accept_aliases(judge, alias_item("I-1"), alias_item("I-2"))
    held = await claim_aliases(judge)
    await api.proxy.record_resolutions(judge, worker="r", answers=[nobody(held[0])])  # the miss row exists
    async with sessions(fresh_database, 3) as (holder, resolver, ingress):
        async with holder.transaction():
            await holder.execute("select from policy.limit_usage for update")
            voiding = asyncio.create_task(api.proxy.record_resolutions(resolver, worker="r", answers=[nobody(held[1])]))
            await until_waiting(judge, 1)
            accepting = asyncio.create_task(
                api.ingress.accept(
                    ingress, items=[alias_item("I-3"), alias_item("I-4")], answers=[nobody(None), says(None)]
                )
            )
            await until_waiting(judge, 2)
        (voided,) = await voiding
        refused, accepted = await accepting
    assert voided.outcome == "VOIDED"
    assert (refused.reason_code, accepted.decision) == ("PROXY_NOT_FOUND", "ACCEPT")
    assert await number(judge, "select misses from proxy.miss_counts") == 3


async def test_everything_at_once_never_waits_in_a_ring(fresh_database: str, judge: Connection) -> None:
    quick = {
        "mode": "SYNC",
        "ttl_ms": 1_000,
        "pending_max_ms": 1_000,
        "sync_budget_ms": 100,
        "misses_per_hour_max": 1_000_000,
    }
    await activate(judge, policy(version=2, participants={p: {"proxy": quick} for p in (A, B, C)}))
    begun = time.monotonic()
    values = [f"+26097000000{n}" for n in range(5)]
    counts: Counter[str] = Counter()
    wanted = ("resolver RESOLVED", "resolver VOIDED", "rail DISPATCHED", "returned")

    def going() -> bool:
        """For two seconds, and longer until each of these has happened."""
        lasted_s = time.monotonic() - begun
        return lasted_s < 2.0 or (lasted_s < 60.0 and not all(counts[name] for name in wanted))

    async def accept(n: int, connection: Connection) -> None:
        k = 0
        while going():
            k += 1
            items = [
                alias_item(f"I-{n}-{k}-{j}", random.choice(values), participant_id=random.choice((A, B, C)))
                for j in range(8)
            ]
            said = [random.choice((says(None, values[0]), nobody(None), None)) for _ in items]
            plain = [item(f"D-{n}-{k}", participant_id=random.choice((A, B, C)))]
            counts.update(
                d.decision for d in await api.ingress.accept(connection, items=items + plain, answers=[*said, None])
            )

    async def work(n: int, connection: Connection) -> None:
        while going():
            leases = await claim_aliases(connection, limit=20, worker=f"r{n}")
            random.shuffle(leases)
            said = [
                random.choice(
                    (
                        says(one, random.choice(values)),
                        nobody(one),
                        nobody(one, "TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT"),
                    )
                )
                for one in leases
            ]
            if said:
                recorded = await api.proxy.record_resolutions(connection, worker=f"r{n}", answers=said)
                counts.update(f"resolver {one.outcome}" for one in recorded)
            await asyncio.sleep(0.005)

    async def tend(connection: Connection) -> None:
        while going():
            await connection.execute(
                "update outbox.payment_outbox_pending set resolved_until = clock_timestamp() where ctid = any (array("
                "select ctid from outbox.payment_outbox_pending where resolved_until is not null limit 1 for update skip locked))"
            )
            returned, voided = await api.proxy.tend_resolutions(connection, worker="t", limit=50)
            counts.update({"returned": returned, "overdue": voided})
            await api.proxy.forget_expired(connection, limit=100)
            await asyncio.sleep(0.02)

    async def dispatch(n: int, connection: Connection) -> None:
        while going():
            claims = await claim(connection, limit=20, worker=f"w{n}")
            codes = ("ACCEPTED", "REJECTED_AC04", "TIMEOUT", "CONNECT_FAILED")
            if claims:
                said = [answer(one, random.choice(codes)) for one in random.sample(claims, len(claims))]
                counts.update(
                    f"rail {o.outcome}"
                    for o in await api.rails.record_answers(connection, worker=f"w{n}", answers=said)
                )
            await asyncio.sleep(0.005)

    async with sessions(fresh_database, 10) as opened:
        tasks = [accept(n, opened[n]) for n in range(3)] + [work(n, opened[3 + n]) for n in range(3)]
        tasks += [tend(opened[6]), tend(opened[7]), dispatch(0, opened[8]), dispatch(1, opened[9])]
        await asyncio.gather(*tasks)  # a deadlock (40P01) or any other refusal would be raised here
    assert all(counts[name] for name in wanted), counts
    # What was dispatched rests on a resolution of its own that had not expired.
    assert (
        await number(
            judge,
            "select count(*) from outbox.payment_outbox_attempts as a join outbox.payment_instructions as i using (participant_id, outbox_id)"
            " where a.state = 'DISPATCHING' and i.requires_proxy and not exists (select from proxy.proxy_resolutions as r"
            " where r.participant_id = a.participant_id and r.outbox_id = a.outbox_id and r.resolution_id = a.resolution_id"
            " and r.status = 'RESOLVED' and r.expires_at > a.recorded_at)",
        )
        == 0
    )
    # Usage is exactly what is still open or dispatched: nothing was given back twice or kept.
    assert (
        await number(
            judge,
            "select (select sum(item_count) from policy.limit_usage) - (select count(*) from outbox.payment_instructions as i"
            " where not exists (select from outbox.payment_outbox_attempts as a where a.participant_id = i.participant_id"
            " and a.outbox_id = i.outbox_id and a.state in ('FAILED', 'VOIDED')))",
        )
        == 0
    )


async def test_a_hundred_thousand_waiting_aliases_do_not_stop_the_next(judge: Connection) -> None:
    await judge.execute(
        "insert into proxy.resolution_queue select 'ZM-BANK-A', ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'MBNO', now(),"
        " now() + interval '1 day', now() + interval '1 hour', 0 from generate_series(1, 100000) as n"
    )
    await accept_aliases(judge, alias_item("I-1"))
    took_s: list[float] = []
    for expected in (1, 0, 0, 0, 0):  # the hundred thousand are not due
        begin = time.monotonic()
        assert len(await claim_aliases(judge)) == expected
        took_s.append(time.monotonic() - begin)
    assert min(took_s) < 1.0, "one pass over the queue"


async def test_another_isolation_level_or_a_commit_that_may_be_lost_is_refused(
    fresh_database: str, judge: Connection
) -> None:
    await accept_aliases(judge, alias_item("I-1"))
    before = row_counts(fresh_database)
    for setting, state in (
        ("transaction isolation level serializable", "SV003"),
        ("local synchronous_commit = off", "SX004"),
    ):
        with pytest.raises(Exception, match=r"isolation|durable|commit") as caught:
            async with judge.transaction():
                await judge.execute(f"set {setting}".encode())
                await judge.execute("select * from proxy.claim_resolutions('r', 1)")
        assert getattr(caught.value, "sqlstate", None) == state
    assert row_counts(fresh_database) == before
    with pytest.raises(DatabaseUnavailable, match="42501"):
        await api.proxy.tend_resolutions(judge, worker="x", limit=1, role="symphony_ingest")
    await complete(judge, await claim(judge))
