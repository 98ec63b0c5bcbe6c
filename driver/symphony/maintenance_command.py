"""The command `symphony maintain`."""

from __future__ import annotations

import json
import os
from contextlib import AsyncExitStack
from pathlib import Path

import click
import structlog
import uvloop

from symphony import logs
from symphony.bao.access import DatabaseAccess, database_options
from symphony.errors import SymphonyError
from symphony.maintenance import InvalidSettings, Maintenance, MaintenanceSettings
from symphony.metrics import Metrics, serve
from symphony.revocation.duties import RevocationPlan, revocation_duties
from symphony.stop_signals import stop_on_signals

_log = structlog.get_logger(__name__)


@click.command()
@database_options
@click.option("--months-ahead", type=int, default=3, show_default=True, help="Months of partitions kept ready.")
@click.option("--partitions-interval-ms", type=int, default=3_600_000, show_default=True)
@click.option("--health-interval-ms", type=int, default=5_000, show_default=True)
@click.option(
    "--client-ca", type=click.Path(dir_okay=False, path_type=Path), help="The CA of client certificates, PEM."
)
@click.option("--crl-url", help="Where that CA publishes its revocation list [default: OpenBao's, with an enrolment].")
@click.option("--ocsp-url", help="Where it answers OCSP [default: OpenBao's, with an enrolment].")
@click.option("--revocation-interval-ms", type=click.IntRange(1_000, 3_600_000), default=60_000, show_default=True)
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option("--metrics-port", type=int, default=0, show_default=True, help="0 takes a free port.")
def maintain(
    *,
    access: DatabaseAccess,
    client_ca: Path | None,
    crl_url: str | None,
    ocsp_url: str | None,
    revocation_interval_ms: int,
    metrics_host: str,
    metrics_port: int,
    **timing: int,
) -> None:
    """Keep partitions ahead of time, revocations read, spent proofs retired; export the database's health.

    Prints one JSON line when partitions and health have succeeded once. SIGTERM: finish the task under way, exit 0.
    A second SIGTERM ends the process at once. Any number of these may run on one database. Refuses to start on a
    machine whose clock is more than 5 s from the database's.
    """
    logs.configure("maintain")
    try:
        settings = MaintenanceSettings(**timing)
        plan = RevocationPlan(
            client_ca=client_ca,
            crl_url=crl_url,
            ocsp_url=ocsp_url,
            ca_file=access.bao_ca_file,
            interval_ms=revocation_interval_ms,
        )
        uvloop.run(_serve(settings, access=access, plan=plan, host=metrics_host, port=metrics_port))
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from error
    except SymphonyError as error:
        raise click.ClickException(str(error)) from error
    except BaseExceptionGroup as group:
        _log.critical("maintenance crashed", exc_info=group, next="start it again and report the error")
        raise SystemExit(1) from None  # no traceback: exception texts of other libraries may quote rows


async def _serve(
    settings: MaintenanceSettings, *, access: DatabaseAccess, plan: RevocationPlan, host: str, port: int
) -> None:
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        credentials = await stack.enter_async_context(access.opened("maintainer", metrics))
        duties = await stack.enter_async_context(revocation_duties(plan, credentials.session, metrics))
        database = credentials.dsn("symphony_maintainer")
        work = Maintenance(database=database, metrics=metrics, settings=settings, duties=duties)
        listener = await serve(metrics, host, port, ready=work.not_ready)
        stack.push_async_callback(listener.aclose)
        stop_on_signals(work.stop)

        def announce_ready() -> None:
            line = {"event": "ready", "pid": os.getpid(), "metrics_host": host, "metrics_port": listener.port}
            click.echo(json.dumps(line, separators=(",", ":")))
            _log.info("maintenance ready", metrics_port=listener.port)

        await credentials.keep_while(work.run(announce_ready=announce_ready), stop=work.stop)
    _log.info("maintenance stopped")
