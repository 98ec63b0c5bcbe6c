"""The strict JWS reader under any input, the RFC 7520 examples, and two libraries' opinion of what it lets through."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from symphony.trust import base64url
from symphony.trust.compact_jws import ACCESS_TOKEN, ALGORITHMS, DPOP_PROOF, Kind, read_compact
from symphony.trust.keys import VerificationKey, key_from_jwk
from symphony.trust.refusal import Reason, TrustRefused
from tests.trust_material import (
    ISSUER_KEY,
    VECTORS,
    compact,
    ed25519_pair,
    p256,
    refused,
    rsa_pair,
    token_claims,
    token_header,
    vectors,
)

PAIRS = [ISSUER_KEY, ed25519_pair("issuer-1"), rsa_pair("issuer-1")]
GOOD = compact(token_header(), token_claims(), ISSUER_KEY.sign)
SEGMENT = st.one_of(
    st.sampled_from(GOOD.split(".")),
    st.binary(max_size=60).map(base64url.encode),
    st.text(max_size=40),
    st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=4) | st.none(), max_size=4).map(
        lambda value: base64url.encode(json.dumps(value).encode())
    ),
)
TEXT = st.one_of(
    st.text(max_size=200),
    st.lists(SEGMENT, min_size=1, max_size=5).map(".".join),
    st.tuples(st.integers(0, len(GOOD)), st.text(max_size=2), st.integers(0, 2)).map(
        lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] + cut[2] :]
    ),
)


@settings(max_examples=300, deadline=None)
@given(TEXT, st.sampled_from([ACCESS_TOKEN, DPOP_PROOF]))
@example(GOOD, ACCESS_TOKEN)
def test_the_reader_refuses_or_the_text_is_canonical(text: str, kind: Kind) -> None:
    """Nothing but TrustRefused is ever raised, and what is accepted has one spelling."""
    try:
        read = read_compact(text, kind=kind)
    except TrustRefused:
        return
    assert read.alg in ALGORITHMS
    segments = text.split(".")
    assert read.signing_input == f"{segments[0]}.{segments[1]}".encode()
    assert base64url.encode(read.signature) == segments[2]
    for segment in segments:
        raw = base64url.decode(segment)
        assert raw is not None
        assert base64url.encode(raw) == segment


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.binary(max_size=30).map(base64url.encode))
def test_base64url_has_one_spelling(text: str) -> None:
    raw = base64url.decode(text)
    assert raw is None or base64url.encode(raw) == text


def test_the_documented_example_of_every_form_is_read() -> None:
    for pair in PAIRS:
        read = read_compact(compact(token_header(alg=pair.alg), {}, pair.sign), kind=ACCESS_TOKEN)
        assert (read.alg, read.kid, read.claims) == (pair.alg, "issuer-1", {})


def opinions(text: str, key: VerificationKey, jwk: dict[str, Any]) -> tuple[bool, bool, bool]:
    """Ours, PyJWT's and joserfc's, each of which is told the one algorithm of the key."""
    read = read_compact(text, kind=ACCESS_TOKEN)
    ours = read.alg == key.alg and key.verifies(read.signing_input, read.signature)
    try:
        jwt.PyJWS().decode(text, key=key.public_key, algorithms=[key.alg])
        first = True
    except (jwt.PyJWTError, TypeError):
        first = False
    try:
        registry = joserfc_jws.JWSRegistry(algorithms=[key.alg])
        public = {k: v for k, v in jwk.items() if k != "kid"}
        joserfc_jws.deserialize_compact(text, import_key(public), registry=registry)
        second = True
    except (JoseError, ValueError):
        second = False
    return ours, first, second


def forgeries(pair: Any) -> list[str]:
    """Tokens that pass the reader: good ones, broken ones, of other keys, under other algorithms' names."""
    good = compact(token_header(alg=pair.alg), token_claims(), pair.sign)
    head, body, mac = good.split(".")
    raw = base64url.decode(mac) or b""
    texts = [good, f"{head}.{base64url.encode(json.dumps(token_claims(sub='x')).encode())}.{mac}"]
    for spoilt in (
        raw[:-1], raw + b"\x00", b"\x00" * len(raw), raw[::-1], b"\xff" * len(raw), raw[:32], b"\x00" + raw, raw[32:] + raw[:32],
        *(bytes(b ^ (1 << bit) if at == place else b for at, b in enumerate(raw)) for place, bit in ((0, 0), (31, 7), (63, 3))),
    ):  # fmt: skip
        texts.append(f"{head}.{body}.{base64url.encode(spoilt)}")
    texts += [compact(token_header(alg=alg), token_claims(), pair.sign) for alg in sorted(ALGORITHMS)]
    texts += [
        compact(token_header(alg=pair.alg), token_claims(), other.sign) for other in (*PAIRS, p256(), rsa_pair(salt=20))
    ]
    return texts


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # RFC 9864 would have the name Ed25519
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.alg)
def test_two_libraries_agree_behind_the_reader(pair: Any) -> None:
    """Behind the strict reader PyJWT, joserfc and the key record say the same of every signature."""
    key, said = key_from_jwk(pair.jwk), []
    for text in forgeries(pair):
        ours, first, second = opinions(text, key, pair.jwk)
        assert ours == first == second, text
        said.append(ours)
    assert said[0]
    assert said.count(True) < len(said) // 2


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=0, max_size=80))
def test_two_libraries_agree_on_any_signature(signature: bytes) -> None:
    head, body, _ = GOOD.split(".")
    text = f"{head}.{body}.{base64url.encode(signature)}"
    if signature:
        assert opinions(text, key_from_jwk(ISSUER_KEY.jwk), ISSUER_KEY.jwk) == (False, False, False)
    else:
        refused(Reason.TOKEN_MALFORMED, lambda: read_compact(text, kind=ACCESS_TOKEN))


