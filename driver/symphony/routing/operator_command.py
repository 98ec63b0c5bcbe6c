"""The command group `symphony routing`: what a person does about the weights, by name and with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from symphony.api import routing
from symphony.capability import run_as
from symphony.routing import configuration

_URL = click.option("--database-url", envvar="SYMPHONY_DATABASE_URL", required=True, help="libpq connection URL.")
_OPERATOR = click.option("--operator", required=True, help="Who does this; it goes into the ledger.")
_REASON = click.option("--reason", required=True, help="Why; it goes into the ledger.")


def _named[F: Callable[..., Any]](command: F) -> F:
    return _URL(_OPERATOR(_REASON(command)))


@click.group("routing")
def routing_group() -> None:
    """Begin a canary, set the weights by hand, publish rules; every act is a decision in the ledger."""


@routing_group.command("canary")
@click.argument("colour", type=click.Choice(routing.COLOURS))
@_named
def canary(colour: str, database_url: str, operator: str, reason: str) -> None:
    """Give COLOUR the first step of the canary ladder (login of symphony_operator)."""
    decision = run_as(
        "symphony_operator",
        database_url,
        lambda connection: routing.begin_canary(connection, candidate=colour, operator=operator, reason=reason),
    )
    click.echo(f"canary of {colour} begun, decision {decision}")


@routing_group.command("abandon")
@_named
def abandon(database_url: str, operator: str, reason: str) -> None:
    """End the canary, also a complete one: everything on the stable colour (login of symphony_operator)."""
    decision = run_as(
        "symphony_operator",
        database_url,
        lambda connection: routing.abandon_canary(connection, operator=operator, reason=reason),
    )
    click.echo(f"canary abandoned, decision {decision}")


@routing_group.command("promote")
@_named
def promote(database_url: str, operator: str, reason: str) -> None:
    """Make the colour that completed its canary the stable one (login of symphony_operator)."""
    decision = run_as(
        "symphony_operator",
        database_url,
        lambda connection: routing.promote(connection, operator=operator, reason=reason),
    )
    click.echo(f"the candidate is the stable colour, decision {decision}")


@routing_group.command("override")
@click.option("--blue-weight", type=int, required=True, help="Percent of the traffic for blue; green gets the rest.")
@click.option("--for-minutes", type=click.FloatRange(min=0.02), required=True, help="How long it holds.")
@_named
def override(blue_weight: int, for_minutes: float, database_url: str, operator: str, reason: str) -> None:
    """Set the weights by hand for a bounded time, whatever the health (login of symphony_operator)."""
    decision = run_as(
        "symphony_operator",
        database_url,
        lambda connection: routing.override(
            connection,
            blue_weight_pct=blue_weight,
            operator=operator,
            reason=reason,
            duration_ms=round(for_minutes * 60_000),
        ),
    )
    click.echo(f"blue {blue_weight}, green {100 - blue_weight} for {for_minutes:g} minutes, decision {decision}")


@routing_group.command("lift")
@_named
def lift(database_url: str, operator: str, reason: str) -> None:
    """End the override in force (login of symphony_operator)."""
    decision = run_as(
        "symphony_operator",
        database_url,
        lambda connection: routing.lift_override(connection, operator=operator, reason=reason),
    )
    click.echo(f"override lifted, decision {decision}")


@routing_group.command("rules")
@click.argument("changes")
@_named
def rules(changes: str, database_url: str, operator: str, reason: str) -> None:
    """Publish the next version of the thresholds: CHANGES is a JSON object (login of symphony_policy_admin)."""
    try:
        document = json.loads(changes)
    except ValueError as error:
        raise click.UsageError('CHANGES is no JSON; write for example {"window_ms": 2000}') from error
    version = run_as(
        "symphony_policy_admin",
        database_url,
        lambda connection: routing.publish_rules(connection, changes=document, operator=operator, reason=reason),
    )
    click.echo(f"rules version {version} is in force")


@routing_group.command("configuration")
@click.option("--socket", type=click.Path(path_type=Path), required=True, help="Where HAProxy puts its socket.")
@click.option("--port", type=click.IntRange(1, 65_535), required=True, help="Loopback port of the service.")
@click.option("--blue", required=True, metavar="HOST:PORT", help="Address of blue's service.")
@click.option("--blue-check-port", type=click.IntRange(1, 65_535), required=True, help="Port of blue's /readyz.")
@click.option("--green", required=True, metavar="HOST:PORT", help="Address of green's service.")
@click.option("--green-check-port", type=click.IntRange(1, 65_535), required=True, help="Port of green's /readyz.")
@click.option("--blue-weight", type=click.IntRange(0, 100), help="Percent for blue until a controller speaks.")
@click.option("--database-url", help="Ask here what is in force instead (login of symphony_operator).")
def print_configuration(
    socket: Path,
    port: int,
    blue: str,
    blue_check_port: int,
    green: str,
    green_check_port: int,
    blue_weight: int | None,
    database_url: str | None,
) -> None:
    """Print the configuration for HAProxy: haproxy -db -f FILE.

    Until a controller speaks, HAProxy has the weights of the file: those of --blue-weight, those in force in the
    database, or, with neither, everything on blue.
    """
    if blue_weight is None and database_url is not None:
        in_force = run_as(
            "symphony_operator",
            database_url,
            lambda connection: routing.current(connection, role="symphony_operator"),
        )
        blue_weight = in_force.blue_weight_pct
    click.echo(
        configuration.text(
            socket=socket.absolute(),
            port=port,
            blue=configuration.Colour(blue, blue_check_port),
            green=configuration.Colour(green, green_check_port),
            blue_weight_pct=100 if blue_weight is None else blue_weight,
        ),
        nl=False,
    )
