"""INV-LEAK: a whole run at the lowest log level, and then no log line and no ledger row holds a secret or a person.

The run: payments accepted and refused in every way, batches, a pain.001 file, reads, dispatch on a rail that misbehaves,
a revocation, a database that goes away and comes back. Searched are the logs of every process, those of PostgreSQL, and
every table but the one that is made for personal data.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import io
import json
import logging
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from psycopg.conninfo import conninfo_to_dict

from symphony import api, logs
from symphony.postgres_throwaway import Cluster
from symphony.submission.entry import Ready, Refused
from symphony.submission.pain001 import read_pain001
from symphony.submission.sample import PARTICIPANT_BY_AGENT, write_pain001
from tests import worker_process
from tests.ingress_bench import A, B, instruction, policy_document, rows
from tests.ingress_sender import Client, Sender, Signing
from tests.ingress_trust_stage import TrustStage, trust_stage
from tests.log_scrub import AT_DEBUG, files, marker, named, pem_parts, search, spellings, tables, token_parts
from tests.payments import Books, drained
from tests.sandbox_process import SandboxProcess
from tests.trust_material import p256
from tests.worker_process import WorkerProcess

NAMES = ("account", "phone", "name", "alias", "remittance", "agent", "fragment", "member", "path", "header")
PERSONAL = {
    name: ("+2609" + str(int.from_bytes(os.urandom(6)))).encode() if name == "phone" else marker(f"Zz{name}").encode()
    for name in NAMES
}
WORDS = {name: value.decode() for name, value in PERSONAL.items()}
SECRET = os.urandom(32)
QUICK = ("--lease-ms", "1000", "--call-timeout-ms", "400", "--repair-interval-ms", "100")
FAULTS = (
    "reject",
    "timeout_after_success",
    "timeout_before_effect",
    "5xx_after_success",
    "garbage_answer",
    "unavailable",
)


class Marked(Sender):
    """A sender that remembers every token and proof it made."""

    made: list[str]

    def token(self, **knobs: Any) -> str:
        """As a Sender's."""
        self.made.append(text := super().token(**knobs))
        return text

    def proof(self, token: str, **knobs: Any) -> str:
        """As a Sender's."""
        self.made.append(text := super().proof(token, **knobs))
        return text


class Run:
    """One stage and everything secret that was used on it."""

    def __init__(self, stage: TrustStage) -> None:
        self.stage = stage
        self.made: list[str] = []
        self.answers: Counter[str] = Counter()

    def sender(self, client: Client | None = None) -> Marked:
        """A sender that remembers."""
        assert self.stage.service is not None
        sender = Marked(
            client or self.stage.a,
            port=self.stage.service.port,
            issuer=self.stage.issuer,
            server_ca_pem=self.stage.servers.pem,
        )
        sender.made = self.made
        return sender

    async def send(self, *, client: Client | None = None, sender: Marked | None = None, **knobs: Any) -> int:
        """Send one request and keep count of what was answered."""
        answer = await (sender or self.sender(client)).send(**knobs)
        self.answers["" if answer.status < 300 else answer.reason] += 1
        if answer.status == 200 and b"results" in answer.raw:
            self.answers.update(result.get("reason_code") or "" for result in answer.json["results"])
        return answer.status

    def markers(self) -> dict[str, bytes]:
        """All that must not be seen."""
        found = dict(PERSONAL) | {"the shared secret": SECRET}
        found["the database's password"] = str(conninfo_to_dict(self.stage.dsn)["password"]).encode()
        for number, text in enumerate(self.made):
            if text.count(".") == 2:
                found |= named(f"token or proof {number}", token_parts(text))
        for client in (self.stage.a, self.stage.b):
            found |= named(f"the key of {client.client_id}", pem_parts(client.key_pem))
        found |= named("the ingress's own key", pem_parts((self.stage.folder / "server.key").read_bytes()))
        return found


def payment(number: int | str, **changes: Any) -> dict[str, object]:
    """An instruction full of marked data."""
    return instruction(
        number,
        debtor={"name": WORDS["name"], "account": WORDS["account"], "agent": WORDS["agent"]},
        creditor={"name": WORDS["name"], "account": WORDS["phone"], "participant_id": B},
        remittance=WORDS["remittance"],
        **changes,
    )


