"""The demonstration's parts: its script, its verdict with planted violations, and a child that fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from symphony.api.evidence import InstructionOutcome, OpenCase
from symphony.demo import script as demo_script
from symphony.demo.processes import Child, DemoFailed
from symphony.demo.script import MINIMUM, Script
from symphony.demo.trials import _Answer, _answered, _refused
from symphony.demo.verdict import Books, checks, numbers
from symphony.rail_sandbox.faults import read_rules
from symphony.submission.jsonl import read_jsonl

NOW = datetime(2026, 3, 4, 10, 0, 0, tzinfo=UTC)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """The smallest script."""
    return demo_script.write(tmp_path, count=MINIMUM, now=NOW)


def good(script: Script) -> tuple[list[InstructionOutcome], list[OpenCase], list[dict[str, Any]]]:
    """Outcomes, cases and a ledger as they are after a run in which everything held."""
    ids = [*script.kinds, *(f"other-{number}" for number in range(2 * MINIMUM - len(script.kinds)))]
    outcomes: list[InstructionOutcome] = []
    ledger: list[dict[str, Any]] = []
    cases: list[OpenCase] = []
    for number, instruction_id in enumerate(ids, start=1):
        kind = script.kinds.get(instruction_id)
        state = {"reject": "FAILED", "wrong_amount_echo": "PENDING_MANUAL"}.get(kind or "", "DISPATCHED")
        outbox_id = UUID(int=number)
        outcomes.append(
            InstructionOutcome(
                instruction_id=instruction_id,
                outbox_id=outbox_id,
                sequence_id=number,
                currency="ZMW",
                amount_minor=12_550,
                recorded_at=NOW,
                state=state,
                reason_code=None,
                rail_reference=f"R-{number}" if state == "DISPATCHED" else None,
                ended_at=NOW + timedelta(milliseconds=number),
            )
        )
        if state == "PENDING_MANUAL":
            cases.append(OpenCase(UUID(int=1000 + number), "RAIL_ECHO_MISMATCH", outbox_id, NOW, "compare"))
        if state != "FAILED":
            effect = {"reference": outbox_id.hex, "amount": "125.50", "currency": "ZMW"}
            ledger.append(effect | {"rail_reference": f"R-{number}", "execution_count": 1})
    return outcomes, cases, ledger


def broken(books: Books, ledger: list[dict[str, Any]], script: Script) -> list[str]:
    return [check.said for check in checks(books, ledger, script) if check.wrong]


def test_the_script_strikes_each_kind_and_its_files_are_good(script: Script) -> None:
    rules = read_rules(script.faults.read_bytes())
    assert len(rules) == len(script.kinds) == 18
    assert [rule.kind for rule in rules] == list(script.kinds.values())
    assert all(rule.end_to_end_id or rule.phase == "ANY" for rule in rules)
    wrong_echo = next(rule for rule in rules if rule.kind == "wrong_amount_echo")
    with script.jsonl.open("rb") as stream:
        wires = [entry.wire for entry in read_jsonl(stream) if not hasattr(entry, "reason_code")]
    assert len(wires) == MINIMUM
    assert [wire["instruction_id"] for wire in wires if wire["amount"] == wrong_echo.amount] == script.of_kind(
        "wrong_amount_echo"
    )
    assert script.kinds[script.told] == "timeout_after_success"


def test_a_good_run_holds(script: Script) -> None:
    outcomes, cases, ledger = good(script)
    assert broken(Books(outcomes, cases), ledger, script) == []


def test_every_check_can_fail(script: Script) -> None:
    outcomes, cases, ledger = good(script)
    states = [outcome.state for outcome in outcomes]
    sent, failed, manual = (states.index(state) for state in ("DISPATCHED", "FAILED", "PENDING_MANUAL"))

    def with_outcome(at: int, **changes: Any) -> Books:
        return Books([*outcomes[:at], replace(outcomes[at], **changes), *outcomes[at + 1 :]], cases)

    def with_effect(**changes: Any) -> list[dict[str, Any]]:
        reference = outcomes[sent].outbox_id.hex
        return [{**row, **changes} if row["reference"] == reference else row for row in ledger]

    books = Books(outcomes, cases)
    extra = {"reference": outcomes[failed].outbox_id.hex, "execution_count": 1}
    stranger = {"reference": "f" * 32, "execution_count": 1}
    lost = [row for row in ledger if row["reference"] != outcomes[sent].outbox_id.hex]
    planted = [
        (Books(outcomes[:-1], cases), ledger, "sequence without a gap"),
        (with_outcome(0, sequence_id=2), ledger, "sequence without a gap"),
        (with_outcome(sent, state=None), ledger, "exactly one terminal"),
        (books, with_effect(execution_count=2), "no reference twice"),
        (books, [*ledger, stranger], "nothing that is not recorded"),
        (books, lost, "DISPATCHED was executed once"),
        (books, with_effect(amount="125.51"), "DISPATCHED was executed once"),
        (books, with_effect(currency="USD"), "DISPATCHED was executed once"),
        (books, with_effect(rail_reference="R-other"), "DISPATCHED was executed once"),
        (books, [*ledger, extra], "FAILED was executed"),
        (Books(outcomes, []), ledger, "has a case for a person"),
        (with_outcome(failed, state="DISPATCHED"), ledger, "rejected ones are FAILED"),
        (with_outcome(manual, state="DISPATCHED", rail_reference="R"), ledger, "wrong echo is PENDING_MANUAL"),
    ]
    for found, effects, said in planted:
        assert any(said in check for check in broken(found, effects, script)), said


def test_numbers_are_nearest_ranks(script: Script) -> None:
    outcomes, cases, _ = good(script)
    found = numbers(Books(outcomes, cases))
    assert (found.p50_ms, found.p99_ms, found.slowest_ms) == (20.0, 40.0, 40.0)
    assert found.ended_per_s == pytest.approx(38 / 0.038)


def test_a_child_that_ends_early_is_quoted(tmp_path: Path) -> None:
    child = Child("worker", ["worker"], directory=tmp_path, environment={})
    with pytest.raises(
        DemoFailed, match=r"(?s)worker ended with status 2 before it was ready.*worker\.log: .*Missing option"
    ):
        child.wait_ready(seconds=30)
    assert child.status == 2


@pytest.mark.parametrize(
    "answer",
    [
        _Answer(202, "", False),
        _Answer(401, "DPOP_REPLAYED", True),
        _Answer(403, "CERT_REVOKED", True),
        _Answer(401, "CERT_REVOKED", False),
    ],
)
def test_a_trial_that_is_not_refused_by_name_and_attested_does_not_hold(answer: _Answer) -> None:
    assert _refused("a revoked certificate", answer, "CERT_REVOKED").wrong == [str(answer)]


def test_a_trial_holds_when_it_ended_as_it_must() -> None:
    assert _refused("a revoked certificate", _Answer(401, "CERT_REVOKED", True), "CERT_REVOKED").wrong == []
    assert _answered("its own", _Answer(200, "", False), 200).wrong == []
    assert _answered("its own", _Answer(404, "", False), 200).wrong == ["404 , not attested"]
