"""sql/grants.sql: what is no grant is red, whatever it is, and so is a changed block."""

from __future__ import annotations

from pathlib import Path

import pytest

from gates.files_grants import grant_file_gates
from gates.gate import run
from gates.site import ROOT, Site
from gates.tests.checkouts import checkout, found

(GATE,) = grant_file_gates()
PATH = "sql/grants.sql"
TEXT = (ROOT / PATH).read_text(encoding="utf-8")
BLOCK = "revoke create, temporary on database %I from public"
APPENDED = {
    "function": "create or replace function core.refuse_change() returns trigger language plpgsql as 'begin return old; end';",
    "rows": "delete from policy.halts where scope = 'GLOBAL';",
    "block": "do $$ begin create role planted login; end $$;",
    "login": "create role planted login;",
    "membership": "grant symphony_core_owner to symphony_ingest;",
    "trigger": "alter table policy.halts disable trigger all;",
    "query": "select set_config('session_replication_role', 'replica', false);",
    "setting": "set session_replication_role = replica;",
    "default privileges": "alter default privileges grant execute on functions to public;",
}


def test_the_file_of_this_checkout_is_green() -> None:
    result = run(GATE, Site())
    assert (result.verdict, result.findings, result.reason) == ("PASS", (), "")


@pytest.mark.parametrize("name", APPENDED)
def test_what_is_no_grant_is_red(tmp_path: Path, name: str) -> None:
    line = TEXT.count("\n") + 1
    ((thing, detail),) = found(GATE, checkout(tmp_path, {PATH: TEXT + APPENDED[name]}))
    assert thing == PATH
    assert detail.startswith(f"line {line}: ")


def test_a_changed_block_is_red(tmp_path: Path) -> None:
    changed = TEXT.replace(BLOCK, BLOCK.replace("revoke", "grant").replace("from", "to"))
    assert changed != TEXT
    details = [detail for _thing, detail in found(GATE, checkout(tmp_path, {PATH: changed}))]
    assert any("is not the one named" in detail for detail in details)


def test_the_block_gone_twice_or_late_is_red(tmp_path: Path) -> None:
    block = TEXT[: TEXT.index("$$;\n") + 4]
    for text in (TEXT.removeprefix(block), TEXT + block, TEXT.removeprefix(block) + block):
        assert any("begin with the block" in detail for _thing, detail in found(GATE, checkout(tmp_path, {PATH: text})))


def test_what_cannot_be_parsed_or_is_missing_is_not_green(tmp_path: Path) -> None:
    assert found(GATE, checkout(tmp_path, {PATH: "\\i other.sql\n" + TEXT}))
    (tmp_path / PATH).unlink()
    assert run(GATE, Site(root=tmp_path)).verdict == "ERROR"