async def accepted(run: Run, keyed: Client) -> None:
    """Payments that are accepted: alone, signed with a shared secret, in a batch, from a pain.001 file; and reads."""
    assert await run.send(body=payment("one"), key="K-one") == 202
    assert await run.send(client=keyed, body=payment("hmac"), signing=Signing(key=SECRET)) == 202
    assert await run.send(body=payment("one"), key="K-one") == 202, "again"
    many = {"instructions": [payment(f"many-{n}", amount=f"{n}.00") for n in range(1, 13)]}
    many["instructions"][3] |= {"amount": "nothing"}
    assert await run.send(path="/v1/instructions/batch", body=many) == 200
    path = run.stage.folder / "payments.xml"
    write_pain001(path, count=6, blocks=2, seed=1, now=datetime.now(UTC))
    text = path.read_text(encoding="utf-8")
    for tag in ("Nm", "Ustrd"):
        text = _between(text, tag, WORDS["name" if tag == "Nm" else "remittance"])
    path.write_text(text, encoding="utf-8")
    known = dict.fromkeys(PARTICIPANT_BY_AGENT, B)
    entries = list(read_pain001(path, rail="sandbox", now=datetime.now().astimezone(), participants=known))
    assert not [entry for entry in entries if isinstance(entry, Refused)]
    wires = [entry.wire for entry in entries if isinstance(entry, Ready)]
    assert await run.send(path="/v1/instructions/batch", body={"instructions": wires}) == 200
    for end in ("", "/evidence"):
        assert await run.send(method="GET", path=f"/v1/instructions/INV-one{end}") == 200


def _between(text: str, tag: str, word: str) -> str:
    parts = text.split(f"<{tag}>")
    return f"<{tag}>".join([parts[0], *(word + part[part.index("</") :] for part in parts[1:])])


REFUSED: dict[str, dict[str, Any]] = {
    "TOKEN_TYPE_REFUSED": {"token": {"header": {"typ": "JWT"}}},
    "TOKEN_KEY_UNKNOWN": {"token": {"header": {"kid": "nobody"}}},
    "TOKEN_SIGNATURE_INVALID": {"token": {"signer": p256()}},
    "TOKEN_AUDIENCE_REFUSED": {"token": {"claims": {"aud": WORDS["name"]}}},
    "TOKEN_CLAIM_INVALID": {"token": {"claims": {"sub": WORDS["phone"] + " "}}},
    "TOKEN_SCOPE_INSUFFICIENT": {"token": {"claims": {"scope": "payment:status"}}},
    "TOKEN_NOT_BOUND": {"dpop": False, "token": {"claims": {"cnf": {"jkt": WORDS["name"]}}}},
    "DPOP_TOKEN_MISMATCH": {"proof": {"claims": {"ath": WORDS["name"]}}},
    "DPOP_TARGET_MISMATCH": {"proof": {"claims": {"htu": f"https://pay.example/{WORDS['name']}"}}},
    "SIGNATURE_INVALID": {"signing": Signing(flip=True)},
    "SIGNATURE_KEY_UNKNOWN": {"signing": Signing(parameters={"keyid": "nobody"})},
    "DIGEST_MISMATCH": {"sent_body": json.dumps(payment("other")).encode()},
    "JSON_INVALID": {"body": json.dumps(payment("half")).encode()[:-30] + WORDS["fragment"].encode()},
    "SCHEMA_INVALID": {"body": payment("member", **{WORDS["member"]: WORDS["fragment"]})},
    "AMOUNT_INVALID": {"body": payment("amount", amount=WORDS["phone"])},
    "CURRENCY_INVALID": {"body": payment("currency", currency=WORDS["name"])},
    "PROXY_TYPE_UNSUPPORTED": {
        "body": payment("alias") | {"creditor": {"name": WORDS["name"], "alias": {"type": "TEL", "value": WORDS["alias"]}}}
    },
    "IDEMPOTENCY_CONFLICT": {"body": payment("one", amount="7.00"), "key": "K-one"},
    "IDEMPOTENCY_KEY_INVALID": {"key": f"{WORDS['name']} {WORDS['phone']}"},
    "RAIL_NOT_ALLOWED": {"body": payment("rail", rail="nowhere")},
    "CONTENT_CODING_UNSUPPORTED": {
        "sent_body": gzip.compress(json.dumps(payment("gzip")).encode()), "extra": [("Content-Encoding", "gzip")],
    },
    "HEADER_INVALID": {"extra": [("Authorization", f"Bearer {WORDS['header']}")]},
    "FRAMING_INVALID": {"extra": [("Cookie", f"{WORDS['header']}\x01")]},
}  # fmt: skip


