"""The command `symphony worker`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AsyncExitStack

import click
import structlog
import uvloop

from symphony import logs
from symphony.bao.access import DatabaseAccess, database_options
from symphony.errors import SymphonyError
from symphony.metrics import Metrics, serve
from symphony.rails.adapter import Rail, RailMisconfigured, RailOptions, open_rail
from symphony.stop_signals import stop_on_signals
from symphony.worker.loop import Worker
from symphony.worker.settings import InvalidSettings, WorkerSettings, new_worker_id, parse_rail

_log = structlog.get_logger(__name__)


@click.command()
@database_options
@click.option("--rail", "rails", multiple=True, required=True, metavar="NAME=URL", help="A rail to serve; repeat.")
@click.option("--worker-id", help="Unique among workers [default: host, process id and random bits].")
@click.option("--claim-batch", "claim_batch_items", type=int, default=100, show_default=True)
@click.option("--in-flight", "in_flight_items", type=int, default=200, show_default=True)
@click.option("--lease-ms", type=int, default=30_000, show_default=True)
@click.option("--poll-ms", type=int, default=250, show_default=True)
@click.option("--repair-interval-ms", type=int, default=2_000, show_default=True)
@click.option("--call-timeout-ms", type=int, default=10_000, show_default=True)
@click.option("--grace-ms", type=int, default=15_000, show_default=True, help="For calls under way at SIGTERM.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option("--metrics-port", type=int, default=0, show_default=True, help="0 takes a free port.")
def worker(
    *,
    access: DatabaseAccess,
    rails: Sequence[str],
    worker_id: str | None,
    metrics_host: str,
    metrics_port: int,
    **timing: int,
) -> None:
    """Claim due instructions, call their rails, record what they answered.

    Prints one JSON line when ready. SIGTERM: stop claiming, give back what was not called, finish and record
    calls under way, exit 0. A second SIGTERM ends the process at once. A leased login that is revoked ends it in
    the same order, with exit status 1.
    """
    logs.configure("worker")
    try:
        settings = WorkerSettings(worker_id=worker_id or new_worker_id(), rails=_by_name(rails), **timing)
        uvloop.run(_serve(settings, access=access, host=metrics_host, port=metrics_port))
    except (InvalidSettings, RailMisconfigured) as error:
        raise click.UsageError(str(error)) from error
    except SymphonyError as error:
        raise click.ClickException(str(error)) from error
    except BaseExceptionGroup as group:
        for leaf in _leaves(group):
            _log.critical("worker_crashed", exc_info=leaf, next="its leases expire; start it again")
        raise SystemExit(1) from None  # no traceback: exception texts of other libraries may quote rows


def _by_name(texts: Sequence[str]) -> dict[str, str]:
    pairs = [parse_rail(text) for text in texts]
    if len({name for name, _ in pairs}) != len(pairs):
        raise InvalidSettings("a rail is given twice; give each rail once")
    return dict(pairs)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


async def _serve(settings: WorkerSettings, *, access: DatabaseAccess, host: str, port: int) -> None:
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        credentials = await stack.enter_async_context(access.opened("worker", metrics))
        rails = [_open(stack, name, url, settings) for name, url in settings.rails.items()]
        work = Worker(settings=settings, database=credentials.dsn("symphony_executor"), rails=rails, metrics=metrics)
        listener = await serve(metrics, host, port, ready=work.not_ready)
        stack.push_async_callback(listener.aclose)
        stop_on_signals(work.stop)

        def announce_ready() -> None:
            line = {
                "event": "ready",
                "worker_id": settings.worker_id,
                "rails": sorted(settings.rails),
                "metrics_port": listener.port,
            }
            click.echo(json.dumps(line))
            _log.info("worker_ready", worker_id=settings.worker_id, rails=sorted(settings.rails))

        await credentials.keep_while(work.run(announce_ready=announce_ready), stop=work.stop)
    _log.info("worker_stopped", worker_id=settings.worker_id)


def _open(stack: AsyncExitStack, name: str, url: str, settings: WorkerSettings) -> Rail:
    rail = open_rail(
        name,
        RailOptions(
            base_url=url,
            connect_timeout_ms=settings.connect_timeout_ms,
            total_timeout_ms=settings.call_timeout_ms,
            max_connections=settings.slots_per_rail,
        ),
    )
    stack.push_async_callback(rail.aclose)
    return rail
