"""The command `symphony resolver`."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import click
import structlog
import uvloop

from symphony import logs
from symphony.bao.access import DatabaseAccess, database_options
from symphony.errors import SymphonyError
from symphony.metrics import Metrics, serve
from symphony.registries.registry import RegistryMisconfigured
from symphony.resolver.access import RegistryChoice, open_hasher
from symphony.resolver.loop import Resolver
from symphony.resolver.settings import InvalidSettings, ResolverSettings
from symphony.stop_signals import stop_on_signals
from symphony.worker.settings import new_worker_id

_log = structlog.get_logger(__name__)


@click.command()
@database_options
@click.option("--registry", required=True, metavar="NAME=URL", help="The alias registry to ask.")
@click.option("--fsp-id", help="Registry mojaloop: our FSPIOP identifier (FSPIOP-Source).")
@click.option("--fsp-callback-port", "callback_port", type=click.IntRange(0, 65_535), default=0, show_default=True)
@click.option("--fsp-participant", "participants", multiple=True, metavar="FSPID=PARTICIPANT", help="Whom it means.")
@click.option(
    "--local-hash-keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Development, without OpenBao: lines of «VERSION HEX», the keys that hash aliases.",
)
@click.option("--resolver-id", help="Unique among resolvers [default: host, process id and random bits].")
@click.option("--batch", "batch_items", type=int, default=200, show_default=True)
@click.option("--batches-at-once", type=int, default=4, show_default=True)
@click.option("--calls-at-once", type=int, default=16, show_default=True)
@click.option("--call-timeout-ms", type=int, default=2_000, show_default=True)
@click.option("--lease-ms", type=int, default=30_000, show_default=True)
@click.option("--poll-ms", type=int, default=250, show_default=True)
@click.option("--breaker-pause-max-ms", type=int, default=60_000, show_default=True)
@click.option("--metrics-host", default="127.0.0.1", show_default=True)
@click.option("--metrics-port", type=int, default=0, show_default=True, help="0 takes a free port.")
def resolver(
    *,
    access: DatabaseAccess,
    local_hash_keys: Path | None,
    resolver_id: str | None,
    registry: str,
    fsp_id: str | None,
    callback_port: int,
    participants: tuple[str, ...],
    metrics_host: str,
    metrics_port: int,
    **timing: int,
) -> None:
    """Find out who stands behind the aliases of recorded instructions, so that they may be dispatched.

    Prints one JSON line when ready. SIGTERM: stop claiming, record the batches under way, exit 0; a second one ends
    the process at once, and its leases expire.
    """
    logs.configure("resolver")
    choice = RegistryChoice(registry=registry, fsp_id=fsp_id, callback_port=callback_port, participants=participants)
    try:
        settings = ResolverSettings(resolver_id=resolver_id or new_worker_id(), **timing)
        serving = _serve(settings, access=access, choice=choice, keys=local_hash_keys, at=(metrics_host, metrics_port))
        uvloop.run(serving)
    except (InvalidSettings, RegistryMisconfigured) as error:
        raise click.UsageError(str(error)) from error
    except SymphonyError as error:
        raise click.ClickException(str(error)) from error
    except BaseExceptionGroup as group:
        _log.critical("resolver_crashed", exc_info=group, next="its leases expire; start it again")
        raise SystemExit(1) from None  # no traceback: exception texts of other libraries may quote rows


async def _serve(
    settings: ResolverSettings,
    *,
    access: DatabaseAccess,
    choice: RegistryChoice,
    keys: Path | None,
    at: tuple[str, int],
) -> None:
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        credentials = await stack.enter_async_context(access.opened("resolver", metrics))
        registry = choice.opened(timeout_ms=settings.call_timeout_ms, max_connections=settings.calls_at_once)
        stack.push_async_callback(registry.aclose)
        work = Resolver(
            settings=settings,
            database=credentials.dsn("symphony_resolver"),
            registry=registry,
            hasher=open_hasher(credentials.session, keys),
            metrics=metrics,
        )
        listener = await serve(metrics, *at, ready=work.not_ready)
        stack.push_async_callback(listener.aclose)
        stop_on_signals(work.stop)

        def announce_ready() -> None:
            line = {
                "event": "ready",
                "resolver_id": settings.resolver_id,
                "registry": registry.name,
                "metrics_port": listener.port,
            }
            click.echo(json.dumps(line))
            _log.info("resolver_ready", resolver_id=settings.resolver_id, registry=registry.name)

        await credentials.keep_while(work.run(announce_ready=announce_ready), stop=work.stop)
    _log.info("resolver_stopped", resolver_id=settings.resolver_id)