async def refused(run: Run) -> None:
    """Every kind of refusal, each about a payment full of marked data."""
    for number, (reason, knobs) in enumerate(REFUSED.items()):
        given = {"body": payment(f"refused-{number}"), "extra": [("Cookie", WORDS["header"])]} | knobs
        before = run.answers[reason]
        assert await run.send(**given) >= 400
        assert run.answers[reason] == before + 1, (reason, run.answers)
    assert await run.send(path=f"/v1/{WORDS['path']}", body=payment("path")) >= 400
    assert await run.send(method="GET", path=f"/v1/instructions/{quote('+' + WORDS['path'])}%20", body=None) == 404
    sender = run.sender()
    leaked = sender.token()
    assert await run.send(sender=sender, path=f"/v1/instructions?access_token={leaked}", body=payment("query")) >= 400
    request, wire = sender.request(body=payment("twice")), await sender.connect()
    assert [(await wire.ask(request)).status for _ in range(2)] == [202, 401]
    wire.close()
    assert await run.send(client=run.stage.b, body=payment("thief"), wire_token=leaked) == 401


async def unstorable(run: Run) -> None:
    """What the database refuses with the whole row in its error: alone, and in a batch with one that it takes."""
    await rows(
        run.stage.dsn,
        "alter table outbox.instruction_parties add constraint planted check (parties not like '%%unstorable%%') not valid",
    )
    bad = payment("unstorable") | {"remittance": f"unstorable {WORDS['remittance']}"}
    assert await run.send(body=bad) == 500
    many = {"instructions": [payment("storable"), bad | {"instruction_id": "INV-unstorable-2"}]}
    assert await run.send(path="/v1/instructions/batch", body=many) == 200
    await rows(run.stage.dsn, "alter table outbox.instruction_parties drop constraint planted")


async def outage(run: Run, cluster: Cluster) -> None:
    """The database goes away between two payments and comes back."""
    await asyncio.to_thread(cluster.server.stop)
    try:
        statuses = [await run.send(body=payment(f"away-{n}")) for n in range(8)]
        statuses.append(await run.send(token={"header": {"typ": "JWT"}}, body=payment("away")))
        assert set(statuses) == {503}
    finally:
        await asyncio.to_thread(cluster.server.start)
    deadline, number = time.monotonic() + 60, 0
    while await run.send(body=payment(f"back-{number}")) != 202:
        assert time.monotonic() < deadline, "no recovery within a minute"
        await asyncio.sleep(0.2)
        number += 1


async def prepared(dsn: str) -> None:
    """A policy whose rail is quick, and what its answers mean."""
    document: dict[str, Any] = copy.deepcopy(policy_document(2))
    document["rails"][0] |= {
        "lease_ms": 2_000, "settle_ms": 700, "retry_base_ms": 20, "retry_cap_ms": 200,
        "enquiry_after_ms": [30, 60, 150, 300, 600, 1_000, 2_000, 3_000, 5_000, 8_000],
    }  # fmt: skip
    responses = json.loads((Path(api.__file__).parent.parent / "rails" / "sandbox.responses.json").read_bytes())
    async with await api.connect(dsn, application_name="test-prepare") as connection:
        checksum = await api.policy.propose(connection, document=document, operator="test")
        await api.policy.activate(connection, version=2, checksum=checksum, operator="test")
        await api.rails.publish_response_classes(connection, document=responses, operator="test")


@pytest.fixture
def log() -> io.StringIO:
    """Everything that this process logs, and its libraries, at the lowest level there is."""
    root = logging.getLogger()
    stream = io.StringIO()
    logs.configure("ingress", level=logging.DEBUG, stream=stream)
    root.setLevel(logging.DEBUG)
    structlog.get_logger().debug("ours at debug")
    logging.getLogger("psycopg").debug("a library at debug")
    return stream


