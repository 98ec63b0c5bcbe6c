"""A zero-trust ingress on a real database: two registered clients, an issuer's keys over https, and its senders.

A negative case is one line: `await stage.refuses("TOKEN_EXPIRED", 401, token={"claims": {"exp": 1}})`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from symphony import api
from symphony.ingress.believed import Trust
from symphony.ingress.service import Databases, Service
from symphony.ingress.tls_files import TlsFiles
from symphony.ingress.trust_settings import TrustSettings
from symphony.ingress.zero_trust_service import start_zero_trust
from symphony.metrics import Metrics
from tests.ingress_bench import A, Answer, B, counts, patient, prepare, rows
from tests.ingress_sender import AUDIENCE, ORIGIN, Client, Sender
from tests.sender_material import FileAuthority, der_of
from tests.trust_material import ISSUER, Pair, ed25519_pair, p256

BY = {"operator": "test", "reason": "enrolled for a test"}
SECRET = hashlib.sha256(b"a shared secret of a test").digest()
FACTS = (
    "participant_id", "decision", "reason_code", "tenant_id", "client_id", "cert_sha256", "token_iss", "token_aud",
    "token_kid", "token_jti_sha256", "cnf", "pop_mode", "body_sha256", "signature_key_id", "signature_alg", "db_role",
    "instruction_id",
)  # fmt: skip


@dataclass
class KeyServer:
    """The issuer's JWKS over https; `keys` is what it publishes, `status` what it answers with."""

    keys: list[Mapping[str, Any]]
    status: int = 200
    fetches: int = 0
    url: str = ""

    async def _answer(self, _: web.Request) -> web.Response:
        self.fetches += 1
        return web.json_response({"keys": self.keys}, status=self.status)

    @asynccontextmanager
    async def running(self, authority: FileAuthority, folder: Path) -> AsyncIterator[KeyServer]:
        """Listen on a free loopback port."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        path = folder / "jwks.pem"
        path.write_bytes(b"".join(authority.server()))
        context.load_cert_chain(path)
        app = web.Application()
        app.router.add_get("/jwks.json", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            self.url = f"https://127.0.0.1:{runner.addresses[0][1]}/jwks.json"
            yield self
        finally:
            await runner.cleanup()


@dataclass
class TrustStage:
    """Everything around one ingress; `refuses` and `accepts` are what tests ask."""

    dsn: str
    folder: Path
    clients: FileAuthority
    servers: FileAuthority
    issuer: Pair
    key_server: KeyServer
    a: Client
    b: Client
    metrics: Metrics = field(default_factory=Metrics)
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    service: Service | None = None
    list_number: int = 1

    def sender(self, client: Client | None = None) -> Sender:
        """A sender that is this client, or client A."""
        assert self.service is not None
        return Sender(client or self.a, port=self.service.port, issuer=self.issuer, server_ca_pem=self.servers.pem)

    async def accepts(self, sender: Sender | None = None, **knobs: Any) -> Answer:
        """Check that a request is answered with success."""
        answer = await (sender or self.sender()).send(**knobs)
        assert answer.status in (200, 202), (answer.status, answer.raw)
        return answer

    async def refuses(self, reason: str, status: int, *, sender: Sender | None = None, **knobs: Any) -> dict[str, Any]:
        """Check status and reason, exactly one attestation saying the same, and nothing else written; its facts."""
        before = await counts(self.dsn)
        answer = await (sender or self.sender()).send(**knobs)
        assert (answer.status, answer.reason) == (status, reason), answer.raw
        after = await counts(self.dsn)
        written = {table: after[table] - before[table] for table in after if after[table] != before[table]}
        assert written == {"ingress.ingress_attestations": 1}
        attested = await self.attestation(answer)
        assert (attested["decision"], attested["reason_code"]) == ("REJECT", reason)
        if status == 401:
            assert answer.headers["WWW-Authenticate"]
        return attested

    async def attestation(self, answer: Answer) -> dict[str, Any]:
        """The one attestation of an answered request."""
        names = ", ".join(FACTS)
        query = f"select {names} from ingress.ingress_attestations where correlation_id = %s"
        (found,) = await rows(self.dsn, query, answer.headers["Symphony-Correlation-Id"])
        return dict(zip(FACTS, found, strict=True))

    async def read_secret(self, path: str) -> Mapping[str, Any]:
        """What stands for the service's OpenBao session."""
        return self.secrets[path]

    def client(self, client_id: str, participant_id: str, signing: Pair | None = None) -> Client:
        """A client with a certificate of the issuing CA, not registered yet."""
        certificate, key = self.clients.client(client_id)
        return Client(
            client_id=client_id,
            participant_id=participant_id,
            certificate_pem=certificate,
            key_pem=key,
            der=der_of(certificate),
            keyid=f"{client_id}-1",
            signing=signing or p256(),
        )

    async def register(self, client: Client, *, secret: bytes | None = None) -> None:
        """Register a client, its certificate and its key, and read the revocation list again after it."""
        begin, end = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(hours=1)
        if secret is not None:
            self.secrets[f"ingress/signature-keys/{client.keyid}"] = {"secret": base64.b64encode(secret).decode()}
        async with await api.connect(self.dsn, application_name="test-register") as connection:
            await api.trust.register_client(
                connection, client_id=client.client_id, participant_id=client.participant_id, **BY
            )
            await api.trust.register_client_cert(
                connection,
                client_id=client.client_id,
                cert_sha256=client.cert_sha256,
                issuer_sha256=self.issuer_sha256,
                serial=uuid.uuid4().hex.lstrip("0"),
                not_before=begin,
                not_after=end,
                **BY,
            )
            algorithms = {"ES256": "ecdsa-p256-sha256", "EdDSA": "ed25519"}
            await api.trust.register_signature_key(
                connection,
                key_id=client.keyid,
                client_id=client.client_id,
                alg="hmac-sha256" if secret is not None else algorithms[client.signing.alg],
                public_jwk=None if secret is not None else json.dumps(client.signing.jwk),
                active_from=begin,
                active_until=None,
                **BY,
            )
        await self.read_list()

    async def read_list(self) -> None:
        """Record a revocation list of now, as the maintainer does."""
        self.list_number += 1
        now = datetime.now(UTC)
        async with await api.connect(self.dsn, application_name="test-crl") as connection:
            await api.trust.record_revocation_list(
                connection,
                source="CRL",
                issuer_sha256=self.issuer_sha256,
                list_number=self.list_number,
                this_update=now - timedelta(seconds=1),
                next_update=now + timedelta(hours=1),
                revoked_serials=[],
            )

    async def revoke(self, client: Client) -> None:
        """End a client's certificate."""
        async with await api.connect(self.dsn, application_name="test-revoke") as connection:
            await api.trust.revoke_client_cert(connection, cert_sha256=client.cert_sha256, **BY)

    async def require_proof(self) -> None:
        """Publish the rule that nothing is recorded without proof."""
        async with await api.connect(self.dsn, application_name="test-rule") as connection:
            await api.trust.publish_proof_rule(connection, operator="test", reason="for a test")

    @property
    def registry_age_s(self) -> float:
        """How long ago the database confirmed what the ingress believes, as exported."""
        return self._age_s("registry")

    @property
    def revocation_age_s(self) -> float:
        """How long ago the ingress learnt that revocations are known afresh, as exported."""
        return self._age_s("revocation")

    def _age_s(self, kind: str) -> float:
        found = self.metrics.registry.get_sample_value("trust_material_age_seconds", {"kind": kind})
        assert found is not None
        return found

    @property
    def issuer_sha256(self) -> bytes:
        """SHA-256 of the issuing CA's certificate."""
        return hashlib.sha256(self.clients.certificate.public_bytes(Encoding.DER)).digest()

    def trust(self, **changes: Any) -> Trust:
        """What the ingress is started with; changes are to its TrustSettings, or to Trust where it has the name."""
        given: dict[str, Any] = {name: changes.pop(name) for name in set(changes) & set(Trust.__dataclass_fields__)}
        settings: dict[str, Any] = {
            "issuer": ISSUER, "audience": AUDIENCE, "origin": ORIGIN, "jwks_url": self.key_server.url,
            "jwks_ca_file": str(self._file("servers.pem", self.servers.pem)), "registry_poll_ms": 200,
        } | changes  # fmt: skip
        certificate, key = self.servers.server()
        files = TlsFiles(
            certificate=self._file("server.pem", certificate),
            key=self._file("server.key", key),
            client_ca=self._file("clients.pem", self.clients.pem),
        )
        options: dict[str, Any] = {
            "databases": Databases(ingest=self.dsn, status=self.dsn, evidence=self.dsn),
            "certificate": files,
            "environment": "test",
            "read_secret": self.read_secret,
        } | given
        return Trust(settings=TrustSettings(**settings), **options)

    @asynccontextmanager
    async def serving(self, ingress: dict[str, Any] | None = None, **changes: Any) -> AsyncIterator[TrustStage]:
        """Run an ingress; `ingress` changes its IngressSettings, the others what `trust` takes."""
        settings = patient({"reject_attestations_burst": 100_000} | (ingress or {}))
        metrics = Metrics()
        service = await start_zero_trust(
            self.trust(**{"registry_max_age_ms": 60_000} | changes),
            host="127.0.0.1",
            port=0,
            settings=settings,
            metrics=metrics,
        )
        before, self.service, self.metrics = self.service, service, metrics
        try:
            yield self
        finally:
            self.service = before
            await service.stop()

    def _file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path


@asynccontextmanager
async def trust_stage(dsn: str, folder: Path, *, proof: bool = True) -> AsyncIterator[TrustStage]:
    """Prepare a migrated database and its surroundings: clients A (P-256) and B (Ed25519), the issuer's keys."""
    await prepare(dsn)
    issuer, clients, servers = p256("issuer-1"), FileAuthority("issuing CA"), FileAuthority("server CA")
    async with KeyServer([issuer.jwk]).running(servers, folder) as key_server:
        placeholder: Any = None
        stage = TrustStage(dsn, folder, clients, servers, issuer, key_server, placeholder, placeholder)
        stage.a, stage.b = stage.client("client-a", A), stage.client("client-b", B, ed25519_pair())
        await stage.register(stage.a)
        await stage.register(stage.b)
        if proof:
            await stage.require_proof()
        yield stage
