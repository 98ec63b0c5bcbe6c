"""The command `symphony maintain`."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import click
import structlog
import uvloop

from symphony import logs
from symphony.errors import SymphonyError
from symphony.maintenance import InvalidSettings, Maintenance, MaintenanceSettings
from symphony.metrics import Metrics, serve

_log = structlog.get_logger(__name__)
_EXIT_NOW = 128 + signal.SIGTERM


@click.command()
@click.option("--database-url", envvar="SYMPHONY_DATABASE_URL", required=True, help="libpq connection URL.")
@click.option("--months-ahead", type=int, default=3, show_default=True, help="Months of partitions kept ready.")
@click.option("--partitions-interval-ms", type=int, default=3_600_000, show_default=True)
@click.option("--health-interval-ms", type=int, default=5_000, show_default=True)
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option("--metrics-port", type=int, default=0, show_default=True, help="0 takes a free port.")
def maintain(*, database_url: str, metrics_host: str, metrics_port: int, **timing: int) -> None:
    """Keep partitions ahead of time and export the database's health.

    Prints one JSON line when both have succeeded once. SIGTERM: finish the task under way, exit 0. A second
    SIGTERM ends the process at once. Any number of these may run on one database.
    """
    logs.configure("maintain")
    try:
        settings = MaintenanceSettings(**timing)
        uvloop.run(_serve(settings, database_url=database_url, host=metrics_host, port=metrics_port))
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from error
    except SymphonyError as error:
        raise click.ClickException(str(error)) from error
    except BaseExceptionGroup as group:
        _log.critical("maintenance crashed", exc_info=group, next="start it again and report the error")
        raise SystemExit(1) from None  # no traceback: exception texts of other libraries may quote rows


async def _serve(settings: MaintenanceSettings, *, database_url: str, host: str, port: int) -> None:
    metrics = Metrics()
    work = Maintenance(database_url=database_url, metrics=metrics, settings=settings)
    listener = await serve(metrics, host, port, ready=work.not_ready)
    try:
        _handle_signals(work)

        def announce_ready() -> None:
            line = {"event": "ready", "pid": os.getpid(), "metrics_host": host, "metrics_port": listener.port}
            click.echo(json.dumps(line, separators=(",", ":")))
            _log.info("maintenance ready", metrics_port=listener.port)

        await work.run(announce_ready=announce_ready)
    finally:
        await listener.aclose()
    _log.info("maintenance stopped")


def _handle_signals(work: Maintenance) -> None:
    asked: list[int] = []

    def handle(number: int) -> None:
        asked.append(number)
        if len(asked) > 1:
            os._exit(_EXIT_NOW)
        work.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, handle, number)
