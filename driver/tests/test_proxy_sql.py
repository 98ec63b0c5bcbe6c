"""The life of an instruction to an alias, through the SQL API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Item
from symphony.api.proxy import AliasAnswer
from symphony.errors import Invalid, InvariantBroken
from tests.payments import activate, establish, item
from tests.proxy_cell import BENEFICIARY, accept_aliases, alias_hash, alias_item, claim_aliases, nobody, resolve, says
from tests.sql_cell import A, B, C, answer, claim, complete, policy, row_counts


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new, established cell."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


async def rows(connection: Connection, query: str, *params: object) -> list[tuple[Any, ...]]:
    """One query's rows."""
    return await (await connection.execute(query.encode(), params)).fetchall()


async def state(connection: Connection, instruction_id: str, participant_id: str = A) -> str:
    """The state the participant sees."""
    status = await api.outbox.instruction_status(
        connection, participant_id=participant_id, instruction_id=instruction_id
    )
    assert status is not None
    return status.state


async def test_an_alias_is_resolved_before_it_is_dispatched(judge: Connection) -> None:
    (decision,) = await accept_aliases(judge, alias_item("I-1"))
    assert decision.state == "AWAITING_PROXY_RESOLUTION"
    assert await claim(judge) == []
    (lease,) = await claim_aliases(judge)
    (alias,) = await api.proxy.read_leased_aliases(judge, worker="r", leases=[lease])
    assert (alias.type, alias.value, alias.creditor_participant_id) == ("MBNO", "+260971234567", None)
    assert await api.proxy.read_leased_aliases(judge, worker="another", leases=[lease]) == []
    (recorded,) = await resolve(judge, [lease])
    assert (recorded.outcome, recorded.reason_code) == ("RESOLVED", None)
    assert await state(judge, "I-1") == "PENDING"
    (claimed,) = await claim(judge)
    assert claimed.creditor_participant_id == B
    assert json.loads(claimed.parties or "") == {
        "creditor": {
            "account": "0123456789",
            "alias": {"type": "MBNO", "value": "+260971234567"},
            "name": "Chanda Mwila",
        },
        "debtor": {"account": "9999"},
    }
    await complete(judge, [claimed])
    assert await state(judge, "I-1") == "DISPATCHED"
    ((resolution, attempt),) = await rows(
        judge,
        "select r.resolution_id, a.resolution_id from proxy.proxy_resolutions as r"
        " join outbox.payment_outbox_attempts as a on a.outbox_id = r.outbox_id and a.state = 'DISPATCHING'",
    )
    assert resolution == attempt
    assert await rows(judge, "select count(*) from proxy.resolution_queue") == [(0,)]
    again = await api.ingress.accept(judge, items=[alias_item("I-1")])
    assert (again[0].decision, again[0].state) == ("REPLAY", "AWAITING_PROXY_RESOLUTION")


async def test_nobody_behind_the_alias_voids_with_a_case(judge: Connection) -> None:
    await accept_aliases(judge, alias_item("I-1"))
    (lease,) = await claim_aliases(judge)
    (recorded,) = await api.proxy.record_resolutions(judge, worker="r", answers=[nobody(lease)])
    assert (recorded.outcome, recorded.reason_code) == ("VOIDED", "PROXY_NOT_FOUND")
    assert await state(judge, "I-1") == "VOIDED"
    assert await rows(judge, "select kind, facts ->> 'reason_code' from evidence.cases") == [
        ("PROXY_UNRESOLVED", "PROXY_NOT_FOUND")
    ]
    assert await rows(judge, "select value_minor, item_count from policy.limit_usage") == [(0, 0)]
    assert await claim(judge) == []


async def test_an_answer_given_inside_the_request_is_recorded_with_it(judge: Connection) -> None:
    (decision,) = await api.ingress.accept(judge, items=[alias_item("I-1")], answers=[says(None)])
    assert (decision.decision, decision.state) == ("ACCEPT", "PENDING")
    assert len(await claim(judge)) == 1
    (refused,) = await api.ingress.accept(judge, items=[alias_item("I-2")], answers=[nobody(None)])
    assert (refused.decision, refused.reason_code) == ("REJECT", "PROXY_NOT_FOUND")
    assert await rows(judge, "select misses from proxy.miss_counts") == [(1,)]
    (replay,) = await api.ingress.accept(judge, items=[alias_item("I-1")], answers=[nobody(None)])
    assert (replay.decision, replay.state) == ("REPLAY", "PENDING")


