"""The development issuer as an HTTPS server on loopback."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from symphony.issuer.endpoints import Endpoints
from symphony.issuer.minting import Mint
from symphony.operator_error import OperatorError
from symphony.trust.client_certificate import IssuingAuthority
from symphony.trust.origin import Origin
from symphony.trust.refusal import TrustRefused

HOST: Final = "127.0.0.1"
"""The address that the server certificate must carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSettings:
    """What one issuer serves with.

    Attributes:
        certificate, key: PEM files of the server.
        client_ca: PEM file of the one authority that issues client certificates.
        audience: `aud` of every token.
        scopes: what a client may have.
        port: 0 takes a free one.
        issuer: `iss` of every token; None is the server's own address.
    """

    certificate: Path
    key: Path
    client_ca: Path
    audience: str
    scopes: Sequence[str]
    lifetime_s: int
    port: int = 0
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Issuer:
    """A started issuer; `close` ends it.

    Attributes:
        url: its address, without a path.
    """

    mint: Mint
    url: str
    port: int
    _runner: web.AppRunner

    async def close(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()


def _now() -> int:
    return int(time.time())


async def start(settings: IssuerSettings, *, clock: Callable[[], int] = _now) -> Issuer:
    """Serve on 127.0.0.1.

    Args:
        clock: epoch seconds.

    Raises:
        OperatorError: ISSUER_FILE_UNUSABLE, PORT_IN_USE.
    """
    context, authority = _context(settings), _authority(settings.client_ca)
    try:
        listening = socket.create_server((HOST, settings.port))
    except OSError as error:
        raise OperatorError(
            "PORT_IN_USE",
            thing=f"port {settings.port}",
            reason=error.strerror or type(error).__name__,
            next_action="choose another --port, or 0",
        ) from None
    port = int(listening.getsockname()[1])
    url = f"https://{HOST}:{port}"
    mint = Mint(issuer=settings.issuer or url, audience=settings.audience, lifetime_s=settings.lifetime_s, clock=clock)
    endpoints = Endpoints(mint=mint, allowed=settings.scopes, authority=authority, clock=clock, origin=Origin(url))
    runner = web.AppRunner(endpoints.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=context).start()
    return Issuer(mint, url, port, runner)


def _context(settings: IssuerSettings) -> ssl.SSLContext:
    """TLS 1.3 that asks for a client certificate and goes on without one: the key set is for everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=_no_pass_phrase)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise _unusable(settings.certificate, error) from None
    try:
        context.load_verify_locations(settings.client_ca)
    except OSError as error:
        raise _unusable(settings.client_ca, error) from None
    return context


def _authority(client_ca: Path) -> IssuingAuthority:
    try:
        [certificate] = x509.load_pem_x509_certificates(client_ca.read_bytes())
        return IssuingAuthority(certificate.public_bytes(Encoding.DER))
    except (OSError, ValueError, TrustRefused) as error:
        raise _unusable(client_ca, error) from None


def _no_pass_phrase() -> str:
    raise ValueError("OpenSSL must not ask on the terminal")


def _unusable(path: Path, error: Exception) -> OperatorError:
    strerror = error.strerror if isinstance(error, OSError) else None
    return OperatorError(
        "ISSUER_FILE_UNUSABLE",
        thing=str(path),
        reason=strerror or f"it cannot be used ({type(error).__name__})",
        next_action="give a server certificate with its key, and the one authority of client certificates, all in PEM",
    )
