"""DPoP proofs and the sender constraint: rows D1 to D8, T9 and T11, and the figures of RFC 9449."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.trust import base64url
from symphony.trust.access_token import AccessToken, TokenPolicy, check_access_token, read_access_token
from symphony.trust.dpop import DpopPolicy, DpopProof, NonceSource, check_dpop
from symphony.trust.keys import key_from_jwk
from symphony.trust.origin import Origin, normalised
from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.sender_constraint import PopMode, Scheme, SenderProof, check_sender
from tests.trust_material import (
    AUDIENCE,
    CERTIFICATE_SHA256,
    CLIENT_KEY,
    ISSUER,
    ISSUER_KEY,
    NOW,
    ORIGIN,
    PATH,
    Pair,
    compact,
    ed25519_pair,
    hmac_signer,
    p256,
    proof_claims,
    proof_header,
    refused,
    rsa_jwk,
    rsa_key,
    rsa_pair,
    token_claims,
    token_header,
    vectors,
)

POLICY = DpopPolicy(origin=ORIGIN)
X5T = base64url.encode(CERTIFICATE_SHA256)
JKT = base64url.encode(CLIENT_KEY.jkt)


def wire(cnf: Mapping[str, Any]) -> str:
    return compact(token_header(), token_claims(cnf=cnf), ISSUER_KEY.sign)


TOKEN = wire({"jkt": JKT})


def held(text: str) -> AccessToken:
    policy = TokenPolicy(issuer=ISSUER, audience=AUDIENCE)
    return check_access_token(read_access_token(text), key=key_from_jwk(ISSUER_KEY.jwk), policy=policy, now=NOW)


def proof(
    claims: Mapping[str, Any] | bytes | None = None,
    header: Mapping[str, Any] | bytes | None = None,
    *,
    pair: Pair = CLIENT_KEY,
    token: str = TOKEN,
) -> str:
    return compact(header or proof_header(pair), claims or proof_claims(token), pair.sign)


def check(
    text: str, *, policy: DpopPolicy = POLICY, now: int = NOW, target: str = PATH, method: str = "POST"
) -> DpopProof:
    return check_dpop(
        text,
        policy=policy,
        method=method,
        target=target,
        token_sha256=held(TOKEN).wire_sha256,
        jkt=CLIENT_KEY.jkt,
        now=now,
    )


def claims(**changes: Any) -> dict[str, Any]:
    return proof_claims(TOKEN, **changes)


def test_a_good_proof_holds() -> None:
    good = check(proof())
    assert (good.jti, good.issued_at, good.jkt, good.alg) == ("-BwC3ESc6acc2lTc", NOW, CLIENT_KEY.jkt, "ES256")


@pytest.mark.parametrize("pair", [p256(), ed25519_pair(), rsa_pair()], ids=lambda pair: pair.alg)
def test_the_three_algorithms_hold(pair: Pair) -> None:
    sha = held(TOKEN).wire_sha256
    text = proof(pair=pair)
    assert check_dpop(text, policy=POLICY, method="POST", target=PATH, token_sha256=sha, jkt=pair.jkt, now=NOW)


GOOD = [
    ("D3 members of the jwk in another order", proof(header=proof_header(jwk=dict(reversed(CLIENT_KEY.jwk.items()))))),
    ("D2 typ in another case", proof(header=proof_header(typ="DPoP+JWT"))),
    ("D2 typ with application/", proof(header=proof_header(typ="application/dpop+jwt"))),
    ("D2 a claim of the client's own", proof(claims(foo=[1]))),
    *((f"D4 {htu}", proof(claims(htu=htu))) for htu in (
        f"{ORIGIN.text}{PATH}?a=b", f"{ORIGIN.text}{PATH}#part", f"{ORIGIN.text}{PATH}?a#b", "HTTPS://PAY.EXAMPLE/v1/instructions",
        "https://pay.example:443/v1/instructions", "https://pay.example:/v1/instructions", "https://pay.example/v1/%69nstructions",
        "https://pay.example/v1/x/../instructions", "https://pay.example/./v1/instructions", "https://pay.example/%2e/v1/instructions",
    )),
    *((f"D5 iat {seconds:+}", proof(claims(iat=NOW + seconds))) for seconds in (-60, -10, 10, 30)),
    ("D4 htu of 2048", proof(claims(htu=(ORIGIN.text + PATH + "?").ljust(2_048, "a")))),
    ("D2 kid", proof(header=proof_header(kid="mine"))),
    ("D5 nbf at the skew", proof(claims(nbf=NOW + 30))),
    ("D5 nbf and exp right", proof(claims(nbf=NOW - 5, exp=NOW + 5))),
    ("D5 exp within the skew", proof(claims(exp=NOW - 29))),
]  # fmt: skip


@pytest.mark.parametrize("text", [text for _, text in GOOD], ids=[name for name, _ in GOOD])
def test_what_the_rfc_wants_accepted(text: str) -> None:
    assert check(text)


FLIPPED = proof()[:-10] + ("A" if proof()[-10] != "A" else "B") + proof()[-9:]
BAD: dict[str, tuple[str, Reason]] = {
    "D2 malformed": ("hello", Reason.DPOP_MALFORMED),
    "D2 padded": (proof() + "=", Reason.DPOP_MALFORMED),
    "D2 two proofs, comma-joined": (f"{proof()}, {proof()}", Reason.DPOP_MALFORMED),
    "D2 9 kB": (proof(claims(x="a" * 9_000)), Reason.DPOP_TOO_LARGE),
    "D2 htm twice": (proof(json.dumps(claims())[:-1].encode() + b',"htm":"GET"}'), Reason.DPOP_JSON_INVALID),
    "D2 jwk member twice": (
        proof(header=json.dumps(proof_header()).encode().replace(b'"crv"', b'"crv": "P-384", "crv"')), Reason.DPOP_JSON_INVALID,
    ),
    **{
        f"D2 typ {typ!r}": (proof(header=proof_header(typ=typ)), Reason.DPOP_TYPE_REFUSED)
        for typ in (..., None, "JWT", "at+jwt", "dpop", 1)
    },
    **{
        f"D2 alg {alg!r}": (proof(header=proof_header(alg=alg)), Reason.DPOP_ALGORITHM_REFUSED)
        for alg in (..., None, "none", "RS256", "HS256", "ES384", "", ["ES256"], "PS256", "EdDSA")
    },
    "D2 HS256 keyed with the jwk": (
        compact(proof_header(alg="HS256"), claims(), hmac_signer(json.dumps(CLIENT_KEY.jwk).encode())), Reason.DPOP_ALGORITHM_REFUSED,
    ),
    "D2 jwk missing": (proof(header=proof_header(jwk=...)), Reason.DPOP_HEADER_REFUSED),
    "D2 jwk null": (proof(header=proof_header(jwk=None)), Reason.DPOP_HEADER_REFUSED),
    "D2 kid null": (proof(header=proof_header(kid=None)), Reason.DPOP_HEADER_REFUSED),
    "D2 kid a path": (proof(header=proof_header(kid="../x")), Reason.DPOP_HEADER_REFUSED),
    "D2 jku": (proof(header=proof_header(jku="https://evil/")), Reason.DPOP_HEADER_REFUSED),
    "D2 crit": (proof(header=proof_header(crit=["exp"])), Reason.DPOP_HEADER_REFUSED),
    "D2 jwk with d": (proof(header=proof_header(jwk={**CLIENT_KEY.jwk, "d": "AQAB"})), Reason.DPOP_KEY_REFUSED),
    "D2 jwk oct": (proof(header=proof_header(jwk={"kty": "oct", "k": "AQAB"})), Reason.DPOP_KEY_REFUSED),
    "D2 jwk text": (proof(header=proof_header(jwk="key")), Reason.DPOP_KEY_REFUSED),
    "D2 jwk RSA 1024": (proof(header=proof_header(jwk=rsa_jwk(rsa_key(1_024)))), Reason.DPOP_KEY_REFUSED),
    "D2 jwk use enc": (proof(header=proof_header(jwk={**CLIENT_KEY.jwk, "use": "enc"})), Reason.DPOP_KEY_REFUSED),
    "D3 flipped signature": (FLIPPED, Reason.DPOP_SIGNATURE_INVALID),
    "D3 signed by another key": (compact(proof_header(), claims(), p256().sign), Reason.DPOP_SIGNATURE_INVALID),
    "D3 another key": (proof(pair=p256()), Reason.DPOP_KEY_MISMATCH),
    **{
        f"D4 htm {htm!r}": (proof(claims(htm=htm)), Reason.DPOP_METHOD_MISMATCH)
        for htm in (..., None, "PUT", "GET", "post", "", ["POST"], 1)
    },
    **{
        f"D4 htu {htu!r}": (proof(claims(htu=htu)), Reason.DPOP_TARGET_MISMATCH)
        for htu in (
            "https://pay.example/v1/other", "https://pay.example/v1/instructions/", "https://other.example/v1/instructions", "",
            "http://pay.example/v1/instructions", "http://pay.example:443/v1/instructions", "https://pay.example:8443/v1/instructions",
            "https://pay.example.evil/v1/instructions", "https://pay.example@evil/v1/instructions", "https://a@pay.example/v1/instructions",
            "/v1/instructions", "//pay.example/v1/instructions", "https://pay.example/V1/instructions", "https://pay.example./v1/instructions",
            "https://pay.example/v1/instructions\n", " https://pay.example/v1/instructions", "https://pay.example/v1%2finstructions",
            "https://pay.example/v1/instructions%", "https://pay.example/v1//instructions", "https://pay.example\\/v1/instructions",
            "https://p\u0430y.example/v1/instructions", "ftp://pay.example/v1/instructions", "https://pay.example/v1/instructions/..",
        )
    },
    **{
        f"D4 htu {str(htu)[:20]}": (proof(claims(htu=htu)), Reason.DPOP_CLAIM_INVALID)
        for htu in (..., None, 1, [ORIGIN.text + PATH], (ORIGIN.text + PATH + "?").ljust(2_049, "a"))
    },
    **{
        f"D5 iat {seconds:+}": (proof(claims(iat=NOW + seconds)), Reason.DPOP_OUTSIDE_WINDOW)
        for seconds in (61, 31, -61, -3_600, 3_600)
    },
    **{
        f"D5 iat {value!r}": (proof(claims(iat=value)), Reason.DPOP_CLAIM_INVALID)
        for value in (..., None, str(NOW), float(NOW), True, [NOW])
    },
    "D5 nbf ahead": (proof(claims(nbf=NOW + 31)), Reason.DPOP_OUTSIDE_WINDOW),
    "D5 exp past": (proof(claims(exp=NOW - 30)), Reason.DPOP_OUTSIDE_WINDOW),
    "D5 exp text": (proof(claims(exp="never")), Reason.DPOP_CLAIM_INVALID),
    "D5 nbf null": (proof(claims(nbf=None)), Reason.DPOP_CLAIM_INVALID),
    **{
        f"D6 jti {str(jti)[:20]!r}": (proof(claims(jti=jti)), Reason.DPOP_CLAIM_INVALID)
        for jti in (..., None, "", "1234567", "a" * 129, "a" * 4_096, 12345678, ["-BwC3ESc6acc2lTc"], "with a space", "\u0661" * 8)
    },
    **{
        f"D7 ath {str(ath)[:9]!r}": (proof(claims(ath=ath)), Reason.DPOP_CLAIM_INVALID) for ath in (..., None, 1, ["a"], "\u00e4")
    },
    "D7 ath of another token": (
        proof(claims(ath=proof_claims(wire({"jkt": JKT, "x5t#S256": X5T}))["ath"])), Reason.DPOP_TOKEN_MISMATCH,
    ),
    "D7 ath of the padded spelling": (proof(claims(ath=proof_claims(TOKEN + "==")["ath"])), Reason.DPOP_TOKEN_MISMATCH),
    "D7 ath padded": (proof(claims(ath=claims()["ath"] + "=")), Reason.DPOP_TOKEN_MISMATCH),
    "D7 ath empty": (proof(claims(ath="")), Reason.DPOP_TOKEN_MISMATCH),
}  # fmt: skip


@pytest.mark.parametrize("row", BAD)
def test_another_proof_is_refused(row: str) -> None:
    text, reason = BAD[row]
    refused(reason, lambda: check(text))


def test_the_comparison_is_with_the_configured_origin() -> None:
    """D4: whatever the request says of itself, only method and path of it count; a target with a host of its own is refused."""
    assert check(proof(), target=PATH + "?a=b")
    refused(Reason.DPOP_TARGET_MISMATCH, lambda: check(proof(), target="https://pay.example" + PATH))
    refused(Reason.DPOP_TARGET_MISMATCH, lambda: check(proof(), target="/v1/other"))
    refused(Reason.DPOP_TARGET_MISMATCH, lambda: check(proof(), target="@evil" + PATH))
    refused(Reason.DPOP_METHOD_MISMATCH, lambda: check(proof(), method="GET"))


def test_nonces_of_a_shared_secret() -> None:
    """D8: absent, stale, foreign and malformed nonces ask for a new one; another node's holds."""
    node = NonceSource(secret=bytes(range(32)))
    other_node = NonceSource(secret=bytes(range(32)))
    policy = DpopPolicy(origin=ORIGIN, nonces=node)
    for at in (NOW, NOW - 60, NOW + 60):
        assert check(proof(claims(nonce=other_node.current(at))), policy=policy)
    foreign = NonceSource(secret=bytes(range(1, 33))).current(NOW)
    for nonce in (
        ...,
        None,
        "",
        foreign,
        node.current(NOW - 120),
        node.current(NOW + 120),
        node.current(NOW) + "=",
        1,
        "\u00e4",
    ):
        refusal = refused(Reason.DPOP_NONCE_REQUIRED, lambda n=nonce: check(proof(claims(nonce=n)), policy=policy))  # type: ignore[misc]
        assert (refusal.reason.challenge_error, refusal.reason.http_status) == ("use_dpop_nonce", 401)
    assert node.current(NOW) != node.current(NOW + 60)
    assert "secret" not in repr(node)
    assert NonceSource(secret=bytes(range(32)), bucket_s=1).current(NOW) != node.current(NOW)
    for options in ({"secret": bytes(31)}, {"secret": bytes(32), "bucket_s": 0}):
        chosen: Any = options
        refused(Reason.TRUST_CONFIGURATION_REFUSED, lambda o=chosen: NonceSource(**o))  # type: ignore[misc]


