"""The command group `symphony policy`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from symphony.api import connect, policy
from symphony.api.connection import Connection
from symphony.operator_error import OperatorError, reported
from symphony.policy_document import Document, load_policy

POLICY_FILE = click.Path(dir_okay=False, path_type=Path)
NO_ACTIVE_STATUS = 3


def database_url_option[F: Callable[..., Any]](command: F) -> F:
    """Add --database-url."""
    return click.option("--database-url", envvar="SYMPHONY_DATABASE_URL", required=True, help="libpq connection URL.")(
        command
    )


def operator_option[F: Callable[..., Any]](command: F) -> F:
    """Add --operator: the person the ledger will name."""
    return click.option(
        "--operator",
        required=True,
        callback=_text_of(100),
        help="Your name, for the ledger (1 to 100 characters).",
    )(command)


def _reason_option[F: Callable[..., Any]](command: F) -> F:
    return click.option(
        "--reason", required=True, callback=_text_of(500), help="Why, for the ledger (1 to 500 characters)."
    )(command)


def _text_of(longest: int) -> Callable[[click.Context, click.Parameter, str], str]:
    def check(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
        text = value.strip()
        if not 1 <= len(text) <= longest or not text.isprintable():
            raise click.BadParameter(f"give 1 to {longest} printable characters")
        return text

    return check


def run[T](database_url: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do `work` on a connection of its own; errors become one line and exit status 1."""

    async def session() -> T:
        connection = await connect(database_url, application_name="symphony-cli")
        async with connection:
            return await work(connection)

    with reported():
        return asyncio.run(session())


@click.group("policy")
def policy_group() -> None:
    """Check and activate policies; halt and lift."""


@policy_group.command()
@click.argument("file", type=POLICY_FILE)
def check(file: Path) -> None:
    """Check a policy file and print its checksum; touches no database."""
    document = _load(file)
    click.echo(f"{file}: policy version {document.version} is valid, SHA-256 {document.sha256.hex()}")


@policy_group.command()
@click.argument("file", type=POLICY_FILE)
@operator_option
@database_url_option
def activate(*, file: Path, operator: str, database_url: str) -> None:
    """Record a policy file as a version and make it the ACTIVE one. Doing it twice changes nothing."""
    document = _load(file)

    async def work(connection: Connection) -> None:
        recorded = await policy.propose(connection, document=document.content, operator=operator)
        if recorded != document.sha256:
            raise OperatorError(
                "CHECKSUM_DIFFERS",
                thing=str(file),
                reason=f"the database computed {recorded.hex()}, this program {document.sha256.hex()}",
                next_action="activate nothing and report this as a defect",
            )
        await policy.activate(connection, version=document.version, checksum=document.sha256, operator=operator)

    run(database_url, work)
    click.echo(f"policy version {document.version} is ACTIVE, SHA-256 {document.sha256.hex()}")


@policy_group.command()
@database_url_option
def show(*, database_url: str) -> None:
    """Print the ACTIVE policy's version, checksum and activation time; exit status 3 when there is none."""
    found = run(database_url, policy.active)
    if found is None:
        click.echo("no policy is ACTIVE, so nothing is accepted; next: symphony policy activate FILE", err=True)
        raise SystemExit(NO_ACTIVE_STATUS)
    version, checksum, activated_at = found
    click.echo(f"policy version {version} is ACTIVE since {activated_at.isoformat()}, SHA-256 {checksum.hex()}")


@policy_group.command()
@click.option("--scope", type=click.Choice(["GLOBAL", "RAIL", "PARTICIPANT"]), required=True)
@click.option("--rail", help="The rail to halt; with --scope RAIL.")
@click.option("--participant", "participant_id", help="The participant to halt; with --scope PARTICIPANT.")
@click.option(
    "--direction",
    type=click.Choice(["SEND", "RECEIVE", "BOTH"]),
    default="BOTH",
    show_default=True,
    help="What the participant may no longer do.",
)
@_reason_option
@operator_option
@database_url_option
def halt(
    *,
    scope: str,
    rail: str | None,
    participant_id: str | None,
    direction: str,
    reason: str,
    operator: str,
    database_url: str,
) -> None:
    """Stop everything, a rail or a participant at once; prints the halt's id, which `lift` needs."""
    if (scope == "RAIL") != (rail is not None) or (scope == "PARTICIPANT") != (participant_id is not None):
        raise click.UsageError("give --rail with --scope RAIL, --participant with --scope PARTICIPANT, else neither")
    if scope != "PARTICIPANT" and direction != "BOTH":
        raise click.UsageError(f"--direction {direction} needs --scope PARTICIPANT")
    halt_id = run(
        database_url,
        lambda connection: policy.halt(
            connection,
            scope=scope,
            operator=operator,
            reason=reason,
            rail=rail,
            participant_id=participant_id,
            direction=direction,
        ),
    )
    click.echo(str(halt_id))


@policy_group.command()
@click.argument("halt_id", type=click.UUID)
@_reason_option
@operator_option
@database_url_option
def lift(*, halt_id: UUID, reason: str, operator: str, database_url: str) -> None:
    """Lift a halt by the id that `halt` printed."""
    run(
        database_url,
        lambda connection: policy.lift_halt(connection, halt_id=halt_id, operator=operator, reason=reason),
    )
    click.echo(f"halt {halt_id} is lifted")


def _load(file: Path) -> Document:
    with reported():
        return load_policy(file)