RULE = {"mode": "DEFER", "ttl_ms": 60_000, "pending_max_ms": 60_000, "sync_budget_ms": 100, "misses_per_hour_max": 100}


async def expire(connection: Connection) -> None:
    """End every resolution not yet dispatched; it would have held for as long as the policy says."""
    granted = (
        "select distinct r.expires_at - r.observed_at, p.resolved_until = r.expires_at"
        " from outbox.payment_outbox_pending as p join proxy.proxy_resolutions as r using (resolution_id)"
    )
    assert await rows(connection, granted) == [(timedelta(minutes=1), True)]
    await connection.execute("update outbox.payment_outbox_pending set resolved_until = clock_timestamp()")


async def test_a_resolution_that_expires_is_asked_for_again(judge: Connection) -> None:
    await activate(judge, policy(version=2, participants={A: {"proxy": RULE}}))
    await accept_aliases(judge, *(alias_item(f"I-{n}") for n in range(3)))
    leases = sorted(await claim_aliases(judge), key=lambda lease: lease.outbox_id)
    await resolve(judge, leases)
    (sent,) = await claim(judge, limit=1)
    await complete(
        judge, [sent], "CONNECT_FAILED"
    )  # to be sent again, but not to whom the alias may no longer stand for
    await expire(judge)
    assert await claim(judge) == [], "expired between resolution and claim"
    assert await api.proxy.tend_resolutions(judge, worker="t", limit=10) == (3, 0)
    assert {await state(judge, f"I-{n}") for n in range(3)} == {"AWAITING_PROXY_RESOLUTION"}
    again = sorted(await claim_aliases(judge), key=lambda lease: lease.outbox_id)
    assert [lease.outbox_id for lease in again] == [lease.outbox_id for lease in leases], "in their old order"
    elsewhere = says(again[1], beneficiary=BENEFICIARY.replace("0123456789", "9876543210"))
    recorded = await api.proxy.record_resolutions(
        judge, worker="r", answers=[says(again[0]), elsewhere, says(again[2])]
    )
    assert [(one.outcome, one.reason_code) for one in recorded] == [
        ("RESOLVED", None),
        ("VOIDED", "PROXY_TARGET_CHANGED"),
        ("RESOLVED", None),
    ]
    claims = await claim(judge)
    assert {one.outbox_id for one in claims} == {again[0].outbox_id, again[2].outbox_id}
    attempts = await rows(
        judge,
        "select count(*), count(distinct a.resolution_id), count(distinct r.resolution_id) from outbox.payment_outbox_attempts as a"
        " join proxy.proxy_resolutions as r using (participant_id, resolution_id) where a.state = 'DISPATCHING' and r.expires_at > a.recorded_at",
    )
    assert attempts == [(3, 3, 3)], "every dispatch has a resolution of its own that had not expired"
    assert await rows(judge, "select kind, outbox_id from evidence.cases") == [
        ("PROXY_TARGET_CHANGED", again[1].outbox_id)
    ]


async def test_who_waits_too_long_is_voided_in_good_order(judge: Connection) -> None:
    await activate(judge, policy(version=2, participants={A: {"proxy": RULE}}))
    await accept_aliases(judge, alias_item("I-1"), alias_item("I-2", participant_id=B))
    leases = await claim_aliases(judge)
    answers = [nobody(one, "TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT") for one in leases]
    assert {one.outcome for one in await api.proxy.record_resolutions(judge, worker="r", answers=answers)} == {"RETRY"}
    assert await api.proxy.tend_resolutions(judge, worker="t", limit=10) == (0, 0)
    waits = "select deadline_at - accepted_at from proxy.resolution_queue where participant_id = %s"
    ((patience,),) = await rows(judge, waits, A)
    assert timedelta(minutes=1) <= patience < timedelta(minutes=30), "the policy's, not the default of an hour"
    await judge.execute(
        "update proxy.resolution_queue set deadline_at = clock_timestamp() where participant_id = %s", (A,)
    )
    assert await api.proxy.tend_resolutions(judge, worker="t", limit=10, role="symphony_maintainer") == (0, 1)
    assert (await state(judge, "I-1"), await state(judge, "I-2", B)) == ("VOIDED", "AWAITING_PROXY_RESOLUTION")
    assert await rows(judge, "select value_minor, item_count from policy.limit_usage where participant_id = %s", A) == [
        (0, 0)
    ]


