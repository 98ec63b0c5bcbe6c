"""Access tokens: one row per negative test of the requirements J1 to J18 that needs neither HTTP nor a database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from symphony.trust import base64url
from symphony.trust.access_token import (
    AccessToken,
    Capability,
    TokenPolicy,
    check_access_token,
    read_access_token,
    require_capability,
)
from symphony.trust.keys import VerificationKey, key_from_jwk
from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.sender_constraint import Scheme, read_authorization
from tests.trust_material import (
    AUDIENCE,
    CERTIFICATE_SHA256,
    ISSUER,
    ISSUER_KEY,
    NOW,
    Pair,
    compact,
    ed25519_pair,
    hmac_signer,
    p256,
    refused,
    rsa_jwk,
    rsa_key,
    rsa_pair,
    token_claims,
    token_header,
)

POLICY = TokenPolicy(issuer=ISSUER, audience=AUDIENCE)
KEY = key_from_jwk(ISSUER_KEY.jwk)


def check(wire: str, *, key: VerificationKey = KEY, policy: TokenPolicy = POLICY, now: int = NOW) -> AccessToken:
    return check_access_token(read_access_token(wire), key=key, policy=policy, now=now)


def token(claims: Mapping[str, Any] | bytes | None = None, header: Mapping[str, Any] | bytes | None = None) -> str:
    return compact(header or token_header(), claims or token_claims(), ISSUER_KEY.sign)


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_a_good_token_holds() -> None:
    good = check(GOOD)
    assert (good.issuer, good.audience, good.subject, good.client_id) == (ISSUER, AUDIENCE, "bank-a", "client-a")
    assert (good.kid, good.alg, good.expires_at) == ("issuer-1", "ES256", NOW + 200)
    assert good.confirmation.certificate_sha256 == CERTIFICATE_SHA256
    assert good.wire_sha256 == hashlib.sha256(GOOD.encode()).digest() == check(GOOD).wire_sha256
    assert good.capabilities == {Capability.SUBMIT, Capability.READ_OWN_STATUS}
    assert check(token(token_claims(aud=[AUDIENCE]))).audience == AUDIENCE


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_typ_is_a_media_type(typ: str) -> None:
    assert check(token(header=token_header(typ=typ)))


@pytest.mark.parametrize(
    "pair", [p256("issuer-1"), ed25519_pair("issuer-1"), rsa_pair("issuer-1")], ids=lambda p: p.alg
)
def test_the_three_algorithms_hold(pair: Pair) -> None:
    wire = compact(token_header(alg=pair.alg), token_claims(), pair.sign)
    assert check(wire, key=key_from_jwk(pair.jwk)).alg == pair.alg
    broken = wire[:-10] + ("A" if wire[-10] != "A" else "B") + wire[-9:]
    refused(Reason.TOKEN_SIGNATURE_INVALID, lambda: check(broken, key=key_from_jwk(pair.jwk)))


GOOD = token()
HEAD, BODY, MAC = GOOD.split(".")
PUBLIC_PEM = (
    rsa_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)
PUBLIC_DER = (
    rsa_key().public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)


def dangling(segment: str) -> str:
    """Set an unused bit of the last letter: another spelling of the same bytes."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(segment) % 4 in (2, 3)
    return segment[:-1] + letters[letters.index(segment[-1]) | 1]