@asynccontextmanager
async def dispatched(dsn: str, folder: Path) -> AsyncIterator[dict[str, bytes]]:
    """A worker and a rail that misbehaves; yields what both have written, complete at the end."""
    written: dict[str, bytes] = {}
    books = Books(dsn)
    with SandboxProcess(folder / "rail.db", "--synchronous", "off") as rail:
        rail.set_faults(
            *({"kind": kind, "first": 2, **({"code": "AC04"} if kind == "reject" else {})} for kind in FAULTS)
        )
        with WorkerProcess(dsn, rail.base_url, *QUICK) as worker:
            yield written
            await asyncio.to_thread(drained, books, seconds=120)
            ended = books.states()
            assert ended["DISPATCHED"] >= 20 and ended["FAILED"] >= 1, ended
            worker.signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait) == 0
            written["worker"] = worker.log().encode()
    written["rail"] = rail.stderr().encode()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_no_log_line_and_no_row_holds_a_secret_or_a_person(
    own_cluster: Cluster,
    tmp_path: Path,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_process, "_START", AT_DEBUG + worker_process._START)
    monkeypatch.setattr(SandboxProcess, "START", AT_DEBUG + SandboxProcess.START)
    dsn = own_cluster.server.url(own_cluster.clone())
    async with trust_stage(dsn, tmp_path) as stage:
        await prepared(dsn)
        keyed = stage.client("client-h", A)
        await stage.register(keyed, secret=SECRET)
        run = Run(stage)
        quick = {"pool_acquire_ms": 2_500, "breaker_probe_after_ms": 300}
        async with stage.serving(quick, journal=tmp_path / "refusals"):
            async with dispatched(dsn, tmp_path) as written:
                await accepted(run, keyed)
                await refused(run)
                await unstorable(run)
                await outage(run, own_cluster)
            await stage.revoke(stage.b)
            assert await run.send(client=stage.b, body=payment("revoked")) == 401
        clean, parties = tables(dsn)
    markers = run.markers()
    said = capfd.readouterr()
    server_logs = files(sorted((own_cluster.server.data / "log").iterdir()))
    places = {
        "ingress": log.getvalue().encode(), "stdout": said.out.encode(), "stderr": said.err.encode(), **written,
        **server_logs, **files([tmp_path / "refusals"]),
    }  # fmt: skip
    assert run.answers.keys() >= {"CERT_REVOKED", "ITEM_UNRECORDABLE", "TOKEN_CERT_MISMATCH"}
    for place in ("ingress", "worker"):
        assert len(places[place].splitlines()) > 5, f"{place} has logged"
        lines = [json.loads(line) for line in places[place].splitlines()]
        assert "debug" in {line["level"] for line in lines}, place
        assert "library message" in {line["event"] for line in lines}, place
    statements = b"".join(server_logs.values())
    assert b'violates check constraint "planted"' in statements, "PostgreSQL told of the row that it refused"
    assert b"shutting down" in statements
    assert search(places, markers) == []
    assert len(clean) > 30 and clean["ingress.client_certs"]
    assert search(clean, markers) == []
    kept = {name for _, name, _ in search(parties, markers)}
    assert kept == {"account", "phone", "name", "remittance", "agent"}, "where it belongs, the search finds it"


@pytest.mark.parametrize("how", list(spellings(b"a marker of the test")))
def test_the_search_finds_every_spelling(how: str) -> None:
    markers = {"secret": b"Zz/name+0977\xff123456"}
    planted = spellings(markers["secret"])[how]
    assert ("here", "secret", how) in search({"here": b"a line with " + planted + b" in it"}, markers)
    assert search({"here": b"a line without"}, markers) == []


def test_the_search_finds_what_is_inside_of_base64() -> None:
    markers = {"secret": b"Zz-name-0977123456"}
    for before in range(5):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            line = encode(bytes(range(before)) + markers["secret"] + b"behind")
            assert search({"here": line}, markers)


def test_a_line_that_is_planted_is_found(log: io.StringIO) -> None:
    """The redaction knows keys and forms of secrets; a name in a free text is what only this search can find."""
    structlog.get_logger().info("paid", note=f"to {WORDS['name']}", parties=WORDS["account"])
    found = {name for _, name, _ in search({"log": log.getvalue().encode()}, PERSONAL)}
    assert found == {"name"}


def test_a_row_that_is_planted_is_found(fresh_database: str) -> None:
    asyncio.run(rows(fresh_database, "create table public.leak as select %s::bytea as it", PERSONAL["name"]))
    clean, _ = tables(fresh_database)
    assert search(clean, PERSONAL) == [("public.leak", "name", "hex")]
