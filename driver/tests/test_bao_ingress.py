"""The whole ingress process on what a real OpenBao lends it: logins that are revoked or run out, secrets it shares."""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from psycopg import sql

from symphony.bao.command import bao as command
from symphony.bao.enrolment import issue_enrolment, write_enrolment
from symphony.bao.rights import CLIENT_CA, SERVER_CA
from symphony.demo.processes import Child
from symphony.trust.dpop import NonceSource
from tests.bao_logins import ISSUER as LOGIN_ISSUER
from tests.bao_logins import logins_of, place
from tests.bao_process import Bao, running
from tests.ingress_bench import A, Answer, conforms, counts, prepare, rows
from tests.ingress_sender import AUDIENCE, ORIGIN, Client, Sender, Signing
from tests.ingress_trust_stage import SECRET, KeyServer, TrustStage
from tests.sender_material import FileAuthority, der_of
from tests.trust_material import ISSUER, p256
from tests.until import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]

TTL_S = 12  # of a login; it is renewed every third of it
ANSWER_S = 5.0  # no answer takes longer, whatever is away


@pytest.fixture(scope="module")
def bao(database_url: str) -> Iterator[Bao]:
    """An OpenBao that can be stopped and started again, which lends logins of TTL_S."""
    data = Path(tempfile.mkdtemp(prefix="symphony-bao-"))
    try:
        with running(data) as made:
            made.bootstrap(database_url=database_url, issuer=LOGIN_ISSUER, login_ttl_s=TTL_S)
            yield made
            made.root.write("sys/leases/revoke-force/database")
    finally:
        shutil.rmtree(data)
        with psycopg.connect(database_url, autocommit=True) as connection:
            for name in [*logins_of(connection, LOGIN_ISSUER), LOGIN_ISSUER]:
                connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(name)))
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


@dataclass
class Cell:
    """A database and an OpenBao, an issuer's keys, registered clients, and the processes that serve them."""

    bao: Bao
    stage: TrustStage
    server_ca_pem: bytes
    children: list[Child] = field(default_factory=list)

    def start(self, *options: str) -> Child:
        """Start `symphony ingress` as an installation does: with an enrolment, knowing no password and no file."""
        name = f"ingress-{len(self.children)}"
        enrolment = self.stage.folder / f"{name}.enrolment"
        write_enrolment(issue_enrolment(self.bao.root, "ingress"), enrolment)
        trusted = [
            "--issuer", ISSUER, "--audience", AUDIENCE, "--origin", ORIGIN, "--server-name", "127.0.0.1",
            "--jwks-url", self.stage.key_server.url, "--jwks-ca", str(self.stage.folder / "servers.pem"),
        ]  # fmt: skip
        child = Child(
            name,
            ["ingress", "--port", "0", "--metrics-port", "0", "--bao-enrolment", str(enrolment),
             "--database-place", place(self.stage.dsn), *trusted, *options],
            directory=self.stage.folder, environment={"SYMPHONY_ENVIRONMENT": "test"},
        )  # fmt: skip
        self.children.append(child)
        return child

    async def ready(self, child: Child, client: Client | None = None) -> Sender:
        """Wait until a process serves; a client's way to it."""
        told = await asyncio.to_thread(child.wait_ready, seconds=60)
        return self.sender(told["port"], client)

    def sender(self, port: int, client: Client | None = None) -> Sender:
        """A client's way to a port."""
        return Sender(client or self.stage.a, port=port, issuer=self.stage.issuer, server_ca_pem=self.server_ca_pem)

    async def client(self, client_id: str, *, secret: bytes | None = None) -> Client:
        """A client of A with a certificate of OpenBao's, registered; with a secret it signs by that."""
        async with self.bao.session("registrar") as session:
            issued = await session.client_certificate(client_id)
        made = Client(
            client_id=client_id, participant_id=A, certificate_pem=issued.certificate_pem, key_pem=issued.key_pem,
            der=der_of(issued.certificate_pem), keyid=f"{client_id}-1",
        )  # fmt: skip
        await self.stage.register(made, secret=secret)
        return made

    def renewals(self) -> int:
        """How often the login of symphony_ingest was renewed, by OpenBao's audit log."""
        return self.bao.server.audit_log.read_text().count("sys/leases/renew/database/creds/symphony_ingest/")

    async def recorded(self) -> set[str]:
        """The idempotency keys of all committed instructions."""
        found = await rows(self.stage.dsn, "select idempotency_key from outbox.idempotency_ledger")
        return {row[0] for row in found}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def standing(bao: Bao, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cell]:
    """The cell of this module."""
    await prepare(database_url)
    folder = tmp_path_factory.mktemp("cell")
    issuer, servers = p256("issuer-1"), FileAuthority("the issuer's CA")
    (folder / "servers.pem").write_bytes(servers.pem)
    client_ca, server_ca = (x509.load_der_x509_certificate(bao.root.raw(f"{ca}/ca")) for ca in (CLIENT_CA, SERVER_CA))
    authority: Any = SimpleNamespace(certificate=client_ca)
    nobody: Any = None
    async with KeyServer([issuer.jwk]).running(servers, folder) as key_server:
        stage = TrustStage(database_url, folder, authority, servers, issuer, key_server, nobody, nobody)
        made = Cell(bao, stage, server_ca.public_bytes(Encoding.PEM))
        stage.a = await made.client("client-a")
        await stage.require_proof()
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def cell(standing: Cell) -> AsyncIterator[Cell]:
    """The same; the processes that a test starts end with it, and OpenBao is there for the next."""
    yield standing
    for child in standing.children:
        await asyncio.to_thread(child.stop)
    if not standing.bao.server.pid:
        await asyncio.to_thread(standing.bao.server.start)