async def test_what_the_policy_says_of_aliases(judge: Connection) -> None:
    rules = await api.proxy.list_proxy_rules(judge, participant_ids=[A])
    assert rules == [api.proxy.ProxyRule(A, "DEFER", 3_600_000, 3_600_000, 1_000, 100)]
    await activate(judge, policy(version=2, participants={A: {"proxy": {**RULE, "mode": "REFUSE"}}}))
    assert [rule.mode for rule in await api.proxy.list_proxy_rules(judge, participant_ids=[A, B])].count("REFUSE") == 1
    (refused,) = await api.ingress.accept(judge, items=[alias_item("I-1")])
    assert (refused.decision, refused.reason_code) == ("REJECT", "PROXY_REFUSED_BY_POLICY")
    (refused,) = await api.ingress.accept(judge, items=[alias_item("I-1")], answers=[says(None)])
    assert refused.reason_code == "PROXY_REFUSED_BY_POLICY"
    assert await rows(judge, "select count(*) from proxy.resolution_queue") == [(0,)]


async def test_a_registry_that_is_away_refuses_inside_the_request_and_records_nothing(
    fresh_database: str, judge: Connection
) -> None:
    await api.ingress.accept(judge, items=[item("D-1")])
    before = row_counts(fresh_database)
    away = nobody(None, "TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT")
    (refused,) = await api.ingress.accept(judge, items=[alias_item("I-1")], answers=[away])
    assert (refused.decision, refused.reason_code) == ("REJECT", "PROXY_REGISTRY_UNAVAILABLE")
    changed = {name for name, count in row_counts(fresh_database).items() if count != before[name]}
    assert {name.rpartition("_")[0] for name in changed} == {"ingress.ingress_attestations"}, "but an attestation"


async def test_a_placeholder_beside_the_alias_is_no_account(judge: Connection) -> None:
    wanted = [alias_item("I-1", account="NOTPROVIDED"), alias_item("I-2", account="0123456789")]
    decisions = await api.ingress.accept(judge, items=wanted, answers=[says(None), says(None)])
    assert [(d.decision, d.state) for d in decisions] == [("ACCEPT", "PENDING")] * 2
    assert [json.loads(one.parties or "")["creditor"]["account"] for one in await claim(judge)] == ["0123456789"] * 2


async def test_an_answer_inside_the_request_is_as_old_as_the_request(judge: Connection) -> None:
    received = datetime.now(UTC) - timedelta(seconds=5)
    await accept_aliases(judge, alias_item("I-1"))
    (lease,) = await claim_aliases(judge)
    await api.proxy.record_resolutions(judge, worker="r", answers=[nobody(lease, "REVOKED", "PROXY_REVOKED")])
    await api.ingress.accept(judge, items=[alias_item("I-2", received_at=received)], answers=[says(None)])
    ((observed, expires),) = await rows(
        judge, "select observed_at, expires_at from proxy.proxy_resolutions where status = 'RESOLVED'"
    )
    assert (observed, expires) == (received, received + timedelta(hours=1))
    assert await rows(judge, "select status::text from proxy.proxy_resolution_current") == [("REVOKED",)], (
        "what was heard since counts"
    )


