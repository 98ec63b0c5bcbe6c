"""The demonstration's verdict: our evidence beside the rail's own ledger, and the numbers of the summary."""

from __future__ import annotations

import json
import math
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from symphony.api import connect, evidence
from symphony.api.evidence import FIRST, InstructionOutcome, OpenCase
from symphony.demo.script import PARTICIPANT, Script
from symphony.money import to_minor

_PAGE: Final = 1_000
_TIMEOUT_S: Final = 10.0
_MOST: Final = 0.95


@dataclass(frozen=True, slots=True)
class Books:
    """What the auditor reads in our database."""

    outcomes: list[InstructionOutcome]
    cases: list[OpenCase]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold; `wrong` names what does not, empty when it holds."""

    said: str
    wrong: list[str]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Latencies in milliseconds from recorded to terminal outcome, and outcomes per second."""

    p50_ms: float
    p99_ms: float
    slowest_ms: float
    ended_per_s: float


async def read_books(auditor_url: str) -> Books:
    """Read every instruction with its outcome, and the open cases, as the auditor."""
    connection = await connect(auditor_url, application_name="symphony demo")
    async with connection:
        found: list[InstructionOutcome] = []
        while True:
            page = await evidence.outcomes(
                connection,
                participant_id=PARTICIPANT,
                after=found[-1].outbox_id if found else FIRST,
                limit=_PAGE,
            )
            found += page
            if len(page) < _PAGE:
                break
        return Books(found, await evidence.open_cases(connection, participant_id=PARTICIPANT))


def read_ledger(rail_url: str) -> list[dict[str, Any]]:
    """Read the rail's effects: one row a reference, with how often it was executed."""
    rows: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        address = f"{rail_url}/ledger?table=effects&after={after}&limit={_PAGE}"
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as response:  # noqa: S310 - our own, on loopback
            page = json.load(response)
        rows += page["effects"]
        after = page["next_after"]
    return rows


def checks(books: Books, ledger: Sequence[dict[str, Any]], script: Script) -> Iterator[Check]:
    """Everything the demonstration's exit status stands for."""
    references = {outcome.outbox_id.hex for outcome in books.outcomes}
    effects = {row["reference"]: row for row in ledger}
    cases = {case.outbox_id for case in books.cases}

    def of(*states: str) -> list[InstructionOutcome]:
        return [outcome for outcome in books.outcomes if outcome.state in states]

    def ids(found: Sequence[InstructionOutcome]) -> list[str]:
        return [outcome.instruction_id for outcome in found]

    total = script.total
    sequence = sorted(outcome.sequence_id for outcome in books.outcomes)
    gaps = [str(number) for number in set(range(1, total + 1)).symmetric_difference(sequence)]
    yield Check(f"{total} instructions recorded, their sequence without a gap", gaps)
    yield Check(
        "every instruction has exactly one terminal outcome",
        ids([outcome for outcome in books.outcomes if outcome.state is None]),
    )
    yield Check(
        "the rail executed no reference twice",
        [reference for reference, row in effects.items() if row["execution_count"] != 1],
    )
    yield Check("the rail executed nothing that is not recorded", sorted(set(effects) - references))
    dispatched = of("DISPATCHED")
    yield Check(
        f"each of the {len(dispatched)} DISPATCHED was executed once, same amount, same rail reference",
        ids([outcome for outcome in dispatched if not _agrees(outcome, effects.get(outcome.outbox_id.hex))]),
    )
    ended = of("FAILED", "VOIDED")
    yield Check(
        f"none of the {len(ended)} FAILED or VOIDED was executed",
        ids([outcome for outcome in ended if outcome.outbox_id.hex in effects]),
    )
    manual = of("PENDING_MANUAL")
    yield Check(
        f"each of the {len(manual)} PENDING_MANUAL has a case for a person",
        ids([outcome for outcome in manual if outcome.outbox_id not in cases]),
    )
    yield Check(
        "rejected ones are FAILED, the wrong echo is PENDING_MANUAL, the unanswered one is DISPATCHED",
        _unexpected(books, script),
    )


def _unexpected(books: Books, script: Script) -> list[str]:
    """The scripted instructions that did not end as their fault makes them end."""
    expected = dict.fromkeys(script.of_kind("reject"), "FAILED")
    expected |= dict.fromkeys(script.of_kind("wrong_amount_echo"), "PENDING_MANUAL")
    expected[script.told] = "DISPATCHED"
    states = {outcome.instruction_id: outcome.state for outcome in books.outcomes}
    return [
        f"{instruction_id} is {states.get(instruction_id, 'unknown')}"
        for instruction_id, state in expected.items()
        if states.get(instruction_id) != state
    ]


def _agrees(outcome: InstructionOutcome, effect: dict[str, Any] | None) -> bool:
    return (
        effect is not None
        and effect["execution_count"] == 1
        and effect["currency"] == outcome.currency
        and to_minor(effect["amount"], effect["currency"]) == outcome.amount_minor
        and effect["rail_reference"] == outcome.rail_reference
    )


def states(books: Books) -> Counter[str]:
    """How many instructions ended how."""
    return Counter(outcome.state or "NO OUTCOME" for outcome in books.outcomes)


def numbers(books: Books) -> Numbers:
    """The latencies and the rate, by the database clock.

    `ended_per_s` counts until 95 % had ended: the rest waits for its enquiries by the script.
    """
    begin = min((outcome.recorded_at for outcome in books.outcomes), default=None)
    ended = sorted(outcome.ended_at for outcome in books.outcomes if outcome.ended_at is not None)
    waits = sorted(
        (outcome.ended_at - outcome.recorded_at).total_seconds() * 1_000
        for outcome in books.outcomes
        if outcome.ended_at is not None
    )
    if not waits or begin is None:
        return Numbers(math.nan, math.nan, math.nan, math.nan)
    most = math.ceil(len(ended) * _MOST)
    return Numbers(
        p50_ms=_percentile(waits, 0.50),
        p99_ms=_percentile(waits, 0.99),
        slowest_ms=waits[-1],
        ended_per_s=rate(most, (ended[most - 1] - begin).total_seconds()),
    )


def _percentile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed (nearest rank)."""
    return ascending[max(0, math.ceil(len(ascending) * share) - 1)]


def rate(count: int, seconds: float) -> float:
    """How many a second."""
    return count / seconds if seconds > 0 else math.nan
