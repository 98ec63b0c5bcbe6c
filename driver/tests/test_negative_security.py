"""NEG-SEC-01..04: what the capability roles, and logins without a role, are refused; nothing changes by trying."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import Diagnostic

from symphony import api
from symphony.migrate import apply
from symphony.postgres_throwaway import Cluster
from tests.payments import accept, establish
from tests.sql_cell import CONTEXTS, claim, complete, policy, row_counts

CAPABILITIES = (
    "symphony_ingest", "symphony_executor", "symphony_resolver", "symphony_operator", "symphony_policy_admin",
    "symphony_router", "symphony_sealer", "symphony_maintainer", "symphony_auditor",
)  # fmt: skip
OWNERS = tuple(f"symphony_{context}_owner" for context in CONTEXTS)
PASSWORD = "not-a-secret"
INSUFFICIENT_PRIVILEGE = "42501"
NOT_UPDATABLE = "55000"
AUDITED = {
    ("evidence", name)
    for name in (
        "attempts", "attestations", "case_ledger", "case_list", "client_certs", "clients", "decision_ledger",
        "ended_revocation_sources", "events", "halt_history", "instruction_timeline", "instructions", "outcomes", "policy_history",
        "proof_rules", "proxy_resolutions", "rail_messages", "reason_register", "reason_taxonomy", "refusal_counts", "refusals",
        "response_classes", "revocation_readings", "routing_decisions", "routing_rules", "signature_keys",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """A migrated database with rows in it, and a login for each capability."""

    url: str
    relations: tuple[tuple[str, str, str, str], ...]  # schema, name, kind, first column
    functions: tuple[tuple[str, str, str, str], ...]  # signature, schema, name, call

    def login(self, capability: str) -> psycopg.Connection[tuple[object, ...]]:
        """A session of the login that is a member of this capability alone."""
        url = make_conninfo(self.url, user=f"neg_{capability}", password=PASSWORD)
        return psycopg.connect(url, autocommit=True)

    def allowed(self, capability: str) -> set[str]:
        """The signatures of the functions that the catalog lets the role call."""
        query = "select p.oid::regprocedure::text from pg_proc as p where has_function_privilege(%s, p.oid, 'EXECUTE')"
        with psycopg.connect(self.url, autocommit=True) as connection:
            granted = {str(row[0]) for row in connection.execute(query, (capability,)).fetchall()}
        return granted & {signature for signature, *_ in self.functions}

    def readable(self, capability: str) -> set[tuple[str, str]]:
        """The relations that the catalog lets the role read."""
        query = "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        query += (
            " where n.nspname = any (%s) and c.relkind in ('r', 'p', 'v') and has_table_privilege(%s, c.oid, 'SELECT')"
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute(query.encode(), (list(CONTEXTS), capability)).fetchall()
        return {(str(schema), str(name)) for schema, name in rows}


async def fill(url: str) -> None:
    """Put something into the tables that could be harmed."""
    async with await api.connect(url, application_name="fill") as connection:
        await establish(connection, policy())
        await accept(connection, 6, wake=False)
        await complete(connection, await claim(connection, limit=2))
        await api.policy.halt(connection, scope="GLOBAL", operator="test", reason="test")


@pytest.fixture(scope="module")
def target(cluster: Cluster) -> Iterator[Target]:
    """A database that was migrated itself: a clone would lack what grants.sql says of the database."""
    url = cluster.server.url(cluster.empty())
    asyncio.run(apply(url))
    asyncio.run(fill(url))
    with psycopg.connect(url, autocommit=True) as connection:
        for role in CAPABILITIES:
            login = sql.Identifier(f"neg_{role}")
            connection.execute(
                sql.SQL("create role {} login noinherit password {}").format(login, sql.Literal(PASSWORD))
            )
            connection.execute(
                sql.SQL("grant {} to {} with inherit false, set true").format(sql.Identifier(role), login)
            )
        relations = connection.execute(
            "select n.nspname, c.relname, c.relkind::text, a.attname from pg_class as c"
            " join pg_namespace as n on n.oid = c.relnamespace"
            " join pg_attribute as a on a.attrelid = c.oid and a.attnum = 1"
            " where c.relkind in ('r', 'p', 'v') and n.nspname = any (%s) order by 1, 2",
            (list(CONTEXTS),),
        ).fetchall()
        functions = connection.execute(
            # Arguments come from a subquery, for a strict function of constant nulls is never called.
            "select p.oid::regprocedure::text, n.nspname, p.proname, format('select %%I.%%I(%%s) from (select %%s offset 0)"
            " as v', n.nspname, p.proname, (select string_agg('v.a' || o, ', ' order by o)"
            " from unnest(p.proargtypes::oid[]) with ordinality as u(t, o)), (select string_agg('null::'"
            " || format_type(t, null) || ' as a' || o, ', ' order by o)"
            " from unnest(p.proargtypes::oid[]) with ordinality as u(t, o)))"
            " from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace"
            " where n.nspname = any (%s) order by 1",
            (list(CONTEXTS),),
        ).fetchall()
    assert len(relations) > 50
    assert len(functions) > 60
    yield Target(url, tuple(relations), tuple(functions))
    with psycopg.connect(url, autocommit=True) as connection:
        for role in CAPABILITIES:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(f"neg_{role}")))


def refused(
    session: psycopg.Connection[tuple[object, ...]],
    statement: str,
    *names: str,
    state: Sequence[str] = (INSUFFICIENT_PRIVILEGE,),
) -> None:
    """The statement fails with the SQLSTATE and its message names one of the objects."""
    with pytest.raises(psycopg.Error) as caught, session.transaction(force_rollback=True):
        session.execute(statement.encode())
    message = caught.value.diag.message_primary or ""
    assert caught.value.sqlstate in state, f"{statement}: {caught.value.sqlstate} {message}"
    assert any(name in message for name in names), f"{statement}: {message} names none of {names}"


def table_statements(schema: str, name: str, kind: str, column: str) -> Sequence[str]:
    """Everything one must not do to a relation."""
    table = f"{schema}.{name}"
    noun = "view" if kind == "v" else "table"
    statements = [
        f"select from {table} limit 1", f"insert into {table} default values", f"update {table} set {column} = {column}",
        f"delete from {table}", f"drop {noun} {table} cascade", f"alter {noun} {table} owner to current_user",
        f"lock table {table} in access share mode", f"grant select on {table} to public",
    ]  # fmt: skip
    if kind != "v":
        statements += [
            f"truncate {table} cascade", f"create index on {table} ({column})", f"alter table {table} disable trigger all",
            f"alter table {table} add column evil text", f"comment on table {table} is 'evil'", f"copy {table} to stdout",
        ]  # fmt: skip
    return statements


@pytest.mark.parametrize("role", CAPABILITIES)
def test_neg_sec_01_no_role_touches_a_table_or_leaf(target: Target, role: str) -> None:
    before = row_counts(target.url)
    readable = target.readable(role)
    assert readable <= AUDITED
    with target.login(role) as session:
        session.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for schema, name, kind, column in target.relations:
            for statement in table_statements(schema, name, kind, column):
                # A view that cannot be written says so before it asks for privileges.
                states = (INSUFFICIENT_PRIVILEGE, NOT_UPDATABLE) if kind == "v" else (INSUFFICIENT_PRIVILEGE,)
                if (schema, name) not in readable:
                    refused(session, statement, name, schema, state=states)
                elif not statement.startswith(("select", "lock", "grant")):
                    refused(session, statement, name, state=states)
    assert row_counts(target.url) == before


def session_sees(session: psycopg.Connection[tuple[object, ...]], schema: str) -> bool:
    """Whether the role of the session has USAGE on the schema."""
    return bool(session.execute("select has_schema_privilege(%s, 'USAGE')", (schema,)).fetchall()[0][0])


@pytest.mark.parametrize("role", CAPABILITIES)
def test_neg_sec_02_no_role_maintains_a_table(target: Target, role: str) -> None:
    notices: list[str] = []

    def note(diagnostic: Diagnostic) -> None:
        notices.append(diagnostic.message_primary or "")

    statistics = "select sum(vacuum_count + analyze_count) from pg_stat_all_tables where schemaname = any (%s)"
    with psycopg.connect(target.url, autocommit=True) as judge, target.login(role) as session:
        before = judge.execute(statistics, (list(CONTEXTS),)).fetchall()
        session.add_notice_handler(note)
        session.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for schema, name, kind, _ in target.relations:
            if kind == "v":
                continue
            refused(session, f"reindex table {schema}.{name}", name, schema)
            for verb in ("vacuum", "analyze"):
                if not session_sees(session, schema):
                    refused_outside(session, f"{verb} {schema}.{name}", schema)
                    continue
                notices.clear()
                session.execute(f"{verb} {schema}.{name}".encode())
                assert notices, f"{verb} {schema}.{name} was not refused"
                assert all(text.startswith(f'permission denied to {verb} "') for text in notices), notices
        assert judge.execute(statistics, (list(CONTEXTS),)).fetchall() == before


def refused_outside(session: psycopg.Connection[tuple[object, ...]], statement: str, name: str) -> None:
    """As refused, for a statement that cannot run in a transaction block."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f"permission denied for schema {name}"):
        session.execute(statement.encode())


