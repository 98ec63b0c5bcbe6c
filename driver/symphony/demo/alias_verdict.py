"""The verdict on payments by alias: our evidence beside the registry's own ledger and the rail's."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from symphony.api import connect, core, evidence
from symphony.api.core import Meaning
from symphony.api.evidence import AliasAnswer, InstructionOutcome
from symphony.demo.alias_registry import IN_A_ROW, AliasRegistry, down_requests
from symphony.demo.alias_script import AliasScript
from symphony.demo.script import PARTICIPANT
from symphony.demo.stage import Services, Stage
from symphony.demo.verdict import Books, Check
from symphony.rail_sandbox.ledger import read_hash_key

NOT_FOUND: Final = "PROXY_NOT_FOUND"
_PAUSE_S: Final = 0.45
"""A probe comes half a second after the last question at the earliest; less a little, for two clocks are read."""
_LOOK: Final = timedelta(milliseconds=250)
"""Between two looks at the queue: by no more may an alias be overtaken."""
_VALUE: Final = re.compile(rb"260977000[0-9]{3}")
_PARTIES: Final = re.compile(r"outbox\.instruction_parties(_[a-z0-9_]+)?")


@dataclass(frozen=True, slots=True)
class AliasBooks:
    """What is known of the aliases from all sides.

    Attributes:
        answers: our ledger of what was said of aliases.
        calls: the registry's ledger of what it was asked.
        meanings: the reason taxonomy in force.
        hash_key: the rail's, which keeps of a creditor a keyed hash only.
        places: where an alias stands in clear: tables of a dump, and files; with how many lines.
        healed_at: when the registry was healed.
    """

    answers: list[AliasAnswer]
    calls: list[dict[str, Any]]
    meanings: list[Meaning]
    hash_key: bytes
    places: Counter[str]
    healed_at: datetime


async def read_answers(auditor_url: str) -> list[AliasAnswer]:
    """Read what was said of the aliases, as the auditor."""
    async with await connect(auditor_url, application_name="symphony demo") as connection:
        return await evidence.alias_answers(connection, participant_id=PARTICIPANT)


async def read_meanings(operator_url: str) -> list[Meaning]:
    """Read the reason taxonomy, as the operator."""
    async with await connect(operator_url, application_name="symphony demo") as connection:
        return await core.list_reason_taxonomy(connection)


def read_places(stage: Stage) -> Counter[str]:
    """Where an alias stands in clear, beyond what the sender wrote and the registry keeps."""
    found: Counter[str] = Counter()
    table = ""
    for line in stage.dump().split(b"\n"):
        if line.startswith(b"COPY "):
            table = line.split()[1].decode()
        found[table] += _VALUE.search(line) is not None
    for path in _files(stage):
        found[path.name] += sum(_VALUE.search(line) is not None for line in path.read_bytes().split(b"\n"))
    return +found


def _files(stage: Stage) -> list[Path]:
    """What processes wrote: their output and logs, the database's and OpenBao's logs, the rail's ledger."""
    here = [path for pattern in ("*.log", "*.out", "rail.db*") for path in stage.directory.glob(pattern)]
    return [*here, *(stage.directory / "data" / "log").iterdir(), *stage.trust.bao_directory.glob("*.log")]


async def read_alias_books(stage: Stage, services: Services, *, healed_at: datetime) -> AliasBooks:
    """Read everything."""
    return AliasBooks(
        answers=await read_answers(stage.urls["symphony_auditor"]),
        calls=AliasRegistry(services.registry_url).calls(),
        meanings=await read_meanings(stage.urls["symphony_operator"]),
        hash_key=read_hash_key(stage.directory / "rail.db"),
        places=read_places(stage),
        healed_at=healed_at,
    )


def checks(books: Books, ledger: Sequence[dict[str, Any]], known: AliasBooks, script: AliasScript) -> Iterator[Check]:
    """Everything that must hold of payments by alias."""
    outcomes = {outcome.instruction_id: outcome for outcome in books.outcomes}
    effects = {row["reference"]: row for row in ledger}
    paid = {
        name: (outcomes[name], effects.get(outcomes[name].outbox_id.hex))
        for name in script.alias_of
        if name in outcomes and name != script.stranger
    }
    payable = [name for name in script.alias_of if name != script.stranger]
    resting = {answer.outbox_id for answer in known.answers if _carries(answer)}
    yield Check(
        f"each of the {len(payable)} payments by alias is DISPATCHED on a registry's answer that had not expired",
        [
            n
            for n in payable
            if n not in paid or paid[n][0].state != "DISPATCHED" or paid[n][0].outbox_id not in resting
        ],
    )
    yield _asked_once(known, script)
    told_at = {c["alias_sha256"]: c["called_at"] for c in known.calls if c["answer"] == "RESOLVED"}
    yield Check(
        "nobody was paid before the registry had answered: the rail's clock beside the registry's",
        [n for n in payable if n not in paid or not _later(paid[n][1], told_at.get(_sha256(script.alias_of[n])))],
    )
    yield Check(
        "the rail paid whom the registry names, at the account that the registry names",
        [n for n in payable if n not in paid or not _right(paid[n][1], script.alias_of[n], known, script)],
    )
    yield _stranger(books, known, effects, outcomes.get(script.stranger))
    yield from _outage(outcomes, known, script)
    places = {place: lines for place, lines in known.places.items() if not _PARTIES.fullmatch(place)}
    beside = sum(known.places.values()) - sum(places.values())
    wrong = [f"{place}: {lines} lines" for place, lines in places.items()]
    yield Check(
        "the aliases stand beside the parties, and in no other table of a whole dump, no log and no ledger",
        wrong if beside == len(script.alias_of) else [*wrong, f"{beside} beside the parties"],
    )