def test_no_window_is_wider_than_the_replay_store_remembers() -> None:
    assert DpopPolicy(origin=ORIGIN, max_age_s=300, max_ahead_s=60, skew_s=60)
    assert DpopPolicy(origin=ORIGIN, max_age_s=1, max_ahead_s=0, skew_s=0)
    for changes in (
        {"max_age_s": 301},
        {"max_age_s": 0},
        {"max_ahead_s": 61},
        {"max_ahead_s": -1},
        {"skew_s": 61},
        {"skew_s": -1},
    ):
        options: Any = {"origin": ORIGIN, **changes}
        refused(Reason.TRUST_CONFIGURATION_REFUSED, lambda o=options: DpopPolicy(**o))  # type: ignore[misc]


def sender(cnf: Mapping[str, Any], **changes: Any) -> SenderProof:
    """Check a good request of a token bound like this, with changes."""
    token = wire(cnf)
    good: dict[str, Any] = {
        "scheme": Scheme.DPOP if "jkt" in cnf else Scheme.BEARER,
        "certificate_sha256": CERTIFICATE_SHA256,
        "proofs": [proof(token=token, claims=proof_claims(token))] if "jkt" in cnf else [],
        "policy": POLICY,
        "method": "POST",
        "target": PATH,
        "now": NOW,
    }
    return check_sender(held(token), **(good | changes))


