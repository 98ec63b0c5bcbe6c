"""Clients and certificates that tests register, and what the registry then says."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from symphony.api import connect, trust
from symphony.api.connection import Connection

ACT = {"operator": "olga", "reason": "a test"}


@dataclass
class Registry:
    """One database's registry, through one session of a superuser."""

    connection: Connection

    async def register(self, certificate: x509.Certificate, issuer: x509.Certificate, *, client_id: str) -> str:
        """Register the certificate, and the client when it is new; the serial number as it is registered."""
        await trust.register_client(self.connection, client_id=client_id, participant_id="ZM-BANK-A", **ACT)
        serial = format(certificate.serial_number, "x")
        await trust.register_client_cert(
            self.connection,
            client_id=client_id,
            cert_sha256=hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest(),
            issuer_sha256=hashlib.sha256(issuer.public_bytes(Encoding.DER)).digest(),
            serial=serial,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            **ACT,
        )
        return serial

    async def sources(self) -> dict[str, str | None]:
        """Serial number to what revoked it, None for what is not revoked."""
        found = await trust.list_client_certs(self.connection, role="symphony_operator")
        return {certificate.serial: certificate.revocation_source for certificate in found}

    async def state(self) -> trust.RegistryState:
        """Its version and freshness."""
        return await trust.registry_state(self.connection, role="symphony_operator")


@asynccontextmanager
async def registry(url: str) -> AsyncIterator[Registry]:
    """The registry of a database."""
    async with await connect(url, application_name="test") as connection:
        yield Registry(connection)


def rows(url: str, table: str) -> int:
    """How many rows a table of ingress has."""
    with psycopg.connect(url) as connection:
        found = connection.execute(f"select count(*) from ingress.{table}".encode()).fetchone()
    assert found is not None
    return int(found[0])
