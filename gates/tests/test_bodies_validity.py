"""Body validity: what CREATE FUNCTION lets pass and the first call would meet, in branches that no test reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.bodies import body_gates
from gates.bodies_catalog import managed_functions
from gates.bodies_validity import flaws
from gates.gate import run
from gates.site import Site

GATE = {gate.id: gate for gate in body_gates()}["B10"]


@pytest.fixture
def inside(database_url: str) -> Iterator[Connection[TupleRow]]:
    """A superuser's transaction, rolled back."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


def _wrong(connection: Connection[TupleRow], statements: Mapping[str, str]) -> dict[str, list[str]]:
    """Create every function under a name of its own, owned as ours are, and return what is wrong with each."""
    names = {f"outbox.planted_{n}": key for n, key in enumerate(statements)}
    connection.execute("set local check_function_bodies = on")
    for name, key in names.items():
        connection.execute(statements[key].replace("planted", name.partition(".")[2]).encode())
        connection.execute(f"alter routine {name} owner to symphony_outbox_owner".encode())
    planted = [function for function in managed_functions(connection) if function.name in names]
    return {names[function.name]: list(flaws(connection, function)) for function in planted}


@pytest.fixture(scope="module")
def judged(database_url: str) -> dict[str, list[str]]:
    """What is wrong with every bug and every sound function, planted together in one transaction."""
    with psycopg.connect(database_url) as connection:
        wrong = _wrong(
            connection,
            {**{f"bug {k}": v for k, (v, _e) in BUGS.items()}, **{f"sound {k}": v for k, v in SOUND.items()}},
        )
        connection.rollback()
    return wrong


def _function(
    body: str, *, returns: str = "void", declare: str = "", security: str = "definer", parameters: str = ""
) -> str:
    section = f"declare {declare}\n" if declare else ""
    return (
        f"create function outbox.planted({parameters or 'p_rail text, p_limit integer'}) returns {returns} language plpgsql "
        f"volatile security {security} set search_path = pg_catalog, pg_temp as $$\n{section}begin\n"
        f"  if p_limit = 47 then\n    {body}\n  end if;\nend\n$$;"
    ).replace("p_limit = 47", "pg_backend_pid() = 0")


