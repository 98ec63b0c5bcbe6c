"""The rows B1 to B16 of the ingress requirements against the running zero-trust ingress: signature, body, HTTP."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from symphony import api
from symphony.errors import DatabaseRefused
from tests.ingress_bench import A, B, instruction, rows
from tests.ingress_negative import Case, Judge, Knobs, each, judging, now
from tests.ingress_sender import COVERED, Client, Signing
from tests.ingress_trust_stage import BY, SECRET, TrustStage
from tests.test_ingress_framing_tls import MALFORMED as UNPARSABLE
from tests.test_replay_races import JWK
from tests.trust_material import Pair, ed25519_pair, p256, rsa_jwk, rsa_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_SECRET = SECRET[::-1]
HMAC: dict[str, Client] = {}


async def register_secrets(stage: TrustStage) -> None:
    """Two clients that sign with a shared secret each; one more version of the first's, past its end."""
    for name, participant, secret in (("client-h", A, SECRET), ("client-i", B, OTHER_SECRET)):
        HMAC[name] = stage.client(name, participant)
        await stage.register(HMAC[name], secret=secret)
    stage.secrets["ingress/signature-keys/client-h-0"] = stage.secrets["ingress/signature-keys/client-h-1"]
    async with await api.connect(stage.dsn, application_name="test-register") as connection:
        await api.trust.register_signature_key(
            connection,
            key_id="client-h-0",
            client_id="client-h",
            alg="hmac-sha256",
            public_jwk=None,
            active_from=datetime.now(UTC) - timedelta(hours=2),
            active_until=datetime.now(UTC) - timedelta(seconds=1),
            **BY,
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judge]:
    """One ingress for this table."""
    async with judging(database_url, tmp_path_factory.mktemp("bodies"), prepare=register_secrets) as made:
        yield made


def signing(**how: Any) -> Knobs:
    """A request signed otherwise."""
    return {"signing": Signing(**how)}


def parameters(**changes: Any) -> Knobs:
    """A request signed with other parameters."""
    return signing(parameters=changes)


def timed(**offsets: int) -> Callable[[TrustStage], Knobs]:
    """A request signed with other times: each is this many seconds from now."""
    return lambda _: parameters(**{name: now(offset) for name, offset in offsets.items()})


def by_secret(key: bytes | None, **changes: Any) -> Callable[[TrustStage], Knobs]:
    """A request of the client with a shared secret, signed with this one."""
    return lambda s: {"sender": s.sender(HMAC["client-h"])} | signing(key=key, parameters=changes)


def der(stage: TrustStage) -> Knobs:
    """An ECDSA signature as DER instead of r and s."""

    def sign(message: bytes) -> bytes:
        made = stage.a.signing.sign(message)
        return encode_dss_signature(int.from_bytes(made[:32]), int.from_bytes(made[32:]))

    return signing(key=Pair("ES256", sign, {}))


def rsa_pss(salt: int, **said: str) -> Knobs:
    """A signature of RFC 9421 3.3.1 (SHA-512, 64 bytes of salt), or with another salt."""
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), salt)
    return signing(key=Pair("", lambda message: rsa_key().sign(message, pss, hashes.SHA512()), {}), parameters=said)


def more_signatures(number: int, *, tagged: bool = True) -> Callable[[bytes], bytes]:
    """Add signatures, with our tag or without."""

    def rewrite(request: bytes) -> bytes:
        described = re.search(rb"Signature-Input: s=([^\r]+)", request)
        assert described
        others = [b"x%d=%s" % (n, described[1] if tagged else b"()") for n in range(number)]
        values = [b"x%d=:AAAA:" % n for n in range(number)]
        request = request.replace(described[0], b", ".join([described[0], *others]))
        return re.sub(rb"(\r\nSignature: [^\r]+)", lambda m: b", ".join([m[1], *values]), request)

    return rewrite


def rewritten(old: bytes, new: bytes) -> Knobs:
    """A good request whose bytes are changed on the way."""
    return {"rewrite": lambda request: request.replace(old, new, 1)}


def media(value: str) -> Knobs:
    """A body of another media type."""
    return {"drop": ["Content-Type"], "extra": [("Content-Type", value)]}


def twice(name: str) -> Knobs:
    """A field that is sent again, with its value."""
    pattern = re.compile(rb"\r\n(" + name.encode() + rb": [^\r]+)")
    return {"rewrite": lambda request: pattern.sub(rb"\r\n\1\r\n\1", request, count=1)}


def digest(**algorithms: str) -> Knobs:
    """A Content-Digest of these algorithms: of the body, or of something else."""
    body = json.dumps(instruction("digest")).encode()
    parts = []
    for name, of in algorithms.items():
        hashed = hashlib.new({"sha": "sha1"}.get(name, name), body if of == "body" else b"something else").digest()
        wire = {"sha256": "sha-256", "sha512": "sha-512"}.get(name, name)
        parts.append(f"{wire}=:{base64.b64encode(hashed).decode()}:")
    return {"body": body, "digest": ", ".join(parts)}


