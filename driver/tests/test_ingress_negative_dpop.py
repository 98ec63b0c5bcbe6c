"""The rows D1 to D8 of the ingress requirements against the running zero-trust ingress: bent DPoP proofs."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from symphony.trust import base64url
from symphony.trust.dpop import NonceSource
from tests.ingress_negative import Case, Judge, Knobs, claims, each, judging, now
from tests.ingress_sender import ORIGIN
from tests.ingress_trust_stage import SECRET, TrustStage
from tests.trust_material import Pair, compact, hmac_signer, p256, rsa_jwk, rsa_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/instructions"
CLIENT = p256()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judge]:
    """One ingress for this table."""
    async with judging(database_url, tmp_path_factory.mktemp("proofs")) as made:
        yield made


def header(**changes: Any) -> Knobs:
    """A well signed proof with another header."""
    return {"proof": {"header": changes}}


def claim(**changes: Any) -> Knobs:
    """A well signed proof with other claims."""
    return {"proof": {"claims": changes}}


def jwk(change: Callable[[dict[str, Any]], Any]) -> Callable[[TrustStage], Knobs]:
    """A proof that shows another form of its key."""
    return lambda stage: header(jwk=change(stage.a.dpop.jwk))


def wire(change: Callable[[str], str]) -> Callable[[TrustStage], Knobs]:
    """A good proof in another spelling."""

    def bend(stage: TrustStage) -> Knobs:
        token = stage.sender().token()
        return {"wire_token": token, "wire_proof": change(stage.sender().proof(token, method="POST", path=PATH))}

    return bend


def raw(stage: TrustStage) -> Knobs:
    """A proof that names htm twice."""
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": stage.a.dpop.jwk}
    return {"wire_proof": compact(head, b'{"htm":"POST","htm":"POST"}', stage.a.dpop.sign)}


def flipped(proof: str) -> str:
    """Change a letter within the signature."""
    return proof[:-10] + ("A" if proof[-10] != "A" else "B") + proof[-9:]


def ath_of(change: Callable[[str], str]) -> Callable[[TrustStage], Knobs]:
    """A proof whose ath is of another token than is sent."""

    def bend(stage: TrustStage) -> Knobs:
        token = stage.sender().token()
        other = hashlib.sha256(change(token).encode()).digest()
        return {"wire_token": token} | claim(ath=base64url.encode(other))

    return bend


async def replayed(stage: TrustStage) -> Knobs:
    """The proof of a request that was accepted, with its token."""
    token = stage.sender().token()
    knobs: Knobs = {"wire_token": token, "wire_proof": stage.sender().proof(token, method="POST", path=PATH)}
    await stage.accepts(**knobs)
    return knobs


async def replayed_elsewhere(stage: TrustStage) -> Knobs:
    """A proof that another process, ended since, has accepted."""
    async with stage.serving():
        return await replayed(stage)


async def reissued(stage: TrustStage) -> Knobs:
    """A new proof, signed later, with the jti of one that was accepted."""
    jti = str(uuid.uuid4())
    await stage.accepts(**claim(jti=jti, iat=now(-3)))
    return claim(jti=jti)


HEADER, ALGORITHM = ("DPOP_HEADER_REFUSED", 401), ("DPOP_ALGORITHM_REFUSED", 401)
KEY, INVALID = ("DPOP_KEY_REFUSED", 401), ("DPOP_CLAIM_INVALID", 401)
WINDOW, ATH = ("DPOP_OUTSIDE_WINDOW", 401), ("DPOP_TOKEN_MISMATCH", 401)
CASES: dict[str, Case] = {
    "D1 two proofs": ("HEADER_INVALID", 400, {"extra": [("DPoP", "a.b.c")]}),
    "D1 two proofs joined by a comma": ("DPOP_MALFORMED", 401, wire(lambda p: f"{p}, {p}")),
    "D1 none": ("DPOP_HEADER_INVALID", 401, {"drop": ["DPoP"]}),
    "D1 a bound token as Bearer": ("TOKEN_DOWNGRADED", 401, {"scheme": "Bearer", "drop": ["DPoP"]}),
    "D1 a bound token as Bearer, with its proof": ("TOKEN_DOWNGRADED", 401, {"scheme": "Bearer"}),
    "D1 a token bound to the certificate alone, as DPoP": ("DPOP_NOT_BOUND", 401, {"dpop": False, "scheme": "DPoP"}),
    "D2 malformed": ("DPOP_MALFORMED", 401, {"wire_proof": "hello"}),
    "D2 padded": ("DPOP_MALFORMED", 401, wire(lambda p: p + "=")),
    "D2 htm twice": ("DPOP_JSON_INVALID", 401, raw),
    **each("D2 typ", "DPOP_TYPE_REFUSED", 401, ["JWT", "at+jwt", "dpop", 1, None, ...], lambda v: header(typ=v)),
    **each("D2 alg", *ALGORITHM, ["none", "RS256", "HS256", "PS256", "EdDSA", ["ES256"], None, ...], lambda v: header(alg=v)),
    "D2 HS256 keyed with the jwk": (
        *ALGORITHM,
        lambda s: {"proof": {"signer": Pair("HS256", hmac_signer(json.dumps(s.a.dpop.jwk).encode()), s.a.dpop.jwk)}},
    ),
    "D2 no jwk": (*HEADER, header(jwk=...)),
    "D2 jku": (*HEADER, header(jku="https://evil/")),
    "D2 crit": (*HEADER, header(crit=["exp"])),
    "D2 jwk with d": (*KEY, jwk(lambda k: k | {"d": "AQAB"})),
    "D2 jwk oct": (*KEY, header(jwk={"kty": "oct", "k": "AQAB"})),
    "D2 jwk RSA 1024": (*KEY, header(jwk=rsa_jwk(rsa_key(1_024)))),
    "D2 jwk for encryption": (*KEY, jwk(lambda k: k | {"use": "enc"})),
    "D3 flipped signature": ("DPOP_SIGNATURE_INVALID", 401, wire(flipped)),
    "D3 signed by another key than it shows": (
        "DPOP_SIGNATURE_INVALID", 401, lambda s: {"proof": {"signer": Pair("ES256", CLIENT.sign, s.a.dpop.jwk)}},
    ),
    "D3 another key than the token's": ("DPOP_KEY_MISMATCH", 401, {"proof": {"signer": CLIENT}}),
    **each("D4 htm", "DPOP_METHOD_MISMATCH", 401, ["PUT", "GET", "post", "", None, ...], lambda v: claim(htm=v)),
    **each(
        "D4 htu", "DPOP_TARGET_MISMATCH", 401,
        [
            ORIGIN + "/v1/other", ORIGIN + PATH + "/", "https://other.example" + PATH, "https://127.0.0.1" + PATH,
            "http://pay.example" + PATH, "https://pay.example:8443" + PATH, "https://pay.example@evil" + PATH, PATH,
        ],
        lambda v: claim(htu=v),
    ),
    **each("D4 htu", *INVALID, [1, None, ...], lambda v: claim(htu=v)),
    "D5 iat-62": (*WINDOW, claims("proof", iat=-62)),
    "D5 iat-3600": (*WINDOW, claims("proof", iat=-3_600)),
    "D5 iat+45": (*WINDOW, claims("proof", iat=45)),
    "D5 iat+3600": (*WINDOW, claims("proof", iat=3_600)),
    **each("D5 iat", *INVALID, ["123", 1.5, True, None, ...], lambda v: claim(iat=v)),
    "D5 nbf ahead": (*WINDOW, claims("proof", nbf=45)),
    "D5 exp past": (*WINDOW, claims("proof", exp=-31)),
    "D6 replayed": ("DPOP_REPLAYED", 401, replayed),
    "D6 replayed from a process that has ended": ("DPOP_REPLAYED", 401, replayed_elsewhere),
    "D6 the jti again with a new iat": ("DPOP_REPLAYED", 401, reissued),
    **each("D6 jti", *INVALID, ["", "1234567", "a" * 129, "a" * 4_096, 12345678, None, ...], lambda v: claim(jti=v)),
    **each("D7 ath", *INVALID, [1, None, ...], lambda v: claim(ath=v)),
    "D7 ath of another token": (*ATH, ath_of(lambda t: t[::-1])),
    "D7 ath of the padded spelling": (*ATH, ath_of(lambda t: t + "==")),
    "D7 ath empty": (*ATH, claim(ath="")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_a_bent_proof_is_refused_once_attested_and_nothing_recorded(judge: Judge, name: str) -> None:
    await judge.judge(CASES[name])


async def test_unbent_proofs_are_accepted(judge: Judge) -> None:
    """The controls: what RFC 9449 wants accepted, and the bounds of D5."""
    stage = judge.stage
    for knobs in (
        {},
        {"scheme": "dpop"},
        header(jwk=dict(reversed(stage.a.dpop.jwk.items()))),
        claim(htu=f"https://PAY.example:443{PATH}?a=b#c"),
        claim(iat=now(-50)),
        claim(iat=now(10)),
    ):
        await stage.accepts(**knobs)


NONCES = NonceSource(secret=SECRET)
DEMANDED: dict[str, Case] = {
    "D8 absent": ("DPOP_NONCE_REQUIRED", 401, {}),
    "D8 stale": ("DPOP_NONCE_REQUIRED", 401, lambda _: claim(nonce=NONCES.current(now(-180)))),
    "D8 of another secret, as an authorization server's": (
        "DPOP_NONCE_REQUIRED", 401, lambda _: claim(nonce=NonceSource(secret=SECRET[::-1]).current(now())),
    ),
    "D8 a number": ("DPOP_NONCE_REQUIRED", 401, claim(nonce=1)),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demanding(judge: Judge) -> AsyncIterator[Judge]:
    """An ingress that demands a nonce of ours."""
    stage = judge.stage
    stage.secrets["ingress/dpop-nonce"] = {"secret": base64.b64encode(SECRET).decode()}
    async with stage.serving(dpop_nonce=True):
        other = Judge(stage, judge.database)
        yield other
        if other.wire is not None:
            other.wire.close()


@pytest.mark.parametrize("name", DEMANDED)
async def test_without_a_current_nonce_one_is_demanded(demanding: Judge, name: str) -> None:
    await demanding.judge(DEMANDED[name])


async def test_d8_another_nodes_nonce_holds_when_the_secret_is_shared(demanding: Judge) -> None:
    await demanding.stage.accepts(**claim(nonce=NONCES.current(now())))
