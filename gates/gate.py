"""A gate, what it finds, and how it is run: no gate is green because it could not look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import psycopg

from gates.site import Site
from symphony.errors import SymphonyError
from symphony.operator_error import OperatorError

type Severity = Literal["error", "warning"]
type Verdict = Literal["PASS", "FAIL", "NOT_APPLICABLE", "ERROR"]


class NotApplicable(Exception):
    """There is nothing this gate could look at, and that is no fault: the reason is said, and it is not green."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        gate: the id of the gate.
        severity: an error turns the run red; a warning is shown.
        object: what it is about: a catalog object's identity, or a file with its line.
        detail: what is wrong with it, free of personal data.
        remedy: what to do next.
    """

    gate: str
    severity: Severity
    object: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule and the look that proves it.

    Attributes:
        id: C.. catalog, F.. files (AST), B.. bodies, M.. migration safety, N.. previous release, D.. drift,
            X.. exceptions and records.
        title: the rule, as a sentence that is true when the gate is green.
        invariants: the invariants of gates/invariants.yml it proves.
        remedy: what to do about a finding.
        look: yields (object, detail) for everything wrong. Raises NotApplicable.
    """

    id: str
    title: str
    invariants: tuple[str, ...]
    remedy: str
    look: Callable[[Site], Iterable[tuple[str, str]]]
    severity: Severity = "error"

    def findings(self, site: Site) -> list[Finding]:
        """Look, and return what is wrong, in a stable order. Raises NotApplicable and whatever the look meets."""
        found = sorted(set(self.look(site)))
        return [Finding(self.id, self.severity, thing, detail, self.remedy) for thing, detail in found]


@dataclass(frozen=True, slots=True)
class Result:
    """What a gate said in this run; `reason` tells why it is not applicable or could not look."""

    gate: Gate
    verdict: Verdict
    findings: tuple[Finding, ...]
    reason: str
    duration_ms: int


def run(gate: Gate, site: Site) -> Result:
    """Run one gate. Whatever keeps it from looking is an ERROR, which is as red as a finding."""
    begin = time.monotonic()
    verdict: Verdict = "PASS"
    findings: Sequence[Finding] = ()
    reason = ""
    try:
        findings = gate.findings(site)
        if any(finding.severity == "error" for finding in findings):
            verdict = "FAIL"
    except NotApplicable as nothing:
        verdict, reason = "NOT_APPLICABLE", str(nothing)
    except psycopg.Error as error:
        verdict, reason = "ERROR", f"{error.sqlstate or 'no answer'} {' '.join(str(error).split())}"
    except OperatorError as error:
        # A look at a live server builds nothing on it.
        verdict = "NOT_APPLICABLE" if error.code == "GATE_NEEDS_SERVER" and site.database_url else "ERROR"
        reason = str(error)
    except (SymphonyError, OSError, ValueError) as error:
        verdict, reason = "ERROR", " ".join(str(error).split())
    return Result(gate, verdict, tuple(findings), reason, round((time.monotonic() - begin) * 1000))
