"""NEG-AUD-01..03: owners and superusers cannot rewrite a ledger, a leaf, a sequence or a policy, in any mode."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql

from symphony import api
from symphony.policy_document import load_reason_taxonomy
from symphony.reasons_command import BUILTIN
from tests.payments import accept, establish, item
from tests.proxy_cell import accept_aliases, alias_item, claim_aliases, resolve
from tests.sql_cell import A, claim, complete, policy, row_counts

type Session = psycopg.Connection[tuple[object, ...]]

LEDGERS = (
    "ingress.ingress_attestations", "outbox.payment_instructions", "outbox.payment_outbox_attempts",
    "outbox.idempotency_ledger", "rails.rail_messages", "rails.response_classes", "evidence.evidence_events",
    "evidence.cases", "evidence.case_decisions", "policy.halts", "policy.participants", "policy.participant_rails",
    "policy.participant_limits", "policy.participant_proxies", "policy.rails", "policy.rail_currencies", "policy.policy_versions",
    "core.schema_migration", "core.schema_repeatable", "routing.routing_decisions", "routing.rules",
    "proxy.proxy_resolutions", "core.reason_taxonomy",
)  # fmt: skip
REFERENCED = "0A000"  # TRUNCATE of a table that a foreign key refers to is refused before any trigger
MODES = ("origin", "replica")


async def fill(url: str) -> None:
    """Put at least one row into every ledger."""
    async with await api.connect(url, application_name="fill") as connection:
        proxy = {
            "mode": "DEFER",
            "ttl_ms": 60_000,
            "pending_max_ms": 60_000,
            "sync_budget_ms": 1_000,
            "misses_per_hour_max": 9,
        }
        await establish(connection, policy(rail={"enquiry_after_ms": [1]}, participants={A: {"proxy": proxy}}))
        taxonomy = load_reason_taxonomy(BUILTIN).content
        await api.core.publish_reason_taxonomy(connection, document=taxonomy, operator="test")
        await accept_aliases(connection, alias_item("I-alias"))
        await resolve(connection, await claim_aliases(connection))
        await accept(connection, 12, wake=False)
        await api.ingress.accept(connection, items=[item("I-refused", amount_minor=10**10)])
        claims = await claim(connection, limit=10)
        await complete(connection, claims[:4])
        await complete(connection, claims[4:8], "TIMEOUT")
        await asyncio.sleep(0.05)
        await complete(connection, await claim(connection), "TIMEOUT")
        await api.policy.halt(connection, scope="RAIL", rail="sandbox", operator="test", reason="test")
        await api.routing.override(connection, blue_weight_pct=50, operator="test", reason="test", duration_ms=60_000)
        await connection.execute(
            "select evidence.decide_case(c.participant_id, c.case_id, 'EXECUTED', 'a', 'b', 'seen')"
            " from evidence.cases as c limit 1"
        )


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    """A database whose ledgers all have rows."""
    asyncio.run(fill(database_url))
    counts = row_counts(database_url)
    for ledger in LEDGERS:
        leaves = [number for name, number in counts.items() if name == ledger or name.startswith(f"{ledger}_")]
        assert sum(leaves) > 0, f"{ledger} is empty"
    return database_url


@contextmanager
def acting(url: str, *, mode: str, role: str | None) -> Iterator[Session]:
    """A superuser's session in that mode, acting as the role."""
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(sql.SQL("set session_replication_role = {}").format(sql.Identifier(mode)))
        if role is not None:
            session.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        yield session


def tree(url: str, ledger: str) -> list[tuple[str, str, int]]:
    """The ledger and its leaves, each with its first column and its number of rows (of the ledger: all)."""
    with psycopg.connect(url, autocommit=True) as session:
        rows = session.execute(
            "select t.relid::regclass::text, a.attname from pg_partition_tree(%s::regclass) as t"
            " join pg_attribute as a on a.attrelid = t.relid and a.attnum = 1"
            " union select %s, attname from pg_attribute where attrelid = %s::regclass and attnum = 1",
            (ledger, ledger, ledger),
        ).fetchall()
        return [
            (str(name), str(column), session.execute(f"select count(*) from {name}".encode()).fetchall()[0][0])
            for name, column in rows
        ]


