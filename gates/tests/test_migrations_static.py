"""Migration files: each violation is planted in a small history of migrations; safe forms and new tables are let pass."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from gates import migrations_static
from gates.gate import run
from gates.migrations_static import migration_gates
from gates.site import Site
from gates.tests.checkouts import checkout, first_release, found, git, release

GATES = {gate.id: gate for gate in migration_gates()}
TEXT_GATES = [id for id in GATES if id not in ("M18", "M19")]
# What stands: hot is partitioned, busy churns, cold is neither; ledger is guarded by a trigger.
OLD = {
    "sql/migrations/0001_old.sql": """\
create table core.hot (id uuid not null, at timestamptz, n integer) partition by range (id);
alter table core.hot owner to symphony_core_owner;
create table core.busy (id uuid primary key, n integer) with (autovacuum_vacuum_scale_factor = 0);
alter table core.busy owner to symphony_core_owner;
create table core.cold (id uuid primary key, n integer);
alter table core.cold owner to symphony_core_owner;
create table core.ledger (id uuid primary key, n integer);
alter table core.ledger owner to symphony_core_owner;
""",
    "sql/migrations/0002_checks.sql": """\
alter table core.cold add constraint n_is_there not null n not valid;
alter table core.ledger add constraint n_is_there check (n is not null) not valid;
""",
    "sql/migrations/0003_validated.sql": (
        "-- runner: nontransactional\nalter table core.cold validate constraint n_is_there;\n"
    ),
    "sql/functions/core/append_only.sql": """\