FORMS = {
    "J1 9 kB": ("A" * 9_216, Reason.TOKEN_TOO_LARGE),
    "J1 one byte too many": ("A" * 8_193, Reason.TOKEN_TOO_LARGE),
    "J1 8 kB": ("A" * 8_192, Reason.TOKEN_MALFORMED),
    "J9 padded": (GOOD + "==", Reason.TOKEN_MALFORMED),
    "J9 newline at the end": (GOOD + "\n", Reason.TOKEN_MALFORMED),
    "J9 space within": (HEAD + ". " + BODY + "." + MAC, Reason.TOKEN_MALFORMED),
    "J9 stray bits": (f"{HEAD}.{BODY}.{dangling(MAC)}", Reason.TOKEN_MALFORMED),
    "J9 question mark": (f"{HEAD}.{BODY[:5]}?{BODY[5:]}.{MAC}", Reason.TOKEN_MALFORMED),
    "J9 base64, not base64url": (f"{HEAD}.{BODY}.{'+/' * 43}", Reason.TOKEN_MALFORMED),
    "J9 not ASCII": (f"{HEAD}.{BODY}.{MAC[:-1]}ä", Reason.TOKEN_MALFORMED),
    "J9 four segments": (GOOD + "." + MAC, Reason.TOKEN_MALFORMED),
    "J9 five segments": (GOOD + ".a.b", Reason.TOKEN_MALFORMED),
    "J9 two segments": (f"{HEAD}.{BODY}", Reason.TOKEN_MALFORMED),
    "J9 no signature": (f"{HEAD}.{BODY}.", Reason.TOKEN_MALFORMED),
    "J9 detached payload": (f"{HEAD}..{MAC}", Reason.TOKEN_MALFORMED),
    "J9 JSON serialisation": (
        json.dumps({"protected": HEAD, "payload": BODY, "signature": MAC}), Reason.TOKEN_MALFORMED,
    ),
    "J9 empty": ("", Reason.TOKEN_MALFORMED),
    "J10 aud twice": (
        token(json.dumps(token_claims())[:-1].encode() + b',"aud":"x"}'), Reason.TOKEN_JSON_INVALID,
    ),
    "J10 alg twice": (
        token(header=b'{"alg":"none","alg":"ES256","kid":"issuer-1","typ":"at+jwt"}'), Reason.TOKEN_JSON_INVALID,
    ),
    "J10 alg twice, one escaped": (
        token(header=b'{"\\u0061lg":"none","alg":"ES256","kid":"issuer-1","typ":"at+jwt"}'), Reason.TOKEN_JSON_INVALID,
    ),
    "J10 UTF-16 payload": (token(json.dumps(token_claims()).encode("utf-16")), Reason.TOKEN_JSON_INVALID),
    "J10 BOM": (token(b"\xef\xbb\xbf" + json.dumps(token_claims()).encode()), Reason.TOKEN_JSON_INVALID),
    "J10 1e400": (token(json.dumps(token_claims())[:-1].encode() + b',"x":1e400}'), Reason.TOKEN_JSON_INVALID),
    "J10 NaN": (token(json.dumps(token_claims())[:-1].encode() + b',"x":NaN}'), Reason.TOKEN_JSON_INVALID),
    "J10 Infinity": (token(json.dumps(token_claims())[:-1].encode() + b',"x":-Infinity}'), Reason.TOKEN_JSON_INVALID),
    "J10 nested nine deep": (token(nested(9)), Reason.TOKEN_JSON_INVALID),
    "J10 nested a thousand deep": (token(nested(1_000)), Reason.TOKEN_JSON_INVALID),
    "J10 nested 100 thousand deep": (token(nested(100_000)), Reason.TOKEN_TOO_LARGE),
    "J10 5000 digits": (
        token(json.dumps(token_claims())[:-1].encode() + b',"x":' + b"1" * 5_000 + b"}"), Reason.TOKEN_JSON_INVALID,
    ),
    "J10 payload is an array": (token(b"[1]"), Reason.TOKEN_JSON_INVALID),
    "J10 payload is no JSON": (token(b"hello"), Reason.TOKEN_JSON_INVALID),
    "J10 header is an array": (token(header=b'["alg"]'), Reason.TOKEN_JSON_INVALID),
    "J6 kid with NUL": (token(header=token_header(kid="issuer-1\x00")), Reason.TOKEN_JSON_INVALID),
    "J6 kid of 10 kB": (token(header=token_header(kid="a" * 10_240)), Reason.TOKEN_TOO_LARGE),
    "J10 two documents": (token(b'{"a":1}{"b":2}'), Reason.TOKEN_JSON_INVALID),
    "J10 header not UTF-8": (token(header=b'{"alg":"\xff"}'), Reason.TOKEN_JSON_INVALID),
}  # fmt: skip
HEADERS = {
    **{
        f"J2 alg {alg!r}": (token_header(alg=alg), Reason.TOKEN_ALGORITHM_REFUSED)
        for alg in (
            "none", "nOnE", "", "RS256", "HS256", "ES256K", "PS384", "ES384", "ES512", "Ed25519", "Ed448",
            "es256", "ES256 ", ["ES256"], {"a": 1}, 1, True, None, ...,
        )
    },
    **{
        f"J6 kid {str(kid)[:20]!r}": (token_header(kid=kid), Reason.TOKEN_HEADER_REFUSED)
        for kid in (
            "../../dev/null", "/etc/passwd", "' or 1=1--", 1, ["issuer-1"], {"a": 1}, True, "a" * 129,
            "issuer-1\n", "", "http://evil/", "issuer-\u0661", None, ...,
        )
    },
    **{
        f"J7 {name}": (token_header(**{name: value}), Reason.TOKEN_HEADER_REFUSED)
        for name, value in {
            "jku": "https://evil/keys", "x5u": "https://evil/cert", "x5c": ["MIIB"], "jwk": ISSUER_KEY.jwk,
            "zip": "DEF", "cty": "JWT", "b64": False, "x5t": "aa", "x5t#S256": "aa", "foo": 1, "kty": "EC",
        }.items()
    },
    "J7 crit exp": (token_header(crit=["exp"]), Reason.TOKEN_HEADER_REFUSED),
    "J7 crit empty": (token_header(crit=[]), Reason.TOKEN_HEADER_REFUSED),
    "J7 crit b64": (token_header(crit=["b64"], b64=False), Reason.TOKEN_HEADER_REFUSED),
    **{
        f"J8 typ {typ!r}": (token_header(typ=typ), Reason.TOKEN_TYPE_REFUSED)
        for typ in (
            "JWT", "dpop+jwt", "logout+jwt", "application/JWT", "at+jwt ", "at+jwt;v=1", "application/application/at+jwt",
            "text/at+jwt", ["at+jwt"], 1, "", None, "\u212at+jwt", ...,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("row", FORMS)
def test_another_form_is_refused(row: str) -> None:
    wire, reason = FORMS[row]
    refusal = refused(reason, lambda: check(wire))
    assert wire[:40] not in str(refusal) or not wire


@pytest.mark.parametrize("row", HEADERS)
def test_another_header_is_refused(row: str) -> None:
    header, reason = HEADERS[row]
    refused(reason, lambda: check(token(header=header)))


@pytest.mark.parametrize(
    "secret",
    [PUBLIC_PEM, PUBLIC_DER, json.dumps(rsa_jwk(rsa_key())).encode(), b""],
    ids=["PEM", "DER", "JWK", "empty"],
)
@pytest.mark.parametrize("alg", ["HS256", "PS256"])
def test_a_public_key_is_no_secret(secret: bytes, alg: str) -> None:
    """J3: HS256 with the RSA key as its secret, and the same MAC under the name of the key's own algorithm."""
    wire = compact(token_header(alg=alg), token_claims(), hmac_signer(secret))
    reason = Reason.TOKEN_ALGORITHM_REFUSED if alg == "HS256" else Reason.TOKEN_SIGNATURE_INVALID
    refused(reason, lambda: check(wire, key=key_from_jwk(rsa_jwk(rsa_key(), "issuer-1"))))


def test_the_key_record_fixes_the_algorithm() -> None:
    """J2, J3: the header chooses nothing; a token signed well under another allowed algorithm's name is refused."""
    for alg in ("PS256", "EdDSA"):
        wire = compact(token_header(alg=alg), token_claims(), ISSUER_KEY.sign)
        refused(Reason.TOKEN_ALGORITHM_REFUSED, lambda wire=wire: check(wire))  # type: ignore[misc]
    other = compact(token_header(), token_claims(), p256().sign)
    refused(Reason.TOKEN_SIGNATURE_INVALID, lambda: check(other))
    refused(Reason.TOKEN_KEY_UNKNOWN, lambda: check(token(header=token_header(kid="issuer-2"))))


def test_signatures_of_other_schemes_do_not_hold() -> None:
    """J4, B3: RSA PKCS 1 v1.5, PSS with another salt, DER-encoded ECDSA, P-384 under ES256."""
    rsa_record = key_from_jwk(rsa_jwk(rsa_key(), "issuer-1"))
    v15 = compact(
        token_header(alg="PS256"), token_claims(),
        lambda message: rsa_key().sign(message, padding.PKCS1v15(), hashes.SHA256()),
    )  # fmt: skip
    refused(Reason.TOKEN_SIGNATURE_INVALID, lambda: check(v15, key=rsa_record))
    for salt in (0, 20, 222):
        wire = compact(token_header(alg="PS256"), token_claims(), rsa_pair(salt=salt).sign)
        refused(Reason.TOKEN_SIGNATURE_INVALID, lambda wire=wire: check(wire, key=rsa_record))  # type: ignore[misc]
    p384 = ec.generate_private_key(ec.SECP384R1())
    for curve in (ec.generate_private_key(ec.SECP256R1()), p384):
        der = compact(
            token_header(), token_claims(), lambda m, k=curve: k.sign(m, ec.ECDSA(hashes.SHA256()))  # type: ignore[misc]
        )  # fmt: skip
        refused(Reason.TOKEN_SIGNATURE_INVALID, lambda der=der: check(der))  # type: ignore[misc]


MISSING = Reason.TOKEN_CLAIM_MISSING
INVALID = Reason.TOKEN_CLAIM_INVALID
LIFETIME = Reason.TOKEN_LIFETIME_REFUSED
EARLY = Reason.TOKEN_NOT_YET_VALID
UNBOUND = Reason.TOKEN_NOT_BOUND
X5T = base64url.encode(CERTIFICATE_SHA256)
AUDIENCES: tuple[Any, ...] = (
    [AUDIENCE, "other"], ["other"], "other", AUDIENCE + "/", AUDIENCE[:-1], {"a": AUDIENCE}, [AUDIENCE, 1], [], "",
    [AUDIENCE, AUDIENCE], [[AUDIENCE]], 1, True, AUDIENCE.upper(), [AUDIENCE, ""],
)  # fmt: skip
BINDINGS: tuple[Any, ...] = (
    {}, [], "x", 1, {"x5t": "dGVzdA"}, {"x5t#S256": CERTIFICATE_SHA256.hex()}, {"x5t#S256": X5T + "="},
    {"x5t#S256": X5T[:-1]}, {"x5t#S256": None}, {"x5t#S256": 1}, {"x5t#S256": [X5T]}, {"jkt": ""}, {"jkt": X5T + "A"},
    {"x5t#S256": X5T, "jwk": {}}, {"x5t#S256": X5T, "kid": "a"}, {"x5t#S256": X5T, "jkt": None}, {"jku": "https://evil"},
)  # fmt: skip
SCOPES: tuple[Any, ...] = (
    ["payment:submit"], "payment:submit  payment:status", " payment:submit", "payment:submit ", "", 1, True, {},
    "payment:submit\u00a0payment:status", "payment:submit\tpayment:status", "payment:submit\n", 'a"b', "a\\b",
    " ".join(f"s{n}" for n in range(1_000)), " ".join(f"s{n}" for n in range(65)), "a" * 129,
)  # fmt: skip
CLAIMS: dict[str, tuple[dict[str, Any], Reason]] = {
    **{
        f"J11 {name} {value!r}": ({name: value}, MISSING)
        for name in ("exp", "iat", "nbf", "iss", "aud", "sub", "jti", "client_id")
        for value in (..., None)
    },
    **{
        f"J11 {name} {value!r}": ({name: value}, INVALID)
        for name in ("exp", "iat", "nbf")
        for value in (True, False, str(NOW), float(NOW), NOW + 0.5, -1, 10**30, [NOW], {"a": NOW})
    },
    **{
        f"J11 {name} {str(value)[:12]!r}": ({name: value}, INVALID)
        for name in ("sub", "client_id", "jti")
        for value in ("", 1, True, ["a"], "a" * 129, "bank a", "bank-a\n", "b\u0430nk-a1", "bank-\u0661-abc", "<script>", 'a"bcdefgh')
    },
    "J11 jti short": ({"jti": "1234567"}, INVALID),
    "J12 301 s": ({"exp": NOW + 291}, LIFETIME),
    "J12 601 s": ({"exp": NOW + 591}, LIFETIME),
    "J12 10 years": ({"exp": NOW + 315_360_000}, LIFETIME),
    "J12 iat far past, exp fresh": ({"iat": NOW - 100_000}, LIFETIME),
    "J12 exp = iat": ({"iat": NOW, "nbf": NOW - 10, "exp": NOW}, LIFETIME),
    "J12 exp < iat": ({"iat": NOW + 20, "exp": NOW + 10}, LIFETIME),
    "J12 nbf > exp": ({"nbf": NOW + 201}, LIFETIME),
    "J12 nbf = exp": ({"nbf": NOW + 200}, LIFETIME),
    "J13 exp -31": ({"exp": NOW - 31, "iat": NOW - 200, "nbf": NOW - 200}, Reason.TOKEN_EXPIRED),
    "J13 exp -30": ({"exp": NOW - 30, "iat": NOW - 200, "nbf": NOW - 200}, Reason.TOKEN_EXPIRED),
    "J13 nbf +31": ({"nbf": NOW + 31}, EARLY),
    "J13 iat +31": ({"iat": NOW + 31}, EARLY),
    "J13 iat +61": ({"iat": NOW + 61}, EARLY),
    **{
        f"J14 iss {str(value)[:50]!r}": ({"iss": value}, Reason.TOKEN_ISSUER_REFUSED)
        for value in (
            ISSUER + "/", ISSUER.upper(), ISSUER[:-1], ISSUER + "x", [ISSUER], {"a": ISSUER}, 1, "", ISSUER.replace("e", "\u0435", 1),
            ISSUER.replace("https", "http"), ISSUER + " ", "https://issuer.example", ISSUER.replace(".example", ".example:443"),
        )
    },
    **{
        f"J15 aud {str(value)[:60]!r}": ({"aud": value}, Reason.TOKEN_AUDIENCE_REFUSED)
        for value in AUDIENCES
    },
    **{
        f"T9 cnf {json.dumps(value)[:60]}": ({"cnf": value}, UNBOUND)
        for value in BINDINGS
    },
    "T9 no cnf": ({"cnf": ...}, UNBOUND),
    "T9 cnf null": ({"cnf": None}, UNBOUND),
    **{
        f"J18 scope {str(value)[:30]!r}": ({"scope": value}, INVALID)
        for value in SCOPES
    },
}  # fmt: skip


@pytest.mark.parametrize("row", CLAIMS)
def test_another_claim_is_refused(row: str) -> None:
    changes, reason = CLAIMS[row]
    refused(reason, lambda: check(token(token_claims(**changes))))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW - 29, "iat": NOW - 200, "nbf": NOW - 200},
        {"nbf": NOW + 29},
        {"nbf": NOW + 30},
        {"iat": NOW + 10},
        {"iat": NOW + 30, "nbf": NOW + 30},
        {"iat": NOW - 100, "exp": NOW + 200},
    ],
    ids=str,
)
def test_clocks_may_differ_by_30_seconds(changes: dict[str, Any]) -> None:
    """J13, J12: the bounds themselves."""
    assert check(token(token_claims(**changes)))


