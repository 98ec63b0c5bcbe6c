"""The command `symphony route`: steer one HAProxy until SIGTERM."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import structlog
import uvloop

from symphony import logs
from symphony.bao.access import DatabaseAccess, database_options
from symphony.metrics import Metrics, serve
from symphony.operator_error import reported
from symphony.routing.controller import Controller, InvalidSettings, RouteSettings
from symphony.routing.haproxy import RuntimeSocket
from symphony.routing.measurement import ColourMeter, SharedMeter
from symphony.routing.read_back import InvalidTemplate, ReadBack
from symphony.stop_signals import stop_on_signals

_log = structlog.get_logger(__name__)
_DEFAULTS = RouteSettings()


@click.command("route")
@database_options
@click.option("--haproxy-socket", type=click.Path(path_type=Path), required=True, help="HAProxy's runtime socket.")
@click.option("--blue", required=True, help="Base URL of blue's metrics listener (/readyz, /metrics).")
@click.option("--green", required=True, help="The same of green.")
@click.option("--blue-service", help="Base URL of blue's own service, for N-1 heartbeats.")
@click.option("--green-service", help="The same of green.")
@click.option("--queue-age-from", help="Base URL of the metrics of symphony maintain.")
@click.option("--rail-rejects-from", help="Base URL of the metrics of a worker.")
@click.option("--read-back", type=click.Path(path_type=Path), help="JSON file: participant and heartbeat instruction.")
@click.option("--name", default=socket.gethostname, help="Who decides, in the ledger; the host's name by default.")
@click.option("--interval-ms", type=int, default=_DEFAULTS.interval_ms, show_default=True)
@click.option("--probe-timeout-ms", type=int, default=_DEFAULTS.probe_timeout_ms, show_default=True)
@click.option("--read-back-interval-ms", type=int, default=_DEFAULTS.read_back_interval_ms, show_default=True)
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option("--metrics-port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="0: any free.")
def route(
    *,
    access: DatabaseAccess,
    haproxy_socket: Path,
    blue: str,
    green: str,
    blue_service: str | None,
    green_service: str | None,
    queue_age_from: str | None,
    rail_rejects_from: str | None,
    read_back: Path | None,
    name: str,
    metrics_host: str,
    metrics_port: int,
    **timing: int,
) -> None:
    """Measure two ingress colours, let the database decide, apply the weights at HAProxy.

    Prints one JSON line when the database's weights stand at HAProxy. SIGTERM: the weights stay, exit 0.
    A leased login that is revoked ends it too, with exit status 1.
    """
    metrics_urls = {"blue": blue.rstrip("/"), "green": green.rstrip("/")}
    services = {colour: url.rstrip("/") for colour, url in (("blue", blue_service), ("green", green_service)) if url}
    if read_back is not None and len(services) < 2:
        raise click.UsageError("--read-back needs --blue-service and --green-service")
    logs.configure("route")
    metrics = Metrics()
    try:
        make = partial(
            Controller,
            actor=name,
            haproxy=RuntimeSocket(haproxy_socket),
            meters={colour: ColourMeter(colour, url) for colour, url in metrics_urls.items()},
            shared=SharedMeter(queue_age_from, rail_rejects_from),
            read_back=None
            if read_back is None
            else ReadBack.load(read_back, services=services, interval_ms=timing["read_back_interval_ms"]),
            metrics=metrics,
            settings=RouteSettings(**timing),
        )
    except (InvalidSettings, InvalidTemplate) as error:
        raise click.UsageError(str(error)) from error
    with reported():
        uvloop.run(_serve(make, access, metrics, host=metrics_host, port=metrics_port))


async def _serve(
    make: Callable[..., Controller], access: DatabaseAccess, metrics: Metrics, *, host: str, port: int
) -> None:
    async with access.opened("router", metrics) as credentials:
        controller = make(database=credentials.dsn("symphony_router"))
        listener = await serve(metrics, host, port, ready=controller.not_ready)
        try:
            stop_on_signals(controller.stop)

            def announce_ready() -> None:
                ready = {"event": "ready", "service": "route", "pid": os.getpid(), "metrics_port": listener.port}
                click.echo(json.dumps(ready, separators=(",", ":")))

            await credentials.keep_while(controller.run(announce_ready=announce_ready), stop=controller.stop)
        finally:
            await listener.aclose()
    _log.info("controller stopped", next="the weights stay as they are until one runs again")