def refused(session: Session, statement: str, *states: str) -> None:
    """The statement fails with one of the SQLSTATEs; SX001 names the rule and the table."""
    with pytest.raises(psycopg.Error) as caught, session.transaction(force_rollback=True):
        session.execute(statement.encode())
    diagnostic = caught.value.diag
    assert caught.value.sqlstate in states, f"{statement}: {caught.value.sqlstate} {diagnostic.message_primary}"
    if caught.value.sqlstate == "SX001":
        assert str(diagnostic.message_primary).startswith("ledger_is_append_only: ")
        assert '"table"' in str(diagnostic.message_detail)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("who", ["owner", "superuser"])
def test_neg_aud_01_every_ledger_and_leaf_refuses_every_change(url: str, who: str, mode: str) -> None:
    before = row_counts(url)
    for ledger in LEDGERS:
        own = who == "owner" and not ledger.startswith("core.schema_")
        role = f"symphony_{ledger.partition('.')[0]}_owner" if own else None
        with acting(url, mode=mode, role=role) as session:
            for name, column, rows in tree(url, ledger):
                refused(session, f"truncate {name}", "SX001", REFERENCED)
                # A cascade reaches tables of other owners: refused before any trigger.
                refused(session, f"truncate {name} cascade", "SX001", *(["42501"] if own else []))
                if rows == 0:
                    continue
                refused(session, f"delete from {name}", "SX001")
                refused(session, f"update {name} set {column} = {column}", "SX001")
                refused(session, f"delete from {name} where ctid = (select min(ctid) from {name})", "SX001")
                merge = f"merge into {name} as m using (select 1) as one on true when matched then delete"
                refused(session, merge, "SX001")
    assert row_counts(url) == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("role", [None, "symphony_outbox_owner"])
def test_neg_aud_02_a_sequence_never_moves_back_or_disappears(url: str, role: str | None, mode: str) -> None:
    query = "select participant_id, last_sequence_id from outbox.participant_outbox_sequences order by 1"
    table = "outbox.participant_outbox_sequences"
    with psycopg.connect(url, autocommit=True) as judge:
        before = judge.execute(query).fetchall()
        with acting(url, mode=mode, role=role) as session:
            refused(session, f"update {table} set last_sequence_id = last_sequence_id - 1", "SX401")
            refused(session, f"update {table} set last_sequence_id = 0 where participant_id = '{A}'", "SX401")
            refused(session, f"update {table} set participant_id = 'X-' || participant_id", "SX401")
            refused(session, f"delete from {table}", "SX401")
            refused(session, f"truncate {table}", "SX001")
        assert judge.execute(query).fetchall() == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("role", [None, "symphony_policy_owner"])
def test_neg_aud_03_an_active_policy_never_gets_other_content(url: str, role: str | None, mode: str) -> None:
    query = "select v::text from policy.policy_versions as v order by policy_version"
    with psycopg.connect(url, autocommit=True) as judge:
        before = judge.execute(query).fetchall()
        with acting(url, mode=mode, role=role) as session:
            for change in (
                "content = jsonb_set(content, '{caps,in_flight_global}', '1')", "checksum = sha256('')",
                "proposed_by = 'someone else'", "in_flight_cap_global = 1", "time_zone = 'UTC'", "policy_version = 99",
                "activated_by = 'someone else'", "status = 'DRAFT', activated_at = null, activated_by = null",
                "status = 'RETIRED', retired_at = now(), content = '{}'",
            ):  # fmt: skip
                refused(session, f"update policy.policy_versions set {change}", "SX001")
        assert judge.execute(query).fetchall() == before
