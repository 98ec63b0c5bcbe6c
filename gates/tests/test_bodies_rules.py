"""What no body may do: each form is planted in the catalog (B..) and in a file (F..), and both gates name it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from gates import bodies, files_syntax
from gates.bodies import body_gates
from gates.files_functions import function_file_gates
from gates.gate import run
from gates.site import ROOT, Site
from gates.tests.checkouts import checkout, found

BODIES = {gate.id: gate for gate in body_gates()}
FILES = {gate.id: gate for gate in function_file_gates()}
PLANTED = "outbox.planted(text)"
HEAD = (
    "create or replace function outbox.planted(p_text text) returns {returns} language {language} volatile security definer "
    "set search_path = pg_catalog, pg_temp as $${body}$$;"
)


@pytest.fixture
def inside(database_url: str) -> Iterator[Connection[TupleRow]]:
    """A superuser's transaction, rolled back."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


def _plpgsql(statements: str, *, declare: str = "", returns: str = "void") -> str:
    body = f"\n{declare}\nbegin\n  {statements}\nend\n"
    return HEAD.format(returns=returns, language="plpgsql", body=body)


def _call(expression: str) -> str:
    return _plpgsql(f"perform {expression};")


# rule: name: (function, part of the detail)
CASES: dict[int, dict[str, tuple[str, str]]] = {
    1: {
        "two declare sections": (
            _plpgsql("declare v_a text; begin null; end;", declare="declare v_b text;"),
            "second DECLARE",
        ),
        "cursor": (_plpgsql("null;", declare="declare c cursor for select 1;"), "do not read this declaration"),
        "alias": (_plpgsql("null;", declare="declare a alias for p_text;"), "do not read this declaration"),
    },
    2: {
        "EXECUTE": (_plpgsql("execute p_text;"), "line 4 of the body: EXECUTE"),
        "EXECUTE INTO USING": (_plpgsql("execute p_text into v using 1;", declare="declare v text;"), "EXECUTE"),
        "EXECUTE of a constant": (_plpgsql("execute 'select 1';"), "EXECUTE"),
        "FOR IN EXECUTE": (
            _plpgsql("for r in execute p_text loop null; end loop;", declare="declare r record;"),
            "FOR … IN EXECUTE",
        ),
        "OPEN FOR EXECUTE": (
            _plpgsql("open c for execute p_text;", declare="declare c refcursor;"),
            "OPEN … FOR EXECUTE",
        ),
        "RETURN QUERY EXECUTE": (
            _plpgsql("return query execute p_text;", returns="setof text"),
            "RETURN QUERY EXECUTE",
        ),
        "in a handler": (_plpgsql("begin null; exception when unique_violation then execute p_text; end;"), "EXECUTE"),
        "in a nested block": (_plpgsql("if true then loop execute p_text; end loop; end if;"), "EXECUTE"),
        "in a body that cannot be read": (
            _plpgsql("declare v text; begin execute p_text; end;", declare="declare w text;"),
            "EXECUTE, in a body that cannot be parsed",
        ),
        "DO": (_plpgsql("do $x$ begin null; end $x$;"), "DO"),
    },
    3: {
        **{
            name: (_call(call), f"calls {name}")
            for name, call in {
                "query_to_xml": "query_to_xml(p_text, true, true, '')",
                "query_to_xml_and_xmlschema": "query_to_xml_and_xmlschema(p_text, true, true, '')",
                "query_to_xmlschema": "pg_catalog.query_to_xmlschema(p_text, true, true, '')",
                "cursor_to_xml": "cursor_to_xml('c', 1, true, true, '')",
                "table_to_xml": "table_to_xml('core.cell', true, true, '')",
                "schema_to_xml": "schema_to_xml('core', true, true, '')",
                "database_to_xml": "database_to_xml(true, true, '')",
                "ts_stat": "from ts_stat(p_text)",
                "ts_rewrite": "ts_rewrite('a'::tsquery, p_text)",
                "set_config": "set_config('search_path', p_text, true)",
                "pg_read_file": "pg_read_file(p_text)",
                "pg_read_binary_file": "pg_read_binary_file(p_text)",
                "pg_ls_dir": "pg_ls_dir(p_text)",
                "pg_stat_file": "pg_stat_file(p_text)",
                "lo_import": "lo_import(p_text)",
                "lo_from_bytea": "lo_from_bytea(0, '')",
                "lowrite": "lowrite(1, '')",
                "pg_terminate_backend": "pg_terminate_backend(1)",
                "pg_logical_emit_message": "pg_logical_emit_message(true, 'a', p_text)",
                "nextval": "nextval(p_text::regclass)",
                "currval": "currval(p_text)",
                "setval": "setval(p_text, 1)",
            }.items()
        },
        "dblink in any schema": (_call("tap.dblink_exec(p_text)"), "calls tap.dblink_exec, which is not ours"),
        "crosstab": (_call("public.crosstab(p_text)"), "calls public.crosstab, which is not ours"),
        "a table of others": (
            _plpgsql("insert into public.trap values (1);"),
            "touches public.trap, which is not ours",
        ),
        "a temporary table": (_plpgsql("perform from pg_temp.trap;"), "touches pg_temp.trap, which is not ours"),
        "inside a condition": (_plpgsql("if exists (select from ts_stat(p_text)) then null; end if;"), "calls ts_stat"),
        "in an assigned subscript": (_plpgsql("v[lo_get(1)] := 1;", declare="declare v integer[];"), "calls lo_get"),
        "in a default": (_plpgsql("null;", declare="declare v text := pg_read_file(p_text);"), "calls pg_read_file"),
        "regclass": (_plpgsql("perform p_text::regclass;"), "casts a value to regclass"),
        "regprocedure": (_plpgsql("perform cast(p_text || '()' as regprocedure);"), "casts a value to regprocedure"),
        "COPY": (_plpgsql("copy core.cell to program 'cat';"), "COPY"),
        "in SQL": (
            HEAD.format(returns="text", language="sql", body="select pg_read_file(p_text)"),
            "calls pg_read_file",
        ),
        "in a SQL-standard body": (
            "create or replace function outbox.planted(p_text text) returns xml language sql volatile security definer "
            "set search_path = pg_catalog, pg_temp return query_to_xml(p_text, true, true, '');",
            "calls query_to_xml",
        ),
        "in BEGIN ATOMIC": (
            "create or replace function outbox.planted(p_text text) returns text language sql volatile security definer "
            "set search_path = pg_catalog, pg_temp begin atomic select 1; select pg_read_file(p_text); end;",
            "calls pg_read_file",
        ),
    },
    4: {
        "alone": (_plpgsql("begin null; exception when others then null; end;"), "WHEN OTHERS"),
        "among others": (
            _plpgsql("begin null; exception when unique_violation or others then null; end;"),
            "WHEN OTHERS",
        ),
        "at the top": (_plpgsql("null;\nexception when others then raise;"), "WHEN OTHERS"),
    },
    5: {
        "COMMIT": (_plpgsql("commit;"), "COMMIT"),
        "ROLLBACK AND CHAIN": (_plpgsql("rollback and chain;"), "ROLLBACK"),
        "SAVEPOINT": (_plpgsql("savepoint a;"), "transaction control"),
    },
    6: {
        "CREATE TABLE": (_plpgsql("create table outbox.made ();"), "Create"),
        "CREATE TEMPORARY TABLE AS": (_plpgsql("create temp table made as select 1;"), "CreateTableAs"),
        "ALTER TABLE": (_plpgsql("alter table core.cell disable trigger all;"), "AlterTable"),
        "DROP": (_plpgsql("drop table core.cell;"), "Drop"),
        "TRUNCATE": (_plpgsql("truncate core.cell;"), "Truncate"),
        "GRANT": (_plpgsql("grant all on core.cell to public;"), "Grant"),
        "SET": (_plpgsql("set local session_replication_role = replica;"), "VariableSet"),
        "SET ROLE": (_plpgsql("set local role postgres;"), "VariableSet"),
        "CREATE FUNCTION": (
            _plpgsql("create function outbox.made() returns int language sql return 1;"),
            "CreateFunction",
        ),
        "NOTIFY": (_plpgsql("notify channel;"), "Notify"),
    },
    7: {
        "relation": (_plpgsql("perform from claim_gate;"), "relation claim_gate has no schema"),
        "inserted into": (_plpgsql("insert into claim_gate values (1);"), "relation claim_gate has no schema"),
        "in a subquery of an expression": (
            _plpgsql("if (select true from cell) then null; end if;"),
            "relation cell has no schema",
        ),
        "a CTE elsewhere": (
            _plpgsql("perform from (with cell as (select 1) select from cell) as a, cell;"),
            "relation cell has no schema",
        ),
        "function": (_call("get_cell()"), "function get_cell has no schema"),
        "function in FROM": (_plpgsql("perform from list_reasons();"), "function list_reasons has no schema"),
        "type": (_plpgsql("perform p_text::attempt_state;"), "type attempt_state has no schema"),
        "declared type": (_plpgsql("null;", declare="declare v attempt_state;"), "type attempt_state has no schema"),
        "row type": (_plpgsql("null;", declare="declare v claim_gate%rowtype;"), "claim_gate%rowtype has no schema"),
    },
}
PLANTS = [(rule, name) for rule, cases in CASES.items() for name in cases]
NEIGHBOURS = {
    "sql/migrations/0001_a.sql": "create type outbox.attempt_state as enum ('A');",
    "sql/functions/core/get_cell.sql": "create or replace function core.get_cell() returns int language sql stable return 1;",
    "sql/functions/core/list_reasons.sql": "create or replace function core.list_reasons() returns int language sql return 1;",
}
type Findings = list[tuple[str, str, str]]


