"""`symphony registry sandbox`: run the sandbox registry on loopback until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from pathlib import Path

import click
import uvloop
from aiohttp import web

from symphony.operator_error import OperatorError, reported
from symphony.registry_sandbox.app import SandboxApp
from symphony.registry_sandbox.faults import FaultBook, FaultRule, FaultRuleInvalid, read_rules
from symphony.registry_sandbox.store import Store

_HOST = "127.0.0.1"
_FLUSH_S = 0.05


@click.group("registry")
def registry() -> None:
    """Proxy registries."""


@registry.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8940, show_default=True, help="0 picks a free one.")
@click.option(
    "--store",
    "store_path",
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
    "--latency-ms", type=click.IntRange(0, 60_000), default=0, show_default=True, help="Every request takes this long."
)
def sandbox(port: int, store_path: Path, faults_path: Path | None, latency_ms: int) -> None:
    """Run the sandbox registry: who stands behind an alias, and a ledger of every question; on loopback only.

    Prints one JSON line when it is ready: {"event":"ready","host":...,"port":...,"store":...,"pid":...}.
    """
    with reported():
        rules = _read_faults(faults_path)
        asyncio.run(
            _serve(port, store_path, rules=rules, latency_ms=latency_ms),
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


async def _serve(port: int, store_path: Path, *, rules: list[FaultRule], latency_ms: int) -> None:
    store = Store(store_path)
    app = SandboxApp(store, faults=FaultBook(rules), latency_ms=latency_ms)
    silent = logging.getLogger("symphony.registry_sandbox.http")
    silent.disabled = True  # the HTTP library quotes malformed requests in its log
    runner = web.AppRunner(app.application(), access_log=None, logger=silent, keepalive_timeout=75, shutdown_timeout=2)
    flusher = asyncio.create_task(_flush(store))
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
            "store": str(store_path),
            "pid": os.getpid(),
        }
        click.echo(json.dumps(ready, separators=(",", ":")))
        await stop.wait()
    finally:
        app.closing.set()
        await runner.cleanup()
        flusher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flusher
        store.close()


async def _flush(store: Store) -> None:
    """Commit the calls that came meanwhile, for whoever reads the file."""
    while True:
        await asyncio.sleep(_FLUSH_S)
        store.flush()
