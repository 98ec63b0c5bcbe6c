"""`symphony ingress`: serve HTTP until SIGTERM."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import click
import uvloop

from symphony import logs
from symphony.ingress import service
from symphony.ingress.settings import IngressSettings
from symphony.metrics import Metrics, serve
from symphony.operator_error import reported

_DEFAULTS = IngressSettings()


@click.command("ingress")
@click.option(
    "--database-url",
    envvar="SYMPHONY_DATABASE_URL",
    required=True,
    help="PostgreSQL connection string of a login that may SET ROLE symphony_ingest.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8_080, show_default=True, help="0: any free.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    default=9_080,
    show_default=True,
    help="Port for /metrics, /healthz, /readyz on the same address; 0: any free.",
)
@click.option("--dev", is_flag=True, help="Believe the header Symphony-Participant (loopback only).")
@click.option("--max-batch", type=int, default=_DEFAULTS.max_batch, show_default=True, help="Items a flush.")
@click.option(
    "--max-flush-ms",
    type=int,
    default=_DEFAULTS.max_flush_ms,
    show_default=True,
    help="Longest wait for a flush.",
)
@click.option("--pool-size", type=int, default=_DEFAULTS.pool_size, show_default=True, help="Database connections.")
def ingress(
    database_url: str,
    host: str,
    port: int,
    metrics_port: int,
    dev: bool,
    max_batch: int,
    max_flush_ms: int,
    pool_size: int,
) -> None:
    """Record instructions sent over HTTP; prints one JSON line when ready, ends cleanly on SIGTERM."""
    logs.configure("ingress")
    with reported():
        settings = IngressSettings(max_batch=max_batch, max_flush_ms=max_flush_ms, pool_size=pool_size)
        uvloop.run(_serve(database_url, host=host, port=port, metrics_port=metrics_port, dev=dev, settings=settings))


async def _serve(dsn: str, *, host: str, port: int, metrics_port: int, dev: bool, settings: IngressSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics = Metrics()
    running = await service.start(dsn, host=host, port=port, dev=dev, settings=settings, metrics=metrics)
    try:
        listener = await serve(metrics, host, metrics_port, ready=running.not_ready)
        try:
            ready = {
                "event": "ready",
                "service": "ingress",
                "host": running.host,
                "port": running.port,
                "metrics_port": listener.port,
                "pid": os.getpid(),
                "policy_version": running.policy_version,
            }
            click.echo(json.dumps(ready))
            await stop.wait()
        finally:
            await running.stop()
            await listener.aclose()
    except BaseException:
        if not running.ingress.stopping:
            await running.stop()
        raise
