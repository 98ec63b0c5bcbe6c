"""The command group `symphony logins`: one login per capability, for development."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from pathlib import Path
from urllib.parse import quote, urlencode

import click
from psycopg import Error
from psycopg.conninfo import conninfo_to_dict

from symphony.api import connect
from symphony.api.logins import CAPABILITIES, create_login
from symphony.operator_error import OperatorError, reported

_SUFFIX = re.compile(r"[a-z0-9_]{1,20}")
_REFUSAL = OperatorError(
    "DEVELOPMENT_ONLY",
    thing="symphony logins create",
    reason="it puts passwords into a file; outside development OpenBao issues short-lived logins",
    next_action="add --dev on a development database, or have OpenBao issue the login",
)


def _check_suffix(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not _SUFFIX.fullmatch(value):
        raise click.BadParameter("give 1 to 20 of a-z, 0-9 and _")
    return value


@click.group("logins")
def logins() -> None:
    """Logins for development: one for each capability."""


@logins.command()
@click.option(
    "--database-url",
    envvar=["DATABASE_URL", "SYMPHONY_DATABASE_URL"],
    required=True,
    help="Whom to give logins: the URL of a superuser.",
)
@click.option("--dev", is_flag=True, help="Yes, this is a development database.")
@click.option("--suffix", default="dev", show_default=True, callback=_check_suffix, help="symphony_ingest_SUFFIX, ...")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the JSON there (mode 0600) instead of printing it.",
)
def create(*, database_url: str, dev: bool, suffix: str, out: Path | None) -> None:
    """Create or renew one login per capability, each with a new random password.

    The answer is one JSON object from capability to URL. Each login is a member of exactly one capability
    WITH INHERIT FALSE, SET TRUE: by itself it can do nothing.
    """
    with reported():
        if not dev:
            raise _REFUSAL
        urls, created = asyncio.run(_create(database_url, suffix=suffix))
        if out is None:
            click.echo(json.dumps(urls, indent=2))
            return
        _write_private(out, json.dumps(urls, indent=2) + "\n")
        click.echo(f"{created} logins created, {len(urls) - created} renewed; their URLs are in {out}")


async def _create(database_url: str, *, suffix: str) -> tuple[dict[str, str], int]:
    urls: dict[str, str] = {}
    created = 0
    connection = await connect(database_url, application_name="symphony logins")
    async with connection:
        for capability in CAPABILITIES:
            login, password = f"{capability}_{suffix}", secrets.token_urlsafe(24)
            created += await create_login(connection, login=login, capability=capability, password=password)
            urls[capability] = _url_of(database_url, login=login, password=password, dbname=connection.info.dbname)
    return urls, created


def _url_of(database_url: str, *, login: str, password: str, dbname: str) -> str:
    """The same place and connection settings as database_url, as another login."""
    try:
        places = conninfo_to_dict(database_url)
    except Error as error:  # cannot be: it has just connected
        raise OperatorError(
            "DATABASE_URL_INVALID",
            thing="--database-url",
            reason=type(error).__name__,
            next_action="correct it",
        ) from error
    kept = {key: str(value) for key, value in places.items() if key not in ("user", "password", "dbname")}
    host, port = kept.get("host", ""), kept.get("port", "")
    place = ""
    if host and not host.startswith(("/", "@")) and "," not in host + port:
        place = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        kept = {key: value for key, value in kept.items() if key not in ("host", "port")}
    query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
    return f"postgresql://{quote(login)}:{quote(password, safe='')}@{place}/{quote(dbname, safe='')}{query}"


def _write_private(path: Path, text: str) -> None:
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        staging.rename(path)
    except OSError as error:
        staging.unlink(missing_ok=True)
        raise OperatorError(
            "FILE_NOT_WRITTEN",
            thing=str(path),
            reason=error.strerror or type(error).__name__,
            next_action="choose a place you may write to and run it again: the logins get new passwords",
        ) from error