COOKBOOK = sorted(path.name for path in VECTORS.glob("rfc7520-*.json"))


@pytest.mark.skipif(not COOKBOOK, reason="SYMPHONY_VECTORS names no directory with ingress/rfc7520-*.json")
def test_every_cookbook_example_is_refused_as_a_token() -> None:
    """RFC 7520, 7797, 8037: RSA v1.5, PS384, ES512, HMAC, detached, JSON serialised, several signatures."""
    count = 0
    for name in COOKBOOK:
        for form, text in vectors(name)["output"].items():
            wire = text if isinstance(text, str) else json.dumps(text)
            with pytest.raises(TrustRefused) as caught:
                read_compact(wire, kind=ACCESS_TOKEN)
            detached = ".." in wire or "." not in wire
            if form != "compact" or detached:
                assert caught.value.reason is Reason.TOKEN_MALFORMED, (name, form)
            else:
                assert caught.value.reason is Reason.TOKEN_TYPE_REFUSED, (name, form)
            count += 1
    assert count > 20


def test_the_cookbook_s_ed25519_signature_holds() -> None:
    """RFC 8037 A.4 by the key record; a changed letter does not."""
    example_ = vectors("rfc7520-cookbook-curve25519-jws.json")
    head, body, mac = example_["output"]["compact"].split(".")
    key, signature = key_from_jwk(example_["input"]["key"]), base64url.decode(mac) or b""
    assert key.verifies(f"{head}.{body}".encode(), signature)
    assert not key.verifies(f"{head}.{body[:-1]}A".encode(), signature)


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("rfc7520-cookbook-jws-4_1.rsa_v15_signature.json", "RS256"),
        ("rfc7520-cookbook-jws-4_2.rsa-pss_signature.json", "PS384"),
        ("rfc7520-cookbook-jws-4_3.ecdsa_signature.json", "ES512"),
    ],
)
def test_good_signatures_of_other_algorithms_do_not_hold(name: str, algorithm: str) -> None:
    """The example is well signed (PyJWT says so); our record of its key takes no part in that algorithm."""
    case = vectors(name)
    compact_text, jwk = case["output"]["compact"], case["input"]["key"]
    public = jwt.PyJWK({**jwk, "alg": algorithm}).key
    assert jwt.PyJWS().decode(compact_text, key=public, algorithms=[algorithm])
    if jwk["kty"] == "EC":
        assert isinstance(public, ec.EllipticCurvePublicKey)
        refused(Reason.KEY_REFUSED, lambda: key_from_jwk(jwk))
        return
    head, body, mac = compact_text.split(".")
    assert not key_from_jwk(jwk).verifies(f"{head}.{body}".encode(), base64url.decode(mac) or b"")
