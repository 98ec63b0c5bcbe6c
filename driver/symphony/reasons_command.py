"""The command group `symphony reasons`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from symphony.api import core
from symphony.capability import run_as
from symphony.operator_error import reported
from symphony.policy_command import POLICY_FILE, database_url_option, operator_option
from symphony.policy_document import load_reason_taxonomy

BUILTIN: Final = Path(__file__).with_name("reason_taxonomy.json")


@click.group("reasons")
def reasons_group() -> None:
    """What our reason codes mean to others, and what to do next."""


@reasons_group.command()
@click.argument("file", type=POLICY_FILE, required=False)
@click.option("--builtin", is_flag=True, help="The taxonomy that this release brings, instead of a FILE.")
@operator_option
@database_url_option
def publish(*, file: Path | None, builtin: bool, operator: str, database_url: str) -> None:
    """Publish the next version of the taxonomy (login: symphony_policy_admin). Doing it twice changes nothing."""
    if builtin == (file is not None):
        raise click.UsageError("give a FILE or --builtin")
    with reported():
        document = load_reason_taxonomy(file or BUILTIN)
    written = run_as(
        "symphony_policy_admin",
        database_url,
        lambda connection: core.publish_reason_taxonomy(connection, document=document.content, operator=operator),
    )
    said = f"{written} reasons published" if written else "published already"
    click.echo(f"reason taxonomy version {document.version}: {said}")


@reasons_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@database_url_option
def list_(*, as_json: bool, database_url: str) -> None:
    """Print the reason taxonomy in force (login: symphony_operator); nothing when none is published."""
    for meaning in run_as("symphony_operator", database_url, core.list_reason_taxonomy):
        if as_json:
            click.echo(json.dumps(asdict(meaning), ensure_ascii=False))
        else:
            named = f"{meaning.iso_code} {meaning.iso_name}" if meaning.iso_code else "-"
            fate = "terminal" if meaning.terminal else "retried" if meaning.auto_retry else "open"
            click.echo(f"{meaning.reason_code:31} {named:43} {fate:9} {meaning.next_action}")