@dataclass
class Sent:
    """One request: its key, when it began and how long it took in seconds, its answer (None: nobody was there)."""

    key: str
    began: float
    took: float
    answer: Answer | None

    @property
    def reason(self) -> str | None:
        """Why it was refused."""
        return None if self.answer is None or self.answer.status == 202 else self.answer.reason


@dataclass
class Stream:
    """Requests one after the other, each of another instruction."""

    sent: list[Sent] = field(default_factory=list)

    @asynccontextmanager
    async def to(self, sender: Sender) -> AsyncIterator[None]:
        """Send for as long as the block lasts."""
        ending = asyncio.Event()
        task = asyncio.create_task(self._send(sender, ending))
        try:
            yield
        finally:
            ending.set()
            await task

    async def _send(self, sender: Sender, ending: asyncio.Event) -> None:
        while not ending.is_set():
            key, began, answer = f"K-{uuid.uuid4()}", time.monotonic(), None
            with suppress(OSError, asyncio.IncompleteReadError):
                answer = await sender.send(key=key)
            self.sent.append(Sent(key, began, time.monotonic() - began, answer))
            await asyncio.sleep(0.03)

    def of(self, status: int, *, since: float = 0.0) -> list[Sent]:
        """Those that were answered so."""
        return [one for one in self.sent if one.answer and one.answer.status == status and one.began >= since]

    async def check(self, cell: Cell) -> None:
        """Nothing hung, nothing but 202 and an honest 503 was said, and what was acknowledged is what is committed."""
        for one in self.sent:
            assert one.took < ANSWER_S, one
            if one.answer is not None and one.answer.status != 202:
                assert one.answer.status == 503, one.answer.raw
                assert one.answer.headers["Content-Type"] == "application/problem+json"
                assert int(one.answer.headers["Retry-After"]) >= 1
                conforms(one.answer, "Problem")
        recorded = await cell.recorded() & {one.key for one in self.sent}
        acknowledged = {one.key for one in self.of(202)}
        unknown = {one.key for one in self.sent if one.reason == "OUTCOME_UNKNOWN"}
        assert acknowledged <= recorded <= acknowledged | unknown


