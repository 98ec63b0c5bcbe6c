"""`symphony rail-sandbox`: run the sandbox rail on loopback until SIGTERM."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import uvloop

from symphony.operator_error import reported
from symphony.rail_sandbox.app import SandboxApp
from symphony.rail_sandbox.decisions import Desk
from symphony.rail_sandbox.faults import FaultBook, FaultRule, read_rules
from symphony.rail_sandbox.ledger import SYNCHRONOUS, Ledger
from symphony.sandbox_service import read_faults, serve_sandbox


@click.command("rail-sandbox")
@click.option("--port", type=click.IntRange(0, 65_535), default=8930, show_default=True, help="0 picks a free one.")
@click.option(
    "--ledger",
    "ledger_path",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="SQLite file; created when missing, kept when not.",
)
@click.option(
    "--faults",
    "faults_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON list of fault rules to start with.",
)
@click.option(
    "--synchronous",
    type=click.Choice(SYNCHRONOUS),
    default="full",
    show_default=True,
    help="How SQLite syncs: full survives a power cut, all survive kill -9.",
)
def rail_sandbox(port: int, ledger_path: Path, faults_path: Path | None, synchronous: str) -> None:
    """Run the sandbox rail: a pretended payment rail with a real ledger, on loopback only.

    Prints one JSON line when it is ready: {"event":"ready","host":...,"port":...,"ledger":...,"pid":...}.
    """
    with reported():
        rules = read_faults(faults_path, read_rules)
        asyncio.run(
            _serve(port, ledger_path, rules=rules, synchronous=synchronous),
            loop_factory=uvloop.new_event_loop,
        )


async def _serve(port: int, ledger_path: Path, *, rules: list[FaultRule], synchronous: str) -> None:
    ledger = Ledger(ledger_path, synchronous=synchronous)
    sandbox = SandboxApp(ledger, Desk(ledger, faults=FaultBook(rules)))
    try:
        await serve_sandbox(
            sandbox.application(),
            port=port,
            closing=sandbox.closing,
            ready={"ledger": str(ledger_path)},
            log="symphony.rail_sandbox.http",
        )
    finally:
        await ledger.aclose()
