"""`symphony evidence verify`: is this evidence whole, genuine, and of this commit?"""

from __future__ import annotations

from pathlib import Path

import click

from gates import evidence_check, manifest
from gates.anchors import git, tree_of_commit
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
@click.option("--commit", help="A commit of this checkout, or 'any': of no commit in particular.  [default: HEAD]")
@click.pass_context
def verify(context: click.Context, folder: Path, key: Path, commit: str | None) -> None:
    """Say VALID (exit 0), TAMPERED (1), INCOMPLETE (3), STALE (4) or NOT PROVEN (5), and why.

    The signature alone, with somebody else's tool:
    openssl dgst -sha256 -verify KEY -signature EVIDENCE_INDEX.json.sig EVIDENCE_INDEX.json
    """
    with reported():
        wanted = None if commit == "any" else _expected(commit or "HEAD")
    try:
        found = evidence_check.check(folder, public_key=key.read_bytes(), expected=wanted)
    except ValueError as error:
        raise click.ClickException(f"{key}: {error}") from error
    click.echo(found.word)
    for line in found.lines:
        click.echo(f"  {line}")
    context.exit(_STATUS[found.word])


def _expected(name: str) -> evidence_check.Expected:
    commit = git(ROOT, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}").strip()
    declared = manifest.at_commit(ROOT, commit)
    return evidence_check.Expected(commit, tree_of_commit(ROOT, commit), frozenset(i.id for i in declared))
