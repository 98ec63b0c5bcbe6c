"""A morning's work of one release's driver on a database: run by file, under that release's own package.

    PYTHONPATH=TREE/driver python -P gates/release_session.py TREE fill|go-on DATABASE_URL

`fill` establishes a cell and takes instructions to every state there is; `go-on` reads what a `fill` left (its answer
on standard input) and ends what was open. Both print as JSON what the driver saw. It imports nothing of this checkout:
an API it uses is one that the previous release had, and must go on working.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Collection, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Decision
from symphony.api.outbox import Claim
from symphony.api.rails import RailAnswer
from tests.payments import PARTICIPANTS, establish, item, policy_document

_RAIL = "sandbox"
_WORKER = "release-session"
_LEASE_MS = 600_000
# Instruction → what the rail answers. One stays in flight, and the last are not claimed at all.
_ANSWERS = {
    "S-DISPATCHED": ("SUBMIT", "ACCEPTED"),
    "S-FAILED": ("SUBMIT", "REJECTED_AC01"),
    "S-VOIDED": ("NONE", "REFUSED_BEFORE_CALL"),
    "S-RETRYABLE": ("SUBMIT", "UNAVAILABLE"),
    "S-MANUAL": ("SUBMIT", "HTTP_500"),
}
_LATE = {"S-UNCERTAIN": ("SUBMIT", "HTTP_500")}
_IN_FLIGHT = "S-IN-FLIGHT"
_PENDING = ("S-PENDING-1", "S-PENDING-2")
_CLAIMED = (*_ANSWERS, *_LATE, _IN_FLIGHT)
_ALL = (*_CLAIMED, *_PENDING)
_WHO = PARTICIPANTS[0]


async def fill(connection: Connection, _seen: dict[str, Any]) -> dict[str, Any]:
    """Take instructions to every state; return decisions, outcomes and states."""
    document = policy_document(
        lease_ms=_LEASE_MS, retry_base_ms=3_600_000, retry_cap_ms=3_600_000, enquiry_after_ms=[1]
    )
    await establish(connection, document)
    decisions = await _accept(connection, _CLAIMED)
    first = item(_CLAIMED[0])
    again = [
        first,  # the same key and content: the same answer
        replace(first, amount_minor=1),  # the same key, other content
        replace(item("S-STRANGER"), participant_id="ZM-NOBODY"),
    ]
    replies = [_told(decision) for decision in await api.ingress.accept(connection, items=again)]
    claims = await _claim(connection)
    outcomes = await _answer(connection, [claims[name] for name in _ANSWERS], _ANSWERS)
    await asyncio.sleep(0.01)
    enquiries = await _claim(connection)
    outcomes |= await _answer(connection, enquiries.values(), dict.fromkeys(enquiries, ("QUERY", "PENDING")))
    outcomes |= await _answer(connection, [claims[name] for name in _LATE], _LATE)
    decisions |= await _accept(connection, _PENDING)
    halt = await api.policy.halt(connection, scope="RAIL", rail=_RAIL, operator="test", reason="a drill")
    halted = [_told(d) for d in await api.ingress.accept(connection, items=[item("S-HALTED")])]
    await api.policy.lift_halt(connection, halt_id=halt, operator="test", reason="the drill is over")
    cases = await api.evidence.open_cases(connection, participant_id=_WHO)
    return {
        "decisions": decisions,
        "replies": replies,
        "halted": halted,
        "claimed": sorted(claims),
        "enquiries": sorted(f"{name} {claim.action}" for name, claim in enquiries.items()),
        "outcomes": outcomes,
        "lease": str(claims[_IN_FLIGHT].lease_token),
        "states": await _states(connection),
        "cases": [case.kind for case in cases],
    }


async def go_on(connection: Connection, seen: dict[str, Any]) -> dict[str, Any]:
    """Read what a fill left, and end what was open; return what was read and the outcomes."""
    states = await _states(connection)
    timelines = {}
    for name in _ALL:
        entries = await api.evidence.timeline(connection, participant_id=_WHO, instruction_id=name)
        timelines[name] = [f"{entry.kind} {entry.state}" for entry in entries]
    replays = await _accept(connection, _ALL)
    cases = await api.evidence.open_cases(connection, participant_id=_WHO)
    fresh = await _accept(connection, ["S-FRESH"])
    claims = await _claim(connection)
    held = RailAnswer(
        participant_id=_WHO,
        outbox_id=UUID(seen["decisions"][_IN_FLIGHT]["outbox_id"]),
        lease_token=UUID(seen["lease"]),
        rail=_RAIL,
        phase="SUBMIT",
        rail_code="REJECTED_AC01",
    )
    ended = await api.rails.record_answers(connection, worker=_WORKER, answers=[held])
    codes = {name: ("QUERY" if claim.action == "ENQUIRE" else "SUBMIT", "ACCEPTED") for name, claim in claims.items()}
    outcomes = await _answer(connection, claims.values(), codes)
    return {
        "states": states,
        "timelines": timelines,
        "replays": replays,
        "cases": [case.kind for case in cases],
        "fresh": [decision["decision"] for decision in fresh.values()],
        "outcomes": outcomes | {_IN_FLIGHT: ended[0].outcome},
    }


def _told(decision: Decision) -> dict[str, Any]:
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in asdict(decision).items()}


async def _accept(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    items = [item(name) for name in names]
    decisions = await api.ingress.accept(connection, items=items)
    return {str(sent.instruction_id): _told(decision) for sent, decision in zip(items, decisions, strict=True)}


async def _claim(connection: Connection) -> dict[str, Claim]:
    claims = await api.outbox.claim_outbox_batch(connection, worker=_WORKER, limit=100, rail=_RAIL, lease_ms=_LEASE_MS)
    return {claim.instruction_id: claim for claim in claims}


async def _answer(
    connection: Connection, claims: Collection[Claim], codes: dict[str, tuple[str, str]]
) -> dict[str, str]:
    answers = []
    for claim in claims:
        phase, code = codes[claim.instruction_id]
        said = RailAnswer(
            participant_id=claim.participant_id,
            outbox_id=claim.outbox_id,
            lease_token=claim.lease_token,
            rail=_RAIL,
            phase=phase,
            rail_code=code,
        )
        if code == "ACCEPTED":
            said = replace(
                said,
                rail_reference=f"R-{claim.instruction_id}",
                echoed_amount_minor=claim.amount_minor,
                echoed_currency=claim.currency,
            )
        answers.append(said)
    outcomes = await api.rails.record_answers(connection, worker=_WORKER, answers=answers)
    named = {claim.outbox_id: claim.instruction_id for claim in claims}
    return {named[outcome.outbox_id]: outcome.outcome for outcome in outcomes}


async def _states(connection: Connection) -> dict[str, Any]:
    found = {}
    for name in _ALL:
        status = await api.outbox.instruction_status(connection, participant_id=_WHO, instruction_id=name)
        found[name] = None if status is None else asdict(status)
    return found


async def main(mode: str, url: str) -> None:
    """Do the work and print what was seen."""
    seen = json.load(sys.stdin)
    work = {"fill": fill, "go-on": go_on}[mode]
    connection = await api.connect(url, application_name="symphony gate release session")
    async with connection:
        answer = await work(connection, seen)
    json.dump(answer, sys.stdout, default=str)


if __name__ == "__main__":
    used = Path(api.__file__).resolve()
    if (Path(sys.argv[1]) / "driver").resolve() not in used.parents:
        raise SystemExit(f"the driver used is {used}, not that of {sys.argv[1]}")
    asyncio.run(main(sys.argv[2], sys.argv[3]))
