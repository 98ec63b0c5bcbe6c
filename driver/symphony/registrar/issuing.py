"""A new client certificate from OpenBao's CA: signed, written, registered, or none of the three."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from symphony.api import trust
from symphony.api.connection import Connection
from symphony.operator_error import OperatorError
from symphony.registrar.certificate_file import ClientCertificateFacts, certificate_in, check_certificate

if TYPE_CHECKING:
    from symphony.bao.session import Session


async def issue_and_register(
    session: Session,
    connection: Connection,
    *,
    client_id: str,
    request: Path | None,
    out: Path,
    key_out: Path | None,
    ttl_s: int | None,
    operator: str,
    reason: str,
) -> ClientCertificateFacts:
    """Have the CA sign, write the files, register.

    Raises:
        OperatorError: REQUEST_UNREADABLE, FILE_NOT_WRITTEN, CLIENT_ID_INVALID, CERTIFICATE_REFUSED. BaoRefused,
            BaoUnavailable, DatabaseRefused, DatabaseUnavailable. OutcomeUnknown: it may be registered, see the list.
    """
    from symphony.bao.errors import BaoRefused, BaoUnavailable
    from symphony.bao.rights import CLIENT_CA

    authority = await session.authority_certificate(CLIENT_CA)
    request_pem = None if request is None else _request(request)
    signed = await session.client_certificate(client_id, request_pem=request_pem, ttl_s=ttl_s)
    written: list[Path] = []
    try:
        der = certificate_in(signed.certificate_pem, out)
        facts = check_certificate(der, authority=authority, client_id=client_id, thing="what OpenBao signed")
        for path, content in ((key_out, signed.key_pem), (out, signed.certificate_pem)):
            if path is not None:
                _write_new(path, content)
                written.append(path)
        await trust.register_client_cert(
            connection, client_id=client_id, **asdict(facts), operator=operator, reason=reason
        )
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        with suppress(BaoRefused, BaoUnavailable):  # what failed first is what is told; unregistered it is of no use
            await session.revoke_client_certificate(signed.serial)
        raise
    return facts


def _request(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            "REQUEST_UNREADABLE",
            thing=str(path),
            reason=type(error).__name__,
            next_action="name a file with one PKCS #10 request in PEM",
        ) from None
    return text


def _write_new(path: Path, content: bytes) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
    except OSError as error:
        raise OperatorError(
            "FILE_NOT_WRITTEN",
            thing=str(path),
            reason=error.strerror or type(error).__name__,
            next_action="name a file that does not exist, in a directory you may write to",
        ) from error
