"""The list of gates, and the commands where the test tools are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gates import registry
from gates.gate import Gate

WARNINGS = {"M23"}  # a finding of any other gate turns the run red
WITHOUT_TOOLS = """
import sys
sys.modules["pglast"] = None
from symphony.cli import main
main({arguments})
"""


def test_two_gates_of_one_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Gate("X99", "a rule that is kept", ("INV-001",), "keep it", lambda site: [])
    monkeypatch.setattr(registry, "change_gates", lambda: [one, one])
    with pytest.raises(ValueError, match="X99"):
        registry.all_gates()


def test_the_gates_that_only_warn_are_these() -> None:
    assert {gate.id for gate in registry.all_gates().values() if gate.severity == "warning"} == WARNINGS


@pytest.mark.parametrize(
    ("arguments", "status", "said"), [(["--help"], 0, "gate"), (["gate", "C01"], 1, "GATE_TOOLS_MISSING")]
)
def test_a_run_time_installation_has_the_commands_and_says_what_is_missing(
    arguments: list[str], status: int, said: str
) -> None:
    program = WITHOUT_TOOLS.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