def encoded(coding: str, body: bytes) -> Knobs:
    """A body under a content coding, with the digest of the bytes sent."""
    return {"body": body, "extra": [("Content-Encoding", coding)]}


def member(**members: Any) -> Knobs:
    """An instruction with other members."""
    return {"body": instruction("bent") | members}


async def conflicting(stage: TrustStage) -> Knobs:
    """Another body under a key that was used."""
    await stage.accepts(body=instruction("b15"), key="K-b15")
    return {"body": instruction("b15", amount="125.51"), "key": "K-b15"}


async def nonce_again(stage: TrustStage) -> Knobs:
    """A signature's nonce that was used."""
    await stage.accepts(**parameters(nonce="a-nonce-of-b15"))
    return parameters(nonce="a-nonce-of-b15")


COVERAGE, PARAMETER = ("SIGNATURE_COVERAGE_INSUFFICIENT", 401), ("SIGNATURE_PARAMETER_REFUSED", 401)
WINDOW, UNKNOWN = ("SIGNATURE_OUTSIDE_WINDOW", 401), ("SIGNATURE_KEY_UNKNOWN", 401)
AMBIGUOUS, MALFORMED = ("SIGNATURE_AMBIGUOUS", 401), ("SIGNATURE_MALFORMED", 400)
ALGORITHM, INVALID = ("SIGNATURE_ALGORITHM_REFUSED", 401), ("SIGNATURE_INVALID", 401)
WEAK, MISMATCH = ("DIGEST_ALGORITHM_REFUSED", 400), ("DIGEST_MISMATCH", 400)
CODED, FRAMING, HEADER = ("CONTENT_CODING_UNSUPPORTED", 415), ("FRAMING_INVALID", 400), ("HEADER_INVALID", 400)
METHOD, MEDIA = ("METHOD_NOT_ALLOWED", 405), ("MEDIA_TYPE_UNSUPPORTED", 415)
JSON, DUPLICATE, SCHEMA = ("JSON_INVALID", 400), ("JSON_DUPLICATE_MEMBER", 400), ("SCHEMA_INVALID", 422)
SINGLE = ("Authorization", "DPoP", "Content-Digest", "Signature", "Signature-Input", "Idempotency-Key")
CASES: dict[str, Case] = {
    **{f"B1 {name} not covered": (*COVERAGE, signing(covered=[n for n in COVERED if n != name])) for name in COVERED},
    "B1 nothing covered": (*COVERAGE, signing(covered=())),
    "B1 a component that is not there": ("SIGNATURE_COMPONENT_REFUSED", 401, signing(covered=(*COVERED, "x-absent"))),
    "B1 no signature": ("SIGNATURE_MISSING", 401, {"signing": None}),
    "B1 no tag": ("SIGNATURE_MISSING", 401, parameters(tag=...)),
    "B1 another tag": ("SIGNATURE_MISSING", 401, parameters(tag="fapi-2-response")),
    "B1 no created": (*PARAMETER, parameters(created=...)),
    "B1 no keyid": (*PARAMETER, parameters(keyid=...)),
    "B1 an unknown parameter": (*PARAMETER, parameters(foo=1)),
    "B1 created-62": (*WINDOW, timed(created=-62)),
    "B1 created+45": (*WINDOW, timed(created=45)),
    "B1 expires past": (*WINDOW, timed(created=-5, expires=-1)),
    "B1 keyid of another client": (*UNKNOWN, parameters(keyid="client-b-1")),
    "B1 keyid of nobody": (*UNKNOWN, parameters(keyid="client-z-1")),
    "B2 two with the tag, one bad": (*AMBIGUOUS, {"rewrite": more_signatures(1)}),
    "B2 50 signatures": (*AMBIGUOUS, {"rewrite": more_signatures(49, tagged=False)}),
    "B2 labels differ": (*MALFORMED, rewritten(b"\r\nSignature: s=", b"\r\nSignature: t=")),
    "B2 no Signature": (*MALFORMED, {"drop": ["Signature"]}),
    "B2 no Signature-Input": (*MALFORMED, {"drop": ["Signature-Input"]}),
    "B3 another key": (*INVALID, signing(key=p256())),
    "B3 flipped": (*INVALID, signing(flip=True)),
    "B3 MAC by the public key": (*INVALID, lambda s: signing(key=json.dumps(s.a.signing.jwk).encode())),
    "B3 MAC by the public key, and says so": (
        *ALGORITHM, lambda s: signing(key=json.dumps(s.a.signing.jwk).encode(), parameters={"alg": "hmac-sha256"}),
    ),
    "B3 alg of another key": (*ALGORITHM, parameters(alg="ed25519")),
    "B3 Ed25519 under a P-256 key": (*INVALID, signing(key=ed25519_pair())),
    "B3 DER": (*INVALID, der),
    # No key for RSA-PSS can be registered: the right salt is refused like a wrong one.
    **{f"B3 RSA-PSS, {salt} bytes of salt": (*ALGORITHM, rsa_pss(salt, alg="rsa-pss-sha512")) for salt in (0, 32, 64)},
    "B3 RSA-PSS under a P-256 key": (*INVALID, rsa_pss(32)),
    "B4 the secret of another": (*INVALID, by_secret(OTHER_SECRET)),
    "B4 the keyid and secret of another": (*UNKNOWN, by_secret(OTHER_SECRET, keyid="client-i-1")),
    "B4 a version past its end": (*UNKNOWN, by_secret(SECRET, keyid="client-h-0")),
    "B5 body changed": (*MISMATCH, {"sent_body": json.dumps(instruction("changed")).encode()}),
    "B5 body taken away": (*MISMATCH, {"sent_body": b""}),
    "B5 no digest": ("DIGEST_MISSING", 400, {"drop": ["Content-Digest"]}),
    "B5 md5 alone": (*WEAK, digest(md5="body")),
    "B5 sha alone": (*WEAK, digest(sha="body")),
    "B5 md5 beside sha-256": (*WEAK, digest(md5="body", sha256="body")),
    "B5 one right, one wrong": (*MISMATCH, digest(sha512="body", sha256="other")),
    "B5 one wrong, one right": (*MISMATCH, digest(sha512="other", sha256="body")),
    "B5 no structured field": ("DIGEST_MALFORMED", 400, {"digest": "sha-256=abc"}),
    "B6 gzip": (*CODED, encoded("gzip", gzip.compress(b"{}"))),
    "B6 deflate": (*CODED, encoded("deflate", zlib.compress(b"{}"))),
    "B6 gzip, gzip": (*CODED, encoded("gzip, gzip", gzip.compress(gzip.compress(b"{}")))),
    "B6 a bomb": (*CODED, encoded("gzip", gzip.compress(bytes(10_000_000)))),
    "B7 70 kB": ("BODY_TOO_LARGE", 413, {"body": b" " * 70_000}),
    "B9 HTTP/1.0": (*FRAMING, rewritten(b"HTTP/1.1", b"HTTP/1.0")),
    "B9 HTTP/1.0 with chunks": (
        *FRAMING, {"sent_body": b"", "rewrite": lambda r: r.replace(b"1.1", b"1.0", 1)[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    ),
    "B10 absolute form": (*FRAMING, {"path": "http://evil/v1/instructions"}),
    "B10 double slash": (*FRAMING, {"path": "//evil/v1/instructions"}),
    "B10 dot segment": (*FRAMING, {"path": "/v1/x/../instructions"}),
    "B10 encoded dot segment": (*FRAMING, {"path": "/v1/x/%2e%2e/instructions"}),
    "B10 a query": (*FRAMING, {"path": "/v1/instructions?a=b"}),
    **{f"B11 {name} twice": (*HEADER, twice(name)) for name in SINGLE},
    "B11 Content-Digest joined by a comma": ("DIGEST_MALFORMED", 400, rewritten(b"Content-Digest: ", b"Content-Digest: a, ")),
    "B11 Idempotency-Key joined by a comma": ("IDEMPOTENCY_KEY_INVALID", 400, {"key": "a, b"}),
    "B11 an underscore": (*HEADER, {"extra": [("Idempotency_Key", "a")]}),
    **each("B12 method", *METHOD, ["PUT", "OPTIONS", "TRACE", "DELETE"], lambda v: {"method": v, "body": b"{}"}),
    **each(
        "B12 media", *MEDIA, ["text/plain", "application/json; charset=utf-16", "application/jsonp"], media,
    ),
    "B12 no media": (*MEDIA, {"drop": ["Content-Type"]}),
    "B13 a member twice, deep": (*DUPLICATE, {"body": b'{"a":{"b":[{"c":1,"c":2}]}}'}),
    "B13 a member twice, once escaped": (*DUPLICATE, {"body": b'{"\\u0061":1,"a":2}'}),
    "B13 NaN": (*JSON, {"body": b'{"a":NaN}'}),
    "B13 1e999": (*JSON, {"body": b'{"a":1e999}'}),
    "B13 two documents": (*JSON, {"body": b"{}{}"}),
    "B13 a lone surrogate": (*JSON, {"body": b'{"a":"\\ud800"}'}),
    "B13 NUL": (*JSON, {"body": b'{"a":"\\u0000"}'}),
    "B13 BOM": (*JSON, {"body": b"\xef\xbb\xbf{}"}),
    "B13 nested deep": (*JSON, {"body": b"[" * 1_000 + b"]" * 1_000}),
    "B13 a million members": (
        "BODY_TOO_LARGE", 413, {"body": json.dumps(dict.fromkeys(map(str, range(10**6)), 0)).encode()},
    ),
    "B13 an amount that is a number": (*SCHEMA, member(amount=1.5)),
    **each(
        "B14 instruction_id", *SCHEMA, ["INV-\u0430", "INV-\uff11", "INV-\u0661", "INV-1\n", "INV-\u200f1", ""],
        lambda v: member(instruction_id=v),
    ),
    **each(
        "B14 amount", "AMOUNT_INVALID", 422, ["1_000", "\u0661\u0662", "\uff11\uff12", "1.5\n", "+1", "1e3"],
        lambda v: member(amount=v),
    ),
    "B15 another body under the same key": ("IDEMPOTENCY_CONFLICT", 409, conflicting),
    "B15 a signature's nonce again": ("SIGNATURE_REPLAYED", 401, nonce_again),
    "B16 SQL in an id": (*SCHEMA, member(instruction_id="'; select 1 --")),
    "B16 a bad line is not repeated": (*FRAMING, {"path": "/v1/instructions?eyJ=Traceback"}),
    "B16 a body that is no JSON is not repeated": (*JSON, {"body": b"ZM-1-001 eyJ Traceback"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_a_bent_request_is_refused_once_attested_and_nothing_recorded(judge: Judge, name: str) -> None:
    await judge.judge(CASES[name])


async def test_unbent_requests_are_accepted(judge: Judge) -> None:
    """The controls: who may sign what, the bounds of B1, one key used by two clients (B15)."""
    stage = judge.stage
    h = HMAC["client-h"]
    await stage.accepts(stage.sender(h), **signing(key=SECRET))
    await stage.accepts(**timed(created=-50)(stage))
    await stage.accepts(**(digest(sha512="body", sha256="body")))
    for client in (stage.a, stage.b):
        await stage.accepts(stage.sender(client), body=instruction("shared-key"), key="K-shared")


async def test_b3_no_key_for_rsa_pss_can_be_registered(judge: Judge) -> None:
    """SV502 is the algorithm's doing: the same registration as ed25519 is accepted."""
    key: dict[str, Any] = {
        "key_id": "rsa-1",
        "client_id": "client-a",
        "public_jwk": JWK,
        **BY,
    }
    days: dict[str, Any] = {"active_from": datetime.now(UTC) - timedelta(hours=2), "active_until": datetime.now(UTC)}
    query = "select alg from ingress.signature_keys where key_id = 'rsa-1'"
    async with await api.connect(judge.stage.dsn, application_name="test-register") as connection:
        with pytest.raises(DatabaseRefused, match="SV502 registration_incomplete"):
            await api.trust.register_signature_key(connection, alg="rsa-pss-sha512", **key, **days)
        rsa = {**key, "public_jwk": json.dumps(rsa_jwk(rsa_key()))}
        for alg in ("rsa-pss-sha512", "ed25519"):
            with pytest.raises(DatabaseRefused, match="SV502 registration_incomplete"):
                await api.trust.register_signature_key(connection, alg=alg, **rsa, **days)
        assert await rows(judge.stage.dsn, query) == []
        await api.trust.register_signature_key(connection, alg="ed25519", **key, **days)
    assert await rows(judge.stage.dsn, query) == [("ed25519",)]


async def test_b9_what_cannot_be_parsed_is_counted_and_not_attested(judge: Judge) -> None:
    """Every request is refused with 400 on a connection of its own; one count for each, by its certificate."""
    stage = judge.stage
    before = await judge.counts()
    sender = stage.sender(stage.b)
    requests = UNPARSABLE | {
        "J1 a token of 9 kB": sender.request(wire_token="A" * 9_216),
        "B9 no Host": sender.request(drop=["Host"]),
        "B11 Content-Type twice": sender.request(extra=[("Content-Type", "application/json")]),
    }
    async with stage.serving():
        for name, request in requests.items():
            wire = await stage.sender(stage.b).connect()
            answer = await wire.ask(request)
            assert (answer.status, answer.reason) == (400, "FRAMING_INVALID"), name
            assert await wire.ended(), name
            wire.close()
    counted = await rows(
        stage.dsn,
        "select level, reason_code, cert_sha256, sum(refusals)::integer from ingress.refusal_counts"
        " where cert_sha256 = %s group by 1, 2, 3",
        stage.b.cert_sha256,
    )
    assert counted == [("CONNECTION", "CONNECTION_MALFORMED", stage.b.cert_sha256, len(requests))]
    assert await judge.counts() == before
