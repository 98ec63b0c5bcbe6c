"""A sender's files and tokens: what is wrong with them is said by name, and nothing of them leaks."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from symphony.client import Credentials, TokenUnavailable
from symphony.client.proofs import DpopKey
from symphony.client.tokens import IssuerTokens
from symphony.operator_error import OperatorError
from tests.sender_material import Clock, FileAuthority, IssuerStage, issuing, private

ORIGIN = "https://pay.example"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[IssuerStage]:
    async with issuing(tmp_path) as running:
        yield running


def _edit(**members: Any) -> Callable[[Path], object]:
    def edit(path: Path) -> None:
        file = path / "credentials.json"
        settings = {**json.loads(file.read_text()), **members}
        file.write_text(json.dumps({name: value for name, value in settings.items() if value is not ...}))

    return edit


def _rsa_pem() -> bytes:
    key = rsa.generate_private_key(65_537, 2_048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("damage", "code", "thing"),
    [
        (lambda path: (path / "credentials.json").unlink(), "CREDENTIALS_UNREADABLE", "credentials.json"),
        (lambda path: (path / "credentials.json").write_text("{"), "CREDENTIALS_INVALID", "credentials.json"),
        (_edit(token_url="http://127.0.0.1:1/token"), "CREDENTIALS_INVALID", "credentials.json"),
        (_edit(scopes=[]), "CREDENTIALS_INVALID", "credentials.json"),
        (_edit(scopes="payment:submit"), "CREDENTIALS_INVALID", "credentials.json"),
        (_edit(password="x"), "CREDENTIALS_INVALID", "credentials.json"),
        (_edit(client_id=...), "CREDENTIALS_INVALID", "credentials.json"),
        (lambda path: (path / "client.crt.pem").unlink(), "CREDENTIALS_UNREADABLE", "client.crt.pem"),
        (lambda path: (path / "client.key.pem").chmod(0o640), "CREDENTIALS_EXPOSED", "client.key.pem"),
        (lambda path: (path / "dpop.key.pem").chmod(0o604), "CREDENTIALS_EXPOSED", "dpop.key.pem"),
        (lambda path: private(path / "client.key.pem", FileAuthority("x").client()[1]), "CREDENTIALS_INVALID", "crt"),
        (lambda path: (path / "signature.key.pem").write_bytes(_rsa_pem()), "CREDENTIALS_INVALID", "signature.key"),
        (lambda path: (path / "signature.key.pem").write_text("no key"), "CREDENTIALS_INVALID", "signature.key"),
        (lambda path: (path / "signature.key.pem").unlink(), "CREDENTIALS_INVALID", "client-a"),
        (lambda path: private(path / "signature.secret", b"QUJD"), "CREDENTIALS_INVALID", "client-a"),
        (lambda path: (path / "server-ca.pem").write_text("no PEM"), "CREDENTIALS_INVALID", "server-ca.pem"),
    ],
)  # fmt: skip
async def test_damaged_credentials_are_refused_by_file(
    stage: IssuerStage, damage: Callable[[Path], object], code: str, thing: str
) -> None:
    path = stage.credentials()
    damage(path)
    with pytest.raises(OperatorError) as caught:
        Credentials.read(path, origin=ORIGIN)
    assert caught.value.code == code
    assert thing in caught.value.thing
    assert "PRIVATE" not in str(caught.value)


async def test_credentials_are_written_for_one_account_and_never_over_others(stage: IssuerStage) -> None:
    path = stage.credentials()
    assert path.stat().st_mode & 0o077 == 0
    assert {file.stat().st_mode & 0o077 for file in path.iterdir()} == {0}
    with pytest.raises(FileExistsError):
        stage.credentials()


async def test_a_named_server_ca_must_be_there(stage: IssuerStage, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="CREDENTIALS_UNREADABLE"):
        Credentials.read(stage.credentials(), origin=ORIGIN, server_ca=tmp_path / "absent.pem")


@pytest.mark.parametrize("origin", ["pay.example", "ftp://pay.example", "https://pay.example/x", "", "https://a b"])
async def test_an_origin_that_is_none_is_refused(stage: IssuerStage, origin: str) -> None:
    with pytest.raises(OperatorError, match="ORIGIN_INVALID"):
        Credentials.read(stage.credentials(), origin=origin)


async def test_tls_is_1_3_and_believes_one_authority(stage: IssuerStage) -> None:
    context = Credentials.read(stage.credentials(), origin="https://PAY.example:443/").ssl_context()
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert [ca["subject"] for ca in context.get_ca_certs()] == [((("commonName", "servers"),),)]


async def test_many_waiters_ask_the_issuer_once(stage: IssuerStage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    mint = stage.issuer.mint.token

    def counting(*arguments: Any) -> str:
        nonlocal asked
        asked += 1
        return mint(*arguments)

    monkeypatch.setattr(stage.issuer.mint, "token", counting)
    stage.opened.append(Credentials.read(stage.credentials(), origin=ORIGIN, clock=stage.clock))
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(stage.opened[0].headers("POST", "/v1/instructions", b"{}", "k"))
    assert asked == 1


async def test_an_issuer_that_is_away_or_of_another_authority_gives_no_token(stage: IssuerStage) -> None:
    for changes in ({"token_url": "https://127.0.0.1:1/token"}, {"issuer_ca_pem": FileAuthority("other").pem}):
        path = stage.credentials(f"client-{len(stage.opened)}", client_id="client-a", **changes)
        stage.opened.append(Credentials.read(path, origin=ORIGIN))
        with pytest.raises(TokenUnavailable, match="did not answer") as caught:
            await stage.opened[-1].headers("GET", "/v1/instructions/1")
        assert not caught.value.final


async def test_a_refusal_is_final_and_named(stage: IssuerStage) -> None:
    stage.opened.append(Credentials.read(stage.credentials(scopes=["payment:all"]), origin=ORIGIN))
    with pytest.raises(TokenUnavailable, match=r"400 \(invalid_scope\)") as caught:
        await stage.opened[0].headers("GET", "/v1/instructions/1")
    assert caught.value.final


@asynccontextmanager
async def answering(stage: IssuerStage, answer: web.Response) -> AsyncIterator[IssuerTokens]:
    """Tokens of an issuer that always says the same, over plain HTTP on loopback: only the reading is tested."""

    async def handle(_: web.Request) -> web.Response:
        return answer

    app = web.Application()
    app.router.add_post("/token", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tokens = IssuerTokens(
        url=f"http://127.0.0.1:{runner.addresses[0][1]}/token",
        scopes=("payment:submit",),
        dpop_key=DpopKey(ec.generate_private_key(ec.SECP256R1())),
        context=ssl.create_default_context(),
        clock=Clock(),
    )
    try:
        yield tokens
    finally:
        await tokens.close()
        await runner.cleanup()


GOOD = {"access_token": "SECRET.TOKEN.TEXT", "token_type": "DPoP", "expires_in": 60}


@pytest.mark.parametrize(
    ("status", "body", "said", "final"),
    [
        (200, {**GOOD, "token_type": "Bearer"}, "another type of token", True),
        (200, {**GOOD, "expires_in": "60"}, "no token", True),
        (200, {**GOOD, "access_token": 5}, "no token", True),
        (200, [], "no token", True),
        (503, {"error": "later"}, r"503 \(later\)", False),
        (400, {"error": "SECRET TOKEN"}, r"400 \(no reason\)", True),
        (302, {}, "302", False),
    ],
)
async def test_what_is_no_token_is_not_used_and_not_repeated(
    stage: IssuerStage, status: int, body: object, said: str, final: bool
) -> None:
    async with answering(stage, web.json_response(body, status=status)) as tokens:
        with pytest.raises(TokenUnavailable, match=said) as caught:
            await tokens.token()
    assert caught.value.final is final
    assert "SECRET" not in str(caught.value)


async def test_a_token_is_not_shown(stage: IssuerStage) -> None:
    async with answering(stage, web.json_response(GOOD)) as tokens:
        assert "SECRET" not in repr(await tokens.token())
