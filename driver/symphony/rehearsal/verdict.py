"""The drill's verdict: the clients' journal beside our evidence, the rail's own ledger, and the routing ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from symphony.api import connect, routing
from symphony.api.evidence import InstructionOutcome
from symphony.api.routing import RoutingDecision
from symphony.demo.verdict import Books, Check
from symphony.rehearsal.drill import LIMIT_S, RULES, TARGET_S, Facts
from symphony.rehearsal.load import PREFIX

_IDS: Final = ("outbox_id", "sequence_id")


async def read_decisions(auditor_url: str) -> list[RoutingDecision]:
    """The routing ledger, as the auditor."""
    async with await connect(auditor_url, application_name="symphony rehearse") as connection:
        return await routing.decisions(connection)


def checks(
    facts: Facts, books: Books, ledger: Sequence[dict[str, Any]], decisions: Sequence[RoutingDecision]
) -> Iterator[Check]:
    """Everything the drill's exit status stands for."""
    by_name: dict[str, list[InstructionOutcome]] = {}
    for outcome in books.outcomes:
        by_name.setdefault(outcome.instruction_id, []).append(outcome)
    yield from _acknowledgements(facts, by_name)
    yield from _effects(books, ledger)
    yield from _zombies(facts, by_name)
    yield from _routing(facts, decisions)


def _acknowledgements(facts: Facts, by_name: dict[str, list[InstructionOutcome]]) -> Iterator[Check]:
    journal, acknowledgements = facts.load.journal, facts.load.acknowledgements
    entries = {entry.name: entry for entry in journal}
    yield Check(
        "the journal is not empty and has every payment of the clients that the books have",
        [name for name in by_name if name.startswith(PREFIX) and name not in entries] if journal else ["it is empty"],
    )
    yield Check(
        f"each of the {len(acknowledgements)} acknowledgements that came stands in the journal as it came",
        [name for name, body in acknowledgements if name not in entries or entries[name].acknowledged != body]
        + sorted({e.name for e in journal if e.acknowledged is not None} - {name for name, _ in acknowledgements}),
    )
    yield Check(
        f"every one of the {len(journal)} keys sent was acknowledged in the end",
        [entry.name for entry in journal if entry.acknowledged is None],
    )
    yield Check(
        "zero acknowledgements lost: each acknowledged key stands in the books exactly once, with the same ids",
        [name for name, body in acknowledgements if not _stands(body, by_name.get(name, []))]
        + ([] if acknowledgements else ["none came"]),
    )
    yield Check(
        "between inversion and resumption no acknowledgement came from green",
        [
            entry.name
            for entry in journal
            if facts.inverted_at < entry.asked_at < facts.resumed_at - 0.5 and entry.colour == "green"
        ],
    )


def _stands(answer: dict[str, Any], found: Sequence[InstructionOutcome]) -> bool:
    return len(found) == 1 and (str(found[0].outbox_id), found[0].sequence_id) == tuple(answer.get(n) for n in _IDS)


def _effects(books: Books, ledger: Sequence[dict[str, Any]]) -> Iterator[Check]:
    rows = Counter(outcome.outbox_id for outcome in books.outcomes)
    effects = {row["reference"]: int(row["execution_count"]) for row in ledger}
    recorded = {outcome.outbox_id.hex for outcome in books.outcomes}
    numbers = Counter(outcome.sequence_id for outcome in books.outcomes)
    yield Check(
        f"each of the {len(rows)} instructions has exactly one terminal outcome",
        [str(found) for found, count in rows.items() if count != 1]
        + [outcome.instruction_id for outcome in books.outcomes if outcome.state is None],
    )
    yield Check(
        "their sequence has no gap and no number twice",
        [str(number) for number in range(1, len(rows) + 1) if numbers[number] != 1],
    )
    yield Check("zero double effects: the rail executed no reference twice", [r for r, n in effects.items() if n != 1])
    yield Check("the rail executed nothing that is not recorded", sorted(set(effects) - recorded))
    yield Check(
        "every DISPATCHED instruction was executed",
        [o.instruction_id for o in books.outcomes if o.state == "DISPATCHED" and effects.get(o.outbox_id.hex) != 1],
    )


def _zombies(facts: Facts, by_name: dict[str, list[InstructionOutcome]]) -> Iterator[Check]:
    yield Check(
        f"{len(facts.zombies)} payments were committed on green without an acknowledgement",
        [z.name for z in facts.zombies if z.first.status == 202 or z.name not in by_name]
        if facts.zombies
        else ["none was sent"],
    )
    yield Check(
        "their keys, sent again, were answered by blue as replays of that one instruction",
        [
            zombie.name
            for zombie in facts.zombies
            if zombie.again is None
            or (zombie.again.status, zombie.again.colour, zombie.again.replayed) != (202, "blue", True)
            or not _stands(zombie.again.body, by_name.get(zombie.name, []))
        ],
    )


def _routing(facts: Facts, decisions: Sequence[RoutingDecision]) -> Iterator[Check]:
    yield Check(
        f"inversion within {LIMIT_S:.0f} s (target {TARGET_S:.0f} s): {facts.inversion_s:.1f} s",
        [] if 0 < facts.inversion_s <= LIMIT_S else [f"{facts.inversion_s:.1f} s"],
    )
    yield Check(
        f"green had a share ({facts.green_share_pct:.0f} %), and was broken: {facts.swallowed} answers to COMMIT lost",
        []
        if facts.green_share_pct > 0 and facts.swallowed >= 1
        else ["what did not carry or did not break proves nothing"],
    )
    kinds = [decision.kind for decision in decisions]
    story = ["CANARY_BEGUN", "CANARY_RAISED", "FALLBACK", "COOLDOWN_BEGUN", "CANARY_RESUMED"]
    yield Check(
        "the routing ledger tells the story in order: " + ", ".join(story),
        [] if [kind for kind in dict.fromkeys(kinds) if kind in story] == story else [", ".join(kinds)],
    )
    times = {decision.kind: decision.decided_at for decision in reversed(decisions)}
    held_ms = -1.0
    if {"FALLBACK", "COOLDOWN_BEGUN"} <= times.keys():
        held_ms = (times["COOLDOWN_BEGUN"] - times["FALLBACK"]).total_seconds() * 1_000
    yield Check(
        f"the hold-down of {RULES['hold_down_ms']} ms was kept: {held_ms:.0f} ms",
        [] if held_ms >= float(str(RULES["hold_down_ms"])) else [f"{held_ms:.0f} ms"],
    )
    fallbacks = [decision for decision in decisions if decision.kind == "FALLBACK"]
    yield Check(
        "one fallback, decided by the controller on numbers that stand in the ledger",
        [] if len(fallbacks) == 1 and fallbacks[0].facts.get("candidate") else [str(len(fallbacks))],
    )
