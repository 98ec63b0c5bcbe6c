"""The command group `symphony cell`."""

from __future__ import annotations

import re

import click

from symphony.api import core
from symphony.capability import run_as
from symphony.policy_command import database_url_option

_CELL_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def _check_cell_id(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not _CELL_ID.fullmatch(value):
        raise click.BadParameter("give 1 to 32 of a-z, 0-9 and -, the first no -; the home_cell_id of the policy")
    return value


@click.group("cell")
def cell() -> None:
    """Say which cell this database is."""


@cell.command()
@click.option("--cell-id", required=True, callback=_check_cell_id, help="The home_cell_id of the policy.")
@click.option("--epoch", type=click.IntRange(1, 2**31 - 1), required=True, help="Raised after a participant has moved.")
@database_url_option
def establish(*, cell_id: str, epoch: int, database_url: str) -> None:
    """Name this database's cell, or raise its epoch (login: symphony_policy_admin). Twice changes nothing.

    Nothing is accepted before; participants whose home is another cell or epoch are refused.
    """
    run_as(
        "symphony_policy_admin",
        database_url,
        lambda connection: core.establish_cell(connection, cell_id=cell_id, epoch=epoch),
    )
    click.echo(f"cell {cell_id} is established, epoch {epoch}")