MTLS, DPOP, BOTH = {"x5t#S256": X5T}, {"jkt": JKT}, {"x5t#S256": X5T, "jkt": JKT}


def test_what_is_proved_is_said() -> None:
    assert sender(MTLS) == SenderProof(pop_mode=PopMode.MTLS, dpop=None)
    alone, both = sender(DPOP, certificate_sha256=None), sender(BOTH)
    assert (alone.pop_mode, both.pop_mode) == (PopMode.DPOP, PopMode.MTLS_DPOP)
    assert both.dpop is not None
    assert both.dpop.jkt == CLIENT_KEY.jkt


OTHER_CERT = bytes(32)
SENDERS: dict[str, tuple[dict[str, Any], dict[str, Any], Reason]] = {
    "T9 token of certificate A over B": (MTLS, {"certificate_sha256": OTHER_CERT}, Reason.TOKEN_CERT_MISMATCH),
    "T9 no certificate": (MTLS, {"certificate_sha256": None}, Reason.CERT_MISSING),
    "T9 certificate's hash cut short": (
        MTLS,
        {"certificate_sha256": CERTIFICATE_SHA256[:31]},
        Reason.TOKEN_CERT_MISMATCH,
    ),
    "T11 only DPoP holds": (BOTH, {"certificate_sha256": OTHER_CERT}, Reason.TOKEN_CERT_MISMATCH),
    "T11 only DPoP is there": (BOTH, {"certificate_sha256": None}, Reason.CERT_MISSING),
    "T11 only the certificate holds": (BOTH, {"proofs": [FLIPPED]}, Reason.DPOP_SIGNATURE_INVALID),
    "T11 only the certificate is there": (BOTH, {"proofs": []}, Reason.DPOP_HEADER_INVALID),
    "T11 only the certificate, as Bearer": (BOTH, {"proofs": [], "scheme": Scheme.BEARER}, Reason.TOKEN_DOWNGRADED),
    "D1 two proofs": (DPOP, {"proofs": [proof(), proof()]}, Reason.DPOP_HEADER_INVALID),
    "D1 no proof": (DPOP, {"proofs": []}, Reason.DPOP_HEADER_INVALID),
    "D1 DPoP-bound token as Bearer": (DPOP, {"scheme": Scheme.BEARER, "proofs": []}, Reason.TOKEN_DOWNGRADED),
    "D1 DPoP-bound token as Bearer with proof": (DPOP, {"scheme": Scheme.BEARER}, Reason.TOKEN_DOWNGRADED),
    "D1 certificate-bound token as DPoP": (MTLS, {"scheme": Scheme.DPOP}, Reason.DPOP_NOT_BOUND),
    "D1 certificate-bound token with proof": (MTLS, {"proofs": [proof()]}, Reason.DPOP_NOT_BOUND),
    "D7 proof of another token": (BOTH, {"proofs": [proof()]}, Reason.DPOP_TOKEN_MISMATCH),
}


