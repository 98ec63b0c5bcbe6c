"""The certificate of our own listener, from OpenBao: a new key and certificate at two thirds of the old one's life."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from symphony.bao.certificates import Certificate
from symphony.bao.errors import BaoRefused, BaoUnavailable
from symphony.bao.rights import CLIENT_CA
from symphony.bao.session import Session
from symphony.errors import SymphonyError
from symphony.ingress.tls import TlsMaterial
from symphony.operator_error import OperatorError

_RENEW_AT: Final = 2 / 3
_RETRY_S: Final = 30.0


class ServerIdentity:
    """One listener's certificate over time, and the CA whose client certificates it takes.

    OpenBao away: the certificate serves until its end, and renewal is tried again; after its end clients refuse it.

    Args:
        names, addresses: DNS names and IP addresses that clients connect to.
        ttl_s: how long a certificate lives; None is as long as OpenBao's role says.
    """

    def __init__(
        self,
        session: Session,
        *,
        names: Sequence[str] = (),
        addresses: Sequence[str] = (),
        ttl_s: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._session = session
        self._names = names
        self._addresses = addresses
        self._ttl_s = ttl_s
        self._now = now
        self._log = structlog.get_logger()
        self._obtained_at = now()
        self._certificate: Certificate | None = None
        self._client_ca_pem = b""

    async def open(self) -> None:
        """Get the first certificate and the client CA.

        Raises:
            OperatorError: SERVER_CERTIFICATE_REFUSED with what OpenBao said of the names. BaoUnavailable.
        """
        try:
            await self._obtain()
        except BaoRefused as error:
            raise OperatorError(
                "SERVER_CERTIFICATE_REFUSED",
                thing=f"certificate for {', '.join([*self._names, *self._addresses])}",
                reason=str(error),
                next_action="allow the names: symphony bao bootstrap --server-name NAME (all of them, each time)",
            ) from None

    def material(self) -> TlsMaterial:
        """What the listener serves with from now on; `open` first."""
        if self._certificate is None:
            raise AssertionError("open it first")
        return TlsMaterial(
            certificate_pem=self._certificate.certificate_pem,
            key_pem=self._certificate.key_pem,
            client_ca_pem=self._client_ca_pem,
        )

    @property
    def remaining_s(self) -> float:
        """Seconds until the certificate ends; negative after it."""
        return 0.0 if self._certificate is None else (self._certificate.not_after - self._now()).total_seconds()

    async def run(self, on_renewed: Callable[[TlsMaterial], None]) -> NoReturn:
        """Renew until cancelled; `on_renewed` gets each new material, for the handshakes to come."""
        while True:
            await asyncio.sleep(max(0.0, self._renewal_in_s()))
            before = self._certificate, self._obtained_at
            try:
                await self._obtain()
                on_renewed(self.material())
            except SymphonyError as error:
                self._certificate, self._obtained_at = before  # what the listener still serves with
                left_s = round(self.remaining_s)
                tell = self._log.warning if isinstance(error, BaoUnavailable) else self._log.error
                tell("server certificate not renewed", error=error, left_s=left_s, next="see why before it ends")
                await asyncio.sleep(min(_RETRY_S, max(1.0, self.remaining_s / 10)))
            else:
                self._log.info("server certificate renewed", lives_s=round(self.remaining_s))

    def _renewal_in_s(self) -> float:
        if self._certificate is None:
            return 0.0
        life_s = (self._certificate.not_after - self._obtained_at).total_seconds()
        return life_s * _RENEW_AT - (self._now() - self._obtained_at).total_seconds()

    async def _obtain(self) -> None:
        authority = x509.load_der_x509_certificate(await self._session.authority_certificate(CLIENT_CA))
        asked_at = self._now()
        certificate = await self._session.server_certificate(
            names=self._names, addresses=self._addresses, ttl_s=self._ttl_s
        )
        self._client_ca_pem = authority.public_bytes(Encoding.PEM)
        self._certificate, self._obtained_at = certificate, asked_at
