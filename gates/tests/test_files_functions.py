"""Function files: attributes, search_path, names, owner and revoke. Each violation is one edit of a good file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates.files_functions import function_file_gates
from gates.gate import run
from gates.tests.checkouts import checkout, found

GATES = {gate.id: gate for gate in function_file_gates()}
PATH = "sql/functions/outbox/planted.sql"
GOOD = """\
create or replace function outbox.planted(p_text text, p_on core.cell[] default null, out o_n integer) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
begin
  o_n := 1;
end
$$;
alter function outbox.planted(text, core.cell[]) owner to symphony_outbox_owner;
revoke all on function outbox.planted(text, core.cell[]) from public;
comment on function outbox.planted(text, core.cell[]) is 'x';
"""
VIEW = """\
create or replace view outbox.planted with (security_barrier = true) as select 1 as a;
alter view outbox.planted owner to symphony_outbox_owner;
"""
PINNED = "set search_path = pg_catalog, pg_temp\n"
OWNER = "alter function outbox.planted(text, core.cell[]) owner to symphony_outbox_owner;\n"
REVOKE = "revoke all on function outbox.planted(text, core.cell[]) from public;\n"
FUNCTION = f"{PATH}: outbox.planted"

# gate, name: (replaced, by, object, part of the detail); an empty «replaced» appends
EDITS: dict[tuple[str, str], tuple[str, str, str, str]] = {
    ("F08", "no security"): (" security definer", "", FUNCTION, "SECURITY DEFINER or SECURITY INVOKER"),
    ("F08", "no volatility"): (" volatile", "", FUNCTION, "VOLATILE, STABLE or IMMUTABLE"),
    ("F08", "leakproof"): (" volatile", " volatile leakproof", FUNCTION, "LEAKPROOF"),
    ("F08", "altered to definer"): ("", "alter function outbox.planted security definer;", PATH, "alter function"),
    ("F08", "path reset"): ("", "alter function outbox.planted reset search_path;", PATH, "reset search_path"),
    ("F08", "all reset"): ("", "alter function outbox.planted reset all;", PATH, "reset all"),
    ("F08", "do block"): ("", "do $x$ begin null; end $x$;", PATH, "do $x$"),
    ("F08", "table"): ("", "create table outbox.t ();", PATH, "create table"),
    ("F08", "trigger disabled"): ("", "alter table core.cell disable trigger all;", PATH, "disable trigger"),
    ("F08", "column dropped"): ("", "alter table core.cell drop column epoch;", PATH, "drop column"),
    ("F08", "session set"): ("", "set search_path = public;", PATH, "set search_path"),
    ("F08", "not applicable again"): ("create or replace", "create", PATH, "without OR REPLACE"),
    ("F09", "not set"): (PINNED, "", FUNCTION, "search_path is not set"),
    ("F09", "empty"): (PINNED, "set search_path = ''\n", FUNCTION, "is not pg_catalog, pg_temp"),
    ("F09", "without pg_temp"): (PINNED, "set search_path = pg_catalog\n", FUNCTION, "is not pg_catalog, pg_temp"),
    ("F09", "pg_temp first"): (PINNED, "set search_path = pg_temp, pg_catalog\n", FUNCTION, "is not pg_catalog, pg_temp"),
    ("F09", "a schema more"): (PINNED, "set search_path = pg_catalog, core, pg_temp\n", FUNCTION, "is not pg_catalog"),
    ("F09", "one string"): (PINNED, "set search_path = 'pg_catalog, pg_temp'\n", FUNCTION, "is not pg_catalog, pg_temp"),
    ("F09", "of the session"): (PINNED, "set search_path from current\n", FUNCTION, "is not pg_catalog, pg_temp"),
    ("F09", "default"): (PINNED, "set search_path to default\n", FUNCTION, "is not pg_catalog, pg_temp"),
    ("F09", "set again"): (PINNED, PINNED + "set search_path = public\n", FUNCTION, "is not pg_catalog, pg_temp"),
    ("F10", "another name"): ("outbox.planted", "outbox.other", f"{PATH}: outbox.other", "the file is not named like it"),
    ("F10", "another schema"): ("outbox.planted", "core.planted", f"{PATH}: core.planted", "the file is not named like it"),
    ("F10", "two functions"): ("", GOOD.replace("planted", "second"), PATH, "it defines outbox.planted, outbox.second"),
    ("F10", "overload"): ("", GOOD.replace("core.cell[]", "integer"), "outbox.planted", "it is defined 2 times"),
    ("F10", "nothing"): (GOOD, "comment on schema outbox is 'x';", PATH, "no function, no view and no trigger"),
    ("F03", "view"): ("", "create view outbox.v as select query_to_xml('x', true, true, '');", PATH, "calls query_to_xml"),
    ("F03", "default of a parameter"): ("p_text text,", "p_text text default pg_read_file('x'),", PATH, "calls pg_read_file"),
    ("F03", "when of a trigger"): (
        "", "create trigger t before insert on outbox.t for each row when (pg_catalog.set_config('a.b', new.c, false) > '') "
        "execute function core.refuse_change();", PATH, "calls set_config"),
    ("F03", "dblink in a view"): ("", "create view outbox.v as select public.dblink_exec('x');", PATH, "calls public.dblink_exec"),
    ("F03", "table of others in a view"): ("", "create view outbox.v as select 1 from public.trap;", PATH, "touches public.trap"),
    ("F11", "no owner"): (OWNER, "", FUNCTION, "no line makes symphony_outbox_owner its owner"),
    ("F11", "another owner"): ("symphony_outbox_owner", "symphony_core_owner", FUNCTION, "symphony_outbox_owner its owner"),
    ("F11", "owner of an overload"): (OWNER, OWNER.replace("text, ", ""), FUNCTION, "symphony_outbox_owner its owner"),
    ("F11", "not revoked"): (REVOKE, "", FUNCTION, "no line revokes all on it from public"),
    ("F11", "revoked from another"): (REVOKE, REVOKE.replace("public", "symphony_ingest"), FUNCTION, "no line revokes"),
    ("F11", "only some revoked"): (REVOKE, REVOKE.replace("revoke all", "revoke grant option for all"), FUNCTION, "no line revokes"),
    ("F11", "granted"): (REVOKE, REVOKE + "grant execute on function outbox.planted to symphony_ingest;", PATH, "a grant"),
}  # fmt: skip


@pytest.mark.parametrize(("gate", "name"), EDITS)
def test_every_edit_is_found(tmp_path: Path, gate: str, name: str) -> None:
    old, new, thing, detail = EDITS[gate, name]
    assert old in GOOD
    text = GOOD.replace(old, new) if old else GOOD + new
    assert any(o == thing and detail in d for o, d in found(GATES[gate], checkout(tmp_path, {PATH: text})))


@pytest.mark.parametrize("text", [GOOD, VIEW], ids=["function", "view"])
def test_a_good_file_is_green_everywhere(tmp_path: Path, text: str) -> None:
    site = checkout(tmp_path, {PATH: text})
    assert {gate.id: run(gate, site).verdict for gate in GATES.values()} == dict.fromkeys(GATES, "PASS")


def test_a_view_without_its_owner_is_found(tmp_path: Path) -> None:
    site = checkout(tmp_path, {PATH: VIEW.replace("symphony_outbox_owner", "symphony_core_owner")})
    assert found(GATES["F11"], site) == [(FUNCTION, "no line gives it its context's owner")]


def test_sql_functions_that_can_be_inlined_need_no_path_but_definers_do(tmp_path: Path) -> None:
    text = (
        "create or replace function outbox.planted() returns integer language sql stable {} return 1;\n"
        "alter function outbox.planted() owner to symphony_outbox_owner;\n"
        "revoke all on function outbox.planted() from public;\n"
    )
    assert found(GATES["F09"], checkout(tmp_path, {PATH: text.format("")})) == []
    assert found(GATES["F09"], checkout(tmp_path, {PATH: text.format("security definer")})) == [
        (FUNCTION, "search_path is not set")
    ]
    string = text.format("").replace("return 1", "as 'select 1'")
    assert found(GATES["F09"], checkout(tmp_path, {PATH: string})) == [(FUNCTION, "search_path is not set")]


def test_a_file_that_cannot_be_parsed_is_red(tmp_path: Path) -> None:
    ((thing, detail),) = found(GATES["F01"], checkout(tmp_path, {PATH: "\\i other.sql\n" + GOOD}))
    assert thing == PATH
    assert "syntax error" in detail
