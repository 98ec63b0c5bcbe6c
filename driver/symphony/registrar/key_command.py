"""The command group `symphony key`: the keys with which clients sign their requests (RFC 9421)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from symphony.api import trust
from symphony.bao.access import DatabaseAccess
from symphony.operator_error import OperatorError, reported
from symphony.registrar.operator_session import named, run_as_operator
from symphony.strict_json import InvalidInput, read_json
from symphony.trust.refusal import TrustRefused
from symphony.trust.signature_keys import public_signature_key

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("key")
def key() -> None:
    """Register and retire keys of signed requests (database role symphony_operator)."""


@key.command()
@click.argument("key_id")
@click.option("--client-id", required=True, help="Whose it is: a registered client.")
@click.option("--jwk", type=_FILE, help="A file with the public key as JWK: P-256 or Ed25519.")
@click.option("--shared-secret", is_flag=True, help="hmac-sha256; the secret is in OpenBao, never here.")
@click.option("--active-from", type=click.DateTime(), help="UTC, included [default: now].")
@click.option("--active-until", type=click.DateTime(), help="UTC, excluded [default: until it is retired].")
@named
def register(
    key_id: str,
    client_id: str,
    jwk: Path | None,
    shared_secret: bool,
    active_from: datetime | None,
    active_until: datetime | None,
    access: DatabaseAccess,
    operator: str,
    reason: str,
) -> None:
    """Register the key that clients name KEY_ID (keyid). Two keys may overlap during a rotation.

    A shared secret is put into OpenBao first: symphony bao put-secret ingress/signature-keys/KEY_ID.
    """
    if (jwk is None) != shared_secret:
        raise click.UsageError("name --jwk, or say --shared-secret")
    with reported():
        alg, public_jwk = ("hmac-sha256", None) if jwk is None else _public_key(jwk, key_id, client_id)
    new = run_as_operator(
        access,
        lambda connection: trust.register_signature_key(
            connection,
            key_id=key_id,
            client_id=client_id,
            alg=alg,
            public_jwk=public_jwk,
            active_from=datetime.now(UTC) if active_from is None else active_from.replace(tzinfo=UTC),
            active_until=None if active_until is None else active_until.replace(tzinfo=UTC),
            operator=operator,
            reason=reason,
        ),
    )
    click.echo(f"key {key_id} ({alg}) {'registered' if new else 'was registered before'} for {client_id}")


@key.command()
@click.argument("key_id")
@named
def retire(key_id: str, access: DatabaseAccess, operator: str, reason: str) -> None:
    """End KEY_ID for ever: the next request signed with it is refused."""
    run_as_operator(
        access,
        lambda connection: trust.retire_signature_key(connection, key_id=key_id, operator=operator, reason=reason),
    )
    click.echo(f"key {key_id} retired")


def _public_key(path: Path, key_id: str, client_id: str) -> tuple[str, str]:
    """The algorithm, and the JWK with the key alone. Raises OperatorError: KEY_UNREADABLE, KEY_REFUSED."""
    try:
        jwk = read_json(path.read_bytes())
    except (OSError, InvalidInput) as error:
        raise OperatorError(
            "KEY_UNREADABLE", thing=str(path), reason=type(error).__name__, next_action="name a file with one JWK"
        ) from None
    try:
        found = public_signature_key(jwk, keyid=key_id, client_id=client_id)
    except TrustRefused as error:
        raise OperatorError(
            "KEY_REFUSED",
            thing=str(path),
            reason=str(error),
            next_action="use a public P-256 or Ed25519 key of the client's own",
        ) from None
    members = jwk if isinstance(jwk, dict) else {}
    bare = {name: members[name] for name in ("crv", "kty", "x", "y") if name in members}
    return found.alg, json.dumps(bare, separators=(",", ":"))
