"""What the test suites proved in this run: their own reports, kept in evidence/proofs and good for this tree only.

`python -m gates.proofs begin` (scripts/test does it) empties the folder and notes the tree; pgTAP and pytest then write
their reports there.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from gates.anchors import tree_sha256
from gates.site import ROOT

type Outcome = Literal["PASS", "FAIL", "NOT_RUN"]

_ASSERTION = re.compile(r"^(?P<not>not )?ok \d+ - (?P<what>.*?)(?P<directive> # (?:TODO|SKIP)\b.*)?$", re.M | re.I)
EXCERPT = 5
PGTAP, FAST, SLOW = "pgtap.tap", "pytest.xml", "pytest-slow.xml"


@dataclass(frozen=True, slots=True)
class Proof:
    """What one entry of verified_by came to: how many looks passed and failed, the first of them by name."""

    name: str
    outcome: Outcome
    passed: int = 0
    failed: int = 0
    excerpts: tuple[str, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class Reports:
    """The reports of one run: (name, passed) of every assertion and of every test that was not skipped.

    Attributes:
        reason: why there are none, or not all.
        suites: which of pgtap, test and slow have reported.
        skipped: (path, name) of tests that were passed over: whoever names them as proof has none.
        broken: why no assertion of sql/tests counts, although some passed.
    """

    reason: str = ""
    suites: set[str] = field(default_factory=set)
    assertions: list[tuple[str, bool]] = field(default_factory=list)
    tests: list[tuple[str, str, bool]] = field(default_factory=list)
    slow: list[tuple[str, str, bool]] = field(default_factory=list)
    skipped: set[tuple[str, str]] = field(default_factory=set)
    broken: str = ""

    def proof(self, entry: str) -> Proof:
        """Return what the entry verified_by ("pgtap ID", "test path[::name]", "slow …") came to."""
        kind, _, rest = entry.partition(" ")
        if kind == "pgtap":
            # What only sets the stage is no proof.
            named = [(what, good) for what, good in self.assertions if what.startswith(f"{rest}: ")]
            found = [(what, good) for what, good in named if not what.startswith(f"{rest}: set-up") or not good]
        else:
            path, _, test = rest.partition("::")
            # "slow" is proven by the slow suite alone: fast tests of the same file are other tests.
            ran = self.slow if kind == "slow" else [*self.tests, *self.slow]
            here = [(name, good) for where, name, good in ran if where == path]
            found = [(f"{path}::{name}", good) for name, good in here if test in ("", name.partition("[")[0])]
            missed = [n for where, n in self.skipped if where == path and test in ("", n.partition("[")[0])]
            if missed:
                return Proof(entry, "NOT_RUN", reason=f"{len(missed)} of its tests were skipped")
        if kind == "pgtap" and self.broken:
            return Proof(entry, "FAIL", reason=self.broken)
        if not found:
            reason = f"the {kind} suite has not reported" if kind not in self.suites else "it did not run"
            return Proof(entry, "NOT_RUN", reason=self.reason or reason)
        failed = [what for what, good in found if not good]
        excerpts = tuple(dict.fromkeys([*failed, *(what for what, _ in found)]))[:EXCERPT]
        return Proof(entry, "FAIL" if failed else "PASS", len(found) - len(failed), len(failed), excerpts)


def begin(root: Path = ROOT) -> Path:
    """Empty the folder of the reports, note which tree they will be of, and return it."""
    folder = root / "evidence" / "proofs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    note = {"tree_sha256": tree_sha256(root), "began_at": datetime.now(UTC).isoformat(timespec="seconds")}
    (folder / "run.json").write_text(json.dumps(note, indent=1) + "\n", encoding="utf-8")
    return folder


def load(root: Path = ROOT) -> Reports:
    """Read the reports of the last run; those of another tree count for nothing."""
    folder = root / "evidence" / "proofs"
    try:
        note = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Reports(reason="no suite has run on this tree: ./scripts/test")
    if note.get("tree_sha256") != tree_sha256(root):
        return Reports(reason="the last run of ./scripts/test was of another tree")
    reports = Reports()
    if (folder / PGTAP).is_file():
        reports.suites.add("pgtap")
        tap = (folder / PGTAP).read_text(encoding="utf-8")
        reports.assertions = assertions(tap)
        if not tap.rstrip().endswith("Result: PASS"):
            reports.broken = "the run of sql/tests did not end well: see proofs/pgtap.tap"
    for name, suite in ((FAST, "test"), (SLOW, "slow")):
        if (folder / name).is_file():
            reports.suites.add(suite)
            ran, skipped = tests(folder / name)
            (reports.slow if suite == "slow" else reports.tests).extend(ran)
            reports.skipped |= skipped
    return reports


def assertions(tap: str) -> list[tuple[str, bool]]:
    """Return (description, passed) of every assertion; one that is to do or skipped has not passed."""
    return [(found["what"], found["not"] is None and not found["directive"]) for found in _ASSERTION.finditer(tap)]


def tests(report: Path) -> tuple[list[tuple[str, str, bool]], set[tuple[str, str]]]:
    """Return (path, name, passed) of every test of a JUnit report, and (path, name) of those that were skipped."""
    found, skipped = [], set()
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest's own report
        path, name = case.get("classname", "").replace(".", "/") + ".py", case.get("name", "")
        if case.find("skipped") is not None:
            skipped.add((path, name))
        else:
            found.append((path, name, case.find("failure") is None and case.find("error") is None))
    return found, skipped


if __name__ == "__main__":
    if sys.argv[1:] != ["begin"]:
        sys.exit("usage: python -m gates.proofs begin")
    print(begin())