@pytest.mark.parametrize("role", CAPABILITIES)
def test_neg_sec_03_no_role_creates_or_becomes_anything(target: Target, role: str) -> None:
    before = row_counts(target.url)
    with target.login(role) as session:
        session.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        refused(session, "create temp table evil ()", "temporary tables")
        refused(session, "create function pg_temp.evil() returns int language sql return 1", "temporary tables")
        for schema in (*CONTEXTS, "public"):
            refused(session, f"create table {schema}.evil ()", schema)
            refused(session, f"create function {schema}.evil() returns int language sql return 1", schema)
            refused(session, f"create view {schema}.evil as select 1 as one", schema)
            refused(session, f"create type {schema}.evil as enum ('a')", schema)
        others = [other for other in (*OWNERS, *CAPABILITIES, "postgres", "pg_maintain") if other != role]
        for other in others:
            refused(session, f"set role {other}", other)
            refused(session, f"set local role {other}", other)
            refused(session, f"grant {other} to current_user", other)
        for statement, name in (
            ("create schema evil", "database"), ("create extension pgcrypto schema core", "pgcrypto"),
            ("create role evil", "role"),
            ("alter role symphony_ingest login", "role"), ("create publication evil", "database"),
            ("create event trigger evil on ddl_command_end execute function core.refuse_change()", "event trigger"),
            ("set session_replication_role = replica", "session_replication_role"),
            ("set local session_replication_role = replica", "session_replication_role"),
            ("select lo_create(0)", "lo_create"), ("select lo_creat(-1)", "lo_creat"),
            ("select lo_from_bytea(0, 'evil')", "lo_from_bytea"), ("select lo_put(1, 0, 'evil')", "lo_put"),
            ("select lowrite(0, 'evil')", "lowrite"), ("select lo_open(1, 131072)", "lo_open"),
            ("select lo_unlink(1)", "lo_unlink"), ("select pg_read_file('PG_VERSION')", "pg_read_file"),
            ("copy (select 1) to program 'true'", "COPY"), ("copy (select 1) to '/tmp/evil'", "COPY"),
            ("drop schema outbox cascade", "outbox"), ("drop function ingress.accept(ingress.item[])", "ingress"),
            ("drop function outbox.wake_executors()", "outbox"),
        ):  # fmt: skip
            refused(session, statement, name, name.lower(), "function wake_executors", "function accept")
    assert row_counts(target.url) == before


@pytest.mark.parametrize("role", CAPABILITIES)
def test_neg_sec_04_no_role_calls_what_it_is_not_granted(target: Target, role: str) -> None:
    before = row_counts(target.url)
    allowed = target.allowed(role)
    assert len(allowed) <= 22  # the operator: routing, halts, cases, who is believed, and which revocation source ends
    with target.login(role) as session:
        for signature, schema, name, call in target.functions:
            refused(session, call, name, "permission denied for schema")
        for schema, name, kind, column in target.relations:
            for statement in table_statements(schema, name, kind, column)[:5]:
                refused(session, statement, name, schema)
        refused(session, "create temp table evil ()", "temporary tables")
        refused(session, "create table public.evil ()", "public")
        session.execute(sql.SQL("set role {}").format(sql.Identifier(role)))
        for signature, schema, name, call in target.functions:
            if signature not in allowed:
                refused(session, call, name, "permission denied for schema")
    assert row_counts(target.url) == before
