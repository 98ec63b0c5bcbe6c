"""What the client sends is what `symphony.trust` asks for, and any change to it is refused by name."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet

from symphony.client import Credentials
from symphony.client.directory import read
from symphony.client.proofs import DpopKey, RequestSigner, SigningMaterial, public_jwk
from symphony.operator_error import OperatorError
from symphony.trust import base64url
from symphony.trust.access_token import AccessToken, TokenPolicy, check_access_token, read_access_token
from symphony.trust.client_certificate import IssuingAuthority, check_client_certificate
from symphony.trust.dpop import DpopPolicy, NonceSource
from symphony.trust.http_signature import SignaturePolicy, SignedRequest, VerifiedSignature, check_signed_request
from symphony.trust.jwks import keys_of
from symphony.trust.origin import Origin
from symphony.trust.refusal import Reason
from symphony.trust.sender_constraint import PopMode, SenderProof, check_sender, read_authorization
from symphony.trust.signature_keys import SignatureKey, public_signature_key, secret_signature_key
from tests.sender_material import AUDIENCE, IssuerStage, der_of, issuing
from tests.trust_material import refused

ORIGIN = "https://pay.example:8443"
TARGET = "/v1/instructions"
BODY = b'{"instruction_id":"INV-1"}'
P256 = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[IssuerStage]:
    async with issuing(tmp_path) as running:
        yield running


class Ingress:
    """The checks of the ingress in their order, on headers as they would arrive."""

    def __init__(self, stage: IssuerStage, path: Path, *, nonces: NonceSource | None = None) -> None:
        self.stage = stage
        self.found = read(path)
        certificate = check_client_certificate(
            der_of((path / "client.crt.pem").read_bytes()),
            authority=IssuingAuthority(der_of(stage.clients.pem)),
            now=stage.clock(),
        )
        self.certificate_sha256 = certificate.sha256
        self.keys = keys_of(json.dumps(stage.issuer.mint.key_set()).encode(), max_keys=4)
        self.dpop = DpopPolicy(origin=Origin(ORIGIN), nonces=nonces)
        self.signature_key = self._signature_key()

    def _signature_key(self) -> SignatureKey:
        keyid, material = self.found.signature_key_id, self.found.signature_key
        if isinstance(material, bytes):
            return secret_signature_key(material, keyid=keyid, client_id="client-a")
        return public_signature_key(public_jwk(material), keyid=keyid, client_id="client-a")

    def token(self, headers: dict[str, str]) -> tuple[AccessToken, Any]:
        scheme, wire = read_authorization([headers["Authorization"]])
        jws = read_access_token(wire)
        policy = TokenPolicy(issuer=self.stage.issuer.url, audience=AUDIENCE)
        assert jws.kid is not None
        return check_access_token(jws, key=self.keys[jws.kid], policy=policy, now=self.stage.clock()), scheme

    def check(
        self,
        headers: dict[str, str],
        *,
        method: str = "POST",
        target: str = TARGET,
        body: bytes = BODY,
        certificate_sha256: bytes | None = None,
    ) -> tuple[SenderProof, VerifiedSignature]:
        token, scheme = self.token(headers)
        proof = check_sender(
            token,
            scheme=scheme,
            certificate_sha256=certificate_sha256 or self.certificate_sha256,
            proofs=[headers["DPoP"]] if "DPoP" in headers else [],
            policy=self.dpop,
            method=method,
            target=target,
            now=self.stage.clock(),
        )
        request = SignedRequest(
            method=method, origin=Origin(ORIGIN), target=target, fields=list(headers.items()), body=body
        )
        verified = check_signed_request(
            request,
            keys={self.signature_key.keyid: self.signature_key},
            client_id=token.client_id,
            policy=SignaturePolicy(also=("idempotency-key",)),
            now=self.stage.clock(),
        )
        return proof, verified


def sender(stage: IssuerStage, path: Path) -> Credentials:
    stage.opened.append(Credentials.read(path, origin=ORIGIN, clock=stage.clock))
    return stage.opened[-1]


@pytest.mark.parametrize(
    ("material", "alg"),
    [(P256, "ecdsa-p256-sha256"), (Ed25519PrivateKey.generate(), "ed25519"), (secrets.token_bytes(32), "hmac-sha256")],
    ids=["p256", "ed25519", "hmac"],
)
async def test_requests_hold_under_every_kind_of_key(stage: IssuerStage, material: SigningMaterial, alg: str) -> None:
    path = stage.credentials(signature_key=material)
    credentials = sender(stage, path)
    headers = await credentials.headers("POST", TARGET, BODY, "key-1")
    proof, verified = Ingress(stage, path).check(headers)
    assert proof.pop_mode is PopMode.MTLS_DPOP
    assert (verified.keyid, verified.alg, verified.created) == ("client-a-1", alg, stage.clock())
    assert verified.nonce is not None


async def test_a_read_has_no_body_and_is_signed_too_and_its_query_is_not_in_htu(stage: IssuerStage) -> None:
    path = stage.credentials()
    credentials = sender(stage, path)
    headers = await credentials.headers("GET", "/v1/instructions/INV-1?x=1")
    assert headers.keys() == {"Authorization", "DPoP", "Signature-Input", "Signature"}
    Ingress(stage, path).check(headers, method="GET", target="/v1/instructions/INV-1?x=1", body=b"")


async def test_without_a_dpop_key_each_request_has_a_token_of_its_own(stage: IssuerStage) -> None:
    path = stage.credentials(dpop=False)
    credentials = sender(stage, path)
    ingress = Ingress(stage, path)
    jtis = set()
    for number in range(3):
        headers = await credentials.headers("POST", TARGET, BODY, f"key-{number}")
        proof, _ = ingress.check(headers)
        assert proof.pop_mode is PopMode.MTLS
        jtis.add(ingress.token(headers)[0].jti)
    assert len(jtis) == 3


async def test_with_a_dpop_key_one_token_serves_until_shortly_before_its_end(stage: IssuerStage) -> None:
    path = stage.credentials()
    credentials = sender(stage, path)

    async def authorization() -> str:
        return (await credentials.headers("POST", TARGET, BODY, "k"))["Authorization"]

    first = await authorization()
    stage.clock.seconds += 284
    assert await authorization() == first
    Ingress(stage, path).check(await credentials.headers("POST", TARGET, BODY, "k"))
    stage.clock.seconds += 1
    assert await authorization() != first


async def test_a_second_library_reads_token_and_proof_alike(stage: IssuerStage) -> None:
    headers = await sender(stage, stage.credentials()).headers("POST", TARGET, BODY, "k")
    wire = headers["Authorization"].removeprefix("DPoP ")
    keys = KeySet.import_key_set(stage.issuer.mint.key_set())  # type: ignore[arg-type]
    token = joserfc_jwt.decode(wire, keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    jwk = json.loads(base64url.decode(headers["DPoP"].partition(".")[0]) or b"")["jwk"]
    proof = joserfc_jwt.decode(headers["DPoP"], ECKey.import_key(jwk), algorithms=["ES256"])
    assert (proof.claims["htm"], proof.claims["htu"]) == ("POST", ORIGIN + TARGET)
    assert proof.claims["ath"] == base64url.encode(hashlib.sha256(wire.encode()).digest())
    assert token.claims["cnf"]["jkt"] == ECKey.import_key(jwk).thumbprint()


async def test_no_two_requests_share_a_proof_or_a_nonce(stage: IssuerStage) -> None:
    credentials = sender(stage, stage.credentials())
    made = [await credentials.headers("POST", TARGET, BODY, "same key") for _ in range(50)]
    for name in ("DPoP", "Signature-Input", "Signature"):
        assert len({headers[name] for headers in made}) == 50


async def test_a_nonce_that_an_answer_asks_for_is_in_the_next_proof(stage: IssuerStage) -> None:
    path = stage.credentials()
    credentials = sender(stage, path)
    nonces = NonceSource(secret=secrets.token_bytes(32))
    ingress = Ingress(stage, path, nonces=nonces)
    headers = await credentials.headers("POST", TARGET, BODY, "k")
    refused(Reason.DPOP_NONCE_REQUIRED, lambda: ingress.check(headers))
    given = {"DPoP-Nonce": nonces.current(stage.clock())}
    assert [credentials.heard(given), credentials.heard(given), credentials.heard({})] == [True, False, False]
    ingress.check(await credentials.headers("POST", TARGET, BODY, "k"))


def _without(*names: str) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda headers: {given: value for given, value in headers.items() if given not in names}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"body": b"{}"}, Reason.DIGEST_MISMATCH),
        ({"target": "/v1/instructions/batch"}, Reason.DPOP_TARGET_MISMATCH),
        ({"method": "PUT"}, Reason.DPOP_METHOD_MISMATCH),
        ({"certificate_sha256": bytes(32)}, Reason.TOKEN_CERT_MISMATCH),
        ({"headers": lambda headers: headers | {"Idempotency-Key": "another"}}, Reason.SIGNATURE_INVALID),
        ({"headers": _without("Signature")}, Reason.SIGNATURE_MALFORMED),
        ({"headers": _without("Signature", "Signature-Input")}, Reason.SIGNATURE_MISSING),
        ({"headers": _without("Content-Digest")}, Reason.DIGEST_MISSING),
        ({"headers": _without("DPoP")}, Reason.DPOP_HEADER_INVALID),
        (
            {
                "headers": lambda headers: (
                    headers | {"Authorization": headers["Authorization"].replace("DPoP", "Bearer")}
                )
            },
            Reason.TOKEN_DOWNGRADED,
        ),
    ],
)
async def test_what_is_changed_on_the_way_is_refused(
    stage: IssuerStage, change: dict[str, Any], reason: Reason
) -> None:
    path = stage.credentials()
    credentials = sender(stage, path)
    headers = await credentials.headers("POST", TARGET, BODY, "key-1")
    ingress = Ingress(stage, path)
    ingress.check(headers)
    changed = change.pop("headers", lambda same: same)(headers)
    refused(reason, lambda: ingress.check(changed, **change))


async def test_an_idempotency_key_is_covered_so_a_stolen_request_cannot_be_given_another(stage: IssuerStage) -> None:
    path = stage.credentials()
    credentials = sender(stage, path)
    headers = await credentials.headers("POST", TARGET, BODY)
    ingress = Ingress(stage, path)
    ingress.check(headers)
    added = headers | {"Idempotency-Key": "stolen"}
    refused(Reason.SIGNATURE_COVERAGE_INSUFFICIENT, lambda: ingress.check(added))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DpopKey(Ed25519PrivateKey.generate()),
        lambda: DpopKey(ec.generate_private_key(ec.SECP384R1())),
        lambda: RequestSigner(keyid="k", material=ec.generate_private_key(ec.SECP384R1())),
        lambda: RequestSigner(keyid="k", material=b"short"),
        lambda: RequestSigner(keyid='a"b', material=P256),
        lambda: RequestSigner(keyid="a\nb", material=P256),
        lambda: RequestSigner(keyid="", material=P256),
    ],
)
def test_unsuitable_keys_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(OperatorError, match="KEY_UNSUITABLE") as caught:
        make()
    assert "PRIVATE" not in str(caught.value)
