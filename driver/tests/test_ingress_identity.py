"""The identity pipeline end to end: certificate, token, sender, body, registry, replay, over TLS and a real database."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from symphony.trust import base64url
from tests.ingress_bench import Answer, instruction, recorded, rows
from tests.ingress_sender import ORIGIN, Signing, Wire
from tests.ingress_trust_stage import SECRET, TrustStage, trust_stage
from tests.trust_material import p256

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TrustStage]:
    """One ingress for this module."""
    async with trust_stage(database_url, tmp_path_factory.mktemp("trust")) as made, made.serving():
        yield made


async def test_a_proven_request_is_recorded_with_everything_it_proved(stage: TrustStage) -> None:
    body = json.dumps(instruction("whole")).encode()
    token = stage.sender().token()
    answer = await stage.accepts(body=body, wire_token=token)
    attested = await stage.attestation(answer)
    claims = json.loads(base64url.decode(token.split(".")[1]) or b"")
    assert attested == {
        "participant_id": "ZM-BANK-A",
        "decision": "ACCEPT",
        "reason_code": None,
        "tenant_id": "tenant-1",
        "client_id": "client-a",
        "cert_sha256": stage.a.cert_sha256,
        "token_iss": claims["iss"],
        "token_aud": claims["aud"],
        "token_kid": "issuer-1",
        "token_jti_sha256": hashlib.sha256(claims["jti"].encode()).digest(),
        "cnf": json.dumps(
            {"jkt": base64url.encode(stage.a.dpop.jkt), "x5t#S256": base64url.encode(stage.a.cert_sha256)},
            separators=(",", ":"),
        ),
        "pop_mode": "MTLS_DPOP",
        "body_sha256": hashlib.sha256(body).digest(),
        "signature_key_id": "client-a-1",
        "signature_alg": "ecdsa-p256-sha256",
        "db_role": "symphony_ingest",
        "instruction_id": "INV-whole",
    }


@pytest.mark.parametrize(
    ("knobs", "mode"),
    [
        ({"dpop": False}, "MTLS"),
        ({"token": {"bound": False}}, "DPOP"),
        ({"scheme": "dpop"}, "MTLS_DPOP"),
        ({"proof": {"claims": {"htu": "https://PAY.example:443/v1/instructions?x=1#y"}}}, "MTLS_DPOP"),
    ],
)
async def test_each_way_of_proving_possession(stage: TrustStage, knobs: dict[str, Any], mode: str) -> None:
    attested = await stage.attestation(await stage.accepts(**knobs))
    assert attested["pop_mode"] == mode


async def test_a_client_with_an_ed25519_key_is_itself_and_nobody_else(stage: TrustStage) -> None:
    attested = await stage.attestation(await stage.accepts(stage.sender(stage.b)))
    assert (attested["participant_id"], attested["signature_alg"]) == ("ZM-BANK-B", "ed25519")


NOW = int(time.time())
REFUSED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "J1 no token": ("AUTHORIZATION_MISSING", 401, {"drop": ["Authorization"]}),
    "J1 another scheme": ("AUTHORIZATION_INVALID", 401, {"scheme": "Basic"}),
    "J1 two tokens": ("HEADER_INVALID", 400, {"extra": [("Authorization", "Bearer x.y.z")]}),
    "J1 token in the query": ("FRAMING_INVALID", 400, {"path": "/v1/instructions?access_token=a.b.c"}),
    "J1 token in the body": ("SCHEMA_INVALID", 422, {"body": instruction("j1", access_token="a.b.c")}),
    "J3 another issuer's key": ("TOKEN_SIGNATURE_INVALID", 401, {"token": {"signer": p256()}}),
    "J8 typ": ("TOKEN_TYPE_REFUSED", 401, {"token": {"header": {"typ": "JWT"}}}),
    "J13 expired": ("TOKEN_EXPIRED", 401, {"token": {"claims": {"iat": NOW - 400, "nbf": NOW - 400, "exp": NOW - 150}}}),
    "J15 audience": ("TOKEN_AUDIENCE_REFUSED", 401, {"token": {"claims": {"aud": "https://other.example"}}}),
    "J18 scope": ("TOKEN_SCOPE_INSUFFICIENT", 403, {"token": {"claims": {"scope": "payment:submit.evil"}}}),
    "J20 kid": ("TOKEN_KEY_UNKNOWN", 401, {"token": {"header": {"kid": "issuer-9"}}}),
    "T9 no cnf": ("TOKEN_NOT_BOUND", 401, {"token": {"claims": {"cnf": ...}}}),
    "T9 another certificate": (
        "TOKEN_CERT_MISMATCH", 401, {"dpop": False, "token": {"claims": {"cnf": {"x5t#S256": base64url.encode(bytes(32))}}}},
    ),
    "D1 downgrade": ("TOKEN_DOWNGRADED", 401, {"scheme": "Bearer", "drop": ["DPoP"]}),
    "D1 no proof": ("DPOP_HEADER_INVALID", 401, {"drop": ["DPoP"]}),
    "D3 another key": ("DPOP_KEY_MISMATCH", 401, {"proof": {"signer": p256()}}),
    "D4 method": ("DPOP_METHOD_MISMATCH", 401, {"proof": {"claims": {"htm": "PUT"}}}),
    "D4 origin": ("DPOP_TARGET_MISMATCH", 401, {"proof": {"claims": {"htu": "https://127.0.0.1/v1/instructions"}}}),
    "D5 old": ("DPOP_OUTSIDE_WINDOW", 401, {"proof": {"claims": {"iat": NOW - 3_600}}}),
    "D7 ath": ("DPOP_TOKEN_MISMATCH", 401, {"proof": {"claims": {"ath": base64url.encode(bytes(32))}}}),
    "B1 key not signed": (
        "SIGNATURE_COVERAGE_INSUFFICIENT",
        401,
        {"signing": Signing(covered=("@method", "@target-uri", "authorization", "content-digest", "dpop"))},
    ),
    "B1 old": ("SIGNATURE_OUTSIDE_WINDOW", 401, {"signing": Signing(parameters={"created": NOW - 600})}),
    "B1 another client's key": (
        "SIGNATURE_KEY_UNKNOWN", 401, {"signing": Signing(parameters={"keyid": "client-b-1"})},
    ),
    "B3 flipped": ("SIGNATURE_INVALID", 401, {"signing": Signing(flip=True)}),
    "B5 body flipped": ("DIGEST_MISMATCH", 400, {"sent_body": json.dumps(instruction("b5")).encode()}),
    "B5 no digest": ("DIGEST_MISSING", 400, {"drop": ["Content-Digest"]}),
    "no signature": ("SIGNATURE_MISSING", 401, {"signing": None}),
    "B10 absolute form": ("FRAMING_INVALID", 400, {"path": "http://evil/v1/instructions"}),
    "B11 underscore": ("HEADER_INVALID", 400, {"extra": [("Client_Cert", ":AAAA:")]}),
    "T10 forged certificate": ("CERT_HEADER_INVALID", 400, {"extra": [("Client-Cert", ":AAAA:")]}),
    "B13 JSON": ("JSON_INVALID", 400, {"body": b'{"a":NaN}'}),
    "no key": ("IDEMPOTENCY_KEY_MISSING", 400, {"drop": ["Idempotency-Key"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", list(REFUSED))
async def test_what_is_not_proven_is_refused_with_one_attestation_and_nothing_recorded(
    stage: TrustStage, name: str
) -> None:
    reason, status, knobs = REFUSED[name]
    attested = await stage.refuses(reason, status, **knobs)
    assert attested["cert_sha256"] == stage.a.cert_sha256
    known = reason not in ("FRAMING_INVALID", "HEADER_INVALID", "CERT_HEADER_INVALID")
    assert attested["participant_id"] == ("ZM-BANK-A" if known else "-")
    proved = reason.startswith(("SIGNATURE_", "DIGEST_")) or reason in ("JSON_INVALID", "TOKEN_SCOPE_INSUFFICIENT")
    assert attested["pop_mode"] == ("MTLS_DPOP" if proved or status == 422 or name == "no key" else "NONE")


async def test_another_method_is_answered_405_and_attested(stage: TrustStage) -> None:
    answer = await stage.sender().send(method="PUT", body=b"{}")
    assert (answer.status, answer.reason) == (405, "METHOD_NOT_ALLOWED")
    assert (await stage.attestation(answer))["reason_code"] == "METHOD_NOT_ALLOWED"


async def test_an_expired_token_leaves_its_jti(stage: TrustStage) -> None:
    claims = {"iat": NOW - 400, "nbf": NOW - 400, "exp": NOW - 150, "jti": "jti-of-an-expired-token"}
    attested = await stage.refuses("TOKEN_EXPIRED", 401, token={"claims": claims})
    assert attested["token_jti_sha256"] == hashlib.sha256(b"jti-of-an-expired-token").digest()
    forged = await stage.refuses("TOKEN_SIGNATURE_INVALID", 401, token={"claims": claims, "signer": p256()})
    assert forged["token_jti_sha256"] is None, "nobody's word"
    assert forged["token_kid"] == "issuer-1"


async def test_a_certificate_that_nobody_registered(stage: TrustStage) -> None:
    attested = await stage.refuses("CERT_UNREGISTERED", 401, sender=stage.sender(stage.client("client-x", "ZM-BANK-A")))
    assert attested["participant_id"] == "-"


async def test_a_token_issued_to_one_client_for_the_certificate_of_another(stage: TrustStage) -> None:
    """J17: the issuer was wrong, the registry is not."""
    attested = await stage.refuses(
        "CERT_CLIENT_MISMATCH", 401, sender=stage.sender(stage.b), token={"claims": {"client_id": "client-a"}}
    )
    assert attested["participant_id"] == "ZM-BANK-B"


async def test_a_stolen_token_over_another_clients_certificate(stage: TrustStage) -> None:
    attested = await stage.refuses("TOKEN_CERT_MISMATCH", 401, certificate=stage.b)
    assert (attested["participant_id"], attested["pop_mode"]) == ("ZM-BANK-B", "NONE")


async def test_nothing_is_used_twice(stage: TrustStage) -> None:
    sender = stage.sender()
    request = sender.request(body=instruction("replayed"), key="K-replayed")
    wire = await sender.connect()
    assert (await wire.ask(request)).status == 202
    again = await wire.ask(request)
    assert (again.status, again.reason) == (401, "DPOP_REPLAYED")
    single = sender.token(dpop=False)
    assert (await sender.send(over=wire, dpop=False, wire_token=single)).status == 202
    await stage.refuses("TOKEN_REPLAYED", 401, over=wire, dpop=False, wire_token=single)
    nonce = Signing(parameters={"nonce": "one-nonce"})
    assert (await sender.send(over=wire, signing=nonce)).status == 202
    await stage.refuses("SIGNATURE_REPLAYED", 401, over=wire, signing=nonce)
    wire.close()


async def test_sixteen_at_once_and_one_is_accepted(stage: TrustStage) -> None:
    sender = stage.sender()
    request = sender.request(body=instruction("race"), key="K-race")
    wires = [await sender.connect() for _ in range(16)]
    answers: list[Answer] = await asyncio.gather(*(wire.ask(request) for wire in wires))
    assert sorted(answer.status for answer in answers) == [202] + [401] * 15
    assert {answer.reason for answer in answers if answer.status == 401} == {"DPOP_REPLAYED"}
    assert await recorded(stage.dsn, "INV-race") == 1
    for wire in wires:
        wire.close()


async def test_the_same_key_with_new_proofs_is_the_same_instruction(stage: TrustStage) -> None:
    body = instruction("again")
    first = await stage.accepts(body=body, key="K-again")
    second = await stage.accepts(body=body, key="K-again")
    assert second.raw == first.raw
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_a_batch_uses_its_proof_once_for_all_its_items(stage: TrustStage) -> None:
    items = [instruction(f"batch-{uuid.uuid4().hex}") for _ in range(250)]
    sender = stage.sender()
    request = sender.request(path="/v1/instructions/batch", body={"instructions": items}, key="run-1")
    wire = await sender.connect()
    answer = await wire.ask(request)
    assert answer.status == 200
    assert {result["status"] for result in answer.json["results"]} == {202}
    again = await wire.ask(request)
    assert {result["reason_code"] for result in again.json["results"]} == {"DPOP_REPLAYED"}
    wire.close()


async def test_no_secret_reaches_an_answer_or_the_ledger(stage: TrustStage) -> None:
    sender = stage.sender()
    token = sender.token(header={"typ": "JWT"})
    answer = await sender.send(wire_token=token)
    ledger = await rows(stage.dsn, "select a::text from ingress.ingress_attestations as a")
    for said in (answer.raw.decode(), *(row[0] for row in ledger)):
        assert token.split(".")[2] not in said
        assert "Chanda" not in said


async def test_a_key_shared_with_a_client_is_fetched_when_the_registry_names_it(stage: TrustStage) -> None:
    client = stage.client("client-h", "ZM-BANK-A")
    await stage.register(client, secret=SECRET)
    sender = stage.sender(client)
    async with asyncio.timeout(30):
        while (answer := await sender.send(signing=Signing(key=SECRET))).status != 202:
            assert answer.reason in ("CERT_UNREGISTERED", "SIGNATURE_KEY_UNKNOWN", "REVOCATION_STALE")
            await asyncio.sleep(0.05)
    assert (await stage.attestation(answer))["signature_alg"] == "hmac-sha256"
    await stage.refuses("SIGNATURE_INVALID", 401, sender=sender, signing=Signing(key=bytes(range(32))))


async def test_a_nonce_is_demanded_and_given(stage: TrustStage) -> None:
    stage.secrets["ingress/dpop-nonce"] = {"secret": "A" * 43 + "="}
    async with stage.serving(dpop_nonce=True):
        first = await stage.sender().send()
        assert (first.status, first.reason) == (401, "DPOP_NONCE_REQUIRED")
        assert 'error="use_dpop_nonce"' in first.headers["WWW-Authenticate"]
        nonce = first.headers["DPoP-Nonce"]
        assert (await stage.sender().send(proof={"claims": {"nonce": nonce}})).status == 202


async def test_a_certificate_has_its_rate_and_what_is_above_is_counted(stage: TrustStage) -> None:
    async with stage.serving(certificate_requests_per_s=0.1, certificate_requests_burst=3):
        sender = stage.sender()
        wire = await sender.connect()
        answers = [await sender.send(over=wire) for _ in range(7)]
        assert [answer.status for answer in answers] == [202] * 3 + [429] * 4
        assert answers[-1].reason == "RATE_LIMITED"
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await stage.sender(stage.b).send()).status == 202, "another certificate is not affected"
        wire.close()
    counted = await rows(
        stage.dsn,
        "select sum(refusals)::integer, min(level) from ingress.refusal_counts"
        " where reason_code = 'RATE_LIMITED' and cert_sha256 = %s",
        stage.a.cert_sha256,
    )
    assert counted == [(4, "REQUEST")]


async def test_refusals_above_the_limit_are_counted_and_the_connection_ends(stage: TrustStage) -> None:
    async with stage.serving({"reject_attestations_per_s": 0.1, "reject_attestations_burst": 2}):
        sender = stage.sender()
        for _ in range(2):
            await stage.refuses("TOKEN_TYPE_REFUSED", 401, token={"header": {"typ": "JWT"}})
        for _ in range(3):
            wire = await sender.connect()
            answer = await sender.send(over=wire, token={"header": {"typ": "JWT"}})
            assert (answer.status, answer.reason) == (429, "REFUSALS_UNRECORDED")
            assert await wire.ended()
    counted = await rows(
        stage.dsn,
        "select sum(refusals)::integer from ingress.refusal_counts where reason_code = 'TOKEN_TYPE_REFUSED'"
        " and participant_id = 'ZM-BANK-A' and cert_sha256 = %s",
        stage.a.cert_sha256,
    )
    assert counted == [(3,)]


async def test_the_start_and_the_end_are_recorded(stage: TrustStage) -> None:
    query = "select kind, facts from evidence.evidence_events where kind like 'INGRESS_%%' order by event_id"
    before = len(await rows(stage.dsn, query))
    async with stage.serving():
        pass
    started, stopped = (await rows(stage.dsn, query))[before:]
    assert (started[0], stopped[0]) == ("INGRESS_STARTED", "INGRESS_STOPPED")
    assert started[1]["origin"] == ORIGIN
    assert started[1]["configuration_sha256"] == stopped[1]["configuration_sha256"]
    async with stage.serving(token_max_lifetime_s=200):
        pass
    changed = (await rows(stage.dsn, query))[-1][1]
    assert changed["configuration_sha256"] != started[1]["configuration_sha256"]


async def test_behind_our_proxy_the_certificate_is_the_requests(stage: TrustStage, tmp_path: Path) -> None:
    """RFC 9440 over a Unix socket: two clients' requests over one connection, each held to its own certificate."""
    folder = tmp_path / "proxy"
    folder.mkdir(mode=0o700)
    async with stage.serving(unix_socket=folder / "socket"):
        wire = Wire(*await asyncio.open_unix_connection(folder / "socket"))
        a, b = ([("Client-Cert", f":{base64.b64encode(one.der).decode()}:")] for one in (stage.a, stage.b))
        for client, named in ((stage.a, a), (stage.b, b)):
            answer = await stage.accepts(stage.sender(client), over=wire, extra=named)
            attested = await stage.attestation(answer)
            assert (attested["participant_id"], attested["cert_sha256"]) == (client.participant_id, client.cert_sha256)
        await stage.refuses("TOKEN_CERT_MISMATCH", 401, over=wire, extra=b)
        attested = await stage.refuses("CERT_MISSING", 401, over=wire)
        assert attested["cert_sha256"] is None
        wire.close()
