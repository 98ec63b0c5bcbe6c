"""squawk is run over new migrations, its findings are ours, and nothing silences it without an exception in force."""

from __future__ import annotations

import shutil
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from gates import squawk
from gates.gate import run
from gates.site import ROOT, Site
from gates.tests.checkouts import checkout, first_release, found, release

GATES = {gate.id: gate for gate in squawk.squawk_gates()}
OLD = {"sql/migrations/0001_old.sql": "create table core.a (b bigint);\n"}
NEW = "sql/migrations/0002_new.sql"


def _site(root: Path, new: str) -> Site:
    checkout(root, {**OLD, squawk.CONFIG: (ROOT / squawk.CONFIG).read_text(encoding="utf-8")})
    release(root)
    return checkout(root, {NEW: new})


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("create index i on core.a (b);", "require-concurrent-index-creation"),
        ("alter table core.a alter column b type text;", "changing-column-type"),
        ("alter table core.a add constraint c check (b > 1);", "constraint-missing-not-valid"),
        ("alter table core.a rename to z;", "renaming-table"),
        ("drop table core.a;", "ban-drop-table"),
        ("begin; commit;", "transaction-nesting"),
        ("create table unqualified (b bigint);", "require-table-schema"),
        ("alter table core.a disable trigger all;", "ban-disable-trigger"),
        ("alter function core.f() reset search_path;", "ban-alter-function-options"),
        ("no sql at all;", "syntax-error"),
    ],
)
def test_a_finding_of_squawk_is_red(tmp_path: Path, statement: str, rule: str) -> None:
    objects = [thing for thing, _detail in found(GATES["F20"], _site(tmp_path, f"\n{statement}\n"))]
    assert f"{NEW}: {rule}" in objects


@pytest.mark.parametrize(
    "text",
    [
        "create table core.c (d bigint);\ncreate index i on core.c (d);\n",
        "-- runner: nontransactional\ncreate index concurrently i on core.a (b);\n",
        "alter table core.a add constraint c check (b > 1) not valid;\n",
    ],
)
def test_safe_forms_are_green(tmp_path: Path, text: str) -> None:
    assert run(GATES["F20"], _site(tmp_path, text)).verdict == "PASS"


def test_without_a_new_migration_there_is_nothing_to_read(tmp_path: Path) -> None:
    site = _site(tmp_path, "")
    (tmp_path / NEW).unlink()
    assert run(GATES["F20"], site).verdict == "NOT_APPLICABLE"


def test_without_a_previous_release_everything_is_read(tmp_path: Path) -> None:
    site = checkout(tmp_path, {"sql/migrations/0001_a.sql": "drop table core.a;", squawk.CONFIG: ""})
    first_release(tmp_path)
    assert run(GATES["F20"], site).verdict == "FAIL"


def test_without_its_configuration_the_gate_is_red(tmp_path: Path) -> None:
    site = _site(tmp_path, "select 1;")
    (tmp_path / squawk.CONFIG).unlink()
    result = run(GATES["F20"], site)
    assert (result.verdict, "SQUAWK_FAILED" in result.reason) == ("ERROR", True)


@pytest.mark.parametrize("config", ["excluded_rules = 7", 'excluded_rules = ["no-such-rule"]'])
def test_a_configuration_that_squawk_refuses_is_red(tmp_path: Path, config: str) -> None:
    site = _site(tmp_path, "select 1;")
    (tmp_path / squawk.CONFIG).write_text(config, encoding="utf-8")
    assert run(GATES["F20"], site).verdict == "ERROR"


def test_a_squawk_that_hangs_or_is_missing_is_red(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = _site(tmp_path, "select 1;")
    monkeypatch.setattr(squawk, "_TIMEOUT_S", 0.2)
    slow = tmp_path / "squawk"
    slow.write_text("#!/bin/sh\nexec sleep 5\n", encoding="ascii")
    slow.chmod(0o755)
    monkeypatch.setattr(squawk, "_program", lambda: str(slow))
    assert "SQUAWK_FAILED" in run(GATES["F20"], site).reason
    monkeypatch.undo()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert "GATE_TOOLS_MISSING" in run(GATES["F20"], site).reason


SILENCED = "-- squawk-ignore ban-drop-table{}\ndrop table core.a;\n"
EXCEPTION = """\
id: EXC-0007
gate: {gate}
object: "{thing}"
reason: a reason that is long enough to be read
requested_by: one
approver: another
approved_on: {approved}
expires_on: {expires}
"""


def _exception(*, gate: str = "F20", thing: str = f"{NEW}: ban-drop-table", days: int = 30) -> str:
    today = date.today()
    dates = {"approved": today - timedelta(days=40), "expires": today + timedelta(days=days)}
    return EXCEPTION.format(gate=gate, thing=thing, **dates)


@pytest.mark.parametrize(
    ("comment", "exception"),
    [
        ("", None),
        (" EXC-0007", None),
        (" EXC-0008", _exception()),
        (" EXC-0007", _exception(days=-1)),
        (" EXC-0007", _exception(gate="M11")),
        (" EXC-0007", _exception(thing="sql/migrations/0001_old.sql: ban-drop-table")),
    ],
    ids=["bare", "no exception", "another", "expired", "another gate", "another file"],
)
def test_a_silencing_comment_without_an_exception_is_red(tmp_path: Path, comment: str, exception: str | None) -> None:
    site = checkout(tmp_path, {NEW: SILENCED.format(comment)})
    if exception is not None:
        checkout(tmp_path, {"gates/exceptions/EXC-0007.yml": exception})
    assert found(GATES["F21"], site) == [(NEW, f"line 1: {SILENCED.format(comment).splitlines()[0]}")]


def test_with_an_exception_in_force_it_is_let_pass(tmp_path: Path) -> None:
    site = checkout(tmp_path, {NEW: SILENCED.format(" EXC-0007"), "gates/exceptions/EXC-0007.yml": _exception()})
    assert found(GATES["F21"], site) == []


@pytest.mark.parametrize("id", GATES)
def test_this_checkout_is_not_red(id: str) -> None:
    assert run(GATES[id], Site()).verdict in ("PASS", "NOT_APPLICABLE")
