"""The command group `symphony client`: which OAuth clients there are, and whose."""

from __future__ import annotations

import click

from symphony.api import trust
from symphony.bao.access import DatabaseAccess
from symphony.registrar.operator_session import named, run_as_operator


@click.group("client")
def client() -> None:
    """Register clients, and require proof of them (database role symphony_operator)."""


@client.command()
@click.argument("client_id")
@click.argument("participant_id")
@named
def register(client_id: str, participant_id: str, access: DatabaseAccess, operator: str, reason: str) -> None:
    """Register CLIENT_ID, the client_id of its access tokens, as a client of PARTICIPANT_ID, for ever."""
    new = run_as_operator(
        access,
        lambda connection: trust.register_client(
            connection, client_id=client_id, participant_id=participant_id, operator=operator, reason=reason
        ),
    )
    click.echo(f"client {client_id} {'registered' if new else 'was registered before'} for {participant_id}")


@client.command("require-proof")
@click.option("--without-signature", is_flag=True, help="A request needs no signature (RFC 9421).")
@click.option(
    "--revocation-max-age-s",
    type=click.IntRange(1, 86_400),
    default=900,
    show_default=True,
    help="Older news of a revocation source means refuse.",
)
@click.option("--for-ever", is_flag=True, help="Yes, this database never goes back.")
@named
def require_proof(
    without_signature: bool,
    revocation_max_age_s: int,
    for_ever: bool,
    access: DatabaseAccess,
    operator: str,
    reason: str,
) -> None:
    """Have the database record only what came with a complete proof. It cannot be taken back.

    Run it again to change the other two: a new version of the rule.
    """
    if not for_ever:
        raise click.UsageError("an ingress with --dev gets no answer from this database any more: say --for-ever")
    version = run_as_operator(
        access,
        lambda connection: trust.publish_proof_rule(
            connection,
            operator=operator,
            reason=reason,
            signature_required=not without_signature,
            revocation_max_age_ms=revocation_max_age_s * 1_000,
        ),
    )
    click.echo(f"proof is required, rule version {version}")
