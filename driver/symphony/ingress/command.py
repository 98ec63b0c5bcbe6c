"""`symphony ingress`: serve HTTP until SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
import uvloop

from symphony import logs
from symphony.bao.access import ENVIRONMENT, DatabaseAccess, StandingLogin, database_options
from symphony.errors import SymphonyError
from symphony.ingress import service
from symphony.ingress.aliases import AliasSettings, AliasSource
from symphony.ingress.believed import ServerCertificate, Trust
from symphony.ingress.identity import StartRefused
from symphony.ingress.service import Databases, Service
from symphony.ingress.settings import IngressSettings
from symphony.ingress.tls_files import TlsFiles
from symphony.ingress.trust_settings import TrustSettings
from symphony.ingress.zero_trust_service import start_zero_trust
from symphony.metrics import Metrics, serve
from symphony.operator_error import reported
from symphony.resolver.access import RegistryChoice, open_hasher

if TYPE_CHECKING:  # hvac takes half a second to import: only who enrols pays for it
    from symphony.bao.database import ServiceCredentials
    from symphony.bao.session import Session

_DEFAULTS = IngressSettings()
_FILE = click.Path(dir_okay=False, path_type=Path)
_PORT = click.IntRange(0, 65_535)
_REQUIRED = ("issuer", "audience", "origin", "jwks_url")


@click.command("ingress")
@database_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=_PORT, default=8_080, show_default=True, help="0: any free.")
@click.option(
    "--metrics-port",
    type=_PORT,
    default=9_080,
    show_default=True,
    help="Port for /metrics, /healthz, /readyz on the same address; 0: any free.",
)
@click.option("--dev", is_flag=True, help=f"Believe the header Symphony-Participant (loopback, {ENVIRONMENT}=dev).")
@click.option("--issuer", help="Whose access tokens are believed: `iss`, an https address.")
@click.option("--audience", help="What stands in their `aud`.")
@click.option("--origin", help="Scheme and authority that clients know this service by, like https://pay.example.")
@click.option("--jwks-url", help="Where the issuer's keys are, https.")
@click.option("--jwks-ca", "jwks_ca_file", help="Whom to believe there; PEM file. [default: the system's authorities]")
@click.option("--dpop-nonce", is_flag=True, help="Demand a nonce of ours in every DPoP proof (its secret: OpenBao).")
@click.option("--tls-certificate", type=_FILE, help="Certificate chain of this listener, PEM. [default: OpenBao's]")
@click.option("--tls-key", type=_FILE, help="Its key, PEM.")
@click.option("--client-ca", type=_FILE, help="The one CA of client certificates, PEM. [default: OpenBao's]")
@click.option("--server-name", multiple=True, help="Name or address for OpenBao's certificate. [default: the origin's]")
@click.option("--unix-socket", type=_FILE, help="Listen there, for our own proxy, which ends TLS (RFC 9440).")
@click.option("--refusal-journal", type=_FILE, help="Keeps counts of refusals while the database is away.")
@click.option("--alias-registry", metavar="NAME=URL", help="Whom to ask within requests of SYNC participants.")
@click.option("--fsp-id", help="Registry mojaloop: our FSPIOP identifier (FSPIOP-Source).")
@click.option("--fsp-callback-port", type=_PORT, default=0, show_default=True)
@click.option("--fsp-participant", multiple=True, metavar="FSPID=PARTICIPANT", help="Whom it means.")
@click.option("--local-hash-keys", type=_FILE, help="Development, without OpenBao: the keys that hash aliases.")
@click.option("--certificate-requests-per-s", type=float, help="What one client certificate may ask for.")
@click.option("--certificate-requests-burst", type=int, help="And how much of it at once.")
@click.option("--max-batch", type=int, default=_DEFAULTS.max_batch, show_default=True, help="Items a flush.")
@click.option(
    "--max-flush-ms", type=int, default=_DEFAULTS.max_flush_ms, show_default=True, help="Longest wait for a flush."
)
@click.option("--pool-size", type=int, default=_DEFAULTS.pool_size, show_default=True, help="Database connections.")
def ingress(
    *,
    access: DatabaseAccess,
    host: str,
    port: int,
    metrics_port: int,
    dev: bool,
    max_batch: int,
    max_flush_ms: int,
    pool_size: int,
    **trusted: Any,
) -> None:
    """Record instructions sent over HTTP; prints one JSON line when ready, ends cleanly on SIGTERM.

    Every sender proves who it is: client certificate, access token, DPoP proof, signed body. Without --dev everything
    that is to be believed must be there and fresh before the first connection is taken.
    """
    logs.configure("ingress")
    with reported():
        settings = IngressSettings(max_batch=max_batch, max_flush_ms=max_flush_ms, pool_size=pool_size)
        uvloop.run(_main(access, settings, dev=dev, host=host, port=port, metrics_port=metrics_port, trusted=trusted))


async def _main(
    access: DatabaseAccess,
    settings: IngressSettings,
    *,
    dev: bool,
    host: str,
    port: int,
    metrics_port: int,
    trusted: dict[str, Any],
) -> None:
    environment = os.environ.get(ENVIRONMENT, "")
    if dev and environment != "dev":
        raise StartRefused(
            f"--dev believes whoever connects, and {ENVIRONMENT} is {environment or 'not set'}; set it to dev on a"
            " development machine, or start without --dev"
        )
    believed = None if dev else _trust_settings(trusted)
    metrics = Metrics()
    stop = asyncio.Event()
    async with access.opened("ingress", metrics) as credentials:

        async def start() -> Service:
            aliases = _alias_source(trusted, credentials.session)
            if believed is None:
                return await service.start(
                    credentials.dsn("symphony_ingest"),
                    host=host,
                    port=port,
                    settings=settings,
                    metrics=metrics,
                    aliases=aliases,
                )
            trust = await _trust(believed, credentials, trusted, aliases, environment=environment)
            return await start_zero_trust(trust, host=host, port=port, settings=settings, metrics=metrics)

        await credentials.keep_while(_serve(start, stop, metrics, host, metrics_port), stop=stop.set)


async def _serve(
    start: Callable[[], Awaitable[Service]], stop: asyncio.Event, metrics: Metrics, host: str, metrics_port: int
) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = await start()
    running.on_broken = stop.set
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
            # What lives as long as the process is not looked at again: full collections held requests up for 40 ms.
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 50)
            click.echo(json.dumps(ready))
            await stop.wait()
        finally:
            await running.stop()
            await listener.aclose()
    except BaseException:
        if not running.ingress.stopping:
            await running.stop()
        raise
    if running.broken:
        raise SymphonyError("a part of the ingress ended that must not; its log says which; start it again")


def _trust_settings(trusted: dict[str, Any]) -> TrustSettings:
    missing = [f"--{name.replace('_', '-')}" for name in _REQUIRED if not trusted[name]]
    if missing:
        raise StartRefused(f"without --dev the ingress must be told whom to believe; give {', '.join(missing)}")
    names = {field.name for field in fields(TrustSettings)}
    return TrustSettings(**{name: value for name, value in trusted.items() if name in names and value is not None})


async def _trust(
    settings: TrustSettings,
    credentials: ServiceCredentials | StandingLogin,
    trusted: dict[str, Any],
    aliases: AliasSource | None,
    *,
    environment: str,
) -> Trust:
    """What the zero-trust ingress is given."""
    return Trust(
        settings=settings,
        databases=Databases(
            ingest=credentials.dsn("symphony_ingest"),
            status=credentials.dsn("symphony_status_reader"),
            evidence=credentials.dsn("symphony_evidence_reader"),
        ),
        certificate=await _certificate(trusted, credentials.session, settings.origin),
        environment=environment or "not set",
        check_login=credentials.check,
        on_replaced=credentials.on_replaced,
        read_secret=None if credentials.session is None else credentials.session.secret,
        unix_socket=trusted["unix_socket"],
        aliases=aliases,
        journal=trusted["refusal_journal"],
    )


def _alias_source(trusted: dict[str, Any], session: Session | None) -> AliasSource | None:
    """Who answers aliases within requests; None leaves every participant of policy SYNC with 503."""
    if not trusted["alias_registry"]:
        return None
    settings = AliasSettings()
    choice = RegistryChoice(
        registry=trusted["alias_registry"],
        fsp_id=trusted["fsp_id"],
        callback_port=trusted["fsp_callback_port"],
        participants=trusted["fsp_participant"],
    )
    hasher = open_hasher(session, trusted["local_hash_keys"])
    registry = choice.opened(timeout_ms=settings.registry_timeout_ms, max_connections=settings.max_connections)
    return AliasSource(registry=registry, hasher=hasher, settings=settings)


async def _certificate(trusted: dict[str, Any], session: Any, origin: str) -> ServerCertificate:
    """The listener's certificate and the client CA: all three files, or an enrolment at OpenBao."""
    files = [trusted[name] for name in ("tls_certificate", "tls_key", "client_ca")]
    if all(files):
        return TlsFiles(certificate=files[0], key=files[1], client_ca=files[2])
    if any(files) or session is None:
        raise StartRefused(
            "there is no certificate to serve with; give all of --tls-certificate, --tls-key and --client-ca, or"
            " --bao-enrolment and none of them"
        )
    from symphony.bao.server_identity import ServerIdentity

    named = trusted["server_name"] or (urlsplit(origin).hostname or "",)
    addresses = [name for name in named if _is_address(name)]
    identity = ServerIdentity(session, names=[name for name in named if name not in addresses], addresses=addresses)
    await identity.open()
    return identity


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
