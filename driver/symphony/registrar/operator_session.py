"""How an operator's command reaches the database and, when it signs or revokes at the CA, OpenBao."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from symphony.api import connect
from symphony.api.connection import Connection
from symphony.bao.access import DatabaseAccess, database_options
from symphony.capability import check
from symphony.operator_error import OperatorError, reported

if TYPE_CHECKING:  # hvac takes half a second to import: only who enrols pays for it
    from symphony.bao.session import Session

_CAPABILITY = "symphony_operator"
_OPERATOR = click.option("--operator", required=True, help="Who does this; it goes into the ledger.")
_REASON = click.option("--reason", required=True, help="Why; it goes into the ledger.")
registrar_option = click.option(
    "--registrar-enrolment",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of symphony bao enrol registrar: do it at OpenBao too.",
)


def named[F: Callable[..., Any]](command: F) -> F:
    """Add what each act needs: a way into the database, --operator and --reason."""
    return database_options(_OPERATOR(_REASON(command)))


def run_as_operator[T](access: DatabaseAccess, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do `work` as symphony_operator; every SymphonyError becomes one line and exit status 1."""

    async def session() -> T:
        async with access.opened("operator") as credentials:
            dsn = credentials.dsn(_CAPABILITY)
            async with await connect(dsn, application_name="symphony-cli") as connection:
                await check(connection, capability=_CAPABILITY)
                return await work(connection)

    with reported():
        return asyncio.run(session())


@asynccontextmanager
async def registrar(enrolment_file: Path, ca_file: str | None) -> AsyncIterator[Session]:
    """The registrar's session at OpenBao. What OpenBao refuses becomes an OperatorError: CA_REFUSED."""
    from symphony.bao.enrolment import take_enrolment
    from symphony.bao.errors import BaoRefused
    from symphony.bao.session import Session

    session = await Session.login(take_enrolment(enrolment_file, service="registrar"), ca_file=ca_file)
    try:
        yield session
    except BaoRefused as error:
        raise OperatorError(
            "CA_REFUSED",
            thing="the issuing CA at OpenBao",
            reason=f"{error}: {error.said}" if error.said else str(error),
            next_action="correct the cause and run it again with a new enrolment",
        ) from None
    finally:
        await session.close()
