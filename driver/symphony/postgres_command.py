"""The command group `symphony db`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from symphony.operator_error import reported
from symphony.providers import KINDS, Provider, choose

DEFAULT_PORT = 54318
NOT_RUNNING_STATUS = 3


def _options[F: Callable[..., Any]](command: F) -> F:
    options = [
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            envvar="SYMPHONY_DATA",
            help="Data directory; made by the first start. [env: SYMPHONY_DATA]",
        ),
        click.option(
            "--port",
            type=click.IntRange(1, 65535),
            default=DEFAULT_PORT,
            show_default=True,
            envvar="SYMPHONY_PORT",
            help="TCP port on 127.0.0.1. [env: SYMPHONY_PORT]",
        ),
        click.option(
            "--provider",
            type=click.Choice(KINDS),
            default="auto",
            show_default=True,
            help="auto: DATABASE_URL when set, else our own PostgreSQL, else a container.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _provider(options: dict[str, Any], settings: dict[str, str] | None = None) -> Provider:
    return choose(
        options["provider"], data=options["data"], port=options["port"], environ=os.environ, settings=settings
    )


def _settings(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for value in values:
        name, equals, setting = value.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        settings[name] = setting
    return settings


@click.group()
def db() -> None:
    """Start, stop and ask a PostgreSQL 18 for Symphony."""


@db.command()
@_options
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=_settings,
    metavar="NAME=VALUE",
    help="A server setting; repeatable.",
)
def start(settings: dict[str, str], **options: Any) -> None:
    """Start the server, initialising its data directory the first time. A running one is left as it is."""
    with reported():
        for line in _provider(options, settings).start():
            click.echo(line)


@db.command()
@_options
def stop(**options: Any) -> None:
    """End all sessions, stop the server and wait for it."""
    with reported():
        for line in _provider(options).stop():
            click.echo(line)


@db.command()
@_options
@click.pass_context
def status(context: click.Context, /, **options: Any) -> None:
    """Tell whether the server runs (exit status 0) or not (3)."""
    with reported():
        found = _provider(options).status()
    click.echo(found.detail)
    if not found.running:
        context.exit(NOT_RUNNING_STATUS)


@db.command()
@_options
@click.option("--dbname", default="", help="Another database than the default one.")
def url(dbname: str, **options: Any) -> None:
    """Print a URL, password included, that works as it is."""
    with reported():
        provider = _provider(options)
        click.echo(provider.url(dbname) if dbname else provider.url())