def _name(rule: int, name: str) -> str:
    return f"outbox.planted_{PLANTS.index((rule, name))}"


def _statement(rule: int, name: str) -> str:
    return CASES[rule][name][0].replace("outbox.planted", _name(rule, name))


@pytest.fixture(scope="module")
def in_the_catalog(database_url: str) -> Findings:
    """What every gate finds when all are planted at once: (gate, object, detail)."""
    with psycopg.connect(database_url) as connection:
        connection.execute("set local check_function_bodies = off")
        for rule, name in PLANTS:
            connection.execute(_statement(rule, name).encode())
        site = Site(connection=connection)
        looked = [(id, *one) for id in BODIES if id not in ("B10", "B20") for one in found(BODIES[id], site)]
        connection.rollback()
    return looked


@pytest.fixture(scope="module")
def in_files(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """The same, each in a file of its own."""
    planted = {f"sql/functions/{_name(*plant).replace('.', '/')}.sql": _statement(*plant) for plant in PLANTS}
    site = checkout(tmp_path_factory.mktemp("checkout"), {**NEIGHBOURS, **planted})
    return [(id, *one) for id in FILES for one in found(FILES[id], site)]


@pytest.mark.parametrize(("rule", "name"), PLANTS)
def test_the_catalog_gate_names_it(in_the_catalog: Findings, rule: int, name: str) -> None:
    thing, gate = f"{_name(rule, name)}(text)", f"B{rule:02}"
    details = [detail for id, o, detail in in_the_catalog if (id, o) == (gate, thing)]
    assert any(CASES[rule][name][1] in detail for detail in details), details


@pytest.mark.parametrize(("rule", "name"), PLANTS)
def test_the_file_gate_names_it(in_files: Findings, rule: int, name: str) -> None:
    planted, gate = _name(rule, name), f"F{rule:02}"
    thing = f"sql/functions/{planted.replace('.', '/')}.sql: {planted}"
    details = [detail for id, o, detail in in_files if (id, o) == (gate, thing)]
    assert any(CASES[rule][name][1] in detail for detail in details), details


def test_nothing_else_is_named(in_the_catalog: Findings, in_files: Findings) -> None:
    assert {o for _id, o, _detail in in_the_catalog} == {f"{_name(*plant)}(text)" for plant in PLANTS}
    rules = {f"F{rule:02}" for rule in CASES}
    assert {o.partition(": ")[2] for id, o, _detail in in_files if id in rules} == {_name(*plant) for plant in PLANTS}


@pytest.mark.parametrize("id", [id for id in BODIES if id not in ("B10", "B20")])
def test_bodies_are_green_on_a_fresh_database(database_url: str, id: str) -> None:
    result = run(BODIES[id], Site(database_url=database_url))
    assert (result.verdict, result.findings, result.reason) == ("PASS", (), "")


@pytest.mark.parametrize("id", FILES)
def test_files_are_green_on_this_checkout(id: str) -> None:
    result = run(FILES[id], Site())
    assert (result.verdict, result.findings, result.reason) == ("PASS", (), "")


def test_the_one_allowed_function_may_not_become_a_definer(inside: Connection[TupleRow]) -> None:
    inside.execute("alter function core.create_month_partition(text, text, date) security definer")
    objects = {thing for thing, _detail in found(BODIES["B02"], Site(connection=inside))}
    assert objects == {"core.create_month_partition(text,text,date)"}


CHANGED = "begin\n  execute p_table;\n"


def test_the_one_allowed_function_is_allowed_with_its_body_only(inside: Connection[TupleRow], tmp_path: Path) -> None:
    file = Path("sql/functions/core/create_month_partition.sql")
    text = (ROOT / file).read_text(encoding="utf-8")
    changed = text.replace("begin\n", CHANGED, 1)
    assert changed != text
    site = checkout(tmp_path, {file.as_posix(): text})
    assert found(FILES["F02"], site) == []
    things = {thing for thing, _detail in found(FILES["F02"], checkout(tmp_path, {file.as_posix(): changed}))}
    assert things == {f"{file.as_posix()}: core.create_month_partition"}
    inside.execute(changed.encode())
    objects = {thing for thing, _detail in found(BODIES["B02"], Site(connection=inside))}
    assert objects == {"core.create_month_partition(text,text,date)"}


def test_an_allowance_without_need_is_a_finding(inside: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bodies.ALLOWED, (2, "core.get_cell", "0" * 64), "no reason")
    assert found(BODIES["B02"], Site(connection=inside)) == [
        ("core.get_cell", "it is allowed to break this rule (gates/bodies.py) and does not: take the entry out")
    ]


def test_a_function_in_no_file_is_looked_at(inside: Connection[TupleRow]) -> None:
    inside.execute(_plpgsql("execute p_text;").replace("outbox.planted", "routing.nobody_knows").encode())
    assert [thing for thing, _detail in found(BODIES["B02"], Site(connection=inside))] == ["routing.nobody_knows(text)"]


def test_another_language_cannot_be_read(inside: Connection[TupleRow]) -> None:
    inside.execute("create function outbox.planted(text) returns text language internal as 'upper'")
    assert found(BODIES["B01"], Site(connection=inside)) == [
        (PLANTED, "language internal: only sql and plpgsql can be read")
    ]


def test_without_the_parser_the_gates_are_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_syntax, "tool", files_syntax.tool.__wrapped__)
    monkeypatch.setattr(importlib, "import_module", _no_module)
    files_syntax.statements.cache_clear()
    result = run(FILES["F01"], Site())
    assert result.verdict == "ERROR"
    assert "GATE_TOOLS_MISSING" in result.reason
    assert "scripts/setup --test" in result.reason


def _no_module(name: str) -> None:
    raise ImportError(name)
