"""The command group `symphony bao`: a development server, its bootstrap, enrolment, a look at what is overdue."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import click

from symphony.api import connect
from symphony.api.login_issuer import OverdueLogin
from symphony.bao.bootstrap import Plan
from symphony.bao.bootstrap import bootstrap as bring_everything
from symphony.bao.desired import as_operator_error
from symphony.bao.enrolment import issue_enrolment, write_enrolment
from symphony.bao.errors import BaoRefused
from symphony.bao.overdue import report_overdue
from symphony.bao.rights import SERVICES
from symphony.bao.server import DevServer
from symphony.bao.service_secret import MIN_BYTES, decode_secret, put_secret
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError, reported

DEFAULT_PORT = 8200
OVERDUE_STATUS = 3
_DEFAULTS = Plan()
_ADDRESS = click.option("--address", envvar="SYMPHONY_BAO_ADDRESS", required=True, help="https://HOST:PORT.")
_CA_FILE = click.option("--ca-file", envvar="SYMPHONY_BAO_CA_FILE", help="Whom to trust for https; PEM.")
_TOKEN_FILE = click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SYMPHONY_BAO_TOKEN_FILE",
    required=True,
    help="A file with a token that may do this.",
)
_DATABASE_URL = click.option("--database-url", envvar=["DATABASE_URL", "SYMPHONY_DATABASE_URL"])


@click.group("bao")
def bao() -> None:
    """OpenBao: secrets, certificates, keys and short-lived database logins."""


@bao.command()
@click.option("--data", type=click.Path(path_type=Path), help="Keep everything there; without it, in memory.")
@click.option("--port", type=click.IntRange(0, 65_534), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
def dev(data: Path | None, port: int) -> None:
    """Run a real OpenBao on loopback until SIGTERM. For development: it unseals itself.

    Prints one JSON line when it serves; the root token is in the file that the line names (mode 0600).
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with reported():
        server = DevServer(data, port)
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, stop)
            server.start()
            ready = {
                "event": "ready",
                "address": server.address,
                "token_file": str(server.token_file),
                "audit_log": str(server.audit_log),
                "pid": os.getpid(),
                "server_pid": server.pid,
            }
            click.echo(json.dumps(ready, separators=(",", ":")))
            status = server.wait()
        except KeyboardInterrupt:
            return
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            server.stop()
        raise OperatorError(
            "BAO_ENDED",
            thing=f"process of OpenBao at {server.address}",
            reason=f"it ended by itself with status {status}",
            next_action=f"read {server.log}" if server.durable else "run it with --data to keep its log",
        )


@bao.command()
@_ADDRESS
@_TOKEN_FILE
@_CA_FILE
@_DATABASE_URL
@click.option("--server-name", "server_names", multiple=True, help="A DNS name of our listeners; repeatable.")
@click.option("--login-ttl-s", type=click.IntRange(min=1), default=_DEFAULTS.login_ttl_s, show_default=True)
@click.option("--login-max-ttl-s", type=click.IntRange(min=1), default=_DEFAULTS.login_max_ttl_s, show_default=True)
@click.option("--token-period-s", type=click.IntRange(min=1), default=_DEFAULTS.token_period_s, show_default=True)
@click.option("--issuer", default=_DEFAULTS.issuer, show_default=True, help="OpenBao's own login in the database.")
@click.option("--ingress-aliases", is_flag=True, help="Let the ingress hash aliases, for participants of policy SYNC.")
def bootstrap(address: str, token_file: Path, ca_file: str | None, database_url: str | None, **plan: object) -> None:
    """Make everything OpenBao must hold; run it again and nothing changes.

    With --database-url (a superuser's) also the database engine: OpenBao's own login, its password known to nobody.
    """
    with reported():
        wanted = Plan(**plan)  # type: ignore[arg-type]
        wire = Wire(address, token=_token(token_file), ca_file=ca_file)
        changes = asyncio.run(bring_everything(wire, database_url=database_url, plan=wanted))
    click.echo("\n".join([*changes, f"{len(changes)} changed"]))


@bao.command()
@click.argument("service", type=click.Choice(list(SERVICES)))
@_ADDRESS
@_TOKEN_FILE
@_CA_FILE
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A new file (mode 0600).")
def enrol(service: str, address: str, token_file: Path, ca_file: str | None, out: Path) -> None:
    """Make what SERVICE logs in with: a wrapped secret id, good for one login within 60 s."""
    with reported():
        try:
            enrolment = issue_enrolment(Wire(address, token=_token(token_file), ca_file=ca_file), service)
        except BaoRefused as error:
            raise as_operator_error(error, thing=f"enrolment of {service}") from None
        write_enrolment(enrolment, out)


@bao.command("put-secret")
@click.argument("path")
@_ADDRESS
@_TOKEN_FILE
@_CA_FILE
@click.option(
    "--secret-file",
    type=click.File("rb"),
    help="The secret in base64, - is standard input [default: 32 new random bytes, which nobody sees].",
)
@click.option("--replace", is_flag=True, help="There may be one already; who has read it is started again.")
def put(
    path: str, address: str, token_file: Path, ca_file: str | None, secret_file: BinaryIO | None, replace: bool
) -> None:
    """Put a secret of the service that PATH begins with.

    ingress/signature-keys/KEY_ID is shared with the client that signs with KEY_ID (its file signature.secret);
    ingress/dpop-nonce makes the nonces of symphony ingress --dpop-nonce.
    """
    with reported():
        secret = secrets.token_bytes(MIN_BYTES) if secret_file is None else decode_secret(secret_file.read())
        try:
            put_secret(Wire(address, token=_token(token_file), ca_file=ca_file), path, secret, replace=replace)
        except BaoRefused as error:
            raise as_operator_error(error, thing=f"secret {path}") from None
    click.echo(f"{path} is kept")


@bao.command()
@_DATABASE_URL
@click.option("--grace-s", type=click.FloatRange(min=0), default=60.0, show_default=True)
@click.pass_context
def check(context: click.Context, /, database_url: str | None, grace_s: float) -> None:
    """List leased logins that should have ended and have not (exit status 3): a revocation failed, or never ran."""
    with reported():
        if database_url is None:
            raise OperatorError(
                "DATABASE_URL_MISSING",
                thing="--database-url",
                reason="it is the database that knows which logins are there",
                next_action="name any login in --database-url",
            )
        overdue = asyncio.run(_overdue(database_url, grace_s))
    if overdue:
        context.exit(OVERDUE_STATUS)


async def _overdue(database_url: str, grace_s: float) -> int:
    async with await connect(database_url, application_name="symphony bao check") as connection:
        return await report_overdue(connection, grace_s=grace_s, alarm=_show)


def _show(login: OverdueLogin) -> None:
    click.echo(json.dumps(asdict(login), default=str, separators=(",", ":")))


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            "TOKEN_FILE_UNREADABLE",
            thing=str(path),
            reason=type(error).__name__,
            next_action="name the file that symphony bao dev printed, as the account that may read it",
        ) from None
