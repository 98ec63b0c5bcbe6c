"""Every kind of change changes the fingerprint and is named in it; what is no change does not."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.catalog import catalog_gates
from gates.databases import built, migrate
from gates.drift import Difference, differences, fingerprint_of
from gates.fingerprint import Fingerprint, take
from gates.site import Site
from gates.tests.schema_mutations import MUTATIONS
from symphony.migrate import DEFAULT_SQL_DIR
from symphony.postgres_binaries import run_as, service_account
from symphony.postgres_throwaway import Cluster


@pytest.fixture(scope="module")
def session(database_url: str) -> Iterator[Connection[TupleRow]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def before(session: Connection[TupleRow]) -> Fingerprint:
    return take(session)


def told(found: list[Difference]) -> str:
    """The difference as people read it."""
    return "\n".join(f"{'-' if difference.missing else '+'}{difference.line}" for difference in found)


@pytest.mark.parametrize("name", MUTATIONS)
def test_every_mutation_changes_the_fingerprint(session: Connection[TupleRow], before: Fingerprint, name: str) -> None:
    statement, words = MUTATIONS[name]
    with session.transaction(force_rollback=True):
        session.execute(statement.encode())
        after = take(session)
    assert after.sha256 != before.sha256
    found = differences(before, after)
    assert any(all(word in line.line for word in words.split()) for line in found), told(found)


def test_a_mutation_taken_back_leaves_no_trace(session: Connection[TupleRow], before: Fingerprint) -> None:
    with session.transaction(force_rollback=True):
        session.execute("alter table outbox.payment_outbox_pending add column note text")
        assert take(session).sha256 != before.sha256
        session.execute("alter table outbox.payment_outbox_pending drop column note")
        assert differences(before, take(session)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "set local search_path = outbox, ops, public",
        "set local TimeZone = 'Asia/Tokyo'",
        "set local DateStyle = 'German'",
        "set local quote_all_identifiers = on",
        "set local bytea_output = escape",
        "set local extra_float_digits = -10",
        "set local standard_conforming_strings = off",
        "set local role symphony_auditor",
        # What belongs to an installation and its calendar.
        "create role symphony_ingest_dev login; grant symphony_ingest to symphony_ingest_dev with inherit false",
        "create role probe login; grant pg_monitor to probe; alter role probe set work_mem = '5MB'",
        "do $$ begin execute format('revoke connect on database %I from public', current_database());"
        " execute format('grant connect on database %I to symphony_ingest', current_database()); end $$",
        "select ops.ensure_partitions(24)",
        "insert into core.schema_repeatable (path, sha256, release) values ('x', sha256('x'), 'x')",
        "update pg_class set reltuples = 7 where oid = 'outbox.payment_outbox_pending'::regclass",
        "create table public.of_somebody_else (n integer)",
    ],
)
def test_what_is_no_change_of_the_schema(session: Connection[TupleRow], before: Fingerprint, statement: str) -> None:
    with session.transaction(force_rollback=True):
        session.execute(statement.encode())
        assert differences(before, take(session)) == []


def test_a_login_without_privileges_reads_the_same(session: Connection[TupleRow], before: Fingerprint) -> None:
    with session.transaction(force_rollback=True):
        session.execute("create role looker login; set local role looker")
        seen = take(session)
        assert session.execute("select current_user, current_setting('search_path')").fetchone() == (
            "looker",
            '"$user", public',
        )
    assert differences(before, seen) == []
    assert before.unseen == ()
    assert "ALTER SYSTEM" in seen.unseen[0]


def test_order_of_creation_does_not_matter(session: Connection[TupleRow]) -> None:
    made = [
        "create table ops.a (n integer, m integer)", "create table ops.b (n integer)", "create index a_n on ops.a (n)",
        "create index a_m on ops.a (m)", "grant select on ops.a to symphony_auditor", "grant select on ops.a to symphony_operator",
        "create function ops.f() returns integer language sql set search_path = pg_catalog set jit = off return 1",
        "create function ops.g() returns integer language sql return 1",
    ]  # fmt: skip
    prints = []
    for order in (
        made,
        [
            made[1],
            made[0],
            made[3],
            made[2],
            made[5],
            made[4],
            made[7],
            made[6].replace("set search_path = pg_catalog set jit = off", "set jit = off set search_path = pg_catalog"),
        ],
    ):
        with session.transaction(force_rollback=True):
            for statement in order:
                session.execute(statement.encode())
            prints.append(take(session))
    assert differences(*prints) == []


def test_two_builds_are_the_same_and_the_text_names_no_oid(cluster: Cluster, before: Fingerprint) -> None:
    with built(cluster, DEFAULT_SQL_DIR) as url:
        fresh = fingerprint_of(url)
        # The database's own privileges are not copied with a template.
        assert {d.object for d in differences(before, fresh)} <= {"database this"}
        assert fresh.text.count("\n") > 1000
        with psycopg.connect(url) as connection:
            oids = connection.execute("select oid::text from pg_class where oid >= 16384").fetchall()
    assert not [oid for (oid,) in oids if f"_{oid}" in fresh.text or f" {oid} " in fresh.text]


@pytest.mark.slow
def test_another_superuser_and_altered_server_settings(own_cluster: Cluster) -> None:
    server = own_cluster.server
    with built(own_cluster, DEFAULT_SQL_DIR) as url:
        first = fingerprint_of(url)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("create role another superuser login password 'another'")
        connection.execute("create database theirs owner another")
        theirs = f"postgresql://another:another@127.0.0.1:{server.port}/theirs"
        migrate(theirs, DEFAULT_SQL_DIR)
        assert differences(first, fingerprint_of(theirs)) == []
        # Tuning is no drift; a promise taken back is, from the moment it stands in the file.
        connection.execute("alter system set work_mem = '5MB'")
        assert differences(first, fingerprint_of(theirs)) == []
        connection.execute("alter system set full_page_writes = 'off'")
        found = differences(first, fingerprint_of(theirs))
        assert [d.line for d in found] == ["server setting full_page_writes false"]


@pytest.mark.slow
def test_settings_of_the_servers_command_line_are_seen(own_cluster: Cluster) -> None:
    server = own_cluster.server
    (c38,) = (gate for gate in catalog_gates() if gate.id == "C38")
    with built(own_cluster, DEFAULT_SQL_DIR) as url:
        first = fingerprint_of(url)
        assert c38.findings(Site(database_url=url)) == []
        server.stop()
        options = "-c fsync=off -c full_page_writes=off -c session_replication_role=replica -c wal_keep_size=16"
        command = [server.binaries.program("pg_ctl"), "start", "-D", str(server.data), "-w", "-s", "-o", options]
        assert run_as(service_account(), [*command, "-l", str(server.data / "log" / "options.log")]).returncode == 0
        expected = {"fsync", "full_page_writes", "session_replication_role"}
        assert {finding.object for finding in c38.findings(Site(database_url=url))} == expected
        found = differences(first, fingerprint_of(url))
        assert {d.line.split()[2] for d in found} == expected
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("create role looker login; set role looker")
            assert differences(first, take(connection)) == found, "any login sees it"
