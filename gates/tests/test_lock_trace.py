"""What new migrations do to tables in use: the planted ones are red with the table's name, the safe ones green."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gates.gate import Finding, run
from gates.lock_trace import lock_trace_gates
from gates.migration_steps import steps
from gates.previous_release import previous_release
from gates.site import ROOT
from gates.tests.planted_checkout import PlantedCheckout
from symphony import api
from symphony.migrate import apply
from symphony.migration_files import read
from symphony.migration_run import Options
from symphony.operator_error import OperatorError
from symphony.postgres_throwaway import Cluster
from tests.payments import establish, item, policy_document

pytestmark = pytest.mark.slow  # many databases are built

PENDING = "outbox.payment_outbox_pending"
# What is planted, the table it must be red for, and words of the finding.
RED = {
    "an index hidden in DO": (f"do $$ begin execute 'create index planted on {PENDING} (due_at)'; end $$", PENDING, "ShareLock"),
    "a default that rewrites": ("alter table evidence.cases add column n uuid default uuidv7()", "evidence.cases", "rewritten"),
    "a stored column": ("alter table evidence.cases add column n text generated always as (kind || 'x') stored", "evidence.cases", "rewritten"),
    "a partition made in place": (
        "create table evidence.evidence_events_209901 partition of evidence.evidence_events for values from"
        " ('ffffffff-0000-0000-0000-000000000000') to ('ffffffff-ffff-0000-0000-000000000000')",
        "evidence.evidence_events", "AccessExclusiveLock"),
    "a default partition": ("create table evidence.rest partition of evidence.evidence_events default", "evidence.evidence_events", "AccessExclusiveLock"),
    "a whole table updated": (f"update {PENDING} set due_at = due_at", PENDING, "end to end"),
    "rows updated by an index": (
        f"update {PENDING} set due_at = due_at where (participant_id, sequence_id) > ('', 0)", PENDING, "rows of it"),
    "rows deleted by an index": (f"delete from {PENDING} where (participant_id, sequence_id) > ('', 0)", PENDING, "rows of it"),
    "a whole table updated in DO": (f"do $$ begin update {PENDING} set due_at = due_at; end $$", PENDING, "end to end"),
    "SET NOT NULL": ("alter table evidence.cases alter column outbox_id set not null", "evidence.cases", "end to end under AccessExclusiveLock"),
    "a foreign key validated at once": (
        f"alter table {PENDING} add constraint planted foreign key (participant_id, outbox_id) references outbox.payment_instructions",
        "outbox.payment_instructions", "ShareRowExclusiveLock"),
    "a check validated at once": (f"alter table {PENDING} add constraint planted check (due_at is not null)", PENDING, "end to end"),
    "validated under the lock of its own ADD": (
        f"alter table {PENDING} add constraint planted check (due_at is not null) not valid; alter table {PENDING} validate constraint planted",
        PENDING, "end to end under AccessExclusiveLock"),
    "a type that rewrites": (f"alter table {PENDING} alter column attempt_no type bigint", PENDING, "rewritten"),
    "a unique constraint": (f"alter table {PENDING} add constraint planted unique (outbox_id, due_at)", PENDING, "ShareLock"),
    "an index dropped": ("drop index evidence.ux_cases_one_kind_per_instruction", "evidence.cases", "AccessExclusiveLock"),
    "a rename": ("alter table evidence.cases rename column facts to particulars", "evidence.cases", "AccessExclusiveLock"),
    "a rename behind a brief statement": (
        "alter table evidence.cases add column n text; alter table evidence.cases rename column facts to particulars",
        "evidence.cases", "rename column facts"),
    "a lock": (f"lock table {PENDING} in share mode", PENDING, "ShareLock"),
    "a table emptied": (f"truncate {PENDING}", PENDING, "rewritten"),
    "unlogged": (f"alter table {PENDING} set unlogged", PENDING, "rewritten"),
    "a register locked": ("lock table core.cell in exclusive mode", "core.cell", "ExclusiveLock"),
}  # fmt: skip
GREEN = {
    "nullable column": f"alter table {PENDING} add column note text",
    "constant default": f"alter table {PENDING} add column note text not null default 'x'",
    "virtual column": f"alter table {PENDING} add column note text generated always as (rail || 'x') virtual",
    "a check not validated": f"alter table {PENDING} add constraint planted check (due_at is not null) not valid",
    "a foreign key not validated": (
        f"alter table {PENDING} add constraint planted foreign key (participant_id, outbox_id) references outbox.payment_instructions not valid"
    ),
    "a new table that refers": (
        "create table ops.noted (participant_id text, outbox_id uuid, foreign key (participant_id, outbox_id) references outbox.payment_instructions)"
    ),
    "a trigger": f"create trigger planted before insert on {PENDING} for each row execute function core.refuse_change(); alter table {PENDING} enable always trigger planted",
    "a comment and a grant": f"comment on table {PENDING} is 'x'; grant select on {PENDING} to symphony_ops_owner",
    "a register's rows": "insert into core.errors values ('SX999', 'planted', 'planted', 'planted'); update core.errors set hint = 'x' where sqlstate = 'SX999'",
    "a view": "create or replace view evidence.reason_register as select * from core.reasons",
}  # fmt: skip
# The rest takes half a second each, and shows the same ways of seeing.
FAST = {"an index hidden in DO", "a default that rewrites", "rows updated by an index", "a partition made in place", "a whole table updated", "SET NOT NULL",
    "a foreign key validated at once", "nullable column", "a foreign key not validated", "a new table that refers"}  # fmt: skip
GATES = {gate.id: gate for gate in lock_trace_gates()}


@pytest.fixture(scope="module")
def checkouts(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> PlantedCheckout:
    """One checkout for all: each test writes its own planted migration over the last."""
    return PlantedCheckout(tmp_path_factory.mktemp("planted") / "checkout", cluster)


@pytest.fixture
def checkout(checkouts: PlantedCheckout) -> Iterator[PlantedCheckout]:
    yield checkouts
    checkouts.take_back()


def look(gate: str, checkout: PlantedCheckout) -> tuple[Finding, ...]:
    """Run a gate that is able to look, and return what it found about the planted file."""
    result = run(GATES[gate], checkout.site)
    assert result.verdict in ("PASS", "FAIL"), result.reason
    return tuple(found for found in result.findings if "_planted.sql" in f"{found.object} {found.detail}")


def each(names: dict[str, Any]) -> list[Any]:
    """The names as parameters; those that are not fast are marked slow."""
    return [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", each(RED))
def test_a_planted_migration_is_red_with_the_tables_name(checkout: PlantedCheckout, name: str) -> None:
    statement, table, words = RED[name]
    file = checkout.migration(f"{statement};")
    found = look("M20", checkout)
    assert [f for f in found if f.object == f"table {table}" and words in f.detail and file in f.detail], found


@pytest.mark.parametrize("name", each(GREEN))
def test_a_safe_form_is_green(checkout: PlantedCheckout, name: str) -> None:
    checkout.migration(f"{GREEN[name]};")
    assert look("M20", checkout) == ()
    assert look("M21", checkout) == ()


def test_a_migration_that_fails_on_data_is_red(checkout: PlantedCheckout) -> None:
    file = checkout.migration("alter table evidence.evidence_events add column planted text not null;")
    (found,) = {(f.object, f.detail) for f in look("M20", checkout)}
    assert file in found[0]
    assert "fails on data: 23502" in found[1]


def test_settings_of_the_runner_stay(checkout: PlantedCheckout) -> None:
    checkout.migration("set local lock_timeout = 0;\nset local statement_timeout = '1h';")
    said = " ".join(found.detail for found in look("M21", checkout))
    assert "lock_timeout is 0 after it, the runner set 3s" in said
    assert "statement_timeout is 1h after it, the runner set 5min" in said


def test_two_tables_in_one_transaction_are_a_warning(checkout: PlantedCheckout) -> None:
    checkout.migration(f"alter table evidence.cases add column a text; alter table {PENDING} add column a text;")
    # A migration of this release that has not landed may hold locks of its own beside these two.
    (found,) = (one for one in look("M23", checkout) if one.object == f"table {PENDING}")
    assert found.severity == "warning"
    assert re.search("while .*evidence.cases.* is locked", found.detail)


def test_an_index_is_built_alone_and_must_be_valid(checkout: PlantedCheckout) -> None:
    head = "-- runner: nontransactional\n"
    checkout.migration(f"{head}create index concurrently planted on {PENDING} (due_at);")
    assert look("M20", checkout) == look("M22", checkout) == ()
    checkout.take_back()
    # Two rows of one rail in the data make it fail, and leave the index behind.
    checkout.migration(f"{head}create unique index concurrently planted on {PENDING} (rail);")
    (found,) = look("M22", checkout)
    assert found.object == "index outbox.planted"
    assert "fails on data: 23505" in " ".join(f.detail for f in look("M20", checkout))


@pytest.mark.slow
def test_without_a_previous_release_the_last_migration_is_traced(tmp_path: Path, cluster: Cluster) -> None:
    checkout = PlantedCheckout(tmp_path / "checkout", cluster)
    (checkout.site.root / "release.json").unlink()
    (checkout.site.root / "release.json").write_text('{"release": "0.1.0", "previous": null}')
    checkout.migration("alter table evidence.cases add column n uuid default uuidv7();")
    assert {found.object for found in look("M20", checkout)} == {"table evidence.cases"}


def test_nothing_new_is_not_applicable(cluster: Cluster, tmp_path: Path) -> None:
    checkout = PlantedCheckout(tmp_path / "checkout", cluster)
    previous = previous_release(checkout.site)
    shutil.rmtree(checkout.site.sql_dir)
    shutil.copytree(previous.sql_dir, checkout.site.sql_dir)
    assert {run(gate, checkout.site).verdict for gate in GATES.values()} == {"NOT_APPLICABLE"}


def test_steps_are_the_runners(tmp_path: Path, cluster: Cluster) -> None:
    checkout = PlantedCheckout(tmp_path / "checkout", cluster)
    now = read(ROOT / "sql")
    assert steps(now, now) == []
    one = checkout.migration("select 1;")
    alone = checkout.migration("-- runner: nontransactional\ncreate index concurrently planted on core.cell (epoch);")
    two = checkout.migration("select 2;")
    checkout.replace("functions/core/now.sql", "create or replace", "create or  replace")
    found = [([file.path for file in step.files], step.alone) for step in steps(now, read(checkout.site.sql_dir))]
    assert found == [([one], False), ([alone], True), ([two, "functions/core/now.sql", "grants.sql"], False)]


async def test_a_blocked_migration_fails_and_the_traffic_does_not(fresh_database: str, tmp_path: Path) -> None:
    sql = tmp_path / "sql"
    shutil.copytree(ROOT / "sql", sql)
    number = len(list((sql / "migrations").glob("*.sql"))) + 1
    (sql / "migrations" / f"{number:04d}_planted.sql").write_text(f"alter table {PENDING} add column planted text;\n")
    options = Options(lock_timeout_ms=150, lock_attempts=3, retry_pause_ms=300)
    traffic = await api.connect(fresh_database, application_name="test traffic")
    slowest, accepted = 0.0, 0
    async with traffic:
        await establish(traffic, policy_document())
        await traffic.execute("set lock_timeout = '1s'")  # whoever waits longer for one lock is refused
        with psycopg.connect(fresh_database) as reader:
            reader.execute(f"select count(*) from {PENDING}".encode())  # a report that somebody left open
            begin = time.monotonic()
            migration = asyncio.create_task(apply(fresh_database, sql_dir=sql, options=options))
            while not migration.done():
                sent = time.monotonic()
                decisions = await api.ingress.accept(traffic, items=[item(f"T-{accepted}")])
                assert [decision.decision for decision in decisions] == ["ACCEPT"]
                slowest, accepted = max(slowest, time.monotonic() - sent), accepted + 1
                await asyncio.sleep(0.005)
            took = time.monotonic() - begin
            with pytest.raises(OperatorError) as refused:
                await migration
    assert refused.value.code == "LOCK_NOT_HAD"
    assert f"{number:04d}_planted.sql" in refused.value.thing
    # Three waits for the lock and two pauses; nobody waits longer than one wait. With much room for a busy machine.
    assert 3 * 0.150 <= took < 15
    assert accepted >= 5
    assert slowest < 30
    with psycopg.connect(fresh_database) as connection:
        left = "select count(*) from pg_attribute where attrelid = %s::regclass and attname = 'planted'"
        assert connection.execute(left, (PENDING,)).fetchone() == (0,)
        recorded = connection.execute("select count(*) from outbox.payment_instructions").fetchone()
        assert recorded == (accepted,)
