"""`symphony rail-sandbox`: run the sandbox rail on loopback until SIGTERM."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from pathlib import Path

import click
import uvloop
from aiohttp import web

from symphony.operator_error import OperatorError, reported
from symphony.rail_sandbox.app import SandboxApp
from symphony.rail_sandbox.decisions import Desk
from symphony.rail_sandbox.faults import FaultBook, FaultRule, FaultRuleInvalid, read_rules
from symphony.rail_sandbox.ledger import SYNCHRONOUS, Ledger

_HOST = "127.0.0.1"


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
        rules = _read_faults(faults_path)
        asyncio.run(
            _serve(port, ledger_path, rules=rules, synchronous=synchronous),
            loop_factory=uvloop.new_event_loop,
        )


def _read_faults(path: Path | None) -> list[FaultRule]:
    if path is None:
        return []
    try:
        return read_rules(path.read_bytes())
    except (FaultRuleInvalid, OSError) as refusal:
        raise OperatorError(
            "FAULTS_INVALID", thing=str(path), reason=str(refusal), next_action="correct the file"
        ) from None


async def _serve(port: int, ledger_path: Path, *, rules: list[FaultRule], synchronous: str) -> None:
    ledger = Ledger(ledger_path, synchronous=synchronous)
    sandbox = SandboxApp(ledger, Desk(ledger, faults=FaultBook(rules)))
    silent = logging.getLogger("symphony.rail_sandbox.http")
    silent.disabled = True  # the HTTP library quotes malformed requests in its log
    runner = web.AppRunner(
        sandbox.application(), access_log=None, logger=silent, keepalive_timeout=75, shutdown_timeout=2
    )
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, port, backlog=1024).start()
        except OSError as trouble:
            raise OperatorError(
                "PORT_IN_USE",
                thing=f"{_HOST}:{port}",
                reason=os.strerror(trouble.errno or 0),
                next_action="choose another --port, or 0 for a free one",
            ) from None
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        ready = {
            "event": "ready",
            "host": _HOST,
            "port": runner.addresses[0][1],
            "ledger": str(ledger_path),
            "pid": os.getpid(),
        }
        click.echo(json.dumps(ready, separators=(",", ":")))
        await stop.wait()
    finally:
        sandbox.closing.set()
        await runner.cleanup()
        await ledger.aclose()
