"""Keeping the database's knowledge of revocations fresh: the CA's list, its responder's word on each certificate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Self

import aiohttp
import structlog

from symphony.api import trust
from symphony.api.connection import Connection
from symphony.metrics import Metrics
from symphony.revocation.refusal import RevocationRefused
from symphony.revocation.revocation_list import read_revocation_list
from symphony.revocation.source import RevocationSource
from symphony.revocation.status_protocol import CertificateStatus, StatusProtocol, fingerprint

_log = structlog.get_logger(__name__)
_ASKED_AT_ONCE: Final = 32


class RevocationRefresher:
    """One issuing CA's two sources. What fails is raised and nothing is recorded: the old state stays, and ages.

    Args:
        now: the time that documents are judged by; the machine's clock is held to the database's at the start.
    """

    def __init__(
        self,
        source: RevocationSource,
        metrics: Metrics,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._metrics = metrics
        self._now = now
        self._issuer = fingerprint(source.authority)
        self._protocol = StatusProtocol(source.authority)
        self._client: aiohttp.ClientSession | None = None
        self._confirmed: dict[str, datetime] = {}
        began = clock()
        self._confirmed_at = {"crl": began, "ocsp": began}
        self._clock = clock
        metrics.watch_age("crl", lambda: clock() - self._confirmed_at["crl"])
        if source.ocsp_url is not None:
            metrics.watch_age("ocsp", lambda: clock() - self._confirmed_at["ocsp"])

    async def __aenter__(self) -> Self:
        self._client = self._source.client()
        return self

    async def __aexit__(self, *error: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def refresh_list(self, connection: Connection) -> None:
        """Fetch, verify and record the CA's list.

        Raises:
            RevocationUnavailable, RevocationRefused. Conflict: a newer list was recorded before.
        """
        document = await self._source.fetch_list(self._http())
        found = await asyncio.to_thread(
            read_revocation_list, document, authority=self._source.authority, now=self._now()
        )
        await self._record(
            connection,
            source="CRL",
            list_number=found.number,
            this_update=found.this_update,
            next_update=found.next_update,
            serials=list(found.serials),
        )

    async def refresh_status(self, connection: Connection) -> None:
        """Ask about every registered certificate that still counts, and record the round when every answer holds.

        A certificate that the responder does not know is reported and left to the list: one wrong registration must
        not make every other certificate's state stale.

        Raises:
            RevocationUnavailable, RevocationRefused (also OCSP_OLDER). Conflict.
        """
        began = self._now()
        serials = [
            certificate.serial
            for certificate in await trust.list_client_certs(connection, role="symphony_maintainer")
            if certificate.issuer_sha256 == self._issuer
            and certificate.revoked_at is None
            and certificate.not_after >= began
        ]
        answers: dict[str, CertificateStatus] = {}
        for first in range(0, len(serials), _ASKED_AT_ONCE):
            batch = serials[first : first + _ASKED_AT_ONCE]
            answers.update(zip(batch, await asyncio.gather(*map(self._ask, batch)), strict=True))
        unknown = [serial for serial, answer in answers.items() if not answer.known]
        if unknown:
            _log.error("the CA does not know registered certificates", serials=unknown, next="find out who issued them")
        if answers:
            await self._record(
                connection,
                source="OCSP",
                list_number=None,
                this_update=began,
                next_update=min(answer.next_update for answer in answers.values()),
                serials=[serial for serial, answer in answers.items() if answer.revoked],
            )
        self._confirmed = {serial: answer.this_update for serial, answer in answers.items()}
        self._confirmed_at["ocsp"] = self._clock()

    async def _ask(self, serial: str) -> CertificateStatus:
        number = int(serial, 16)
        document = await self._source.ask(self._http(), self._protocol.request(number))
        answer = self._protocol.read(document, serial=number, now=self._now())
        confirmed = self._confirmed.get(serial)
        if confirmed is not None and answer.this_update < confirmed:
            raise RevocationRefused("OCSP_OLDER", "the answer is older than one received before")
        return answer

    async def _record(
        self,
        connection: Connection,
        *,
        source: str,
        list_number: int | None,
        this_update: datetime,
        next_update: datetime,
        serials: list[str],
    ) -> None:
        newly = await trust.record_revocation_list(
            connection,
            source=source,
            issuer_sha256=self._issuer,
            list_number=list_number,
            this_update=this_update,
            next_update=next_update,
            revoked_serials=serials,
        )
        self._confirmed_at[source.lower()] = self._clock()
        self._metrics.certificates_revoked_total.labels(source=source).inc(newly)
        if newly:
            _log.warning("client certificates revoked", source=source, count=newly)

    def _http(self) -> aiohttp.ClientSession:
        if self._client is None:
            raise AssertionError("enter the refresher first")
        return self._client
