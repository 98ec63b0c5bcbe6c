"""A policy that changes while an accept waits: decision, evidence and day usage stand under one version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Decision
from tests.payments import activate, establish, item
from tests.sql_cell import claim, complete, policy, sessions
from tests.test_replay_races import until_waiting


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new database."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        yield connection


async def accept_across(url: str, judge: Connection, document: dict[str, Any], *, amount_minor: int) -> Decision:
    """Accept one instruction whose batch waits for its participant while `document` becomes the policy."""
    async with sessions(url, 2) as (holder, waiting):
        async with holder.transaction():
            await holder.execute("select outbox.lock_participants(array['ZM-BANK-A'])")
            accepting = asyncio.create_task(
                api.ingress.accept(waiting, items=[item("I-across", amount_minor=amount_minor)])
            )
            await until_waiting(judge, accepting)
            await activate(judge, document)
        (decision,) = await accepting
    return decision


@pytest.mark.parametrize(("before", "after"), [(1_000, 10), (10, 1_000)])
async def test_the_attested_policy_is_the_one_that_decided(
    fresh_database: str, judge: Connection, before: int, after: int
) -> None:
    await establish(judge, policy(limits={"transaction_max_minor": before}))
    await api.ingress.accept(judge, items=[item("I-0", amount_minor=1)])
    second = policy(version=2, limits={"transaction_max_minor": after})
    decision = await accept_across(fresh_database, judge, second, amount_minor=500)
    cursor = await judge.execute(
        "select a.policy_version, a.policy_checksum = v.checksum, a.decision::text from ingress.ingress_attestations as a"
        " join policy.policy_versions as v using (policy_version) where a.attestation_id = %s",
        (decision.attestation_id,),
    )
    ((version, same_checksum, attested),) = await cursor.fetchall()
    assert same_checksum
    allowed = {1: before, 2: after}[version] >= 500
    assert attested == ("ACCEPT" if allowed else "REJECT"), f"version {version} did not decide this"


async def test_day_usage_is_given_back_to_the_day_it_was_taken_from(fresh_database: str, judge: Connection) -> None:
    # 25 hours apart, so that the day differs whatever the hour of the test: midnight in one step.
    await establish(judge, policy(time_zone="Pacific/Kiritimati"))
    await api.ingress.accept(judge, items=[item("I-0", amount_minor=1)])
    second = policy(version=2, time_zone="Pacific/Pago_Pago")
    decision = await accept_across(fresh_database, judge, second, amount_minor=500)
    assert decision.decision == "ACCEPT"
    claims = await claim(judge)
    outcomes = await complete(judge, claims, "REJECTED_AC04")
    assert [outcome.outcome for outcome in outcomes] == ["FAILED", "FAILED"]
    cursor = await judge.execute("select sum(value_minor), sum(item_count), min(value_minor) from policy.limit_usage")
    assert await cursor.fetchall() == [(0, 0, 0)], "all usage came back"
