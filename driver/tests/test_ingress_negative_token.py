"""The rows J1 to J18 of the ingress requirements against the running zero-trust ingress: bent access tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ingress_bench import instruction
from tests.ingress_negative import Case, Judge, Knobs, claims, each, judging, now
from tests.ingress_sender import AUDIENCE
from tests.ingress_trust_stage import TrustStage
from tests.trust_material import ISSUER, Pair, compact, hmac_signer, number, p256, rsa_jwk, rsa_key, rsa_pair

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOR_ENCRYPTION, FOR_SIGNING = p256("for-encryption"), p256("for-signing")
RSA = rsa_pair("rsa-1")
P384 = ec.generate_private_key(ec.SECP384R1())
PUBLIC = rsa_key().public_key()
SECRETS = {
    "PEM": PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    "DER": PUBLIC.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    "JWK": json.dumps(rsa_jwk(rsa_key())).encode(),
    "nothing": b"",
}


async def publish(stage: TrustStage) -> None:
    """Let the issuer publish keys that nobody may use beside those that are used."""
    point = P384.public_key().public_numbers()
    stage.key_server.keys += [
        RSA.jwk,
        FOR_ENCRYPTION.jwk | {"use": "enc"},
        FOR_SIGNING.jwk | {"key_ops": ["sign"]},
        rsa_jwk(rsa_key(1_024), "rsa-1024"),
        {"kty": "EC", "crv": "P-384", "x": number(point.x, 48), "y": number(point.y, 48), "kid": "p-384"},
    ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judge]:
    """One ingress for this table."""
    async with judging(database_url, tmp_path_factory.mktemp("tokens"), prepare=publish) as made:
        yield made


def header(**changes: Any) -> Knobs:
    """A well signed token with another header."""
    return {"token": {"header": changes}}


def claim(**changes: Any) -> Knobs:
    """A well signed token with other claims."""
    return {"token": {"claims": changes}}


def wire(change: Callable[[str], str]) -> Callable[[TrustStage], Knobs]:
    """A good token in another spelling."""
    return lambda stage: {"wire_token": change(stage.sender().token())}


def raw(
    head: bytes = b'{"alg":"ES256","kid":"issuer-1","typ":"at+jwt"}', payload: bytes = b'{"a":1}'
) -> Callable[[TrustStage], Knobs]:
    """A token of exactly these bytes, signed by the issuer."""
    return lambda stage: {"wire_token": compact(head, payload, stage.issuer.sign)}


def signed_by(pair: Pair, kid: str, alg: str | None = None) -> Knobs:
    """A token by another key, under this kid and alg."""
    return {"token": {"signer": pair, "header": {"kid": kid, "alg": alg or pair.alg}}}


def stray(token: str) -> str:
    """Set an unused bit of the last letter: another spelling of the same bytes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + letters[letters.index(token[-1]) | 1]


async def replayed(stage: TrustStage) -> Knobs:
    """A token that this ingress has accepted."""
    token = stage.sender().token(dpop=False)
    await stage.accepts(dpop=False, wire_token=token)
    return {"dpop": False, "wire_token": token}


async def replayed_elsewhere(stage: TrustStage) -> Knobs:
    """A token that another process, ended since, has accepted."""
    async with stage.serving():
        return await replayed(stage)