async def test_a_revoked_lease_means_503_and_an_end_by_name_and_a_new_enrolment_serves(cell: Cell) -> None:
    child, stream = cell.start(), Stream()
    sender = await cell.ready(child)
    async with stream.to(sender):
        await until(lambda: len(stream.of(202)) >= 5, seconds=60)
        renewals = cell.renewals()
        await until(lambda: cell.renewals() > renewals, seconds=60)  # the next one is a third of TTL_S away
        lease = "sys/leases/revoke-prefix/database/creds/symphony_ingest"
        await asyncio.to_thread(cell.bao.root.write, lease, {"sync": True})
        revoked_at = time.monotonic()
        await until(lambda: child.status is not None, seconds=TTL_S / 3 + 60)
    await stream.check(cell)
    assert stream.of(202, since=revoked_at) == []
    refused = stream.of(503)
    assert {one.reason for one in refused} & {"DATABASE_UNAVAILABLE", "BREAKER_OPEN", "TRUST_LEASE_ENDED"}
    there = [one.answer is not None for one in stream.sent]
    assert there == sorted(there, reverse=True), "it was gone and came back"
    said = child.log.read_text()
    assert child.status == 1, said
    assert said.rstrip().endswith("Error: the database login for symphony_ingest was revoked")
    assert "database login ended" in said
    assert "Traceback" not in said
    again = await cell.ready(cell.start())
    answer = await again.send(key=refused[-1].key)
    assert answer.status == 202
    assert refused[-1].key in await cell.recorded()


async def test_openbao_away_for_longer_than_a_lease_means_503_until_it_is_back(cell: Cell) -> None:
    child, stream = cell.start(), Stream()
    sender = await cell.ready(child)
    async with stream.to(sender):
        await until(lambda: len(stream.of(202)) >= 5, seconds=60)
        renewals = cell.renewals()
        await until(lambda: cell.renewals() > renewals, seconds=60)  # nearly the whole of TTL_S is left
        leaving_at = time.monotonic()
        await asyncio.to_thread(cell.bao.server.stop)
        over_at = time.monotonic() + TTL_S  # no lease was confirmed later
        await until(lambda: stream.of(503), seconds=TTL_S + 60)
        written = await counts(cell.stage.dsn)
        await until(lambda: time.monotonic() > over_at + 1, seconds=TTL_S + 60)
        assert await counts(cell.stage.dsn) == written
        back_at = time.monotonic()
        await asyncio.to_thread(cell.bao.server.start)
        await until(lambda: stream.of(202, since=back_at), seconds=60)
    await stream.check(cell)
    assert child.status is None
    assert all(one.answer for one in stream.sent), "it was gone for a while"
    lasted = [one.began for one in stream.of(202) if one.began < back_at]
    assert leaving_at + TTL_S / 2 < max(lasted) < over_at
    refused = stream.of(503)
    assert {one.reason for one in refused if one.began < back_at} == {"TRUST_LEASE_ENDED"}
    assert "openbao is away" in child.log.read_text()
    answer = await sender.send(key=refused[0].key)
    assert answer.status == 202
    assert "Idempotency-Replayed" not in answer.headers


def put(cell: Cell, path: str, *options: str, secret: str | None = None) -> Result:
    """Run `symphony bao put-secret`."""
    server = cell.bao.server
    access = ["--address", server.address, "--token-file", str(server.token_file)]
    given = [] if secret is None else ["--secret-file", "-"]
    return CliRunner().invoke(command, ["put-secret", path, *access, *given, *options], input=secret)


def kept(cell: Cell, path: str) -> bytes:
    """A secret as OpenBao has it."""
    found = cell.bao.root.read(f"kv/data/{path}")
    assert found is not None
    assert found["data"]["data"].keys() == {"secret"}
    return base64.b64decode(found["data"]["data"]["secret"], validate=True)


