"""The sandbox rail's fault rules: what is refused, and which calls a rule picks."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox_process import SandboxProcess, submit


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("rail") / "ledger.db") as process:
        yield process
    assert process.stderr() == ""


@pytest.fixture
def sandbox(shared: SandboxProcess) -> SandboxProcess:
    shared.set_faults()
    return shared


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ("nonsense", "not JSON"),
        ({}, "not a list"),
        ([7], "rule 1: not an object"),
        (
            [{"kind": "slow", "ms": 1}, {"kind": "explode"}],
            "rule 2: kind must be one of timeout_after_success,",
        ),
        ([{"kind": "slow", "ms": 1, "colour": 1}], "rule 1: unknown member 'colour'"),
        ([{"kind": "slow"}], "rule 1: slow needs ms"),
        ([{"kind": "reject", "phase": "QUERY"}], "rule 1: phase of reject must be one of SUBMIT"),
        ([{"kind": "reject", "code": "ac"}], "rule 1: code must be"),
        ([{"kind": "unavailable", "first": 0}], "rule 1: first must be"),
        ([{"kind": "unavailable", "every_nth": True}], "rule 1: every_nth must be"),
        ([{"kind": "unavailable", "probability": 2}], "rule 1: probability must be"),
        ([{"kind": "unavailable", "amount": 12.5}], "rule 1: amount must be"),
        ([{"kind": "5xx_after_success", "status": 404}], "rule 1: status must be"),
    ],
)
def test_a_bad_fault_rule_is_refused_and_the_old_rules_stay(
    sandbox: SandboxProcess, tmp_path: Path, rules: object, reason: str
) -> None:
    sandbox.set_faults({"kind": "unavailable"})
    status, answer = sandbox.call("POST", "/faults", rules)
    assert (status, answer["status"]) == (400, "INVALID")
    assert answer["reason"].startswith(reason)
    assert [rule["kind"] for rule in sandbox.call("GET", "/faults")[1]] == ["unavailable"]


def test_faults_can_be_given_at_start(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('[{"kind":"reject","code":"AM04"}]')
    with SandboxProcess(tmp_path / "ledger.db", "--faults", str(file)) as sandbox:
        assert submit(sandbox)[1]["code"] == "AM04"
    file.write_text('[{"kind":"explode"}]')
    said = SandboxProcess.refused_start("--port", "0", "--ledger", str(tmp_path / "ledger.db"), "--faults", str(file))
    assert "faults.json: rule 1: kind must be one of" in said


@pytest.mark.parametrize(
    ("selector", "struck"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"first": 2}, [1, 2]),
        ({"every_nth": 3}, [3, 6]),
        ({"amount": "2.0"}, [2]),
        ({"end_to_end_id": "E2E-4"}, [4]),
        ({"currency": "USD"}, [5, 6]),
        ({"currency": "USD", "first": 1}, [5]),
        ({"reference": "ref-3"}, [3]),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_selectors_pick_the_calls_they_say(
    tmp_path_factory: pytest.TempPathFactory,
    sandbox: SandboxProcess,
    selector: dict[str, Any],
    struck: list[int],
) -> None:
    sandbox.set_faults({"kind": "unavailable", **selector})
    found = []
    for number in range(1, 7):
        status, _ = submit(
            sandbox,
            reference=f"ref-{number}" if "reference" in selector else uuid.uuid4().hex,
            amount=f"{number}.00",
            currency="ZMW" if number <= 4 else "USD",
            end_to_end_id=f"E2E-{number}",
        )
        if status == 503:
            found.append(number)
    assert found == struck
    assert sandbox.call("GET", "/faults")[1][0]["struck"] == len(struck)


def test_probability_repeats_with_its_seed(sandbox: SandboxProcess) -> None:
    def run(seed: int) -> list[int]:
        sandbox.set_faults({"kind": "unavailable", "probability": 0.5, "seed": seed})
        return [submit(sandbox)[0] for _ in range(40)]

    assert run(1) == run(1) != run(2)
    assert set(Counter(run(1))) == {200, 503}


def test_the_first_rule_that_strikes_decides(sandbox: SandboxProcess) -> None:
    sandbox.set_faults({"kind": "unavailable", "first": 1}, {"kind": "reject"})
    assert [submit(sandbox)[0] for _ in range(2)] == [503, 200]
    assert sandbox.call("GET", "/faults")[1] == [
        {"kind": "unavailable", "phase": "SUBMIT", "first": 1, "picked": 2, "struck": 1},
        {"kind": "reject", "phase": "SUBMIT", "picked": 1, "struck": 1},
    ]
