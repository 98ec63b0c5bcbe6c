"""`symphony registry sandbox`: run the sandbox registry on loopback until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import click
import uvloop

from symphony.operator_error import reported
from symphony.registry_sandbox.app import SandboxApp
from symphony.registry_sandbox.faults import FaultBook, FaultRule, read_rules
from symphony.registry_sandbox.store import Store
from symphony.sandbox_service import read_faults, serve_sandbox

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
        rules = read_faults(faults_path, read_rules)
        asyncio.run(
            _serve(port, store_path, rules=rules, latency_ms=latency_ms),
            loop_factory=uvloop.new_event_loop,
        )


async def _serve(port: int, store_path: Path, *, rules: list[FaultRule], latency_ms: int) -> None:
    store = Store(store_path)
    app = SandboxApp(store, faults=FaultBook(rules), latency_ms=latency_ms)
    flusher = asyncio.create_task(_flush(store))
    try:
        await serve_sandbox(
            app.application(),
            port=port,
            closing=app.closing,
            ready={"store": str(store_path)},
            log="symphony.registry_sandbox.http",
        )
    finally:
        flusher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await flusher
        store.close()


async def _flush(store: Store) -> None:
    """Commit the calls that came meanwhile, for whoever reads the file."""
    while True:
        await asyncio.sleep(_FLUSH_S)
        store.flush()
