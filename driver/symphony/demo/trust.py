"""Trust on one machine: OpenBao, the token issuer, and clients with certificates, keys and everything registered."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from psycopg.conninfo import conninfo_to_dict

from symphony.api import connect, trust
from symphony.api.connection import Connection
from symphony.bao.access import ENVIRONMENT
from symphony.bao.enrolment import Enrolment, issue_enrolment, write_enrolment
from symphony.bao.rights import CLIENT_CA, SERVER_CA
from symphony.bao.service_secret import put_secret
from symphony.bao.session import Session
from symphony.bao.wire import Wire
from symphony.client import directory as credentials
from symphony.client.proofs import public_jwk
from symphony.demo.processes import Child, Children, DemoFailed
from symphony.registrar.certificate_file import check_certificate
from symphony.trust.access_token import DEFAULT_SCOPES

AUDIENCE: Final = "https://ingress.symphony.example"
_HOST: Final = "127.0.0.1"
_READY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Sender:
    """A client that may send for a participant.

    Attributes:
        path: its directory of credentials.
        certificate_sha256: what the registry knows its certificate by.
    """

    client_id: str
    participant_id: str
    path: Path
    certificate_sha256: bytes


class Trust:
    """What stands beside the database in a zero-trust installation, as processes of a stage.

    Args:
        directory: where files go; of the stage, closed to other accounts.
        operator: in whose name clients are registered.

    Attributes:
        issuer: `iss` of the tokens; known once the issuer is open.
        bao_directory: where OpenBao logs; known once it is open.
    """

    def __init__(self, directory: Path, children: Children, *, operator: str) -> None:
        self._directory = directory
        self._children = children
        self._operator = operator
        self._address = ""
        self._root = ""
        self._enrolments = 0
        self._token_url = ""
        self.bao_directory = directory
        self.issuer = ""
        self.jwks_url = ""
        self.client_ca = directory / "client-ca.pem"
        self.server_ca = directory / "server-ca.pem"
        self.issuer_certificate = directory / "issuer.crt.pem"
        self.issuer_key = directory / "issuer.key.pem"

    def open_bao(self, superuser_url: str) -> int:
        """Start OpenBao and have everything made in it, down to the database logins; its process. Raises DemoFailed."""
        bao = self._children.start("bao", "bao", "dev", "--port", "0")
        ready = bao.wait_ready(seconds=_READY_S)
        token_file = str(ready["token_file"])
        self._children.run(
            "bootstrap", "bao", "bootstrap", "--address", ready["address"], "--token-file", token_file,
            database_url=superuser_url,
        )  # fmt: skip
        self._address, self._root = ready["address"], Path(token_file).read_text(encoding="ascii").strip()
        self.bao_directory = Path(token_file).parent
        for authority, path in ((CLIENT_CA, self.client_ca), (SERVER_CA, self.server_ca)):
            found = x509.load_der_x509_certificate(Wire(self._address).raw(f"{authority}/ca"))
            path.write_bytes(found.public_bytes(Encoding.PEM))
        return int(ready["server_pid"])

    def enrolment(self, service: str) -> Enrolment:
        """What a service logs in with, once, within a minute."""
        return issue_enrolment(self._wire(), service)

    def serve(self, command: str, service: str, database_url: str, *arguments: str) -> Child:
        """Start a service of ours, which knows no password: it has an enrolment, and where the database is."""
        self._enrolments += 1
        enrolment = self._directory / f"{service}-{self._enrolments}.enrolment"
        write_enrolment(self.enrolment(service), enrolment)
        return self._children.start(
            command, command, "--metrics-port", "0", "--bao-enrolment", str(enrolment),
            "--database-place", place_of(database_url), *arguments, environment={ENVIRONMENT: "demonstration"},
        )  # fmt: skip

    async def open_issuer(self) -> Child:
        """Start the token issuer under a certificate of OpenBao's; raises DemoFailed."""
        certificate = await Session(self._address, token=self._root).server_certificate(addresses=[_HOST])
        for path, content in (
            (self.issuer_certificate, certificate.certificate_pem),
            (self.issuer_key, certificate.key_pem),
        ):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
        issuer = self._children.start(
            "issuer", "issuer", "dev", "--port", "0", "--audience", AUDIENCE, "--client-ca", str(self.client_ca),
            "--tls-certificate", str(self.issuer_certificate), "--tls-key", str(self.issuer_key),
            environment={ENVIRONMENT: "dev"},
        )  # fmt: skip
        ready = issuer.wait_ready(seconds=_READY_S)
        self.issuer, self._token_url, self.jwks_url = ready["issuer"], ready["token_url"], ready["jwks_url"]
        return issuer

    async def register(self, clients: Mapping[str, str], *, operator_url: str) -> list[Sender]:
        """Have certificates issued to these clients (client to participant), and register them with a new key each."""
        session = await self.session("registrar")
        try:
            async with await connect(operator_url, application_name="symphony registration") as connection:
                return [
                    await self._register(session, connection, client_id, participant_id)
                    for client_id, participant_id in clients.items()
                ]
        finally:
            await session.close()

    async def require_proof(self, *, operator_url: str) -> None:
        """Have the database accept proven requests only, for ever."""
        async with await connect(operator_url, application_name="symphony registration") as connection:
            await trust.publish_proof_rule(connection, operator=self._operator, reason="nothing is believed unproven")

    async def wait_revocations_known(self, *, operator_url: str, seconds: float) -> None:
        """Wait until maintenance has read the revocation list; without it nobody is believed. Raises DemoFailed."""
        deadline = time.monotonic() + seconds
        async with await connect(operator_url, application_name="symphony registration") as connection:
            while True:
                state = await trust.registry_state(connection, role="symphony_operator")
                if state.revocation_fresh_until is not None:
                    return
                if time.monotonic() > deadline:
                    raise DemoFailed(f"no revocation list was read within {seconds:.0f} s{self._children.tails()}")
                await asyncio.sleep(0.02)

    def ingress_options(self, *, origin: str) -> list[str]:
        """What the ingress is told to believe."""
        return [
            "--issuer", self.issuer, "--audience", AUDIENCE, "--jwks-url", self.jwks_url,
            "--jwks-ca", str(self.server_ca), "--origin", origin,
        ]  # fmt: skip

    async def keep_secret(self, path: str, value: str) -> None:
        """Put a secret where only the service that `path` begins with may read it."""
        await asyncio.to_thread(put_secret, self._wire(), path, value.encode())

    async def session(self, service: str) -> Session:
        """Logged in as a service, as the service itself does it."""
        return await Session.login(self.enrolment(service))

    def _wire(self) -> Wire:
        return Wire(self._address, token=self._root)

    async def _register(self, session: Session, connection: Connection, client_id: str, participant_id: str) -> Sender:
        operator, reason = self._operator, "enrolled for this stage"
        issued = await session.client_certificate(client_id)
        der, authority = (
            x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
            for pem in (issued.certificate_pem, issued.issuer_pem)
        )
        facts = check_certificate(der, authority=authority, client_id=client_id, thing=f"certificate of {client_id}")
        key, key_id = ec.generate_private_key(ec.SECP256R1()), f"{client_id}-1"
        await trust.register_client(
            connection, client_id=client_id, participant_id=participant_id, operator=operator, reason=reason
        )
        await trust.register_client_cert(
            connection, client_id=client_id, **asdict(facts), operator=operator, reason=reason
        )
        await trust.register_signature_key(
            connection,
            key_id=key_id,
            client_id=client_id,
            alg="ecdsa-p256-sha256",
            public_jwk=json.dumps(public_jwk(key), separators=(",", ":")),
            active_from=datetime.now(UTC),
            active_until=None,
            operator=operator,
            reason=reason,
        )
        path = self._directory / f"{client_id}.credentials"
        credentials.write(
            path,
            client_id=client_id,
            token_url=self._token_url,
            scopes=list(DEFAULT_SCOPES),
            certificate_pem=issued.certificate_pem,
            key_pem=issued.key_pem,
            signature_key_id=key_id,
            signature_key=key,
            dpop_key=ec.generate_private_key(ec.SECP256R1()),
            issuer_ca_pem=self.server_ca.read_bytes(),
            server_ca_pem=self.server_ca.read_bytes(),
        )
        return Sender(client_id, participant_id, path, facts.cert_sha256)


def place_of(database_url: str) -> str:
    """Where a database is, without the login."""
    known = conninfo_to_dict(database_url)
    return " ".join(f"{name}={known[name]}" for name in ("host", "port", "dbname") if name in known)
