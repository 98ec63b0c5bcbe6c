"""The command group `symphony issuer`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import click

from symphony.bao.access import ENVIRONMENT
from symphony.issuer.minting import MAX_LIFETIME_S
from symphony.issuer.server import IssuerSettings, start
from symphony.operator_error import OperatorError, reported
from symphony.trust.access_token import DEFAULT_SCOPES

DEFAULT_PORT = 8443
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("issuer")
def issuer() -> None:
    """Access tokens for development and tests. In production they come from your own authorisation server."""


@issuer.command()
@click.option("--tls-certificate", type=_FILE, required=True, help="Server certificate for 127.0.0.1, PEM.")
@click.option("--tls-key", type=_FILE, required=True, help="Its key, PEM.")
@click.option("--client-ca", type=_FILE, required=True, help="The authority of client certificates, PEM.")
@click.option("--audience", required=True, help="`aud` of every token: what the ingress is given as --audience.")
@click.option("--issuer-name", help="`iss` of every token; by default the address it serves at.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=tuple(DEFAULT_SCOPES),
    show_default=True,
    help="A scope that clients may have; repeatable.",
)
@click.option("--lifetime-s", type=click.IntRange(1, MAX_LIFETIME_S), default=MAX_LIFETIME_S, show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
def dev(
    tls_certificate: Path,
    tls_key: Path,
    client_ca: Path,
    audience: str,
    issuer_name: str | None,
    scopes: tuple[str, ...],
    lifetime_s: int,
    port: int,
) -> None:
    """Give tokens on loopback until SIGTERM to whoever has a client certificate; SIGHUP makes a new key.

    Prints one JSON line when it serves. It starts only with SYMPHONY_ENVIRONMENT=dev: it knows clients by their
    certificate alone, and its key lies in a process that anybody of this account may read.
    """
    with reported():
        if os.environ.get(ENVIRONMENT) != "dev":
            raise OperatorError(
                "ISSUER_FOR_DEVELOPMENT",
                thing=ENVIRONMENT,
                reason="it is not dev, and this issuer must never be believed by anything real",
                next_action=f"use your authorisation server, or set {ENVIRONMENT}=dev for this one process",
            )
        settings = IssuerSettings(
            certificate=tls_certificate,
            key=tls_key,
            client_ca=client_ca,
            audience=audience,
            issuer=issuer_name,
            scopes=scopes,
            lifetime_s=lifetime_s,
            port=port,
        )
        asyncio.run(_serve(settings))


async def _serve(settings: IssuerSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = await start(settings)
    try:
        loop.add_signal_handler(signal.SIGHUP, running.mint.rotate)
        ready = {
            "event": "ready",
            "service": "issuer",
            "issuer": running.mint.issuer,
            "token_url": f"{running.url}/token",
            "jwks_url": f"{running.url}/jwks.json",
            "port": running.port,
            "pid": os.getpid(),
        }
        click.echo(json.dumps(ready, separators=(",", ":")))
        await stop.wait()
    finally:
        await running.close()