@pytest.mark.parametrize("row", SENDERS)
def test_everything_the_token_is_bound_to_must_hold(row: str) -> None:
    cnf, changes, reason = SENDERS[row]
    refused(reason, lambda: sender(cnf, **changes))


@pytest.mark.parametrize("name", ["resource_request", "token_request"])
def test_rfc_9449_figures(name: str) -> None:
    """The published proofs hold at their time; as ours they are refused, because everybody may have their key."""
    figures = vectors("rfc9449-figures.json")
    request = figures[name]
    origin, _, path = request["url"].rpartition("/")
    ath = base64url.decode(figures["ath"]) if name == "resource_request" else None
    jkt = base64url.decode(figures["jkt"])
    assert jkt is not None

    def figure(*, now: int = request["now"], refused_keys: frozenset[str] = frozenset(), **changes: Any) -> DpopProof:
        policy = DpopPolicy(origin=Origin(origin), refused_keys=refused_keys)
        good = {"method": request["method"], "target": f"/{path}", "token_sha256": ath, "jkt": jkt}
        return check_dpop(request["dpop_proof"], policy=policy, now=now, **(good | changes))

    assert figure().jkt == jkt
    refused(Reason.DPOP_OUTSIDE_WINDOW, lambda: figure(now=request["now"] + 61))
    refused(Reason.DPOP_METHOD_MISMATCH, lambda: figure(method="PUT"))
    refused(Reason.DPOP_TARGET_MISMATCH, lambda: figure(target="/x"))
    refused(Reason.DPOP_KEY_MISMATCH, lambda: figure(jkt=CLIENT_KEY.jkt))
    refused(Reason.DPOP_KEY_REFUSED, lambda: figure(refused_keys=DpopPolicy(origin=ORIGIN).refused_keys))
    if ath is None:
        refused(Reason.DPOP_CLAIM_INVALID, lambda: figure(token_sha256=bytes(32)))
    else:
        refused(Reason.DPOP_TOKEN_MISMATCH, lambda: figure(token_sha256=bytes(32)))
        figure(token_sha256=hashlib.sha256(figures["access_token"].encode()).digest())