G = "outbox.claim_gate as g"
ROWS = "table (rail text, due timestamptz)"
BUGS = {
    "wrong column": (_function(f"perform g.rial from {G};"), "42703 column g.rial does not exist"),
    "wrong table": (
        _function("perform from outbox.claim_gates;"),
        '42P01 relation "outbox.claim_gates" does not exist',
    ),
    "wrong schema": (_function("perform from outbx.claim_gate;"), '42P01 relation "outbx.claim_gate" does not exist'),
    "missing function": (
        _function("perform outbox.nothing(p_rail);"),
        "42883 function outbox.nothing(text) does not exist",
    ),
    "wrong argument type": (_function("perform core.epoch_us(p_limit);"), "42883 function core.epoch_us(integer)"),
    "wrong argument name": (
        _function("perform core.epoch_us(p_when => now());"),
        "42883 function core.epoch_us(p_when =>",
    ),
    "too few arguments": (_function("perform core.commitment();"), "42883 function core.commitment() does not exist"),
    "unknown type": (_function("perform p_rail::outbox.nothing;"), '42704 type "outbox.nothing" does not exist'),
    "unqualified name": (_function("perform from claim_gate;"), '42P01 relation "claim_gate" does not exist'),
    "unknown variable": (_function("perform v_nothing;"), '42703 column "v_nothing" does not exist'),
    "wrong assignment": (
        _function("v_n := p_rail;", declare="v_n integer;"),
        "text is assigned to v_n of type integer",
    ),
    "wrong default": (_function("null;", declare="v_n integer := core.nothing();"), "42883 function core.nothing()"),
    "default of another type": (
        _function("null;", declare="v_n integer := now();"),
        "timestamp with time zone is assigned",
    ),
    "enum literal assigned": (
        _function("v_s := 'DISPATCHEDX';", declare="v_s outbox.attempt_state;"),
        '22P02 invalid input value for enum outbox.attempt_state: "DISPATCHEDX"',
    ),
    "enum literal of a case": (
        _function(
            "v_s := case when p_limit > 1 then 'FAILED' else 'FAILEDX' end;", declare="v_s outbox.attempt_state;"
        ),
        '22P02 invalid input value for enum outbox.attempt_state: "FAILEDX"',
    ),
    "text of a case": (
        _function("v_s := case when p_limit > 1 then 'FAILED' else p_rail end;", declare="v_s outbox.attempt_state;"),
        "text is assigned to v_s of type outbox.attempt_state",
    ),
    "field of a function's row": (
        _function(
            "r := outbox.judge(null, null, null, null, null, null, null, null, null, null, null, null, null, null); perform r.x;",
            declare="r record;",
        ),
        '42703 record "r" has no field "x"',
    ),
    "enum literal compared": (
        _function("perform from outbox.payment_outbox_attempts as a where a.state = 'DONE';"),
        '22P02 invalid input value for enum outbox.attempt_state: "DONE"',
    ),
    "ambiguous column": (
        _function(f"perform rail from {G};", declare="rail text;"),
        '42702 column reference "rail" is ambiguous',
    ),
    "unknown field of a record": (
        _function(f"for r in select g.rail from {G} loop perform r.rial; end loop;", declare="r record;"),
        '42703 record "r" has no field "rial"',
    ),
    "field of a record never assigned": (
        _function("perform r.rail;", declare="r record;"),
        '55000 record "r" is not assigned yet',
    ),
    "unknown field of a row": (
        _function(f"select g.* into v_g from {G}; perform v_g.rial;", declare="v_g outbox.claim_gate;"),
        "42703",
    ),
    "field assigned that is not there": (_function("v_g.rial := 'x';", declare="v_g outbox.claim_gate;"), "42703"),
    "returns too few columns": (
        _function(f"return query select g.rail from {G};", returns=ROWS),
        "fewer than the 2 columns",
    ),
    "returns too many columns": (
        _function(f"return query select g.*, 1 from {G};", returns=ROWS),
        "4 columns where 2 are taken",
    ),
    "returns another type": (
        _function("return query select 1, now();", returns=ROWS),
        "column 1 of what it returns is integer instead of text",
    ),
    "returns a wider type": (
        _function("return query select 1::integer;", returns="setof bigint"),
        "column 1 of what it returns is integer instead of bigint",
    ),
    "returns another value": (
        _function("return now();", returns="integer"),
        "is assigned to the result of type integer",
    ),
    "into fewer variables": (
        _function(f"select g.rail, 1 into v_r from {G};", declare="v_r text;"),
        "2 columns where 1",
    ),
    "into more variables": (
        _function(f"select g.rail into v_r, v_n from {G};", declare="v_r text; v_n integer;"),
        "fewer than the 2 columns",
    ),
    "into another type": (
        _function(f"select g.cursor_due_at into v_n from {G};", declare="v_n integer;"),
        "timestamp with time zone is assigned",
    ),
    "into a row of other columns": (
        _function(f"select g.rail, g.rail, g.rail into v_g from {G};", declare="v_g outbox.claim_gate;"),
        "text is assigned to field cursor_due_at",
    ),
    "returning into another type": (
        _function("delete from outbox.claim_gate as g returning g.full_scan_at into v_n;", declare="v_n integer;"),
        "timestamp with time zone is assigned",
    ),
    "condition that is none": (
        _function("if p_rail then null; end if;"),
        "text is assigned to a condition of type boolean",
    ),
    "while of a number": (_function("while p_limit loop null; end loop;"), "integer is assigned to a condition"),
    "missing table privilege": (_function("perform from policy.halts;"), "42501 permission denied for table halts"),
    "missing execute": (
        _function("perform core.establish_cell('a', 1);"),
        "42501 permission denied for function establish_cell",
    ),
    "missing schema usage": (
        _function("perform from rails.rail_messages;"),
        "42501 permission denied for schema rails",
    ),
    "insert of an unknown column": (_function("insert into outbox.claim_gate (rial) values ('x');"), "42703"),
    "insert of another type": (
        _function("insert into outbox.claim_gate values ('x', p_limit, now());"),
        '42804 column "cursor_due_at" is of type timestamp with time zone',
    ),
    "insert with too few values": (
        _function("insert into outbox.claim_gate (rail, full_scan_at) values ('x');"),
        "42601",
    ),
    "conflict target without index": (
        _function("insert into outbox.claim_gate values ('x', now(), now()) on conflict (full_scan_at) do nothing;"),
        "42P10",
    ),
    "missing group by": (_function(f"perform g.rail, count(*) from {G};"), "42803"),
    "column of a CTE": (
        _function("with c as (select 1 as a) insert into outbox.claim_gate select c.b from c;"),
        "42703",
    ),
    "loop over other columns": (
        _function(f"for v_n in select g.rail from {G} loop null; end loop;", declare="v_n integer;"),
        "text is assigned",
    ),
    "loop bound": (_function("for i in 1..now() loop null; end loop;"), "timestamp with time zone is assigned"),
    "foreach over a scalar": (
        _function("foreach v_n in array p_limit loop null; end loop;", declare="v_n integer;"),
        "42804",
    ),
    "foreach of another type": (
        _function("foreach v_n in array array[now()] loop null; end loop;", declare="v_n integer;"),
        "timestamp with time zone is assigned",
    ),
    "case of another type": (
        _function("case p_limit when 'a'::text then null; end case;"),
        "42883 operator does not exist",
    ),
    "raise": (_function("raise exception 'x %', r.y;", declare="r outbox.claim_gate;"), "42703"),
    "raise using": (_function("raise exception using detail = v_nothing;"), '42703 column "v_nothing"'),
    "in a handler": (
        _function("begin null; exception when unique_violation then perform v_nothing; end;"),
        '42703 column "v_nothing"',
    ),
    "sqlstate outside a handler": (_function("perform sqlstate;"), '42703 column "sqlstate" does not exist'),
    "counter outside its loop": (_function("for i in 1..2 loop null; end loop; perform i;"), '42703 column "i"'),
    "lock of a missing table": (
        _function("lock table outbox.nothing;"),
        '42P01 relation "outbox.nothing" does not exist',
    ),
    "subscript": (_function("v_a[g.x] := 1;", declare="v_a integer[];"), "42P01"),
    "element of another type": (
        _function("v_a[1] := now();", declare="v_a integer[];"),
        "timestamp with time zone is assigned",
    ),
    "call": (_function("call outbox.nothing();"), "the gates do not read CALL"),
    "ddl": (_function("create table outbox.made ();"), "Create cannot be planned ahead"),
    "nested declare": (
        _function("declare v_n integer; begin null; end;", declare="v_m text;"),
        "a second DECLARE section",
    ),
    "cursor": (_function("null;", declare="c cursor for select 1;"), "do not read this declaration"),
}