MALFORMED, JSON = ("TOKEN_MALFORMED", 401), ("TOKEN_JSON_INVALID", 401)
HEADER, UNKNOWN = ("TOKEN_HEADER_REFUSED", 401), ("TOKEN_KEY_UNKNOWN", 401)
ALGORITHM, FORGED = ("TOKEN_ALGORITHM_REFUSED", 401), ("TOKEN_SIGNATURE_INVALID", 401)
INVALID, LIFETIME = ("TOKEN_CLAIM_INVALID", 401), ("TOKEN_LIFETIME_REFUSED", 401)
EARLY, SCOPE = ("TOKEN_NOT_YET_VALID", 401), ("TOKEN_SCOPE_INSUFFICIENT", 403)
NUMBERS = b'{"x":' + b"1" * 5_000 + b"}"
CASES: dict[str, Case] = {
    "J1 no Authorization": ("AUTHORIZATION_MISSING", 401, {"drop": ["Authorization"]}),
    "J1 two Authorization": ("HEADER_INVALID", 400, {"extra": [("Authorization", "Bearer a.b.c")]}),
    "J1 Bearer and DPoP joined by a comma": ("AUTHORIZATION_INVALID", 401, wire(lambda t: f"{t}, Bearer {t}")),
    "J1 in the query": ("FRAMING_INVALID", 400, {"path": "/v1/instructions?access_token=a.b.c"}),
    "J1 in the body": ("SCHEMA_INVALID", 422, {"body": instruction("j1", access_token="a.b.c")}),
    "J1 another scheme": ("AUTHORIZATION_INVALID", 401, {"scheme": "Basic"}),
    **each("J2 alg", *ALGORITHM, ["none", "nOnE", "", "RS256", "HS256", "ES256K", ["ES256"], None, ...], lambda v: header(alg=v)),
    "J2 alg allowed, not its key's": (*ALGORITHM, header(alg="PS256")),
    **{
        f"J3 HS256 keyed with the public key's {name}": (*ALGORITHM, signed_by(Pair("HS256", hmac_signer(secret), {}), "rsa-1"))
        for name, secret in SECRETS.items()
    },
    **{
        f"J3 PS256 by name, MAC by the public key's {name}": (*FORGED, signed_by(Pair("PS256", hmac_signer(secret), {}), "rsa-1"))
        for name, secret in SECRETS.items()
    },
    "J3 another key": (*FORGED, signed_by(p256(), "issuer-1")),
    "J4 P-384 in the set": (
        *UNKNOWN, signed_by(Pair("ES256", lambda m: P384.sign(m, ec.ECDSA(hashes.SHA256())), {}), "p-384"),
    ),
    "J4 P-384 under a P-256 key's kid": (
        *FORGED, signed_by(Pair("ES256", lambda m: P384.sign(m, ec.ECDSA(hashes.SHA256())), {}), "issuer-1"),
    ),
    "J4 RSA 1024 in the set": (*UNKNOWN, signed_by(RSA, "rsa-1024")),
    "J4 PSS with another salt": (*FORGED, signed_by(rsa_pair(salt=20), "rsa-1")),
    "J5 use=enc": (*UNKNOWN, signed_by(FOR_ENCRYPTION, "for-encryption")),
    "J5 key_ops without verify": (*UNKNOWN, signed_by(FOR_SIGNING, "for-signing")),
    **each(
        "J6 kid", *HEADER, ["../../dev/null", "' or 1=1--", 1, ["issuer-1"], "a" * 129, "", "http://evil/", None, ...],
        lambda v: header(kid=v),
    ),
    "J6 kid with NUL": (*JSON, header(kid="issuer-1\x00")),
    **{
        f"J7 {name}": (*HEADER, header(**{name: value}))
        for name, value in {
            "jku": "https://evil/keys", "x5u": "https://evil/cert", "x5c": ["MIIB"], "jwk": RSA.jwk, "zip": "DEF",
            "cty": "JWT", "b64": False, "crit": ["exp"],
        }.items()
    },
    "J7 crit empty": (*HEADER, header(crit=[])),
    "J7 crit naming b64": (*HEADER, header(crit=["b64"], b64=False)),
    **each("J8 typ", "TOKEN_TYPE_REFUSED", 401, ["JWT", "dpop+jwt", "logout+jwt", "", 1, None, ...], lambda v: header(typ=v)),
    "J9 padded": (*MALFORMED, wire(lambda t: t + "==")),
    "J9 stray bits": (*MALFORMED, wire(stray)),
    "J9 question mark inside": ("AUTHORIZATION_INVALID", 401, wire(lambda t: t.replace(".", ".?", 1))),
    "J9 four segments": (*MALFORMED, wire(lambda t: t + ".a")),
    "J9 two segments": (*MALFORMED, wire(lambda t: t.rpartition(".")[0])),
    "J9 no signature": (*MALFORMED, wire(lambda t: t.rpartition(".")[0] + ".")),
    "J9 space inside": ("AUTHORIZATION_INVALID", 401, wire(lambda t: t.replace(".", ". ", 1))),
    "J9 JSON serialisation": ("AUTHORIZATION_INVALID", 401, {"wire_token": '{"payload":"e30"}'}),
    "J10 aud twice": (*JSON, raw(payload=b'{"aud":"a","aud":"b"}')),
    "J10 alg twice": (*JSON, raw(b'{"alg":"none","alg":"ES256","kid":"issuer-1","typ":"at+jwt"}')),
    "J10 alg twice, one escaped": (*JSON, raw(b'{"\\u0061lg":"none","alg":"ES256","kid":"issuer-1","typ":"at+jwt"}')),
    "J10 UTF-16": (*JSON, raw(payload='{"a":1}'.encode("utf-16"))),
    "J10 BOM": (*JSON, raw(payload=b'\xef\xbb\xbf{"a":1}')),
    "J10 1e400": (*JSON, raw(payload=b'{"exp":1e400}')),
    "J10 NaN": (*JSON, raw(payload=b'{"exp":NaN}')),
    "J10 nested nine deep": (*JSON, raw(payload=b'{"a":' * 9 + b"1" + b"}" * 9)),
    "J10 5000 digits": (*JSON, raw(payload=NUMBERS)),
    "J10 an array": (*JSON, raw(payload=b"[1]")),
    **{
        f"J11 {name} {value}": ("TOKEN_CLAIM_MISSING", 401, claim(**{name: value}))
        for name in ("exp", "iat", "nbf", "iss", "aud", "sub", "jti", "client_id")
        for value in (..., None)
    },
    **{
        f"J11 {name} {value!r}": (*INVALID, claim(**{name: value}))
        for name in ("exp", "iat", "nbf")
        for value in (True, "123", 1.5, -1)
    },
    **{f"J11 {name} 1": (*INVALID, claim(**{name: 1})) for name in ("sub", "jti", "client_id")},
    "J12 exp=iat+301": (*LIFETIME, claims("token", iat=-5, exp=296)),
    "J12 exp=iat+601": (*LIFETIME, claims("token", iat=-5, exp=596)),
    "J12 ten years": (*LIFETIME, claims("token", exp=315_360_000)),
    "J12 iat far past, exp fresh": (*LIFETIME, claims("token", iat=-100_000)),
    "J12 exp=iat": (*LIFETIME, claims("token", iat=-5, exp=-5)),
    "J12 nbf>exp": (*LIFETIME, claims("token", nbf=201, exp=200)),
    "J13 exp-31": ("TOKEN_EXPIRED", 401, claims("token", iat=-200, nbf=-200, exp=-31)),
    "J13 nbf+45": (*EARLY, claims("token", nbf=45)),
    "J13 iat+45": (*EARLY, claims("token", iat=45)),
    "J13 iat+90": (*EARLY, claims("token", iat=90)),
    **each(
        "J14 iss", "TOKEN_ISSUER_REFUSED", 401,
        [ISSUER + "/", ISSUER.upper(), [ISSUER], ISSUER[:-1], ISSUER.replace("e", "\u0435", 1), ISSUER.replace("https", "http")],
        lambda v: claim(iss=v),
    ),
    **{
        f"J15 aud {json.dumps(value)}": ("TOKEN_AUDIENCE_REFUSED", 401, claim(aud=value))
        for value in (
            [AUDIENCE, "https://other"], ["https://other"], AUDIENCE + "/", AUDIENCE[:-1], {"a": AUDIENCE},
            [AUDIENCE, 1], [], [AUDIENCE, AUDIENCE],
        )
    },
    "J16 replayed": ("TOKEN_REPLAYED", 401, replayed),
    "J16 replayed from a process that has ended": ("TOKEN_REPLAYED", 401, replayed_elsewhere),
    "J17 client A's token over the certificate of B named in it": (
        "CERT_CLIENT_MISMATCH", 401, lambda s: {"sender": s.sender(s.b)} | claim(client_id="client-a"),
    ),
    "J17 a client nobody registered": ("CERT_CLIENT_MISMATCH", 401, claim(client_id="client-z")),
    **each("J18 scope", *SCOPE, ["payment:submit.evil", "PAYMENT:SUBMIT", "submit", "payment:status"], lambda v: claim(scope=v)),
    **each(
        "J18 scope", *INVALID,
        ["payment:submit  payment:status", ["payment:submit"], "payment:submit\u00a0x", " ".join(f"s{n}" for n in range(1_000))],
        lambda v: claim(scope=v),
    ),
    "J19 a kid the issuer does not publish": (*UNKNOWN, header(kid="issuer-9")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_a_bent_token_is_refused_once_attested_and_nothing_recorded(judge: Judge, name: str) -> None:
    await judge.judge(CASES[name])


async def test_unbent_tokens_are_accepted(judge: Judge) -> None:
    """The controls: the bounds of J13 and J8, the other published key."""

    def controls() -> Iterator[Knobs]:  # each is made when it is to be sent: their times are close to the bounds
        yield {}
        yield {"token": {"claims": {"iat": now(10)}}}
        yield {"token": {"claims": {"iat": now(-200), "nbf": now(-200), "exp": now(-20)}}}
        yield {"token": {"claims": {"aud": [AUDIENCE]}}}
        yield header(typ="application/AT+JWT")
        yield signed_by(RSA, "rsa-1")

    for knobs in controls():
        await judge.stage.accepts(**knobs)


async def test_j20_thirty_unknown_kids_are_one_fetch_at_most(judge: Judge) -> None:
    fetched = judge.stage.key_server.fetches
    for number_ in range(30):
        answer = await judge.ask(header(kid=f"unknown-{number_}"))
        assert (answer.status, answer.reason) == UNKNOWN[::-1]
    assert judge.stage.key_server.fetches <= fetched + 1
