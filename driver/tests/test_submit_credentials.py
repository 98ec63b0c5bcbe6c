"""`symphony submit --credentials`: over mutual TLS, every try with proofs of its own, and nothing in the clear."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from symphony.client.proofs import content_digest
from symphony.submission import command
from symphony.submission.sample import write_jsonl
from tests.batch_ingress import BatchIngress, answer, drop
from tests.sender_material import FileAuthority, IssuerStage, issuing, private

CHALLENGE = {"reason_code": "DPOP_NONCE_REQUIRED", "title": "use the nonce"}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[IssuerStage]:
    async with issuing(tmp_path) as running:
        yield running


@pytest.fixture
async def ingress(stage: IssuerStage) -> AsyncIterator[BatchIngress]:
    """Answers the batch contract over TLS 1.3 to who shows a certificate of the clients' authority."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cadata=stage.clients.pem.decode())
    tls.load_cert_chain(stage.folder / "issuer.crt.pem", stage.folder / "issuer.key.pem")
    async with BatchIngress().running(tls=tls) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "payments.jsonl"
    write_jsonl(path, count=30, seed=3)
    return path


async def run(*arguments: object) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, command.submit, [str(argument) for argument in arguments])


async def test_every_request_is_proved_and_names_no_participant(
    stage: IssuerStage, ingress: BatchIngress, file: Path
) -> None:
    result = await run(file, "--url", ingress.url, "--credentials", stage.credentials(), "--batch", 10, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["recorded"] == 30
    assert len(ingress.headers) == 3
    for headers, body in zip(ingress.headers, ingress.bodies, strict=True):
        assert headers["Authorization"].startswith("DPoP ")
        assert headers["Content-Digest"] == content_digest(body)
        assert {"DPoP", "Signature", "Signature-Input", "Idempotency-Key", "Content-Type"} <= headers.keys()
        assert "Symphony-Participant" not in headers
    assert len({headers["DPoP"] for headers in ingress.headers}) == 3


async def test_another_try_has_other_proofs_under_the_same_key(
    stage: IssuerStage, ingress: BatchIngress, file: Path
) -> None:
    ingress.troubles.append(drop(after_recording=True))
    result = await run(file, "--url", ingress.url, "--credentials", stage.credentials(), "--json")
    assert json.loads(result.stdout)["replayed"] == 30
    first, second = ingress.headers
    assert first["Idempotency-Key"] == second["Idempotency-Key"]
    assert first["Authorization"] == second["Authorization"]
    assert first["DPoP"] != second["DPoP"]
    assert first["Signature"] != second["Signature"]


async def test_a_nonce_that_is_asked_for_is_used_and_any_other_401_ends_it(
    stage: IssuerStage, ingress: BatchIngress, file: Path
) -> None:
    path = stage.credentials()
    ingress.troubles.append(answer(401, CHALLENGE, **{"DPoP-Nonce": "a-nonce"}))
    result = await run(file, "--url", ingress.url, "--credentials", path, "--json")
    assert json.loads(result.stdout)["recorded"] == 30
    ingress.troubles.append(answer(401, {"reason_code": "CERT_REVOKED", "title": "revoked"}))
    result = await run(file, "--url", ingress.url, "--credentials", path, "--json")
    assert result.exit_code == 1
    assert {item["reason_code"] for item in json.loads(result.stdout)["failed"]} == {"CERT_REVOKED"}
    assert len(ingress.headers) == 3


async def test_no_token_fails_every_line_and_sends_nothing(
    stage: IssuerStage, ingress: BatchIngress, file: Path
) -> None:
    path = stage.credentials(scopes=["payment:all"])
    result = await run(file, "--url", ingress.url, "--credentials", path, "--json")
    assert result.exit_code == 1
    assert {item["reason_code"] for item in json.loads(result.stdout)["failed"]} == {"NO_TOKEN"}
    assert ingress.headers == []


async def test_an_ingress_of_another_authority_hears_nothing(
    stage: IssuerStage, ingress: BatchIngress, file: Path, tmp_path: Path
) -> None:
    other = private(tmp_path / "other-ca.pem", FileAuthority("other").pem)
    options = ("--url", ingress.url, "--credentials", stage.credentials(), "--tries", 1, "--json")
    result = await run(file, *options, "--server-ca", other)
    assert result.exit_code == 1
    assert {item["reason_code"] for item in json.loads(result.stdout)["failed"]} == {"NO_ANSWER"}
    assert ingress.headers == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--url", "http://127.0.0.1:1"], 2, "give --credentials, or --participant"),
        (["--url", "https://127.0.0.1:1", "--participant", "A", "--credentials", "."], 2, "give --credentials, or"),
        (["--url", "http://127.0.0.1:1", "--credentials", "."], 2, "not sent in the clear"),
        (["--url", "http://127.0.0.1:1", "--participant", "A", "--server-ca", "FILE"], 2, "goes with --credentials"),
        (["--url", "https://127.0.0.1:1", "--credentials", "EMPTY"], 1, "CREDENTIALS_UNREADABLE"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    file: Path, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"FILE": str(file), "EMPTY": str(tmp_path / "empty")}
    result = CliRunner().invoke(command.submit, [str(file), *(places.get(one, one) for one in arguments)])
    assert result.exit_code == status
    assert said in " ".join(result.output.split())
