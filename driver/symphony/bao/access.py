"""How a command is told its way into the database: --database-url, or an enrolment at OpenBao and a place."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from psycopg import Error
from psycopg.conninfo import conninfo_to_dict

from symphony.api.connection import Dsn
from symphony.operator_error import OperatorError, reported

if TYPE_CHECKING:  # hvac takes half a second to import: only who enrols pays for it
    from symphony.bao.database import Drain, ServiceCredentials
    from symphony.bao.session import Session
    from symphony.metrics import Metrics

ENVIRONMENT = "SYMPHONY_ENVIRONMENT"
_DEVELOPMENT = "dev"
_OPTIONS = (
    click.option(
        "--database-url",
        envvar="SYMPHONY_DATABASE_URL",
        help="libpq connection URL. With a password only where SYMPHONY_ENVIRONMENT is dev or not set.",
    ),
    click.option(
        "--bao-enrolment",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Instead of a URL: the file of symphony bao enrol. OpenBao then lends the database login.",
    ),
    click.option(
        "--database-place",
        envvar="SYMPHONY_DATABASE_PLACE",
        help="Where the database is, with an enrolment: conninfo or URL without user and password.",
    ),
    click.option("--bao-ca-file", envvar="SYMPHONY_BAO_CA_FILE", help="Whom to trust for OpenBao's https; PEM file."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAccess:
    """One way into the database, checked when it is made.

    Exactly one of database_url and bao_enrolment; a place has no user and no password. With SYMPHONY_ENVIRONMENT set
    to anything but dev, a URL with a password is refused: a login there is leased, or proves itself otherwise.

    Raises:
        OperatorError: DATABASE_ACCESS_MISSING, DATABASE_ACCESS_TWICE, DATABASE_PLACE_MISSING, DATABASE_PLACE_INVALID,
            DATABASE_URL_INVALID, PASSWORD_OUTSIDE_DEVELOPMENT.
    """

    database_url: str | None = field(default=None, repr=False)
    bao_enrolment: Path | None = None
    database_place: str | None = None
    bao_ca_file: str | None = None

    def __post_init__(self) -> None:
        if self.database_url is None and self.bao_enrolment is None:
            raise _refusal("DATABASE_ACCESS_MISSING", "neither is given", "name one of them")
        if self.database_url is not None and self.bao_enrolment is not None:
            raise _refusal("DATABASE_ACCESS_TWICE", "both are given", "name one (SYMPHONY_DATABASE_URL counts too)")
        if self.database_url is not None:
            _check_url(self.database_url)
        elif self.database_place is None:
            raise OperatorError(
                "DATABASE_PLACE_MISSING",
                thing="--database-place",
                reason="an enrolment says who we are, not where the database is",
                next_action="name host, port and dbname in --database-place",
            )
        elif {"user", "password", "passfile", "service"} & _parsed(self.database_place, "--database-place").keys():
            raise OperatorError(
                "DATABASE_PLACE_INVALID",
                thing="--database-place",
                reason="it names a login, and the login is OpenBao's to give",
                next_action="leave user, password, passfile and service out",
            )

    @asynccontextmanager
    async def opened(
        self, service: str, metrics: Metrics | None = None
    ) -> AsyncIterator[ServiceCredentials | StandingLogin]:
        """The logins of a service, given back at the end; their age as a metric when they are leased.

        Raises what ServiceCredentials.open raises.
        """
        if self.bao_enrolment is None:
            yield StandingLogin(self.database_url or "")
            return
        from symphony.bao.database import ServiceCredentials

        credentials = await ServiceCredentials.open(
            self.bao_enrolment, service=service, place=self.database_place or "", ca_file=self.bao_ca_file
        )
        if metrics is not None:
            metrics.watch_age("login", lambda: credentials.age_s)
        try:
            yield credentials
        finally:
            await credentials.close()


class StandingLogin:
    """ServiceCredentials over one URL: development, or a login whose proof is no password. It never ends by itself."""

    def __init__(self, url: str) -> None:
        self.session: Session | None = None
        self._url = url

    def dsn(self, capability: str) -> Dsn:
        """The URL, whatever the capability."""
        return self._url

    def on_replaced(self, capability: str, drain: Drain) -> None:
        """Never happens."""

    def check(self) -> None:
        """It always lasts."""

    async def keep_while[T](self, work: Coroutine[Any, Any, T], *, stop: Callable[[], None]) -> T:
        """Do `work`."""
        return await work

    async def close(self) -> None:
        """Nothing to give back."""


def database_options[F: Callable[..., Any]](command: F) -> F:
    """Add --database-url, --bao-enrolment, --database-place and --bao-ca-file, given to the command as `access`."""

    @functools.wraps(command)
    def with_access(
        *arguments: Any,
        database_url: str | None,
        bao_enrolment: Path | None,
        database_place: str | None,
        bao_ca_file: str | None,
        **options: Any,
    ) -> Any:
        with reported():
            access = DatabaseAccess(
                database_url=database_url,
                bao_enrolment=bao_enrolment,
                database_place=database_place,
                bao_ca_file=bao_ca_file,
            )
        return command(*arguments, access=access, **options)

    wrapped: Any = with_access
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return cast(F, wrapped)


def _check_url(url: str) -> None:
    environment = os.environ.get(ENVIRONMENT, _DEVELOPMENT)
    if environment == _DEVELOPMENT:
        return
    if "password" in _parsed(url, "--database-url") or "PGPASSWORD" in os.environ:
        raise OperatorError(
            "PASSWORD_OUTSIDE_DEVELOPMENT",
            thing="--database-url",
            reason=f"it comes with a password, and {ENVIRONMENT} is {environment!r}",
            next_action="use --bao-enrolment and --database-place, or a login that needs no password",
        )


def _parsed(text: str, option: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(text)
    except Error:  # its text quotes what was given
        raise OperatorError(
            "DATABASE_URL_INVALID",
            thing=option,
            reason="libpq cannot read it",
            next_action="write postgresql://HOST:PORT/DATABASE or host=... port=... dbname=...",
        ) from None


def _refusal(code: str, reason: str, next_action: str) -> OperatorError:
    return OperatorError(code, thing="--database-url or --bao-enrolment", reason=reason, next_action=next_action)
