"""`symphony trace`: the evidence timeline of one instruction, for people."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import click

from symphony.api import evidence
from symphony.api.connection import Connection
from symphony.api.evidence import TimelineEntry
from symphony.capability import run_as
from symphony.instruction import IDENTIFIER, PARTICIPANT
from symphony.money import from_minor
from symphony.operator_error import OperatorError
from symphony.policy_command import database_url_option

_SHOWN: Final = (
    "reason_code",
    "amount",
    "rail",
    "phase",
    "action",
    "proxy_type",
    "source",
    "source_version",
    "from_cache",
    "beneficiary_participant_id",
    "rail_code",
    "rail_reference",
    "answer_class",
    "sequence_id",
    "policy_version",
    "pop_mode",
    "db_role",
    "claimed_by",
    "latency",
    "maker",
    "checker",
    "actor",
    "next_action",
    "case_id",
    "outbox_id",
    "body_sha256",
    "request_sha256",
    "response_sha256",
)
_SHORT: Final = 12
_WIDTH: Final = 118
_NO_BREAK: Final = "\u00a0"


@click.command("trace")
@click.argument("instruction_id")
@click.option("--participant", "participant_id", required=True, help="The participant who sent it.")
@click.option("--json", "as_json", is_flag=True, help="Every fact, as JSON.")
@database_url_option
def trace(*, instruction_id: str, participant_id: str, as_json: bool, database_url: str) -> None:
    """Print everything recorded about one instruction, in order (login: symphony_auditor).

    Hashes are shortened; --json has them whole. There is no personal data in it.
    """
    for value, form, name in (
        (instruction_id, IDENTIFIER, "INSTRUCTION_ID"),
        (participant_id, PARTICIPANT, "--participant"),
    ):
        if not form.matches(value):
            raise click.UsageError(f"{name} must be {form.says}")

    async def work(connection: Connection) -> list[TimelineEntry]:
        found = await evidence.timeline(connection, participant_id=participant_id, instruction_id=instruction_id)
        if not found:
            found = await evidence.refusals(connection, participant_id=participant_id, instruction_id=instruction_id)
        if not found:
            raise OperatorError(
                "INSTRUCTION_UNKNOWN",
                thing=f"instruction {instruction_id} of {participant_id}",
                reason="nothing is recorded under this id",
                next_action="check the id and the participant; if it was never answered, send it again",
            )
        return found

    entries = run_as("symphony_auditor", database_url, work)
    if as_json:
        steps = [{**asdict(entry), "happened_at": entry.happened_at.isoformat()} for entry in entries]
        answer = {"participant_id": participant_id, "instruction_id": instruction_id, "steps": steps}
        click.echo(json.dumps(answer, default=str))
        return
    click.echo(f"{instruction_id} of {participant_id}, {len(entries)} steps, times in UTC")
    width = max(_WIDTH, shutil.get_terminal_size((_WIDTH, 24)).columns)
    for line in lines(entries, width=width):
        click.echo(line)


def lines(entries: Iterable[TimelineEntry], *, width: int = _WIDTH) -> Iterator[str]:
    """A step: when, seconds since the first step, what, state, key facts; `width` columns at most."""
    first: datetime | None = None
    for entry in entries:
        at = entry.happened_at.astimezone(UTC)
        if first is None or at.date() != first.date():
            yield f"  {at:%Y-%m-%d}"
        first = first or at
        when = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {(at - first).total_seconds():+9.3f} s"
        head = f"  {when}  {entry.kind:<14}  {entry.state or '-':<16}  "
        facts = list(_facts(entry.facts))
        if entry.attempt_no is not None:
            facts.insert(0, f"attempt {entry.attempt_no}")
        # A fact is not broken between its name and its value.
        wrapped = textwrap.wrap(
            ", ".join(fact.replace(" ", _NO_BREAK) for fact in facts) or "-",
            width=width,
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_long_words=False,
            break_on_hyphens=False,
        )
        yield from (line.replace(_NO_BREAK, " ") for line in wrapped)


def _facts(facts: dict[str, Any]) -> Iterator[str]:
    known = dict(facts)
    if "amount_minor" in known:
        currency = str(known.get("currency"))
        known["amount"] = f"{from_minor(int(known['amount_minor']), currency)} {currency}"
    if "latency_us" in known:
        known["latency"] = f"{int(known['latency_us']) / 1000:.1f} ms"
    for name in _SHOWN:
        value = known.get(name)
        if value is None:
            continue
        text = str(value)
        yield f"{name} {text[:_SHORT] + '…' if name.endswith('_sha256') else text}"
