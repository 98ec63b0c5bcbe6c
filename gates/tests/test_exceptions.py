"""Exceptions let exactly one finding pass, for a while, and only if somebody else said so."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gates.exceptions import GateException, apply, exception_gates, load
from gates.gate import Finding, Gate, Result
from gates.site import Site
from gates.yaml_documents import InvalidDocument

TODAY = date(2026, 11, 22)
EXCEPTION = GateException(
    id="EXC-0001",
    gate="M05",
    object="sql/migrations/0042_x.sql:7",
    reason="the table is empty in every cell",
    requested_by="a.banda",
    approver="m.phiri",
    approved_on=date(2026, 11, 20),
    expires_on=date(2026, 12, 20),
)
FINDING = Finding("M05", "error", "sql/migrations/0042_x.sql:7", "takes a lock", "do not")
GATE = Gate("M05", "no lock", ("INV-DDL-01",), "do not", lambda site: [])
TEXT = """id: EXC-0001
gate: M05
object: sql/migrations/0042_x.sql:7
reason: the table is empty in every cell
requested_by: a.banda
approver: m.phiri
approved_on: 2026-11-20
expires_on: "2026-12-20"
"""


def red(*findings: Finding) -> Result:
    """A gate that found these."""
    return Result(GATE, "FAIL", findings, "", 1)


def test_a_finding_is_let_pass_and_that_is_told() -> None:
    (result,), used = apply([red(FINDING)], [EXCEPTION], TODAY)
    assert (result.verdict, result.findings) == ("PASS", ())
    assert list(used) == ["EXC-0001"]
    assert "m.phiri" in used["EXC-0001"]


@pytest.mark.parametrize(
    "change",
    [
        {"gate": "M06"},
        {"object": "sql/migrations/0042_x.sql"},
        {"expires_on": date(2026, 11, 21)},
        {"approved_on": date(2026, 11, 23)},
        {"approved_on": date(2026, 8, 1)},
        {"approver": "A.Banda"},
    ],
)
def test_an_exception_that_is_not_in_force_or_for_something_else_excuses_nothing(change: dict[str, object]) -> None:
    (result,), used = apply([red(FINDING)], [replace(EXCEPTION, **change)], TODAY)  # type: ignore[arg-type]
    assert (result.verdict, result.findings, used) == ("FAIL", (FINDING,), {})


def test_the_other_findings_of_the_gate_stay() -> None:
    other = replace(FINDING, object="sql/migrations/0042_x.sql:9")
    (result,), _ = apply([red(FINDING, other)], [EXCEPTION], TODAY)
    assert (result.verdict, result.findings) == ("FAIL", (other,))


def test_a_gate_that_could_not_look_is_never_excused() -> None:
    (result,), used = apply([Result(GATE, "ERROR", (), "no database", 1)], [EXCEPTION], TODAY)
    assert (result.verdict, used) == ("ERROR", {})


def place(root: Path, text: str, name: str = "EXC-0001.yml") -> Site:
    """A checkout with this one exception."""
    folder = root / "gates" / "exceptions"
    folder.mkdir(parents=True)
    (folder / name).write_text(text, encoding="utf-8")
    return Site(root=root)


def test_the_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    assert load(place(tmp_path, TEXT).root) == [EXCEPTION]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("reason: the table is empty in every cell", "reason: short"),
        ("approver: m.phiri\n", ""),
        ("gate: M05", "gate: all"),
        ("id: EXC-0001", "id: EXC-0001\nid: EXC-0002"),
        ("expires_on: \"2026-12-20\"", "expires_on: never"),
        ("gate: M05", "gate: M05\nseverity: none"),
        ("gate: M05", "gate: [M05"),
        ("approver: m.phiri", "approver: \"a.banda \""),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_the_schema_says_stops_the_run(tmp_path: Path, old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(InvalidDocument):
        load(place(tmp_path, TEXT.replace(old, new)).root)


def test_a_file_named_after_another_id_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="EXC-0009"):
        load(place(tmp_path, TEXT, name="EXC-0009.yml").root)


def test_an_expired_exception_is_red_even_when_it_excuses_nothing(tmp_path: Path) -> None:
    (gate,) = exception_gates()
    site = place(tmp_path, TEXT.replace("2026-11-20", "2020-01-01").replace("2026-12-20", "2020-02-01"))
    assert [(f.object, f.detail) for f in gate.findings(site)] == [
        ("gates/exceptions/EXC-0001.yml", "it expired on 2020-02-01")
    ]
