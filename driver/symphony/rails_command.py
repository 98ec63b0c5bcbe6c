"""The command group `symphony rails`."""

from __future__ import annotations

from pathlib import Path

import click

from symphony.api import rails
from symphony.operator_error import reported
from symphony.policy_command import POLICY_FILE, database_url_option, operator_option, run
from symphony.policy_document import load_response_classes


@click.group("rails")
def rails_group() -> None:
    """What the rails' answers mean."""


@rails_group.command()
@click.argument("file", type=POLICY_FILE)
@operator_option
@database_url_option
def publish(*, file: Path, operator: str, database_url: str) -> None:
    """Publish the next version of a rail's response classes. Doing it twice changes nothing."""
    with reported():
        document = load_response_classes(file)
    written = run(
        database_url,
        lambda connection: rails.publish_response_classes(connection, document=document.content, operator=operator),
    )
    said = f"{written} classes published" if written else "published already"
    click.echo(f"rail {document.content['rail']} version {document.version}: {said}")