def _carries(answer: AliasAnswer) -> bool:
    """A dispatch rests on it, made while it might be believed."""
    return (
        answer.status == "RESOLVED"
        and answer.dispatched_at is not None
        and answer.expires_at is not None
        and answer.observed_at <= answer.recorded_at <= answer.dispatched_at < answer.expires_at
    )


def _asked_once(known: AliasBooks, script: AliasScript) -> Check:
    told = Counter((call["alias_sha256"], call["answer"]) for call in known.calls if call["answer"] != "DOWN")
    wanted = Counter({(_sha256(number), "RESOLVED"): 1 for number in script.payees})
    wanted[_sha256(script.alias_of[script.stranger]), "NOT_FOUND"] = 1
    return Check(
        f"by its own ledger the registry told of each of the {len(wanted)} numbers once: repetitions cost no question",
        [f"{sha256[:12]}… {answer}" for sha256, answer in ((told - wanted) + (wanted - told))],
    )


def _later(effect: Mapping[str, Any] | None, told_at: str | None) -> bool:
    return (
        effect is not None
        and told_at is not None
        and datetime.fromisoformat(told_at) < datetime.fromisoformat(effect["executed_at"])
    )


def _right(effect: Mapping[str, Any] | None, number: str, known: AliasBooks, script: AliasScript) -> bool:
    """The effect's hash is that of the creditor as the registry knows it."""
    payee = script.payees[number]
    creditor = {name: payee[name] for name in ("account", "name", "participant_id")}
    creditor["alias"] = {"type": payee["type"], "value": number}
    content = json.dumps(creditor, sort_keys=True, separators=(",", ":")).encode()
    return (
        effect is not None
        and effect["creditor_participant_id"] == payee["participant_id"]
        and effect["creditor_hash"] == hmac.digest(known.hash_key, content, "sha256").hex()
    )


def _stranger(books: Books, known: AliasBooks, effects: Mapping[str, Any], outcome: InstructionOutcome | None) -> Check:
    meaning = next((m for m in known.meanings if m.reason_code == NOT_FOUND), None)
    case = next((case for case in books.cases if outcome is not None and case.outbox_id == outcome.outbox_id), None)
    advice = None if case is None else case.next_action
    wrong = [
        said
        for said, held in (
            ("not VOIDED", outcome is not None and (outcome.state, outcome.reason_code) == ("VOIDED", NOT_FOUND)),
            ("known to the rail", outcome is not None and outcome.outbox_id.hex not in effects),
            ("not BE23 in the taxonomy", meaning is not None and meaning.iso_code == "BE23"),
            ("no case", case is not None and case.kind == "PROXY_UNRESOLVED"),
            (
                "another next action",
                case is not None and meaning is not None and case.next_action == meaning.next_action,
            ),
        )
        if not held
    ]
    action = "" if advice is None else f", a case: {advice}"
    return Check(f"nobody's number is VOIDED (ISO 20022 BE23 AccountProxyInvalid){action}", wrong)


def _outage(outcomes: Mapping[str, InstructionOutcome], known: AliasBooks, script: AliasScript) -> Iterator[Check]:
    came = down_requests(known.calls)
    wrong = [] if len(came) > IN_A_ROW else [f"it was found down {len(came)} times"]
    wrong += [
        f"{(later - earlier).total_seconds():.3f} s"
        for earlier, later in pairwise(came[IN_A_ROW - 1 :])
        if (later - earlier).total_seconds() < _PAUSE_S
    ]
    down_s = (known.healed_at - came[0]).total_seconds() if came else 0.0
    asked = f"while the registry was down for {down_s:.1f} s it was asked {len(came)} times"
    yield Check(f"{asked}: {IN_A_ROW} in a row, then a probe now and then", wrong)
    direct = [outcomes.get(name) for name in script.direct]
    waits = [(o.ended_at - o.recorded_at).total_seconds() for o in direct if o is not None and o.ended_at is not None]
    slowest_ms = max(waits, default=0.0) * 1_000
    yield Check(
        f"meanwhile {len(direct)} payments to accounts were DISPATCHED, the slowest in {slowest_ms:.0f} ms",
        [
            name
            for name, outcome in zip(script.direct, direct, strict=True)
            if outcome is None
            or outcome.state != "DISPATCHED"
            or outcome.ended_at is None
            or outcome.ended_at > known.healed_at
        ],
    )
    yield _in_order(outcomes, known, script)


def _in_order(outcomes: Mapping[str, InstructionOutcome], known: AliasBooks, script: AliasScript) -> Check:
    """By when they were taken up: one that came earlier is not taken up a whole look at the queue later."""
    taken = {answer.outbox_id: answer.observed_at for answer in known.answers if answer.status == "RESOLVED"}
    waiting = sorted(
        (outcomes[name] for name in script.while_down if name in outcomes), key=lambda outcome: outcome.sequence_id
    )
    wrong = [outcome.instruction_id for outcome in waiting if outcome.outbox_id not in taken]
    latest: datetime | None = None
    for outcome in waiting if not wrong else []:
        at = taken[outcome.outbox_id]
        if latest is not None and at < latest - _LOOK:
            wrong.append(outcome.instruction_id)
        latest = at if latest is None else max(latest, at)
    missing = len(script.while_down) - len(waiting)
    return Check(
        f"then it healed, and the {len(script.while_down)} payments by alias went on in the order they came",
        wrong if not missing else [*wrong, f"{missing} are not recorded"],
    )


def _sha256(number: str) -> str:
    return hashlib.sha256(f"MBNO:{number}".encode()).hexdigest()