@pytest.mark.parametrize("name", BUGS)
def test_every_bug_is_found_in_a_branch_that_is_never_reached(judged: dict[str, list[str]], name: str) -> None:
    found = judged[f"bug {name}"]
    assert any(BUGS[name][1] in flaw for flaw in found), found


SOUND = {
    "parameters by the function's name": _function(f"perform from {G} where g.rail = planted.p_rail;"),
    "columns win": _function(f"perform rail from {G};", declare="rail text;").replace(
        "$$\n", "$$\n#variable_conflict use_column\n", 1
    ),
    "records": _function(
        f"for r in select g.*, 1 as n from {G} loop v_n := r.n; select r.rail as a into s; perform s.a; end loop;",
        declare="r record; s record; v_n bigint;",
    ),
    "a record assigned": _function("r := core.get_cell(); perform r.epoch;", declare="r record;"),
    "rows": _function(
        f"select g.* into strict v_g from {G}; v_g.rail := p_rail; v_h := v_g; v_h := row('a', now(), now());",
        declare="v_g outbox.claim_gate; v_h outbox.claim_gate%rowtype;",
    ),
    "types of columns": _function("v_r := p_rail;", declare="v_r outbox.claim_gate.rail%type;"),
    "literals": _function(
        "v_s := 'FAILED'; v_t := null; v_n := 1; v_a[2] := 3; v_d := '2 s';",
        declare="v_s outbox.attempt_state; v_t timestamptz; v_n bigint; v_a smallint[]; v_d interval;",
    ),
    "handlers": _function(
        "begin null; exception when unique_violation or check_violation then get stacked diagnostics v_m = message_text; "
        "raise exception '% %', sqlstate, sqlerrm using errcode = 'SX001', detail = v_m; end;",
        declare="v_m text;",
    ),
    "loops": _function(
        "for i in reverse 10..1 by 2 loop exit when i = 3; end loop; foreach v_n in array array[1, 2] loop continue; end loop; "
        "while not found loop null; end loop; for v_n, v_t in select 1, 'a' loop null; end loop;",
        declare="v_n integer; v_t text;",
    ),
    "case": _function(
        "case p_rail when 'a', 'b' then null; else null; end case; case when p_limit > 1 then null; end case;"
    ),
    "returning": _function(
        "update outbox.claim_gate as g set rail = g.rail returning g.rail, 1 into v_r, v_n; get diagnostics v_n = row_count; "
        "merge into outbox.claim_gate as g using (values (p_rail)) as v(rail) on g.rail = v.rail when matched then delete;",
        declare="v_r text; v_n integer;",
    ),
    "rows returned": _function(
        f"return query select g.rail, g.full_scan_at from {G}; return next; return;", returns=ROWS
    ),
    "rows of a table": _function(
        f"return query select g.* from {G}; return next v_g;",
        returns="setof outbox.claim_gate",
        declare="v_g outbox.claim_gate;",
    ),
    "out parameters": _function(
        "planted.o_n := 1; o_t := 'a'; next.rail := p_rail; io.rail := next.rail; return;",
        returns="record",
        parameters="p_rail text, p_limit integer, out o_n int, out o_t text, out next outbox.claim_gate, inout io outbox.claim_gate",
    ),
    "one row out": _function(
        "next.rail := p_rail;",
        returns="outbox.claim_gate",
        parameters="p_rail text, p_limit integer, out next outbox.claim_gate",
    ),
    "a case of literals": _function(
        "v_s := case when p_limit > 1 then 'FAILED' when p_limit > 0 then null else 'VOIDED' end;",
        declare="v_s outbox.attempt_state;",
    ),
    "a function's row": _function(
        "r := outbox.judge(null, null, null, null, null, null, null, null, null, null, null, null, null, null); v_s := r.state;",
        declare="r record; v_s outbox.attempt_state;",
    ),
    "locks": _function("lock table outbox.claim_gate in share mode;"),
    "declared with constants": _function(
        "v_t := v_c || v_d;",
        declare="v_c constant text := 'a'; v_d text collate \"C\" not null default 'b'; v_t text = 'c';",
    ),
    "functions of arrays of nulls": _function("v_a := array_fill(null::text, array[p_limit]);", declare="v_a text[];"),
    "privileges of the caller": _function("perform from policy.halts;", security="invoker"),
    "a labelled block": _function("null;").replace(
        "begin\n", "<<whole>>\ndeclare v_n integer;\nbegin\n whole.v_n := 1;", 1
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_works_is_let_pass(judged: dict[str, list[str]], name: str) -> None:
    assert judged[f"sound {name}"] == []


TRIGGER = """
create function outbox.planted() returns trigger language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and old.rail = tg_argv[0] then
    new.{field} := tg_table_name;
    return old;
  end if;
  return new;
end
$$;
create trigger planted before update on outbox.claim_gate for each row execute function outbox.planted('x');
"""


def test_a_trigger_is_held_against_its_table(inside: Connection[TupleRow]) -> None:
    with inside.transaction(force_rollback=True):
        assert _wrong(inside, {"": TRIGGER.format(field="rail")}) == {"": []}
    ((flaw,),) = _wrong(inside, {"": TRIGGER.format(field="rial")}).values()
    assert "42703" in flaw
    assert "rial" in flaw


def test_the_gate_names_every_function_that_a_dropped_column_breaks(inside: Connection[TupleRow]) -> None:
    site = Site(connection=inside)
    assert run(GATE, site).verdict == "PASS"
    inside.execute("alter table outbox.claim_gate drop column full_scan_at")
    result = run(GATE, site)
    assert result.verdict == "FAIL"
    assert {finding.object.partition("(")[0] for finding in result.findings} == {
        "outbox.claim_outbox_batch",
        "outbox.open_claim_gate",
    }
    assert all("full_scan_at" in finding.detail for finding in result.findings if "42703" in finding.detail)


def test_a_sql_function_whose_body_is_a_string_is_a_finding(inside: Connection[TupleRow]) -> None:
    inside.execute("create function outbox.planted() returns integer language sql stable as 'select 1'")
    (finding,) = GATE.findings(Site(connection=inside))
    assert finding.object == "outbox.planted()"
    assert "nothing checks it" in finding.detail


def test_looking_changes_nothing(database_url: str) -> None:
    count = "select (select count(*) from pg_class), (select count(*) from pg_proc), (select count(*) from outbox.claim_gate)"
    with psycopg.connect(database_url, autocommit=True) as connection:
        before = connection.execute(count).fetchone()
        assert run(GATE, Site(database_url=database_url)).verdict == "PASS"
        assert connection.execute(count).fetchone() == before
