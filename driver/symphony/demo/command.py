"""`symphony demo`: everything on one machine, from an empty directory to a verdict, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import datetime
from typing import Any, Final

import click

from symphony.demo import alias_verdict, verdict
from symphony.demo import script as demo_script
from symphony.demo.alias_registry import AliasRegistry, outage
from symphony.demo.processes import DemoFailed, Interrupted, Interruption
from symphony.demo.script import MINIMUM, PARTICIPANT, RAIL, Script
from symphony.demo.stage import Services, Stage, work_directory
from symphony.demo.trials import trials
from symphony.errors import SymphonyError

_SHOWN: Final = 5
_TRACE_S: Final = 60.0


class _Teller:
    """Prints one line a step with the seconds since the beginning."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._begin

    def step(self, said: str) -> None:
        click.echo(f"[{self.elapsed_s:6.1f} s] {said}")

    def plain(self, said: str) -> None:
        click.echo(f"           {said}")


@click.command("demo")
@click.option(
    "--count",
    type=click.IntRange(MINIMUM, 20_000),
    default=500,
    show_default=True,
    help="Instructions in each of the two large files.",
)
@click.option(
    "--timeout-s",
    type=click.IntRange(1, 3_600),
    default=90,
    show_default=True,
    help="Longest wait for the last outcome.",
)
@click.option("--keep", is_flag=True, help="Keep the directory with the data, the files and the logs.")
def demo(*, count: int, timeout_s: int, keep: bool) -> None:
    """Show payments travel end to end, through a misbehaving rail and an alias registry that goes away and comes back.

    PostgreSQL, OpenBao, ingress, worker, resolver, rail and registry are all real processes.

    Nothing is believed unproven: mutual TLS, tokens bound to certificate and key, DPoP, signed bodies, leased logins.

    Exit status 0 means that every check held, judged by the rail's own ledger; nothing is left running.
    """
    os.umask(0o077)
    forget_other_databases()
    interruption = Interruption()
    teller = _Teller()
    failures: list[str] = []
    stage: Stage | None = None
    status = 1
    try:
        with interruption.held():
            stage = Stage(work_directory(), interruption=interruption, say=teller.step)
        teller.step(f"demonstration of {2 * count} instructions and some by alias in {stage.directory}")
        status = _play(stage, teller, count=count, timeout_s=timeout_s)
    except Interrupted as interrupted:
        status = 128 + interrupted.number
        failures.append("interrupted")
    except (SymphonyError, OSError) as error:
        failures.append(str(error))
    finally:
        interruption.ignore()
        if stage is not None:
            try:
                stage.close(keep=keep)
            except (SymphonyError, OSError) as error:
                failures.append(str(error))
                status = status or 1
    for failure in failures:
        click.echo(f"FAILED: {failure}", err=True)
    raise SystemExit(status)


def forget_other_databases() -> None:
    """Take the variables away that could lead a child, or libpq, to somebody's real database."""
    for name in list(os.environ):
        if name.startswith(("PG", "SYMPHONY_", "DATABASE_URL")) and name != "SYMPHONY_POSTGRES_CACHE":
            del os.environ[name]


def _play(stage: Stage, teller: _Teller, *, count: int, timeout_s: int) -> int:
    stage.open_database()
    stage.open_trust()
    script = demo_script.write(stage.directory, count=count, now=datetime.now().astimezone())
    services = stage.open_services(script)
    AliasRegistry(services.registry_url).put(script.aliases.payees.values())
    teller.step("the rail has orders to misbehave; of these payments")
    for part in script.summary():
        teller.plain(part)
    reports = _submit(stage, services, script, teller)
    duplicates = reports[-1]["replayed"] if reports[-1]["recorded"] == 0 else 0
    healed_at, recorded = outage(stage, services, script.aliases, seconds=timeout_s)
    teller.step(f"the alias registry was down for a while: {recorded} recorded all the same")
    stage.wait_until_ended(services, seconds=timeout_s)
    teller.step("every instruction has its outcome")
    _tell(stage, script, teller)
    books = asyncio.run(verdict.read_books(stage.urls["symphony_auditor"]))
    ledger = verdict.read_ledger(services.rail_url)
    aliases = asyncio.run(alias_verdict.read_alias_books(stage, services, healed_at=healed_at))
    attempts = trials(stage, services, instruction_id=script.told)
    teller.step(
        "our evidence beside the rail's and the registry's own ledgers, and what was tried against the ingress:"
    )
    held = True
    repeated = verdict.Check(
        f"the second sending of {script.count} instructions recorded nothing",
        [] if duplicates == script.count else [f"{duplicates} were recognised"],
    )
    by_alias = alias_verdict.checks(books, ledger, aliases, script.aliases)
    for check in (*verdict.checks(books, ledger, script), repeated, *by_alias, *attempts):
        held = held and not check.wrong
        teller.plain(f"{'no ' if check.wrong else 'yes'}  {check.said}")
        for wrong in check.wrong[:_SHOWN]:
            teller.plain(f"       {wrong}")
    stage.children.run("status", "status", database_url=stage.urls["symphony_maintainer"])
    teller.step("symphony status finds nothing wrong")
    _summarise(books, reports, script, teller)
    if not held:
        raise DemoFailed("a check did not hold; run it again with --keep to look into it")
    return 0


