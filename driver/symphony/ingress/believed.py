"""Whom the zero-trust ingress believes, read for the first time: without all of it nothing starts."""

from __future__ import annotations

import base64
import binascii
import os
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from symphony import api
from symphony.api.trust import RefusalCount
from symphony.bao.errors import BaoRefused, BaoUnavailable
from symphony.ingress.aliases import AliasSource
from symphony.ingress.identity import StartRefused
from symphony.ingress.refusal_counter import RefusalCounter
from symphony.ingress.refusal_journal import JournalRefused, RefusalJournal
from symphony.ingress.registry import RegistryCache
from symphony.ingress.service import Databases
from symphony.ingress.signing_keys import ReadSecret, SigningKeys
from symphony.ingress.tls import TlsMaterial
from symphony.ingress.trust_settings import TrustSettings
from symphony.ingress.zero_trust import ZeroTrustIdentifier
from symphony.trust.client_certificate import IssuingAuthority
from symphony.trust.dpop import NonceSource
from symphony.trust.jwks import Jwks
from symphony.trust.refusal import TrustRefused

NONCE_SECRET = "ingress/dpop-nonce"  # noqa: S105 - where it is, not what it is


class ServerCertificate(Protocol):
    """Where the listener's certificate and the client CA come from: OpenBao, or files."""

    def material(self) -> TlsMaterial:
        """What to serve with now."""
        ...

    def run(self, on_renewed: Callable[[TlsMaterial], None]) -> Coroutine[Any, Any, Any]:
        """Renew until cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the zero-trust ingress is given.

    Attributes:
        certificate: of its own listener; behind a proxy only its client CA is used.
        check_login: raises LoginLeaseEnded when our own database logins are over.
        on_replaced: called with a capability and what drains its pool before the login behind it ends.
        read_secret: reads our secrets at OpenBao; None without one.
        unix_socket: listen there for our own proxy instead (RFC 9440).
        aliases: answers aliases within requests of participants whose policy is SYNC.
        journal: where refusal counts outlive this process while the database is away.
    """

    settings: TrustSettings
    databases: Databases
    certificate: ServerCertificate
    environment: str
    check_login: Callable[[], None] = lambda: None
    on_replaced: Callable[[str, Any], None] = lambda capability, drain: None
    read_secret: ReadSecret | None = None
    unix_socket: Path | None = None
    aliases: AliasSource | None = None
    journal: Path | None = None
    clock: Callable[[], int] = lambda: int(time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Everything that says whom to believe, read for the first time."""

    counter: RefusalCounter
    keys: SigningKeys
    registry: RegistryCache
    jwks: Jwks
    identifier: ZeroTrustIdentifier


async def believe(trust: Trust, closing: AsyncExitStack) -> Believed:
    """Read everything once; `closing` gets what closes it. Raises StartRefused, DatabaseUnavailable."""
    settings = trust.settings
    keys = SigningKeys(trust.read_secret)
    registry = RegistryCache(trust.databases.ingest, settings=settings, on_change=keys.follow)
    closing.push_async_callback(registry.close)
    fresh_until = (await registry.open()).state.revocation_fresh_until
    if fresh_until is None or fresh_until.timestamp() <= trust.clock():
        raise StartRefused(
            "what is known about revoked certificates is not fresh, so every request would be refused;"
            " run symphony maintain with the client CA's revocation list, then start again"
        )
    await keys.fetch()
    authority = authority_of(trust.certificate.material())
    nonces = await _nonces(trust)
    jwks = await _jwks(trust, closing)
    counter = await _counter(trust, closing)
    identifier = ZeroTrustIdentifier(
        settings=settings,
        authority=authority,
        registry=registry,
        jwks=jwks,
        keys=keys,
        counter=counter,
        check_login=trust.check_login,
        nonces=nonces,
        clock=trust.clock,
    )
    return Believed(counter=counter, keys=keys, registry=registry, jwks=jwks, identifier=identifier)


async def _jwks(trust: Trust, closing: AsyncExitStack) -> Jwks:
    context = ssl.create_default_context(cafile=trust.settings.jwks_ca_file)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), trust_env=False)
    closing.push_async_callback(session.close)
    jwks = Jwks(settings=trust.settings.jwks_settings(), session=session, clock=trust.clock)
    try:
        await jwks.refresh()
    except TrustRefused as error:
        raise StartRefused(
            f"the issuer's keys were not had ({error}); look at --jwks-url and --jwks-ca, then start again"
        ) from None
    return jwks


async def _nonces(trust: Trust) -> NonceSource | None:
    if not trust.settings.dpop_nonce:
        return None
    reason = "no OpenBao is given"
    if trust.read_secret is not None:
        try:
            found = await trust.read_secret(NONCE_SECRET)
            return NonceSource(secret=base64.b64decode(found["secret"], validate=True))
        except (BaoUnavailable, BaoRefused, TrustRefused) as error:
            reason = str(error)
        except (KeyError, TypeError, binascii.Error):
            reason = "it has no member secret in base64"
    raise StartRefused(f"--dpop-nonce needs 32 secret bytes at {NONCE_SECRET}: {reason}; put them there")


async def _counter(trust: Trust, closing: AsyncExitStack) -> RefusalCounter:
    async def record(counts: Sequence[RefusalCount]) -> None:
        connection = await api.connect(trust.databases.ingest, application_name="symphony-ingress-counts")
        async with connection:
            await api.trust.record_refusal_counts(connection, counts=counts)

    journal = None if trust.journal is None else RefusalJournal(trust.journal)
    counter = RefusalCounter(record, instance=instance(), journal=journal)
    try:
        await counter.start()
    except JournalRefused as error:
        raise StartRefused(str(error)) from error
    closing.push_async_callback(counter.close)
    return counter


def authority_of(material: TlsMaterial) -> IssuingAuthority:
    """The CA whose client certificates are believed; raises StartRefused."""
    try:
        (certificate,) = x509.load_pem_x509_certificates(material.client_ca_pem)
        return IssuingAuthority(certificate.public_bytes(Encoding.DER))
    except ValueError:
        raise StartRefused("the client CA is not exactly one certificate in PEM; correct it") from None
    except TrustRefused as error:
        raise StartRefused(f"the client CA cannot issue certificates: {error.detail}; use another one") from None


def instance() -> str:
    """The name of this process in what it records."""
    return f"{socket.gethostname()}:{os.getpid()}"[:100]