def test_a_clock_that_leaps_backwards_refuses() -> None:
    """J13: a token that held is from the future after the leap, and holds again when the clock is back."""
    wire = token()
    assert check(wire)
    refused(EARLY, lambda: check(wire, now=NOW - 3_600))
    refused(Reason.TOKEN_EXPIRED, lambda: check(wire, now=NOW + 3_600))
    assert check(wire)


def test_a_longer_life_is_a_policy_up_to_ten_minutes() -> None:
    """J12: 600 s at most, and 601 is no policy."""
    longest = TokenPolicy(issuer=ISSUER, audience=AUDIENCE, max_lifetime_s=600)
    assert check(token(token_claims(exp=NOW + 590)), policy=longest)
    refused(LIFETIME, lambda: check(token(token_claims(exp=NOW + 591)), policy=longest))
    assert TokenPolicy(issuer=ISSUER, audience=AUDIENCE, max_lifetime_s=1, skew_s=60)
    assert TokenPolicy(issuer=ISSUER, audience=AUDIENCE, skew_s=0)
    for changes in (
        {"max_lifetime_s": 601}, {"max_lifetime_s": 0}, {"skew_s": 61}, {"skew_s": -1}, {"issuer": "http://x"}, {"audience": ""},
    ):  # fmt: skip
        settings: Any = {"issuer": ISSUER, "audience": AUDIENCE, **changes}
        refused(Reason.TRUST_CONFIGURATION_REFUSED, lambda s=settings: TokenPolicy(**s))  # type: ignore[misc]


