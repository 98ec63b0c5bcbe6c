"""What `symphony maintain` does about revocations: where the sources are, and how often each is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from cryptography import x509

from symphony.api.connection import Connection
from symphony.maintenance import Duty, Work
from symphony.metrics import Metrics
from symphony.operator_error import OperatorError
from symphony.revocation.refresher import RevocationRefresher
from symphony.revocation.revocation_list import may_sign_lists
from symphony.revocation.source import RevocationSource

if TYPE_CHECKING:  # hvac takes half a second to import: only who enrols pays for it
    from symphony.bao.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationPlan:
    """Where to read and how often; what is None is OpenBao's own when there is a session with it.

    Attributes:
        client_ca: PEM file of the CA that issues client certificates.
        round_limit_ms: how long asking about every certificate may take; less than the proof rule's greatest age.
        rotation_interval_ms: how often OpenBao is asked for a fresh list, long before the old one ends.
    """

    client_ca: Path | None = None
    crl_url: str | None = None
    ocsp_url: str | None = None
    ca_file: str | None = None
    interval_ms: int = 60_000
    round_limit_ms: int = 300_000
    rotation_interval_ms: int = 3_600_000


@asynccontextmanager
async def revocation_duties(
    plan: RevocationPlan, session: Session | None, metrics: Metrics
) -> AsyncIterator[list[Duty]]:
    """The tasks `revocation` (the list), `ocsp` and `rotation`; none without a source, which is said in the log.

    Raises:
        OperatorError: REVOCATION_SOURCE_INCOMPLETE, REVOCATION_URL_INVALID, CLIENT_CA_UNREADABLE. BaoUnavailable.
    """
    source = await _source(plan, session)
    if source is None:
        structlog.get_logger().warning(
            "revocations are not read", next="name --client-ca and --crl-url; without them proven requests are refused"
        )
        yield []
        return
    async with RevocationRefresher(source, metrics) as refresher:
        duties = [Duty("revocation", refresher.refresh_list, plan.interval_ms)]
        if source.ocsp_url is not None:
            duties.append(Duty("ocsp", refresher.refresh_status, plan.interval_ms, plan.round_limit_ms))
        if session is not None:
            duties.append(Duty("rotation", _rotation(session), plan.rotation_interval_ms))
        yield duties


def _rotation(session: Session) -> Work:
    from symphony.bao.rights import CLIENT_CA, SERVER_CA

    async def rotate(connection: Connection) -> None:
        for authority in (CLIENT_CA, SERVER_CA):
            await session.rotate_revocation_list(authority)

    return rotate


async def _source(plan: RevocationPlan, session: Session | None) -> RevocationSource | None:
    crl_url, ocsp_url, authority = plan.crl_url, plan.ocsp_url, None
    if plan.client_ca is not None:
        authority = read_authority(plan.client_ca)
    elif session is not None:
        from symphony.bao.rights import CLIENT_CA

        authority = x509.load_der_x509_certificate(await session.authority_certificate(CLIENT_CA))
        crl_url = crl_url or f"{session.address}/v1/{CLIENT_CA}/crl"
        ocsp_url = ocsp_url or f"{session.address}/v1/{CLIENT_CA}/ocsp"
    if authority is None and crl_url is None and ocsp_url is None:
        return None
    if authority is None or crl_url is None:
        raise OperatorError(
            "REVOCATION_SOURCE_INCOMPLETE",
            thing="--client-ca, --crl-url",
            reason="a list is of use only with the CA that signs it, and the other way round",
            next_action="name both",
        )
    return RevocationSource(authority=authority, crl_url=crl_url, ocsp_url=ocsp_url, ca_file=plan.ca_file)


def read_authority(path: Path) -> x509.Certificate:
    """The issuing CA's certificate from a PEM or DER file.

    Raises:
        OperatorError: CLIENT_CA_UNREADABLE, also when its key may not sign revocation lists.
    """
    try:
        raw = path.read_bytes()
        found = x509.load_pem_x509_certificates(raw) if b"-----BEGIN" in raw else [x509.load_der_x509_certificate(raw)]
    except (OSError, ValueError) as error:
        found, reason = [], type(error).__name__
    else:
        reason = f"it holds {len(found)} certificates, or one that may not sign revocation lists"
    if len(found) != 1 or not may_sign_lists(found[0]):
        raise OperatorError(
            "CLIENT_CA_UNREADABLE",
            thing=str(path),
            reason=reason,
            next_action="name the file of the one certificate of the CA that issues client certificates",
        )
    return found[0]
