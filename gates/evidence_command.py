"""`symphony evidence verify`: is this evidence whole, genuine, and of this commit?"""

from __future__ import annotations

from pathlib import Path

import click

from gates import evidence_check
from gates.anchors import git
from gates.site import ROOT
from symphony.operator_error import reported

_STATUS = {"VALID": 0, "TAMPERED": 1, "INCOMPLETE": 3, "STALE": 4, "NOT PROVEN": 5}


@click.group()
def evidence() -> None:
    """Evidence of gate and test runs."""


@evidence.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=ROOT / "evidence")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="PEM public key you trust. The signer.pem in the folder is only as good as where you got it.",
)
@click.option("--commit", help="The commit it must be of.  [default: HEAD of this checkout; 'any' for none]")
@click.pass_context
def verify(context: click.Context, folder: Path, key: Path, commit: str | None) -> None:
    """Say VALID (exit 0), TAMPERED (1), INCOMPLETE (3), STALE (4) or NOT PROVEN (5), and why.

    The signature alone, with somebody else's tool:
    openssl dgst -sha256 -verify KEY -signature EVIDENCE_INDEX.json.sig EVIDENCE_INDEX.json
    """
    with reported():
        wanted = None if commit == "any" else commit or git(ROOT, "rev-parse", "HEAD").strip()
    try:
        found = evidence_check.check(folder, public_key=key.read_bytes(), commit=wanted)
    except ValueError as error:
        raise click.ClickException(f"{key}: {error}") from error
    click.echo(found.word)
    for line in found.lines:
        click.echo(f"  {line}")
    context.exit(_STATUS[found.word])
