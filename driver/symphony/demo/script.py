"""The demonstration's script: the two files that go in, and what the rail does to some of their payments."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from symphony.demo import alias_script
from symphony.demo.alias_script import AliasScript
from symphony.submission.entry import Ready
from symphony.submission.jsonl import read_jsonl
from symphony.submission.pain001 import read_pain001
from symphony.submission.sample import PARTICIPANT_BY_AGENT, write_jsonl, write_pain001

PARTICIPANT: Final = PARTICIPANT_BY_AGENT["XAAAZMLX"]
RAIL: Final = "sandbox"
MINIMUM: Final = 20
TOLD: Final = "timeout_after_success"
_SEED: Final = 1
_BLOCKS: Final = 4
_PARTS_A_LINE: Final = 4

# The n-th fault strikes the payment at n tenths of its file.
_JSONL_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "reject", "code": "AC04"},
    {"kind": TOLD},
    {"kind": "5xx_after_success", "status": 500},
    {"kind": "unavailable", "first": 1},
    {"kind": "timeout_before_effect", "first": 1},
    {"kind": "drop_connection_after_success"},
    {"kind": "wrong_amount_echo", "phase": "ANY"},
    {"kind": "reject", "code": "AM04"},
    {"kind": "garbage_answer"},
)
_PAIN001_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "reject", "code": "AC06"},
    {"kind": TOLD},
    {"kind": "5xx_after_success", "status": 502},
    {"kind": "unavailable", "first": 2},
    {"kind": "drop_connection_before_effect", "first": 1},
    {"kind": "slow", "ms": 400},
    {"kind": "duplicate_answer"},
    {"kind": "reject", "code": "BE23"},
    {"kind": "5xx_after_success", "status": 504},
)
_SAID: Final = {
    "reject": "rejected",
    "timeout_after_success": "executed without an answer",
    "timeout_before_effect": "ignored without an answer",
    "5xx_after_success": "executed but answered 5xx",
    "drop_connection_after_success": "executed but cut off",
    "drop_connection_before_effect": "cut off and not executed",
    "unavailable": "unavailable at first",
    "wrong_amount_echo": "echoed with a wrong amount",
    "garbage_answer": "answered with garbage",
    "slow": "answered slowly",
    "duplicate_answer": "answered twice",
}


@dataclass(frozen=True, slots=True)
class Script:
    """What goes in and what is done to it.

    Attributes:
        jsonl, pain001, participants, faults: the files.
        count: instructions in each of the two files.
        kinds: instruction id to the kind of fault that strikes it.
        aliases: what is sent beside them for the sake of aliases; the rail behaves well to it.
    """

    jsonl: Path
    pain001: Path
    participants: Path
    faults: Path
    count: int
    kinds: dict[str, str]
    aliases: AliasScript

    @property
    def total(self) -> int:
        """Instructions in all files."""
        return 2 * self.count + self.aliases.total

    @property
    def told(self) -> str:
        """The instruction whose story is told: executed, no answer, found out by an enquiry."""
        return next(instruction_id for instruction_id, kind in self.kinds.items() if kind == TOLD)

    def of_kind(self, kind: str) -> list[str]:
        """The instructions a kind of fault strikes."""
        return [instruction_id for instruction_id, found in self.kinds.items() if found == kind]

    def summary(self) -> list[str]:
        """How many payments are struck by what, a few to a line."""
        counted = Counter(_SAID[kind] for kind in self.kinds.values())
        parts = [f"{number} {said}" for said, number in counted.items()]
        return [", ".join(parts[at : at + _PARTS_A_LINE]) for at in range(0, len(parts), _PARTS_A_LINE)]


def write(directory: Path, *, count: int, now: datetime) -> Script:
    """Write the files: `count` instructions as JSON Lines and `count` as pain.001, and the rail's faults."""
    script = Script(
        jsonl=directory / "instructions.jsonl",
        pain001=directory / "payments.pain001.xml",
        participants=directory / "participants.json",
        faults=directory / "faults.json",
        count=count,
        kinds={},
        aliases=alias_script.write(directory, rail=RAIL),
    )
    write_jsonl(script.jsonl, count=count, seed=_SEED, rail=RAIL)
    write_pain001(script.pain001, count=count, blocks=_BLOCKS, seed=_SEED, now=now)
    script.participants.write_text(json.dumps(PARTICIPANT_BY_AGENT), encoding="utf-8")
    with script.jsonl.open("rb") as stream:
        lines = [entry.wire for entry in read_jsonl(stream, default_rail=None) if isinstance(entry, Ready)]
    payments = [
        entry.wire
        for entry in read_pain001(script.pain001, rail=RAIL, now=now, participants=PARTICIPANT_BY_AGENT)
        if isinstance(entry, Ready)
    ]
    amounts = Counter(wire["amount"] for wire in (*lines, *payments, *script.aliases.wires))
    rules: list[dict[str, Any]] = []
    for wires, faults in ((lines, _JSONL_FAULTS), (payments, _PAIN001_FAULTS)):
        for tenths, fault in enumerate(faults, start=1):
            wire = wires[len(wires) * tenths // 10]
            # An enquiry names no end-to-end id, so a fault that goes on in enquiries is bound to the amount.
            if fault.get("phase") == "ANY":
                wire = next(w for w in wires[len(wires) * tenths // 10 :] if amounts[w["amount"]] == 1)
                rules.append({**fault, "amount": wire["amount"]})
            else:
                rules.append({**fault, "end_to_end_id": wire["end_to_end_id"]})
            script.kinds[wire["instruction_id"]] = fault["kind"]
    script.faults.write_text(json.dumps(rules, indent=2), encoding="utf-8")
    return script