async def test_a_bare_hash_is_refused_with_everything_beside_it(fresh_database: str, judge: Connection) -> None:
    await accept_aliases(judge, alias_item("I-1"), alias_item("I-2"))
    first, second = await claim_aliases(judge)
    before = row_counts(fresh_database)
    for bare in ("+260971234567", "260971234567", "proxy:MBNO:+260971234567"):
        hashed = says(second, proxy_hash=sha256(bare.encode()).digest())
        with pytest.raises(InvariantBroken, match="SX403"):
            await api.proxy.record_resolutions(judge, worker="r", answers=[says(first), hashed])
        with pytest.raises(InvariantBroken, match="SX403"):
            await api.ingress.accept(judge, items=[alias_item("I-3")], answers=[replace(hashed, outbox_id=None)])
    for unkeyed in ({"hash_key_id": "sha256"}, {"proxy_hash": b"short"}, {"source": ""}):
        with pytest.raises(Invalid, match="SV301"):
            await api.proxy.record_resolutions(judge, worker="r", answers=[says(first), says(second, **unkeyed)])
    assert row_counts(fresh_database) == before, "nothing was written"
    assert {one.outcome for one in await resolve(judge, [first, second])} == {"RESOLVED"}


@pytest.mark.parametrize("shape", ["[0:0]=", "[2:2]=", "none", "two"])
async def test_answers_that_are_not_one_an_item_are_refused(fresh_database: str, judge: Connection, shape: str) -> None:
    wanted = alias_item("I-1")
    before = row_counts(fresh_database)
    answers: list[AliasAnswer | None] = [says(None)] * {"none": 0, "two": 2}.get(shape, 1)
    names = ", ".join(f"%({name})s" for name in Item.__dataclass_fields__)
    values: dict[str, object] = {name: getattr(wanted, name) for name in Item.__dataclass_fields__}
    members = ", ".join(f"%(a_{name})s" for name in AliasAnswer.__dataclass_fields__)
    values |= {f"a_{name}": getattr(says(None), name) for name in AliasAnswer.__dataclass_fields__}
    array = f"('{shape}' || array[row({members})::outbox.alias_answer]::text)::outbox.alias_answer[]"
    query = f"select * from ingress.accept_resolved(array[row({names})::ingress.item], null, {array})"
    with pytest.raises((psycopg.Error, Invalid)) as caught:
        if shape.startswith("["):
            async with judge.transaction():
                await judge.execute("set local role symphony_ingest")
                await judge.execute(query.encode(), values)
        else:
            await api.ingress.accept(judge, items=[wanted], answers=answers)
    assert getattr(caught.value, "sqlstate", None) == "SV503" or "SV503" in str(caught.value)
    assert row_counts(fresh_database) == before


async def test_answers_find_their_items_among_refused_ones_and_accounts(judge: Connection) -> None:
    wanted = [
        alias_item("P", ""),
        item("D"),
        alias_item("I-1"),
        alias_item("I-1"),
        alias_item("I-2", participant_id=C),
        alias_item("I-3"),
    ]
    elsewhere = says(None, beneficiary='{"account":"second"}')
    answers = [None, nobody(None), says(None), nobody(None), elsewhere, None]
    decisions = await api.ingress.accept(judge, items=wanted, answers=answers)
    said = [(d.decision, d.state) for d in decisions]
    assert said[:2] == [("REJECT", None), ("ACCEPT", "PENDING")], "an account needs no answer"
    assert said[2] == ("ACCEPT", "PENDING")
    assert said[4:] == [("ACCEPT", "PENDING"), ("ACCEPT", "AWAITING_PROXY_RESOLUTION")]
    claims = {
        one.instruction_id: json.loads(one.parties or "")["creditor"].get("account") for one in await claim(judge)
    }
    assert {name: claims[name] for name in ("I-1", "I-2")} == {"I-1": "0123456789", "I-2": "second"}


async def test_another_participant_s_instruction_is_not_answered_for(fresh_database: str, judge: Connection) -> None:
    await accept_aliases(judge, alias_item("I-1"), alias_item("I-2", participant_id=C))
    leases = {lease.participant_id: lease for lease in await claim_aliases(judge)}
    before = row_counts(fresh_database)
    crossed = [
        replace(says(leases[A]), participant_id=C),
        replace(says(leases[C]), lease_token=leases[A].lease_token, outbox_id=leases[A].outbox_id),
    ]
    assert await api.proxy.record_resolutions(judge, worker="r", answers=crossed) == []
    assert row_counts(fresh_database) == before
    await resolve(judge, [leases[A]])
    for participant_id, found in ((A, 1), (B, 0), (C, 0)):
        key = (participant_id, "MBNO", alias_hash("+260971234567"))
        assert len(await api.proxy.lookup(judge, keys=[key])) == found, "nobody probes another's aliases"