@pytest.mark.parametrize(
    "text",
    ["https://pay.example/", "https://PAY.example", "https://pay.example:443", "https://pay.example/path", "pay.example", "https://", "https://a@b", ""],
)  # fmt: skip
def test_the_origin_is_configured_in_its_normal_form(text: str) -> None:
    refused(Reason.TRUST_CONFIGURATION_REFUSED, lambda: Origin(text))


def test_origins() -> None:
    assert (ORIGIN.scheme, ORIGIN.authority) == ("https", "pay.example")
    assert Origin("http://127.0.0.1:8080").authority == "127.0.0.1:8080"
    assert Origin("https://[2001:db8::1]").scheme == "https"


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("HTTP://Example.COM:80/%7Efoo/../%2e%2E/a%2fb?x#y", "http://example.com/a%2Fb"),
        ("https://a", "https://a/"),
        ("https://a/b/c/./../../g", "https://a/g"),
        ("https://a/..", "https://a/"),
        ("https://a/b/.", "https://a/b/"),
        ("https://a//b", "https://a//b"),
        ("https://a/b%zz", None),
        ("https://a:99999999/", None),
        ("https://a b/", None),
        ("https:/a/", None),
    ],
)
def test_normal_form(given_: str, normal: str | None) -> None:
    """RFC 3986 6.2.2 and 6.2.3, with the examples of 5.2.4 and 6.2.2."""
    assert normalised(given_) == normal


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="htps:/.%2eaA?#@[]\\ \u0430", max_size=40) | st.text(max_size=20))
def test_the_normal_form_is_one(text: str) -> None:
    for uri in (text, "https://pay.example/" + text):
        normal = normalised(uri)
        assert normal is None or normalised(normal) == normal


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["htm", "htu", "iat", "jti", "ath", "nbf", "exp", "nonce"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20) | st.lists(st.integers()),
        min_size=1,
    )
)  # fmt: skip
def test_any_claims_are_refused_or_hold(changes: dict[str, Any]) -> None:
    """Nothing but TrustRefused is ever raised."""
    try:
        found = check(proof(claims(**changes)))
    except TrustRefused:
        return
    assert NOW - 60 <= found.issued_at <= NOW + 30
