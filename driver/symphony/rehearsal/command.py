"""`symphony rehearse fallback`: the drill on a live stage, judged, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from symphony.api.routing import RoutingDecision
from symphony.demo import verdict as books_verdict
from symphony.demo.command import forget_other_databases as forget_other_databases
from symphony.demo.processes import Interrupted, Interruption
from symphony.demo.stage import work_directory
from symphony.errors import SymphonyError
from symphony.rehearsal import drill, verdict
from symphony.rehearsal.stage import RoutingStage
from symphony.routing import configuration

_SHOWN: Final = 5
_DRAIN_S: Final = 60


class _Teller:
    """Prints one line a step with the seconds since the beginning; beside a JSON report to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        self._begin = time.monotonic()
        self._as_json = as_json

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._begin

    def step(self, said: str) -> None:
        click.echo(f"[{self.elapsed_s:6.1f} s] {said}", err=self._as_json)

    def plain(self, said: str) -> None:
        click.echo(f"           {said}", err=self._as_json)


@click.group("rehearse")
def rehearse() -> None:
    """Bring a failure about on a live system of its own, and judge what it did."""


@rehearse.command("fallback")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; the steps go to standard error.")
@click.option("--keep", is_flag=True, help="Keep the directory with the data, the configuration and the logs.")
@click.option(
    "--previous-driver",
    type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
    help="The driver folder of a checkout of the previous release: blue runs it.",
)
def fallback(*, as_json: bool, keep: bool, previous_driver: Path | None) -> None:
    """Break the newer of two ingress versions behind HAProxy, under load; nothing may be lost or done twice.

    Exit status 0 means that every verdict held; nothing is left running.
    """
    os.umask(0o077)
    forget_other_databases()
    interruption = Interruption()
    teller = _Teller(as_json=as_json)
    failures: list[str] = []
    stage: RoutingStage | None = None
    status = 1
    try:
        configuration.program()  # before anything is begun
        with interruption.held():
            stage = RoutingStage(work_directory(), interruption=interruption, say=teller.step)
        report = _play(stage, teller, previous_driver=previous_driver)
        if as_json:
            click.echo(json.dumps(report, indent=2))
        status = 0 if report["holds"] else 1
        if status:
            failures.append("a verdict did not hold; run it again with --keep to look into it")
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


def _play(stage: RoutingStage, teller: _Teller, *, previous_driver: Path | None) -> dict[str, Any]:
    teller.step(f"fallback drill in {stage.directory}")
    stage.open_database()
    routes = stage.open_routes(previous_driver=previous_driver)
    facts = asyncio.run(drill.play(stage, routes, teller.step))
    stage.drain(routes, seconds=_DRAIN_S)
    teller.step("load stopped, every instruction has its outcome")
    books = asyncio.run(books_verdict.read_books(stage.urls["symphony_auditor"]))
    ledger = books_verdict.read_ledger(routes.rail_url)
    decisions = asyncio.run(verdict.read_decisions(stage.urls["symphony_auditor"]))
    teller.step("the routing ledger, as the auditor reads it:")
    for decision in decisions:
        teller.plain(_told(decision))
    teller.step("journal, books, the rail's own ledger and the routing ledger beside each other:")
    found = list(verdict.checks(facts, books, ledger, decisions))
    for check in found:
        teller.plain(f"{'no ' if check.wrong else 'yes'}  {check.said}")
        for wrong in check.wrong[:_SHOWN]:
            teller.plain(f"       {wrong}")
    numbers = drill.report(facts)
    teller.step("measured: " + ", ".join(f"{name} {value}" for name, value in numbers.items()))
    return {
        "drill": "fallback",
        "code": {colour: asdict(ran) for colour, ran in routes.code.items()},
        "holds": not any(check.wrong for check in found),
        "measured": {**numbers, "elapsed_s": round(teller.elapsed_s, 1)},
        "verdicts": [{"said": check.said, "holds": not check.wrong, "wrong": check.wrong} for check in found],
        "decisions": [{"at": d.decided_at.isoformat(), "kind": d.kind, "actor": d.actor, "reason": d.reason,
                       "blue_weight_pct": d.blue_weight_pct, "facts": d.facts} for d in decisions],
    }  # fmt: skip


def _told(decision: RoutingDecision) -> str:
    return (
        f"{decision.decided_at:%H:%M:%S.%f}  {decision.kind:<15} blue {decision.blue_weight_pct:>3},"
        f" green {decision.green_weight_pct:>3}  {decision.reason} ({decision.actor})"
    )
