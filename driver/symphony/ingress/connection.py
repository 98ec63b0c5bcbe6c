"""One connection of the ingress: from where, with which client certificate; and why a connection is refused."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol, cast

from aiohttp.web import BaseRequest

from symphony.trust.client_certificate import read_client_cert_field
from symphony.trust.refusal import Reason, TrustRefused

_FORWARDED: Final = ("Client-Cert", "Client-Cert-Chain")


class Kind(Enum):
    """How a connection came: over our TLS, from our proxy through its socket, or in plain text (development)."""

    TLS = "tls"
    PROXY = "proxy"
    PLAIN = "plain"


@dataclass(slots=True, kw_only=True)
class Connection:
    """What is known of a connection for as long as it lives.

    Attributes:
        peer_address: the address it came from; None on a Unix socket.
        certificate: DER of the client certificate that TLS verified; None unless kind is TLS.
        cert_sha256: its SHA-256.
        kept: what the reader of its requests keeps for the next one, such as the certificate's checks.
    """

    kind: Kind
    peer_address: str | None
    certificate: bytes | None = field(default=None, repr=False)
    cert_sha256: bytes | None = None
    kept: dict[object, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRefusal:
    """A connection that ended before a request of it was answered; reason_code is one of CONNECTION_*.

    Attributes:
        verify_code: OpenSSL's X509_V_ERR_*, where the certificate did not verify.
        cert_sha256: of the client certificate, where TLS had verified it.
    """

    reason_code: str
    peer_address: str | None
    verify_code: int | None = None
    cert_sha256: bytes | None = None


class _Connected(Protocol):
    connection: Connection


def connected(transport: Any, *, proxied: bool) -> Connection:
    """Describe a connection that was just made; over TLS its handshake has succeeded."""
    peer = transport.get_extra_info("peername")
    address = str(peer[0]) if isinstance(peer, tuple) else None
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        local = transport.get_extra_info("socket").family == socket.AF_UNIX  # anybody may come over TCP
        return Connection(kind=Kind.PROXY if proxied and local else Kind.PLAIN, peer_address=address)
    der = tls.getpeercert(binary_form=True)
    digest = hashlib.sha256(der).digest() if der else None
    return Connection(kind=Kind.TLS, peer_address=address, certificate=der, cert_sha256=digest)


def connection_of(request: BaseRequest) -> Connection:
    """Return the connection that a request came over."""
    return cast(_Connected, request.protocol).connection


def peer_certificate(request: BaseRequest) -> bytes | None:
    """Return the DER of the client's certificate: the connection's own, or what our proxy says (RFC 9440).

    None over plain text, where nobody has one. Behind the proxy it belongs to the request, not to the connection:
    a proxy sends many clients' requests over one.

    Raises:
        TrustRefused: CERT_HEADER_INVALID when Client-Cert is malformed, or comes from anybody but our proxy;
            CERT_MISSING when our proxy does not send it.
    """
    connection = connection_of(request)
    if connection.kind is Kind.PROXY:
        return read_client_cert_field(request.headers.getall("Client-Cert", ()))
    if any(name in request.headers for name in _FORWARDED):
        raise TrustRefused(Reason.CERT_HEADER_INVALID, "the field came over a direct connection")
    return connection.certificate