async def test_what_one_provider_said_is_not_kept_for_who_names_none(judge: Connection) -> None:
    """An alias that stands at several providers is ambiguous to a payer who names none, and stays so."""
    key = (A, "MBNO", alias_hash("+260971234567"))
    await accept_aliases(judge, alias_item("I-1", creditor_participant_id=B), alias_item("I-2"))
    named, unnamed = sorted(await claim_aliases(judge), key=lambda lease: lease.outbox_id)
    assert [one.outcome for one in await resolve(judge, [named])] == ["RESOLVED"]
    assert await api.proxy.lookup(judge, keys=[key]) == []
    assert [one.outcome for one in await resolve(judge, [unnamed])] == ["RESOLVED"]
    assert len(await api.proxy.lookup(judge, keys=[key])) == 1


async def test_a_resolver_gets_no_alias_of_parties_that_are_erased(judge: Connection) -> None:
    """A late ACCEPTED ends an instruction that still stands in the resolvers' queue; then its parties are erased."""
    await activate(judge, policy(version=2, participants={A: {"proxy": RULE}}))
    await accept_aliases(judge, alias_item("I-1"))
    await resolve(judge, await claim_aliases(judge))
    (sent,) = await claim(judge)
    await complete(judge, [sent], "CONNECT_FAILED")
    await expire(judge)
    await api.proxy.tend_resolutions(judge, worker="t", limit=10)
    (lease,) = await claim_aliases(judge)
    await api.rails.record_answers(judge, worker="w", answers=[answer(sent)])  # too late, but ACCEPTED
    assert await state(judge, "I-1") == "UNCERTAIN"
    (enquiry,) = await claim(judge)
    assert enquiry.action == "ENQUIRE"
    await complete(judge, [enquiry])
    assert await state(judge, "I-1") == "DISPATCHED"
    await judge.execute("set role symphony_operator")
    await judge.execute("select outbox.erase_parties(%s, 'I-1', 'olga', 'DATA_SUBJECT_REQUEST')", (A,))
    await judge.execute("reset role")
    assert await api.proxy.read_leased_aliases(judge, worker="r", leases=[lease]) == []
    assert await resolve(judge, [lease]) == []
    assert await state(judge, "I-1") == "DISPATCHED"


async def test_an_alias_with_nul_does_not_fail_its_batch_mates(judge: Connection) -> None:
    nul = replace(alias_item("P"), parties='{"creditor":{"alias":{"type":"MBNO","value":"\\u0000"}}}')
    decisions = await api.ingress.accept(judge, items=[nul, alias_item("G")])
    assert [d.decision for d in decisions] == ["REJECT", "ACCEPT"]


async def test_a_cached_answer_is_the_one_that_was_opened_or_none(fresh_database: str, judge: Connection) -> None:
    """Between look-up and recording the cache moved to another account at the same participant: nobody is paid on it."""
    await accept_aliases(judge, alias_item("I-1"))
    await resolve(judge, await claim_aliases(judge))
    await accept_aliases(judge, alias_item("I-2"), alias_item("I-3"))
    second, third = sorted(await claim_aliases(judge), key=lambda lease: lease.outbox_id)
    key = (A, "MBNO", says(second).proxy_hash)
    (row,) = await api.proxy.lookup(judge, keys=[key])
    cached = says(second, cached_hash=row.proxy_hash, sealed_beneficiary=row.sealed_beneficiary)
    moved: dict[str, Any] = {
        "beneficiary": '{"account":"999"}',
        "sealed_beneficiary": b"sealed anew",
        "source_version": "sandbox-2",
    }
    await api.proxy.record_resolutions(judge, worker="r", answers=[says(third, **moved)])
    (recorded,) = await api.proxy.record_resolutions(judge, worker="r", answers=[cached])
    assert recorded.outcome == "STALE"
    assert await rows(judge, "select count(*) from proxy.proxy_resolutions where outbox_id = %s", second.outbox_id) == [
        (0,)
    ]
    assert await state(judge, "I-2") == "AWAITING_PROXY_RESOLUTION"
    (again,) = await claim_aliases(judge)
    assert again.outbox_id == second.outbox_id