def _submit(stage: Stage, services: Services, script: Script, teller: _Teller) -> list[dict[str, Any]]:
    """Send the files, then the first one again; return the reports."""
    jsonl = (str(script.jsonl),)
    pain001 = (str(script.pain001), "--rail", RAIL, "--participants", str(script.participants))
    aliases = (str(script.aliases.known_file),)
    reports: list[dict[str, Any]] = []
    for name, arguments, what in (
        ("submit-jsonl", jsonl, "a JSON Lines file"),
        ("submit-pain001", pain001, "a pain.001.001.09 file of four payment blocks"),
        ("submit-aliases", aliases, "payees by mobile number"),
        ("submit-again", jsonl, "the JSON Lines file again"),
    ):
        report = json.loads(stage.children.run(name, *stage.submission(services, *arguments)))
        teller.step(
            f"submitted {what}: {report['recorded']} recorded, {report['replayed']} recognised as sent before,"
            f" in {report['elapsed_s']:.2f} s"
        )
        reports.append(report)
    return reports


def _tell(stage: Stage, script: Script, teller: _Teller) -> None:
    """Print the stories of a payment the rail executed without answering, and of one whose alias had to wait."""
    told = (
        (script.told, "one the rail executed without answering, found out by an enquiry (symphony trace):"),
        (script.aliases.while_down[0], "one by alias, sent while the registry was down:"),
    )
    stories = [
        stage.children.start(
            f"trace-{number}", "trace", instruction_id, "--participant", PARTICIPANT,
            database_url=stage.urls["symphony_auditor"],
        )
        for number, (instruction_id, _) in enumerate(told)
    ]  # fmt: skip
    for (_, what), story in zip(told, stories, strict=True):
        teller.step(what)
        for line in story.wait_done(seconds=_TRACE_S).splitlines():
            click.echo(f"    {line}")


def _summarise(books: verdict.Books, reports: list[dict[str, Any]], script: Script, teller: _Teller) -> None:
    beside = {wire["instruction_id"] for wire in script.aliases.wires}
    large = verdict.Books([o for o in books.outcomes if o.instruction_id not in beside], books.cases)
    counted, found = verdict.states(books), verdict.numbers(large)
    first_two = reports[:2]
    recorded_per_s = verdict.rate(sum(r["recorded"] for r in first_two), sum(r["elapsed_s"] for r in first_two))
    click.echo()
    for name, value in (
        ("recorded", f"{len(books.outcomes)}"),
        ("dispatched", f"{counted['DISPATCHED']}"),
        ("failed", f"{counted['FAILED']}"),
        ("voided", f"{counted['VOIDED']} (an alias that nobody has, with a case for a person)"),
        ("uncertain", f"{counted['PENDING_MANUAL']} (PENDING_MANUAL, each with a case for a person)"),
        ("duplicates suppressed", f"{reports[-1]['replayed']}"),
        ("throughput", f"{recorded_per_s:.0f}/s recorded over HTTP, {found.ended_per_s:.0f}/s to a terminal outcome"
         " (the first 95 %; the rest waited for its enquiries)"),
        ("recorded to terminal", f"p50 {found.p50_ms:.0f} ms, p99 {found.p99_ms:.0f} ms,"
         f" slowest {found.slowest_ms:.0f} ms"),
        ("elapsed", f"{teller.elapsed_s:.0f} s"),
    ):  # fmt: skip
        click.echo(f"  {name:<22}{value}")
    click.echo()