create or replace trigger refuse_change before update or delete on core.ledger for each row execute function core.refuse_change();
alter table core.ledger enable always trigger refuse_change;
""",
    "sql/functions/core/named.sql": "create or replace function core.named() returns int language sql return core.used();",
    "driver/symphony/api/core.py": "SQL = 'select core.asked(%s)'",
    "sql/grants.sql": "grant execute on function core.granted(text) to symphony_ingest;",
}
NEW = "sql/migrations/0004_new.sql"
ALONE = "-- runner: nontransactional\n"


def _site(root: Path, new: str, path: str = NEW) -> Site:
    checkout(root, OLD)
    first_release(root)
    return checkout(root, {path: new})


# gate: statements; each is planted alone
PLANTS: dict[str, list[str]] = {
    "M01": [
        "begin;", "commit;", "end;", "rollback;", "abort;", "start transaction;", "savepoint a;", "release savepoint a;",
        "rollback to savepoint a;", "prepare transaction 'a';", "commit prepared 'a';", "rollback prepared 'a';",
        "begin isolation level serializable;", "select 1; commit; select 2;", "\\i other.sql", "not sql;",
    ],
    "M02": [
        "set search_path = public;", "set local search_path = public;", "set session characteristics as transaction read only;",
        "set role postgres;", "set session authorization postgres;", "reset all;", "set transaction read only;",
        "select set_config('search_path', 'public', false);", "select pg_catalog.set_config('a.b', 'c', true);",
        "alter system set fsync = off;",
        "select query_to_xml('drop table core.cold', true, true, '');", "select public.run('drop table core.cold');", "alter role symphony_ingest set search_path = public;",
        "alter database symphony set lock_timeout = 0;", "copy core.cold from '/etc/passwd';", "copy core.cold to program 'cat';",
        "call core.p();", "lock table core.hot;", "vacuum core.hot;", "vacuum full core.hot;", "discard all;", "listen a;",
        "notify a;", "load 'auto_explain';", "checkpoint;", "prepare p as select 1;", "execute p;", "deallocate p;",
        "declare c cursor with hold for select 1;", "set constraints all deferred;",
        "update pg_catalog.pg_class set relhastriggers = false where relname = 'cold';", "update pg_class set relchecks = 0;",
        "delete from pg_attrdef;", "insert into pg_catalog.pg_auth_members values (1);", "delete from information_schema.sql_features;",
        "with gone as (delete from pg_trigger returning 1) select 1;",
        "merge into pg_proc as p using core.cold on false when matched then do nothing;",
        "create table core.made (a xml default query_to_xml('drop table core.cold', true, true, ''));",
    ],
    "M03": [
        "set lock_timeout = 0;", "set local lock_timeout = '1h';", "set local statement_timeout = 0;", "reset lock_timeout;",
        "reset all;", "select set_config('lock_timeout', '0', true);", "do $$ begin set local lock_timeout = 0; end $$;",
        "alter role symphony_ingest set statement_timeout = 0;", "alter database symphony set lock_timeout = 0;",
        "set local transaction_timeout = 0;", "set local idle_in_transaction_session_timeout = 0;",
    ],
    "M04": ["do $$ begin null; end $$;", "do language plpgsql $$ begin create index on core.hot (n); end $$;"],
    "M05": [
        "create function core.f() returns int language sql return 1;", "create procedure core.f() language sql as 'select 1';",
        "create or replace function core.f() returns trigger language plpgsql as $$ begin return null; end $$;",
        "alter function core.f() security invoker;", "alter function core.f() reset search_path;",
        "alter function core.f() set search_path from current;",
    ],
    "M06": [
        "drop table core.ledger;", "truncate core.ledger;", "truncate core.cold, core.ledger;", "delete from core.ledger where n = 1;",
        "update core.ledger set n = 1 where n = 2;", "merge into core.ledger using core.cold on false when matched then delete;",
        "with gone as (delete from core.ledger returning *) select from gone;", "alter table core.ledger drop column n;",
        "alter table core.ledger disable trigger refuse_change;", "alter table core.ledger disable trigger all;",
        "alter table core.ledger enable trigger refuse_change;", "alter table core.ledger enable replica trigger refuse_change;",
        "drop trigger refuse_change on core.ledger;", "truncate core.busy;", "drop table core.hot_202601;",
        "create rule r as on delete to core.ledger do instead nothing;", "explain analyze delete from core.ledger;", "truncate core.ledger_202601;", "drop schema core cascade;",
    ],
    "M07": [
        "create index concurrently i on core.cold (n);", "drop index concurrently core.i;", "reindex index concurrently core.i;",
        "alter table core.hot detach partition core.hot_202601 concurrently;",
        ALONE + "create index concurrently if not exists i on core.cold (n);",
        ALONE + "create index concurrently i on core.cold (n); select 1;", ALONE + "create index i on core.cold (n);",
        ALONE + "select 1;", ALONE,
    ],
    "M08": [
        "alter table core.cold add column a integer not null;", "alter table core.cold add column a uuid default uuidv7();",
        "alter table core.cold add column a timestamptz default clock_timestamp();",
        "alter table core.cold add column a uuid default gen_random_uuid();",
        "alter table core.cold add column a text default 'x' || random()::text;",
        "alter table core.cold add column a text default core.volatile_of_ours();",
        "alter table core.cold add column a integer generated always as identity;", "alter table core.cold add column a bigserial;",
        "alter table core.cold add column a integer generated always as (n + 1) stored;",
        "alter table core.hot_202601 add column a integer not null;",
    ],
    "M09": [
        "alter table core.hot alter column n set not null;", "alter table core.ledger alter column n set not null;",
        "alter table core.hot add constraint there not null n;",
    ],
    "M10": [
        "alter table core.cold alter column n type bigint;", "alter table core.cold set unlogged;",
        "alter table core.cold set tablespace elsewhere;", "alter table core.cold set access method heap;",
        "alter table core.cold alter column n set expression as (1);", "update core.cold set n = 1;", "delete from core.cold;",
        "cluster core.cold using i;", "refresh materialized view core.m;", "update core.busy set n = 1 where id > 'a';",
        "delete from core.busy where n = 1;", "update core.hot_202601 set n = 1 where n = 2;",
        "merge into core.busy as b using core.cold as c on b.id = c.id when matched then update set n = 1;",
        "with gone as (delete from core.busy where n = 1 returning *) select from gone;",
        "insert into core.busy values ('a') on conflict (id) do update set n = 1;",
        "with gone as (delete from core.cold returning *) select from gone;",
    ],
    "M11": [
        "alter table core.cold rename to cool;", "alter table core.cold rename column n to m;",
        "alter table core.cold rename constraint a to b;", "alter index core.i rename to j;", "alter type core.t rename to u;",
        "alter type core.t rename value 'a' to 'b';", "alter type core.t rename attribute a to b;", "alter schema core rename to c;",
        "alter function core.f() rename to g;", "alter table core.cold set schema policy;", "alter view core.v rename column a to b;",
    ],
    "M12": [
        "create index i on core.cold (n);", "create unique index i on core.cold (n);", "drop index core.i;", "reindex table core.cold;",
        "reindex index core.i;", "create index on core.hot_202601 (n);",
    ],
    "M13": [
        "alter table core.cold add foreign key (id) references core.ledger;",
        "alter table core.cold add constraint c foreign key (id) references core.ledger (id);",
        "alter table core.cold add constraint c check (n > 1);", "alter table core.cold add constraint c unique (n);",
        "alter table core.cold add primary key (n);", "alter table core.cold add constraint c exclude (n with =);",
        "alter table core.cold add column a integer check (a > 1);", "alter table core.cold add column a uuid references core.ledger;",
        "alter table core.cold add column a integer unique;", "alter table core.ledger validate constraint n_is_there;",
        "alter table core.cold add constraint c check (n > 1) not valid; alter table core.cold validate constraint c;",
    ],
    "M14": [
        "create table core.hot_202601 partition of core.hot for values from ('a') to ('b');",
        "create table core.hot_rest partition of core.hot default;", "alter table core.hot detach partition core.hot_202601;",
        "create table core.hot_202601 (like core.hot); alter table core.hot attach partition core.hot_202601 for values from ('a') to ('b');",
    ],
    "M15": [
        "alter table core.hot add column a int; alter table core.busy add column a int;",
        "alter table core.hot add column a int; create index i on core.busy (n);",
        "create trigger t before insert on core.hot for each row execute function core.f(); truncate core.busy;",
        "create table core.made (id uuid references core.busy); alter table core.hot alter column n set default 1;",
        "create policy p on core.hot; drop trigger t on core.busy;",
        "alter table core.hot_202601 add column a int; drop table core.busy;",
    ],
    "M16": [
        "drop function core.used();", "drop function core.granted(text);", "drop function if exists core.named();",
        "drop routine core.used();", "drop function core.asked(text);",
    ],
    "M17": [
        "create table core.made (a int);", "create type core.made as enum ('a');", "create type core.made as (a int);",
        "create domain core.made as int;", "create sequence core.made;", "create view core.made as select 1 as a;", "create schema made;",
        "create table core.made (a int); alter table core.made owner to symphony_policy_owner;",
        "create schema made authorization symphony_core_owner;", "create schema core authorization symphony_core_owner create table t ();", "create type core.made as range (subtype = int4);",
        "create table core.made as select 1 as a;", "create materialized view core.made as select 1 as a;",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("gate", "new"), [(gate, new) for gate, planted in PLANTS.items() for new in planted])
def test_every_violation_is_found(tmp_path: Path, gate: str, new: str) -> None:
    things = [thing for thing, _detail in found(GATES[gate], _site(tmp_path, new))]
    assert things
    assert all(thing.partition(":")[0] == NEW for thing in things)


OWNED = "alter table core.made owner to symphony_core_owner;"
SAFE = {
    "nothing": "select 1;",
    "a new table in every way": f"create table core.made (a int not null, b uuid default uuidv7()) partition by range (b); {OWNED} "
    "create table core.made_1 partition of core.made default; alter table core.made_1 owner to symphony_core_owner; "
    "create index i on core.made (a); alter table core.made add constraint c check (a > 1), alter column a set not null;",
    "columns": "alter table core.hot add column a int, add column b int default 3, add column c timestamptz default now(), "
    "add column d text not null default 'x', add column e int generated always as (n + 1) virtual;",
    "a proved column": "alter table core.cold alter column n set not null;",
    "not valid": "alter table core.hot add constraint c check (n > 1) not valid, add constraint d not null n not valid;",
    "not enforced": "alter table core.hot add constraint c check (n > 1) not enforced;",
    "a foreign key": "alter table core.busy add constraint c foreign key (id) references core.cold not valid;",
    "using an index": "alter table core.cold add constraint c unique using index i;",
    "index alone": ALONE + "create index concurrently i on core.hot_202601 (n);",
    "validation alone": ALONE + "alter table core.ledger validate constraint n_is_there;",
    "index on only the parent": "create index i on only core.hot (n);",
    "attach under a check": "create table core.hot_209901 (like core.hot including all, constraint leaf check (id is not null));"
    "alter table core.hot_209901 owner to symphony_core_owner;"
    "alter table core.hot attach partition core.hot_209901 for values from ('a') to ('b');",
    "reloptions of two": "alter table core.hot set (fillfactor = 90); alter table core.busy set (fillfactor = 90);",
    "rows of an unguarded table": "update core.cold set n = 1 where n = 2; insert into core.ledger values (uuidv7(), 1);",
    "rows added to a hot table": "insert into core.busy values (uuidv7()) on conflict (id) do nothing;",
    "a schema": "create schema made authorization symphony_made_owner;",
    "an enum": "create type core.made as enum ('a'); alter type core.made owner to symphony_core_owner; alter type core.made add value 'b';",
    "a domain and a sequence": "create domain core.made as int; alter domain core.made owner to symphony_core_owner; "
    "create sequence core.s; alter sequence core.s owner to symphony_core_owner;",
    "a dropped function": "drop function core.gone();",
    "analyse": "analyze core.cold;",
}


@pytest.mark.parametrize("name", SAFE)
def test_safe_forms_are_green_everywhere(tmp_path: Path, name: str) -> None:
    site = _site(tmp_path, SAFE[name])
    results = [run(GATES[id], site) for id in TEXT_GATES]
    assert [(r.gate.id, r.verdict, r.findings, r.reason) for r in results if r.verdict != "PASS"] == []


@pytest.mark.parametrize(
    "path",
    [
        "sql/migrations/0004_new.down.sql", "sql/migrations/0004_down.sql", "sql/migrations/0004_revert_new.sql",
        "sql/migrations/0004_rollback.sql", "sql/migrations/down/0004_new.sql", "sql/migrations/0004_undo.txt",
        "sql/migrations/notes.md",
    ],
)  # fmt: skip
def test_files_that_take_back_are_found(tmp_path: Path, path: str) -> None:
    things = {thing for thing, _detail in found(GATES["M06"], _site(tmp_path, "select 1;", path))}
    assert things
    assert all(path.startswith(thing) for thing in things)


def test_a_validation_waits_for_the_release_after(tmp_path: Path) -> None:
    validate = "alter table core.ledger validate constraint n_is_there;"
    assert found(GATES["M13"], _site(tmp_path / "same", validate)) != []
    checkout(tmp_path / "next", OLD)
    release(tmp_path / "next")
    assert found(GATES["M13"], checkout(tmp_path / "next", {NEW: validate})) == []


@pytest.mark.parametrize("id", GATES)
def test_this_checkout_is_green(database_url: str, id: str) -> None:
    result = run(GATES[id], Site(database_url=database_url))
    assert (result.verdict, result.findings, result.reason) == ("PASS", (), "")


def test_an_allowance_without_need_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = "sql/migrations/0002_core.sql"
    monkeypatch.setitem(migrations_static.ALLOWED, ("M04", thing), "no reason")
    assert [o for o, _detail in found(GATES["M04"], Site())] == [thing]


def _change_a_byte(migrations: Path) -> str:
    path = migrations / "0002_checks.sql"
    path.write_bytes(path.read_bytes().replace(b"not valid", b"not  valid", 1))
    return path.name


def _delete(migrations: Path) -> str:
    (migrations / "0002_checks.sql").unlink()
    return "0002_checks.sql"


def _renumber(migrations: Path) -> str:
    (migrations / "0003_validated.sql").rename(migrations / "0004_validated.sql")
    return "0003_validated.sql"


def _squeeze_in(migrations: Path) -> str:
    (migrations / "0003_another.sql").write_text("select 1;", encoding="ascii")
    return "0003_another.sql"


@pytest.mark.parametrize("change", [_change_a_byte, _delete, _renumber, _squeeze_in])
def test_landed_migrations_are_immutable(tmp_path: Path, change: object) -> None:
    site = checkout(tmp_path, OLD)
    release(tmp_path)
    checkout(tmp_path, {NEW: "select 1;"})
    assert run(GATES["M18"], site).verdict == "PASS"
    assert callable(change)
    name = change(tmp_path / "sql" / "migrations")
    assert [thing for thing, _detail in found(GATES["M18"], site)] == [f"sql/migrations/{name}"]


def test_without_a_previous_release_there_is_nothing_landed(tmp_path: Path) -> None:
    assert run(GATES["M18"], _site(tmp_path, "select 1;")).verdict == "NOT_APPLICABLE"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (None, "RELEASE_FILE_INVALID"),
        ("{}", "RELEASE_FILE_INVALID"),
        ("no json", "RELEASE_FILE_INVALID"),
        ('{"previous": {"tag": "v1", "commit": "main"}}', "RELEASE_FILE_INVALID"),
        ('{"previous": {"tag": "v1", "commit": "%s"}}', "PREVIOUS_RELEASE_MISSING"),
    ],
)
def test_a_previous_release_that_cannot_be_read_is_red(tmp_path: Path, said: str | None, code: str) -> None:
    site = checkout(tmp_path, OLD)
    git(tmp_path, "init", "--quiet")
    if said is not None:
        (tmp_path / "release.json").write_text(said.replace("%s", "0" * 40), encoding="ascii")
    result = run(GATES["M18"], site)
    assert (result.verdict, code in result.reason) == ("ERROR", True)


def test_this_release_is_not_the_one_before(tmp_path: Path) -> None:
    """A release compared with itself differs in nothing: whatever was edited would be green."""
    site = checkout(tmp_path, {**OLD, "release.json": json.dumps({"release": "1", "previous": None})})
    release(tmp_path)  # commits it, and names it v1 before release 2
    assert run(GATES["M18"], site).verdict == "PASS"
    document = json.loads((tmp_path / "release.json").read_text(encoding="utf-8"))
    for changed in ({**document, "release": "1"}, {**document, "previous": {**document["previous"], "tag": "v7"}}):
        (tmp_path / "release.json").write_text(json.dumps(changed), encoding="utf-8")
        result = run(GATES["M18"], site)
        assert (result.verdict, "PREVIOUS_RELEASE_WRONG" in result.reason) == ("ERROR", True)
    aside = git(tmp_path, "commit-tree", "-m", "aside", "HEAD^{tree}")
    (tmp_path / "release.json").write_text(
        json.dumps({"release": "2", "previous": {"tag": "v1", "commit": aside}}), encoding="utf-8"
    )
    result = run(GATES["M18"], site)
    assert (result.verdict, "among the commits that led here" in result.reason) == ("ERROR", True)


@pytest.mark.parametrize(
    ("change", "thing"),
    [
        ("update core.schema_migration set sha256 = sha256('x') where version = 3", "migration 0003"),
        ("update core.schema_migration set name = 'other' where version = 3", "migration 0003"),
        ("delete from core.schema_migration where version = 3", "migration 0003"),
        ("insert into core.schema_migration values (9999, 'x', sha256('x'), now(), 1, 'x')", "migration 9999"),
    ],
)
def test_the_ledger_and_the_files_agree(database_url: str, change: str, thing: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("set local session_replication_role = replica")
        connection.execute("alter table core.schema_migration disable trigger all")
        connection.execute(change.encode())
        assert [o for o, _detail in found(GATES["M19"], Site(connection=connection))] == [thing]
        connection.rollback()
        assert found(GATES["M19"], Site(connection=connection)) == []