async def test_what_waited_too_long_says_why_and_what_to_do(judge: Connection) -> None:
    await accept_aliases(judge, alias_item("I-1"), alias_item("I-2"))
    leases = sorted(await claim_aliases(judge), key=lambda lease: lease.outbox_id)
    slow = nobody(leases[0], "TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT")
    await api.proxy.record_resolutions(judge, worker="r", answers=[slow])
    await api.proxy.release_resolutions(judge, worker="r", leases=leases[1:])
    await judge.execute("update proxy.resolution_queue set deadline_at = clock_timestamp()")
    assert await api.proxy.tend_resolutions(judge, worker="r", limit=10) == (0, 2)
    found = await rows(
        judge,
        "select i.instruction_id, c.facts ->> 'reason_code', c.next_action from evidence.cases as c"
        " join outbox.payment_instructions as i using (participant_id, outbox_id) order by 1",
    )
    action = "Find out why its alias had no answer in time; new instruction."
    assert found == [("I-1", "PROXY_REGISTRY_TIMEOUT", action), ("I-2", "PROXY_REGISTRY_UNAVAILABLE", action)]


async def test_an_answer_inside_the_request_that_names_somebody_else_is_refused_with_evidence(
    judge: Connection,
) -> None:
    items = [
        alias_item("I-1", account="111"),
        alias_item("I-2", creditor_participant_id=C),
        alias_item("I-3"),
        alias_item("I-4"),
        alias_item("I-5"),
    ]
    answers = [
        says(None),
        says(None),
        says(None, beneficiary_participant_id="ZM-NOBODY"),
        says(None, beneficiary='{"name":"no account"}'),
        nobody(None),
    ]
    decisions = await api.ingress.accept(judge, items=items, answers=answers)
    expected = [
        "PROXY_TARGET_CHANGED",
        "PROXY_TARGET_CHANGED",
        "PROXY_BENEFICIARY_NOT_ALLOWED",
        "PROXY_REGISTRY_UNAVAILABLE",
        "PROXY_NOT_FOUND",
    ]
    assert [(d.decision, d.reason_code) for d in decisions] == [("REJECT", reason) for reason in expected]
    assert await rows(judge, "select count(*) from outbox.payment_instructions") == [(0,)]
    events = await rows(
        judge,
        "select e.facts ->> 'attestation_id', e.facts ->> 'reason_code', e.facts ->> 'source_version' from evidence.evidence_events as e"
        " where e.kind = 'PROXY_ANSWER_REFUSED' order by e.event_id",
    )
    assert events == [(str(d.attestation_id), d.reason_code, "sandbox-1") for d in decisions]


@pytest.mark.parametrize("what", ["resolved", "nobody"])
async def test_a_backlog_does_not_slow_the_recording_of_a_batch(judge: Connection, what: str) -> None:
    """The queue was vacuumed and analysed while empty: plans then made must not read it from end to end."""
    await judge.execute("vacuum analyze outbox.payment_outbox_pending")
    await accept_aliases(judge, *(alias_item(f"W-{n}") for n in range(20)))
    await resolve(judge, await claim_aliases(judge, limit=20))
    for first in range(0, 4_000, 500):
        await accept_aliases(judge, *(alias_item(f"I-{first + n}") for n in range(500)))
    leases = await claim_aliases(judge, limit=200)
    answers = [says(lease) if what == "resolved" else nobody(lease) for lease in leases]
    await judge.execute("select pg_stat_force_next_flush()")
    before = await rows(judge, "select pg_stat_get_tuples_fetched('outbox.payment_outbox_pending'::regclass)")
    await api.proxy.record_resolutions(judge, worker="r", answers=answers)
    await judge.execute("select pg_stat_force_next_flush()")
    after = await rows(judge, "select pg_stat_get_tuples_fetched('outbox.payment_outbox_pending'::regclass)")
    assert after[0][0] - before[0][0] <= 200 * 10, "rows looked at, not the backlog times the batch"