@pytest.mark.parametrize(
    "scope",
    ["payment:submit.evil", "PAYMENT:SUBMIT", "xpayment:submit", "payment:submi", "payment", "openid", "*", None, ...],
    ids=str,
)
def test_an_unknown_scope_gives_nothing(scope: Any) -> None:
    """J18: no substring, no case folding; no capability left is 403."""
    held = check(token(token_claims(scope=scope)))
    assert held.capabilities == frozenset()
    for capability in Capability:
        refusal = refused(Reason.TOKEN_SCOPE_INSUFFICIENT, lambda c=capability: require_capability(held, c))  # type: ignore[misc]
        assert refusal.reason.http_status == 403


def test_capabilities_are_apart() -> None:
    """J18: each scope gives its own capability and no other; unknown ones beside it do not matter."""
    held = check(token(token_claims(scope="openid evidence:read payment:submit.evil")))
    assert held.capabilities == {Capability.READ_EVIDENCE}
    require_capability(held, Capability.READ_EVIDENCE)
    refused(Reason.TOKEN_SCOPE_INSUFFICIENT, lambda: require_capability(held, Capability.SUBMIT))
    assert len(check(token(token_claims(scope=" ".join(f"s{n}" for n in range(64))))).capabilities) == 0


@pytest.mark.parametrize("word", ["Bearer ", "bearer ", "DPoP ", "dpop  ", "DPOP "])
def test_the_scheme_is_case_insensitive(word: str) -> None:
    """D1, J1."""
    scheme, wire = read_authorization([word + GOOD])
    assert wire == GOOD
    assert scheme is (Scheme.DPOP if word[0] in "dD" else Scheme.BEARER)


