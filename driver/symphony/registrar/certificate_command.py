"""The command group `symphony cert`: which client certificates the ingress takes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.serialization import Encoding

from symphony.api import trust
from symphony.api.connection import Connection
from symphony.bao.access import DatabaseAccess, database_options
from symphony.errors import DatabaseRefused, SymphonyError
from symphony.operator_error import OperatorError, reported
from symphony.registrar.certificate_file import check_certificate, read_certificate
from symphony.registrar.issuing import issue_and_register
from symphony.registrar.operator_session import named, registrar, registrar_option, run_as_operator
from symphony.revocation.duties import read_authority

_FILE = click.Path(dir_okay=False, path_type=Path)
_ENDED_ALREADY = "SC502"


@click.group("cert")
def cert() -> None:
    """Register, revoke, list and issue client certificates (database role symphony_operator)."""


@cert.command()
@click.argument("file", type=_FILE)
@click.option("--client-id", required=True, help="Whose it is: a registered client.")
@click.option("--client-ca", type=_FILE, required=True, help="The CA that issues client certificates, PEM or DER.")
@named
def register(file: Path, client_id: str, client_ca: Path, access: DatabaseAccess, operator: str, reason: str) -> None:
    """Register the certificate in FILE (PEM or DER); it is checked as the ingress checks it.

    It is accepted once the issuing CA's revocation list has been read after this.
    """
    with reported():
        authority = read_authority(client_ca).public_bytes(Encoding.DER)
        der = read_certificate(file)
        facts = check_certificate(der, authority=authority, client_id=client_id, thing=str(file))
    new = run_as_operator(
        access,
        lambda connection: trust.register_client_cert(
            connection, client_id=client_id, **asdict(facts), operator=operator, reason=reason
        ),
    )
    done = "registered" if new else "was registered before"
    click.echo(f"certificate {facts.cert_sha256.hex()} (serial {facts.serial}) {done} for {client_id}")


@cert.command()
@click.option("--sha256", help="SHA-256 of the certificate's DER, hexadecimal.")
@click.option("--serial", help="Its serial number, hexadecimal; colons are fine.")
@click.option("--file", type=_FILE, help="The certificate itself.")
@registrar_option
@named
def revoke(
    sha256: str | None,
    serial: str | None,
    file: Path | None,
    registrar_enrolment: Path | None,
    access: DatabaseAccess,
    operator: str,
    reason: str,
) -> None:
    """End a certificate for ever: its next request is refused, also over an open connection.

    With --registrar-enrolment it is also revoked at OpenBao's CA, so that its next revocation list says so.
    """
    if sum(given is not None for given in (sha256, serial, file)) != 1:
        raise click.UsageError("name the certificate once: --sha256, --serial or --file")

    async def work(connection: Connection) -> str:
        found = await _find(connection, sha256=sha256, serial=serial, file=file)
        said = f"certificate {found.cert_sha256.hex()} (serial {found.serial}) of {found.client_id}"
        try:
            await trust.revoke_client_cert(connection, cert_sha256=found.cert_sha256, operator=operator, reason=reason)
            said += " revoked"
        except DatabaseRefused as error:
            if error.sqlstate != _ENDED_ALREADY or registrar_enrolment is None:
                raise
            said += " was revoked before"  # what is left is the CA
        if registrar_enrolment is not None:
            await _revoke_at_the_ca(registrar_enrolment, access.bao_ca_file, found.serial)
            said += ", at the CA too"
        return said

    click.echo(run_as_operator(access, work))


@cert.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of lines.")
@database_options
def list_command(as_json: bool, access: DatabaseAccess) -> None:
    """List every registered certificate, the oldest registration first; not what expired more than a day ago."""
    found = run_as_operator(access, lambda connection: trust.list_client_certs(connection, role="symphony_operator"))
    rows = [_row(certificate) for certificate in found]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = f"revoked {row['revoked_at']} ({row['revocation_source']})" if row["revoked_at"] else "not revoked"
        click.echo(
            f"{row['cert_sha256']} {row['client_id']} {row['participant_id']} serial {row['serial']}"
            f" until {row['not_after']} {state}"
        )


@cert.command("end-source")
@click.argument("source", type=click.Choice(["CRL", "OCSP"]))
@click.option("--client-ca", type=_FILE, help="The CA whose source it is, PEM or DER.")
@click.option("--issuer-sha256", help="Instead: SHA-256 of that CA's DER, hexadecimal.")
@named
def end_source(
    source: str,
    client_ca: Path | None,
    issuer_sha256: str | None,
    access: DatabaseAccess,
    operator: str,
    reason: str,
) -> None:
    """End a CA's revocation source that is read no more, so that its age stops no certificate.

    Stop symphony maintain reading it first: read again, it counts again. The list of a CA with a usable certificate
    cannot be ended.
    """
    if (client_ca is None) == (issuer_sha256 is None):
        raise click.UsageError("name the CA once: --client-ca or --issuer-sha256")
    try:
        issuer = bytes.fromhex(issuer_sha256 or "")
    except ValueError:
        raise click.UsageError("--issuer-sha256 is no hexadecimal number") from None
    if client_ca is not None:
        with reported():
            issuer = hashlib.sha256(read_authority(client_ca).public_bytes(Encoding.DER)).digest()
    run_as_operator(
        access,
        lambda connection: trust.end_revocation_source(
            connection, issuer_sha256=issuer, source=source, operator=operator, reason=reason
        ),
    )
    click.echo(f"revocation source {source} of CA {issuer.hex()} ended")


@cert.command()
@click.argument("client_id")
@click.option("--request", type=_FILE, help="The client's own PKCS #10 request, PEM; without it a key is made here.")
@click.option("--out", type=_FILE, required=True, help="Where the certificate goes: a new file, PEM.")
@click.option("--key-out", type=_FILE, help="Where the key goes when it is made here: a new file (mode 0600).")
@click.option("--ttl-s", type=click.IntRange(min=60), help="How long it lives [default: as long as the CA allows].")
@click.option("--registrar-enrolment", type=_FILE, required=True, help="The file of symphony bao enrol registrar.")
@named
def issue(
    client_id: str,
    request: Path | None,
    out: Path,
    key_out: Path | None,
    ttl_s: int | None,
    registrar_enrolment: Path,
    access: DatabaseAccess,
    operator: str,
    reason: str,
) -> None:
    """Have OpenBao's CA issue a certificate for CLIENT_ID, and register it.

    What fails leaves no file and no registration; a certificate that the CA had signed by then is revoked there.
    """
    if (request is None) == (key_out is None):
        raise click.UsageError("name --request, or --key-out for a key that is made here")

    async def work(connection: Connection) -> str:
        async with registrar(registrar_enrolment, access.bao_ca_file) as session:
            facts = await issue_and_register(
                session,
                connection,
                client_id=client_id,
                request=request,
                out=out,
                key_out=key_out,
                ttl_s=ttl_s,
                operator=operator,
                reason=reason,
            )
        return f"certificate {facts.cert_sha256.hex()} (serial {facts.serial}) issued to {client_id} and registered"

    click.echo(run_as_operator(access, work))


async def _find(
    connection: Connection, *, sha256: str | None, serial: str | None, file: Path | None
) -> trust.ClientCert:
    if file is not None:
        sha256 = hashlib.sha256(read_certificate(file)).hexdigest()
    wanted = (sha256 or serial or "").replace(":", "").lower()
    found = [
        certificate
        for certificate in await trust.list_client_certs(connection, role="symphony_operator")
        if (certificate.cert_sha256.hex() if sha256 else certificate.serial)
        == (wanted if sha256 else wanted.lstrip("0"))
    ]
    if len(found) != 1:
        raise OperatorError(
            "CERTIFICATE_NOT_FOUND" if not found else "SERIAL_AMBIGUOUS",
            thing=f"certificate {wanted[:64]}",
            reason="none such is registered" if not found else f"{len(found)} CAs issued that serial number",
            next_action="see symphony cert list",
        )
    return found[0]


async def _revoke_at_the_ca(enrolment: Path, ca_file: str | None, serial: str) -> None:
    try:
        async with registrar(enrolment, ca_file) as session:
            await session.revoke_client_certificate(_with_colons(serial))
    except SymphonyError as error:
        raise OperatorError(
            "CA_NOT_TOLD",
            thing=f"certificate with serial {serial}",
            reason=f"it is revoked here, where it counts, but not at the CA: {error}",
            next_action="run the same command again with a new enrolment of the registrar",
        ) from None


def _row(certificate: trust.ClientCert) -> dict[str, Any]:
    def shown(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.hex()
        return value.isoformat() if hasattr(value, "isoformat") else value

    return {name: shown(value) for name, value in asdict(certificate).items()}


def _with_colons(serial: str) -> str:
    return int(serial, 16).to_bytes((len(serial) + 1) // 2, "big").hex(":")
