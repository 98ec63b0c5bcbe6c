"""The development issuer: its tokens hold, it refuses who is not certified, and it starts only in development."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from symphony.client.proofs import DpopKey
from symphony.trust import base64url
from symphony.trust.access_token import Capability, TokenPolicy, check_access_token, read_access_token
from symphony.trust.jwks import Jwks, JwksSettings, keys_of
from symphony.trust.refusal import Reason, TrustRefused
from tests.sandbox_child import DRIVER
from tests.sender_material import AUDIENCE, FileAuthority, IssuerStage, der_of, issuer_files, issuing, now, private

FORM = {"grant_type": "client_credentials"}
DPOP = DpopKey(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[IssuerStage]:
    async with issuing(tmp_path) as running:
        yield running


def context(stage: IssuerStage, pair: tuple[bytes, bytes] | None) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=stage.servers.pem.decode())
    if pair is not None:
        certificate, key = (private(stage.folder / f"sender.{n}.pem", content) for n, content in enumerate(pair))
        made.load_cert_chain(certificate, key)
    return made


async def ask(
    stage: IssuerStage,
    form: dict[str, str] | None = None,
    *,
    pair: tuple[bytes, bytes] | None = None,
    proofs: tuple[str, ...] = (),
    anonymous: bool = False,
) -> tuple[int, dict[str, Any]]:
    tls = context(stage, None if anonymous else pair or stage.clients.client())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        headers = [("DPoP", proof) for proof in proofs]
        async with session.post(f"{stage.issuer.url}/token", data=form or FORM, headers=headers) as answer:
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.json()


def proof(stage: IssuerStage, **changes: Any) -> str:
    given: dict[str, Any] = {"method": "POST", "htu": f"{stage.issuer.url}/token", "now": stage.clock()}
    return DPOP.proof(**(given | changes))


async def test_a_token_is_bound_to_the_certificate_and_to_the_key_of_the_proof(stage: IssuerStage) -> None:
    pair = stage.clients.client("client-b")
    status, said = await ask(stage, pair=pair, proofs=(proof(stage),))
    assert (status, said["token_type"], said["expires_in"]) == (200, "DPoP", 300)
    keys = keys_of(json.dumps(stage.issuer.mint.key_set()).encode(), max_keys=4)
    token = check_access_token(
        read_access_token(said["access_token"]),
        key=keys[stage.issuer.mint.kid],
        policy=TokenPolicy(issuer=stage.issuer.url, audience=AUDIENCE),
        now=stage.clock(),
    )
    assert (token.client_id, token.subject, token.alg) == ("client-b", "client-b", "ES256")
    assert token.expires_at - token.issued_at == 300
    assert token.capabilities == frozenset(Capability)
    assert token.confirmation.certificate_sha256 == hashlib.sha256(der_of(pair[0])).digest()
    assert token.confirmation.jkt == base64url.decode(DPOP.jkt)


async def test_without_a_proof_it_is_bound_to_the_certificate_alone(stage: IssuerStage) -> None:
    status, said = await ask(stage)
    assert (status, said["token_type"]) == (200, "Bearer")
    assert read_access_token(said["access_token"]).claims["cnf"].keys() == {"x5t#S256"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("payment:submit", "payment:submit"),
        ("evidence:read payment:submit", "payment:submit evidence:read"),
        ("payment:submit payment:all", "payment:submit"),
        ("payment:all", None),
        ("", None),
        ("PAYMENT:SUBMIT", None),
    ],
)
async def test_scopes_are_what_is_asked_for_and_allowed(stage: IssuerStage, asked: str, given: str | None) -> None:
    status, said = await ask(stage, {**FORM, "scope": asked})
    assert (status, said.get("scope")) == ((200, given) if given else (400, None))
    assert said.get("error") == (None if given else "invalid_scope")


async def test_who_shows_no_certificate_of_ours_gets_nothing(stage: IssuerStage) -> None:
    assert await ask(stage, anonymous=True) == (
        401,
        {"error": "invalid_client", "error_description": "no client certificate"},
    )
    for pair in (
        stage.clients.client(usage=ExtendedKeyUsageOID.EMAIL_PROTECTION),
        FileAuthority("clients").client(),
    ):
        with pytest.raises(aiohttp.ClientError):  # refused in the handshake
            await ask(stage, pair=pair)
    status, said = await ask(stage, pair=stage.clients.client(None))
    assert (status, said["error_description"]) == (401, "the certificate names no client")
    status, said = await ask(stage, {**FORM, "client_id": "client-b"})
    assert (status, said["error"]) == (401, "invalid_client")


async def test_other_grants_are_refused(stage: IssuerStage) -> None:
    for form in ({"grant_type": "password"}, {"scope": "payment:submit"}):
        assert await ask(stage, form) == (400, {"error": "unsupported_grant_type"})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"method": "GET"}, Reason.DPOP_METHOD_MISMATCH),
        ({"htu": "https://127.0.0.1/token"}, Reason.DPOP_TARGET_MISMATCH),
        ({"now": now() - 3_600}, Reason.DPOP_OUTSIDE_WINDOW),
    ],
)
async def test_a_proof_that_does_not_hold_is_refused(
    stage: IssuerStage, change: dict[str, Any], reason: Reason
) -> None:
    assert await ask(stage, proofs=(proof(stage, **change),)) == (
        400,
        {"error": "invalid_dpop_proof", "error_description": reason.name},
    )


async def test_two_proofs_and_garbage_are_refused(stage: IssuerStage) -> None:
    for proofs in ((proof(stage), proof(stage)), ("garbage",)):
        status, said = await ask(stage, proofs=proofs)
        assert (status, said["error"]) == (400, "invalid_dpop_proof")


async def test_a_rotation_keeps_the_last_key_and_withdraws_the_one_before(stage: IssuerStage) -> None:
    tls = ssl.create_default_context(cadata=stage.servers.pem.decode())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:  # no client certificate
        settings = JwksSettings(url=f"{stage.issuer.url}/jwks.json")
        keys = Jwks(settings=settings, session=session, clock=stage.clock)
        first = stage.issuer.mint.kid
        assert (await keys.key(first)).alg == "ES256"
        stage.issuer.mint.rotate()
        stage.clock.seconds += 31
        assert (await keys.key(stage.issuer.mint.kid)).kid == stage.issuer.mint.kid
        assert (await keys.key(first)).kid == first
        stage.issuer.mint.rotate()
        stage.clock.seconds += 31
        await keys.key(stage.issuer.mint.kid)
        with pytest.raises(TrustRefused, match="TOKEN_KEY_UNKNOWN"):
            await keys.key(first)


def started(
    tmp_path: Path, environment: dict[str, str], *arguments: str
) -> tuple[subprocess.Popen[str], FileAuthority]:
    servers = FileAuthority("servers")
    files = issuer_files(tmp_path, clients=FileAuthority("clients"), servers=servers)
    options = ["--tls-certificate", files["certificate"], "--tls-key", files["key"], "--client-ca", files["client_ca"]]
    inherited = {name: value for name, value in os.environ.items() if name != "SYMPHONY_ENVIRONMENT"}
    process = subprocess.Popen(
        [
            sys.executable, "-m", "symphony.cli", "issuer", "dev", "--audience", AUDIENCE, "--port", "0",
            *map(str, options), *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, "PYTHONPATH": str(DRIVER), **environment},
    )  # fmt: skip
    return process, servers


@pytest.mark.parametrize("environment", [{}, {"SYMPHONY_ENVIRONMENT": "production"}, {"SYMPHONY_ENVIRONMENT": "DEV"}])
def test_it_does_not_start_outside_development(tmp_path: Path, environment: dict[str, str]) -> None:
    process, _ = started(tmp_path, environment)
    out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "ISSUER_FOR_DEVELOPMENT" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tls-key", "/dev/null"], "ISSUER_FILE_UNUSABLE"),
        (["--client-ca", "/dev/null"], "ISSUER_FILE_UNUSABLE"),
        (["--port", "TAKEN"], "PORT_IN_USE"),
        (["--lifetime-s", "301"], "1<=x<=300"),
    ],
)
def test_it_says_what_it_cannot_use(tmp_path: Path, arguments: list[str], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = [port if argument == "TAKEN" else argument for argument in arguments]
        process, _ = started(tmp_path, {"SYMPHONY_ENVIRONMENT": "dev"}, *given)
        _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert said in error


def test_the_process_is_ready_rotates_on_sighup_and_ends_on_sigterm(tmp_path: Path) -> None:
    process, servers = started(tmp_path, {"SYMPHONY_ENVIRONMENT": "dev"})
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert (ready["event"], ready["service"]) == ("ready", "issuer")
        assert ready["token_url"] == f"{ready['issuer']}/token"
        tls = ssl.create_default_context(cadata=servers.pem.decode())

        def kids() -> list[str]:
            with urllib.request.urlopen(ready["jwks_url"], context=tls, timeout=20) as answer:  # noqa: S310 - loopback
                return [key["kid"] for key in json.load(answer)["keys"]]

        [first] = kids()
        process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while len(found := kids()) == 1:
            assert time.monotonic() < deadline
        assert found[1] == first
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, "")
    finally:
        process.kill()
        process.communicate()
