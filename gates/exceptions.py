"""gates/exceptions: findings that are let pass for a while. A used one is evidenced; an expired one is red."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from gates import yaml_documents
from gates.gate import Finding, Gate, Result
from gates.site import Site

LONGEST = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class GateException:
    """One file of gates/exceptions."""

    id: str
    gate: str
    object: str
    reason: str
    requested_by: str
    approver: str
    approved_on: date
    expires_on: date

    def covers(self, finding: Finding, today: date) -> bool:
        """Tell whether it lets this finding pass today."""
        return (self.gate, self.object) == (finding.gate, finding.object) and self.flaw(today) is None

    def flaw(self, today: date) -> str | None:
        """Return what makes it void, None when it is in force."""
        if self.expires_on < today:
            return f"it expired on {self.expires_on}"
        if self.approved_on > today:
            return f"it is approved only on {self.approved_on}"
        if self.expires_on - self.approved_on > LONGEST:
            return f"it lasts longer than {LONGEST.days} days"
        if self.approver.casefold() == self.requested_by.casefold():
            return "whoever asked for it approved it"
        return None


def load(root: Path) -> list[GateException]:
    """Read all exceptions. Raises InvalidDocument; ValueError when a file is not named after its id."""
    found = []
    for path in sorted((root / "gates" / "exceptions").glob("*.yml")):
        entry = yaml_documents.read(path, schema="exceptions.schema.json")
        if path.stem != entry["id"]:
            raise ValueError(f"{path.name} holds {entry['id']}")
        dates = {name: date.fromisoformat(entry[name]) for name in ("approved_on", "expires_on")}
        found.append(GateException(**{**entry, **dates}))
    return found


def today() -> date:
    """Return the date in UTC."""
    return datetime.now(UTC).date()


def apply(results: Iterable[Result], exceptions: list[GateException], day: date) -> tuple[list[Result], dict[str, str]]:
    """Take excused findings out of the results; return these and, by id, what each used exception excused."""
    used: dict[str, str] = {}
    changed = []
    for result in results:
        kept = []
        for finding in result.findings:
            excuse = next((e for e in exceptions if e.covers(finding, day)), None)
            if excuse is None:
                kept.append(finding)
            else:
                used[excuse.id] = (
                    f"{excuse.gate} {excuse.object}: {excuse.reason} ({excuse.approver}, to {excuse.expires_on})"
                )
        still_red = result.verdict == "FAIL" and any(finding.severity == "error" for finding in kept)
        verdict = "PASS" if result.verdict == "FAIL" and not still_red else result.verdict
        changed.append(replace(result, findings=tuple(kept), verdict=verdict))
    return changed, used


def exception_gates() -> list[Gate]:
    """Return the gate that keeps exceptions honest."""
    return [
        Gate(
            id="X04",
            title="every exception is in force: not expired, at most 90 days, approved by somebody else",
            invariants=("INV-EVID-001",),
            remedy="correct what it excused and remove the file; a longer need is a decision to be made again",
            look=_void,
        )
    ]


def _void(site: Site) -> Iterator[tuple[str, str]]:
    for exception in load(site.root):
        flaw = exception.flaw(today())
        if flaw is not None:
            yield f"gates/exceptions/{exception.id}.yml", flaw