async def test_shared_secrets_and_nonces_come_from_openbao(cell: Cell) -> None:
    first, late = await cell.client("client-h", secret=SECRET), await cell.client("client-i", secret=SECRET)
    without = cell.start("--dpop-nonce")
    await until(lambda: without.status is not None, seconds=60)
    assert without.status == 1
    assert "--dpop-nonce needs 32 secret bytes at ingress/dpop-nonce: OpenBao refused" in without.log.read_text()
    text = base64.b64encode(SECRET).decode()
    assert put(cell, "ingress/dpop-nonce").output == "ingress/dpop-nonce is kept\n"
    assert put(cell, "ingress/signature-keys/client-h-1", secret=f"{text}\n").exit_code == 0
    child = cell.start("--dpop-nonce")
    a = await cell.ready(child)
    demanded = await a.send()
    assert (demanded.status, demanded.reason) == (401, "DPOP_NONCE_REQUIRED")
    assert 'error="use_dpop_nonce"' in demanded.headers["WWW-Authenticate"]
    nonce = demanded.headers["DPoP-Nonce"]
    secret = kept(cell, "ingress/dpop-nonce")
    assert NonceSource(secret=secret).accepts(nonce, int(time.time()))
    answered: dict[str, Any] = {"proof": {"claims": {"nonce": nonce}}}
    assert (await a.send(**answered)).status == 202
    port = child.wait_ready(seconds=1)["port"]
    h, i = (cell.sender(port, client) for client in (first, late))
    accepted = await h.send(signing=Signing(key=SECRET), **answered)
    assert accepted.status == 202, accepted.raw
    before = await counts(cell.stage.dsn)
    for sender, key, reason in ((h, SECRET[::-1], "SIGNATURE_INVALID"), (i, SECRET, "SIGNATURE_KEY_UNKNOWN")):
        refused = await sender.send(signing=Signing(key=key), **answered)
        assert (refused.status, refused.reason) == (401, reason)
    name = "ingress.ingress_attestations"
    assert await counts(cell.stage.dsn) == before | {name: before[name] + 2}
    assert put(cell, "ingress/signature-keys/client-i-1", secret=text).exit_code == 0

    async def served() -> bool:
        await asyncio.sleep(0.2)  # refusals have a rate too
        return (await i.send(signing=Signing(key=SECRET), **answered)).status == 202

    await until(served, seconds=60)  # what could not be had is asked for again
    said = cell.bao.said() + "".join(one.log.read_text() for one in cell.children)
    for bytes_ in (SECRET, secret):
        assert base64.b64encode(bytes_).decode() not in said
        assert bytes_.hex() not in said


async def test_only_random_bytes_are_put_and_nothing_is_put_twice_unasked(cell: Cell) -> None:
    path, text = "ingress/signature-keys/twice-1", base64.b64encode(SECRET).decode()
    for bad, secret, code in (
        ("nobody/key", text, "SECRET_PATH_INVALID"),
        ("ingress", text, "SECRET_PATH_INVALID"),
        ("ingress/../worker", text, "SECRET_PATH_INVALID"),
        ("ingress/a/b/c", text, "SECRET_PATH_INVALID"),
        (path, base64.b64encode(SECRET[:31]).decode(), "SECRET_REFUSED"),
        (path, base64.b64encode(b"a" * 32).decode(), "SECRET_REFUSED"),
        (path, "a passphrase", "SECRET_REFUSED"),
    ):
        refused = put(cell, bad, secret=secret)
        assert (refused.exit_code, f"Error: {code}: " in refused.output) == (1, True), refused.output
        assert secret not in refused.output
    assert cell.bao.root.read(f"kv/data/{path}") is None
    assert put(cell, path, secret=text).exit_code == 0
    twice = put(cell, path)
    assert (twice.exit_code, "Error: SECRET_EXISTS: " in twice.output) == (1, True), twice.output
    assert kept(cell, path) == SECRET
    assert put(cell, path, "--replace").exit_code == 0
    assert len(kept(cell, path)) == 32
    assert kept(cell, path) != SECRET
