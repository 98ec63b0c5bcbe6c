"""Key records: what a JWK must be (J2 to J5, D2), thumbprints, published keys, and the Wycheproof suites."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from symphony.trust import base64url, keys
from symphony.trust.keys import VerificationKey, key_from_jwk, refuse_published, secret_thumbprint, thumbprint
from symphony.trust.published_keys import PUBLISHED
from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.signature_keys import public_signature_key, secret_signature_key
from tests.trust_material import ed25519_pair, number, p256, refused, rsa_jwk, rsa_key, vectors

RSA = rsa_jwk(rsa_key(), "rsa-1")
EC = p256("ec-1").jwk
OKP = ed25519_pair("okp-1").jwk
P = 2**255 - 19


def little(value: int) -> str:
    return base64url.encode(value.to_bytes(32, "little"))


def p384() -> dict[str, Any]:
    point = ec.generate_private_key(ec.SECP384R1()).public_key().public_numbers()
    return {"kty": "EC", "crv": "P-384", "x": number(point.x, 48), "y": number(point.y, 48)}


def test_the_key_fixes_its_algorithm() -> None:
    assert [key_from_jwk(jwk).alg for jwk in (RSA, EC, OKP)] == ["PS256", "ES256", "EdDSA"]
    assert key_from_jwk({**RSA, "n": number(2**4095 + 1)}).alg == "PS256"
    assert key_from_jwk({**EC, "alg": "ES256", "use": "sig", "key_ops": ["verify"], "x5c": ["ignored"]}).kid == "ec-1"


BAD: dict[str, Any] = {
    "not an object": [RSA],
    "nothing": {},
    "J4 RSA 1024": rsa_jwk(rsa_key(1_024)),
    "J4 RSA 4097": {**RSA, "n": number(2**4096 + 1)},
    "J4 RSA 2047": {**RSA, "n": number(2**2046 + 1)},
    "J4 RSA 8192": {**RSA, "n": number(2**8191 + 1)},
    "J4 RSA leading zero": {**RSA, "n": base64url.encode(b"\x00" + (base64url.decode(RSA["n"]) or b""))},
    "J4 RSA even modulus": {**RSA, "n": number(2**2047)},
    "J4 RSA e=3": {**RSA, "e": "Aw"},
    "J4 RSA e=1": {**RSA, "e": "AQ"},
    "J4 P-384": p384(),
    "J4 P-384 called P-256": {**p384(), "crv": "P-256"},
    "J4 secp256k1": {**EC, "crv": "secp256k1"},
    "J4 not on the curve": {**EC, "y": EC["x"]},
    "J4 point at infinity": {**EC, "x": number(0, 32), "y": number(0, 32)},
    "J4 short coordinate": {**EC, "x": EC["x"][:-4]},
    "J4 short y": {**EC, "y": EC["y"][:-4]},
    "J4 crv as array": {**EC, "crv": ["P-256"]},
    "J4 Ed448": {**OKP, "crv": "Ed448"},
    "J4 X25519": {**OKP, "crv": "X25519"},
    "J4 Ed25519 of 31 bytes": {**OKP, "x": base64url.encode(bytes(range(31)))},
    **{f"J4 Ed25519 small order {hex(y)[:8]}": {**OKP, "x": little(y)} for y in sorted(keys._ED25519_SMALL_ORDER)},
    "J4 Ed25519 small order, sign set": {**OKP, "x": little(1 + 2**255)},
    "J4 Ed25519 y not reduced": {**OKP, "x": little(P + 2)},
    "J4 Ed25519 y is the modulus": {**OKP, "x": little(P)},
    "J2 alg RS256": {**RSA, "alg": "RS256"},
    "J2 alg of another type": {**EC, "alg": "PS256"},
    "J2 alg null": {**EC, "alg": None},
    "J2 alg Ed25519": {**OKP, "alg": "Ed25519"},
    "J5 use enc": {**RSA, "use": "enc"},
    "J5 use null": {**RSA, "use": None},
    "J5 key_ops sign": {**RSA, "key_ops": ["sign"]},
    "J5 key_ops empty": {**RSA, "key_ops": []},
    "J5 key_ops text": {**RSA, "key_ops": "verify"},
    "J5 key_ops number": {**RSA, "key_ops": [1, "verify"]},
    "J5 key_ops twice": {**RSA, "key_ops": ["verify", "verify"]},
    "J5 key_ops right, use wrong": {**RSA, "use": "enc", "key_ops": ["verify"]},
    "J6 kid number": {**EC, "kid": 1},
    "J6 kid path": {**EC, "kid": "../../dev/null"},
    **{f"D2 private {name}": {**RSA, name: "AQAB"} for name in ("d", "p", "q", "dp", "dq", "qi", "oth")},
    "D2 private EC": {**EC, "d": "AQAB"},
    "D2 oct": {"kty": "oct", "k": "AQAB"},
    "D2 EC with k": {**EC, "k": "AQAB"},
    "kty array": {**EC, "kty": ["EC"]},
    "kty lower case": {**EC, "kty": "ec"},
    "x missing": {"kty": "EC", "crv": "P-256", "y": EC["y"]},
    "x number": {**EC, "x": 1},
    "x padded": {**EC, "x": EC["x"] + "="},
    "x empty": {**OKP, "x": ""},
    "n not canonical": {**RSA, "n": RSA["n"] + "\n"},
}


@pytest.mark.parametrize("row", BAD)
def test_another_key_is_refused(row: str) -> None:
    refusal = refused(Reason.KEY_REFUSED, lambda: key_from_jwk(BAD[row]))
    assert RSA["n"][:20] not in str(refusal)


def test_a_coordinate_keeps_its_leading_zeros() -> None:
    """J4: RFC 7518 6.2.1.2; a good point whose x or y is written in 31 bytes has two spellings, and one is refused."""
    for name in ("x", "y"):
        jwk = p256().jwk
        while not (base64url.decode(jwk[name]) or b"").startswith(b"\x00"):
            jwk = p256().jwk
        assert key_from_jwk(jwk)
        short = base64url.encode((base64url.decode(jwk[name]) or b"")[1:])
        refused(Reason.KEY_REFUSED, lambda jwk=jwk, name=name, short=short: key_from_jwk({**jwk, name: short}))  # type: ignore[misc]


def test_the_small_order_points_are_the_ones_of_order_eight() -> None:
    """The y of every point of small order, from the curve itself: 8 times such a point is the identity."""
    d = -121665 * pow(121666, -1, P) % P

    def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        product = d * a[0] * b[0] * a[1] * b[1]
        x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, P) % P
        return x, (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, P) % P

    for y in keys._ED25519_SMALL_ORDER:
        xx = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
        x = pow(xx, (P + 3) // 8, P)
        x = x if x * x % P == xx else x * pow(2, (P - 1) // 4, P) % P
        assert x * x % P == xx
        point = (x, y)
        for _ in range(3):
            point = add(point, point)
        assert point == (0, 1)


def public_jwk(group: dict[str, Any]) -> dict[str, Any]:
    """The public key of a group of a Wycheproof suite, from its DER where it gives no JWK."""
    if "publicKeyJwk" in group:
        return {k: v for k, v in group["publicKeyJwk"].items() if k in ("kty", "crv", "x", "y", "n", "e")}
    point = bytes.fromhex(group["publicKeyDer"])[-64:]
    return {"kty": "EC", "crv": "P-256", "x": base64url.encode(point[:32]), "y": base64url.encode(point[32:])}


def test_rfc_7638_and_8037_thumbprints() -> None:
    for case in vectors("rfc7638-thumbprint.json")["cases"]:
        assert thumbprint(case["jwk"]) == case["thumbprint_sha256"]
        backwards = dict(reversed(list(case["jwk"].items())))  # D3: the order of members does not matter
        assert thumbprint(backwards) == case["thumbprint_sha256"]


def published() -> dict[str, Any]:
    """Every public key and secret in the published suites."""
    found = {f"7638 {n}": case["jwk"] for n, case in enumerate(vectors("rfc7638-thumbprint.json")["cases"])}
    found["8705"] = vectors("rfc8705-appendix-a.json")["public_jwk"]
    found["9449"] = vectors("rfc9449-figures.json")["jwk"]
    found |= {f"9421 {k}": v["jwk"] for k, v in vectors("rfc9421-appendix-b.json")["keys"].items() if "jwk" in v}
    for name in ("ecdsa_secp256r1_sha256_p1363", "ed25519", "rsa_pss_2048_sha256_mgf1_32"):
        for n, group in enumerate(vectors(f"wycheproof-{name}_test.json")["testGroups"]):
            found[f"{name} {n}"] = public_jwk(group)
    return found


def test_no_published_key_can_be_configured() -> None:
    """J21: every key of the suites is refused as configuration, by its thumbprint."""
    every = published()
    for name, jwk in every.items():
        assert thumbprint(jwk) in PUBLISHED, name
        if jwk["kty"] in ("EC", "OKP"):
            refused(
                Reason.KEY_REFUSED, lambda jwk=jwk: public_signature_key(jwk, keyid="k", client_id="c")  # type: ignore[misc]
            )  # fmt: skip
    for text in ("rfc7520-cookbook-jws-4_3.ecdsa_signature.json", "rfc7520-cookbook-jws-4_1.rsa_v15_signature.json"):
        assert thumbprint(vectors(text)["input"]["key"]) in PUBLISHED
    assert len(every) > 190
    refused(Reason.KEY_REFUSED, lambda: refuse_published(next(iter(PUBLISHED)), reason=Reason.KEY_REFUSED))
    assert thumbprint(EC) not in PUBLISHED


def test_no_published_secret_can_be_configured() -> None:
    """J21, B4: RFC 9421 B.1.5, RFC 7520 and the HMAC suite; and RFC 7515 A.1, which is not in the suites."""
    b64 = vectors("rfc9421-appendix-b.json")["keys"]["test-shared-secret"]["secret_base64"]
    secrets = [base64url.decode(b64.rstrip("=").replace("+", "-").replace("/", "_"))]
    secrets.append(
        base64url.decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
    )
    secrets += [
        bytes.fromhex(test["key"])
        for group in vectors("wycheproof-hmac_sha256_test.json")["testGroups"]
        for test in group["tests"]
        if len(test["key"]) >= 64
    ]
    for secret in secrets:
        assert secret is not None
        assert secret_thumbprint(secret) in PUBLISHED
        refused(
            Reason.KEY_REFUSED, lambda s=secret: secret_signature_key(s, keyid="k", client_id="c")  # type: ignore[misc]
        )  # fmt: skip
    assert len(secrets) > 60


@pytest.mark.parametrize(
    "name", ["ecdsa_secp256r1_sha256_p1363", "ed25519", "rsa_pss_2048_sha256_mgf1_32"], ids=lambda n: n[:8]
)
def test_wycheproof_signatures(name: str) -> None:
    """Every signature of the suite: ours says what the suite says. A key we refuse verifies nothing."""
    suite, seen = vectors(f"wycheproof-{name}_test.json"), {"valid": 0, "invalid": 0}
    for group in suite["testGroups"]:
        jwk = public_jwk(group)
        key: VerificationKey | None = None
        try:
            key = key_from_jwk(jwk)
        except TrustRefused:
            assert all(test["result"] != "valid" for test in group["tests"]), json.dumps(jwk)
        for test in group["tests"]:
            held = key is not None and key.verifies(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
            assert held == (test["result"] == "valid"), (test["tcId"], test["comment"])
            seen[test["result"]] += 1
    assert seen["valid"] > 20
    assert seen["valid"] + seen["invalid"] == suite["numberOfTests"]


def test_an_error_of_the_library_is_no_acceptance() -> None:
    """J3: PyJWT lets TypeError out; here it is a no."""
    key = key_from_jwk(EC)
    odd: Any = None
    assert not key.verifies(b"message", odd)
    assert not key.verifies(odd, bytes(64))
    assert not key.verifies(b"message", b"")