@pytest.mark.parametrize(
    "values",
    [
        [f"Bearer {GOOD}", f"Bearer {GOOD}"],
        [f"Bearer {GOOD}", f"DPoP {GOOD}"],
        [f"Bearer {GOOD}, DPoP {GOOD}"],
        [f"Bearer {GOOD},{GOOD}"],
        ["Bearer"],
        ["Bearer "],
        [GOOD],
        [f"Basic {GOOD}"],
        [f"Bearer\t{GOOD}"],
        [f" Bearer {GOOD}"],
        [f"Bearer {GOOD} "],
        [f"Bearer {GOOD}\n"],
        [""],
    ],
)
def test_one_authorization_field_with_one_token(values: list[str]) -> None:
    """J1."""
    refused(Reason.AUTHORIZATION_INVALID, lambda: read_authorization(values))
    refused(Reason.AUTHORIZATION_MISSING, lambda: read_authorization([]))


def test_the_first_failing_check_names_the_refusal() -> None:
    """Everything wrong at once is taken away step by step; the reasons come in the documented order."""
    wrong: dict[str, Any] = {"iss": "x", "aud": "x", "exp": NOW + 9_999, "sub": "", "cnf": {}}
    bad_signature = compact(token_header(), token_claims(**wrong), p256().sign)
    steps = [
        ("A" * 9_000, Reason.TOKEN_TOO_LARGE),
        (GOOD + "=", Reason.TOKEN_MALFORMED),
        (compact(token_header(typ="x", crit=[], alg="none"), token_claims(), p256().sign), Reason.TOKEN_HEADER_REFUSED),
        (compact(token_header(typ="x", alg="none"), token_claims(), p256().sign), Reason.TOKEN_TYPE_REFUSED),
        (compact(token_header(alg="none", kid="/"), token_claims(), p256().sign), Reason.TOKEN_ALGORITHM_REFUSED),
        (compact(token_header(kid="/"), b"x", p256().sign), Reason.TOKEN_HEADER_REFUSED),
        (compact(token_header(), b"x", p256().sign), Reason.TOKEN_JSON_INVALID),
        (bad_signature, Reason.TOKEN_SIGNATURE_INVALID),
        (token(token_claims(**wrong)), Reason.TOKEN_ISSUER_REFUSED),
        (token(token_claims(**wrong | {"iss": ISSUER})), Reason.TOKEN_AUDIENCE_REFUSED),
        (token(token_claims(sub="", cnf={}, exp=NOW + 9_999)), LIFETIME),
        (token(token_claims(sub="", cnf={})), INVALID),
        (token(token_claims(cnf={}, scope=1)), UNBOUND),
        (token(token_claims(scope=1)), INVALID),
    ]
    for wire, reason in steps:
        refused(reason, lambda wire=wire: check(wire))  # type: ignore[misc]


def test_neither_token_nor_claims_are_repeated() -> None:
    """No refusal and no repr shows the token, its claims or its signature."""
    shown = [repr(check(GOOD)), repr(read_access_token(GOOD))]
    for wire in (GOOD + "=", token(token_claims(sub="+233201234567 ")), token(token_claims(aud="secret-audience"))):
        with pytest.raises(TrustRefused) as caught:
            check(wire)
        shown.append(str(caught.value))
        assert caught.value.__cause__ is None
    for text in shown:
        assert not {part for part in (HEAD, BODY, MAC, "+233", "secret-audience") if part in text}
