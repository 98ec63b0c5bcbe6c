"""Schemathesis against a real zero-trust ingress, from our own OpenAPI document: no answer that is not documented."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from symphony.client.proofs import p256_signer, public_jwk
from tests.ingress_bench import A, rows
from tests.ingress_sender import ORIGIN, Client
from tests.ingress_trust_stage import TrustStage, trust_stage
from tests.schemathesis_sender import PROVEN, UNPROVEN, WITHIN_POLICY
from tests.sender_material import pem_of
from tests.trust_material import Pair

DRIVER = Path(__file__).parents[1]
FIXED_SEED = 20_260_401
EXAMPLES = {PROVEN: 150, WITHIN_POLICY: 60, UNPROVEN: 30}
FEW = {WITHIN_POLICY: 5, UNPROVEN: 4}
# One sender sends everything here, and most of it is refused on purpose: neither its own rate nor the bound of refusals
# that are attested one by one may end the run, or nothing behind them would be tested. Each has tests of its own.
INGRESS = {
    "max_flush_ms": 1,  # a few senders wait for each answer: there is no fuller batch to wait for
    "reject_attestations_per_s": 100_000.0,
    "reject_attestations_burst": 1_000_000,
    "refused_decisions_per_s": 1_000_000.0,
    "refused_decisions_burst": 10_000_000,
}
TRUST = {"certificate_requests_per_s": 1_000_000.0, "certificate_requests_burst": 10_000_000}


@dataclass
class Generator:
    """A registered client whose private keys a process of schemathesis is given."""

    stage: TrustStage
    client: Client
    signature_key: ec.EllipticCurvePrivateKey
    dpop_key: ec.EllipticCurvePrivateKey

    async def run(self, seed: int, examples: dict[str, int], *, hidden: str | None = None) -> list[dict[str, Any]]:
        """Run the passes beside each other and return what each found; `hidden` is a status the document keeps silent."""
        async with asyncio.TaskGroup() as group:
            passes = [group.create_task(self._pass(kind, seed, number, hidden)) for kind, number in examples.items()]
        return [one.result() for one in passes]

    async def _pass(self, kind: str, seed: int, examples: int, hidden: str | None) -> dict[str, Any]:
        assert self.stage.service is not None
        path = self.stage.folder / f"{kind}.json"
        sender = self.stage.sender(self.client)
        job = {
            "kind": kind,
            "seed": seed,
            "examples": examples,
            "coverage": examples > max(FEW.values()),
            "hidden": hidden,
            "url": f"https://127.0.0.1:{self.stage.service.port}",
            "origin": ORIGIN,
            "server_ca": str(self.stage.folder / "servers.pem"),
            "client_pem": str(self.stage.folder / "generator.pem"),
            "keyid": self.client.keyid,
            "signature_key": pem_of(self.signature_key).decode(),
            "dpop_key": pem_of(self.dpop_key).decode(),
            "dpop_token": sender.token(claims={"exp": int(time.time()) + 290}),
            "bearer_tokens": [sender.token(dpop=False) for _ in range(examples)],  # used up early
        }
        path.write_text(json.dumps(job), encoding="utf-8")
        # In a directory of its own: nothing that Hypothesis or schemathesis keep lands in the checkout.
        with path.with_suffix(".said").open("wb") as said:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.schemathesis_sender",
                str(path),
                cwd=self.stage.folder,
                env=os.environ | {"PYTHONPATH": str(DRIVER)},
                stdout=said,
                stderr=said,
            )
        try:
            await process.wait()
        finally:
            if process.returncode is None:  # another pass has failed
                process.kill()
                await process.wait()
        assert process.returncode == 0, f"seed {seed}, {kind}: {path.with_suffix('.said').read_text(encoding='utf-8')}"
        found: dict[str, Any] = json.loads(path.with_suffix(".found").read_text(encoding="utf-8"))
        return found


@asynccontextmanager
async def generator(dsn: str, folder: Path) -> AsyncIterator[Generator]:
    """An ingress and a client of participant A whose keys can be handed on."""
    signature_key, dpop_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    signing, dpop = (Pair("ES256", p256_signer(key), public_jwk(key)) for key in (signature_key, dpop_key))
    async with trust_stage(dsn, folder) as stage:
        client = replace(stage.client("client-generator", A, signing), dpop=dpop)
        await stage.register(client)
        (folder / "generator.pem").write_bytes(client.certificate_pem + client.key_pem)
        async with stage.serving(INGRESS, **TRUST):
            yield Generator(stage, client, signature_key, dpop_key)


async def judge(dsn: str, seed: int, found: list[dict[str, Any]]) -> int:
    """Check what every pass found, and the database against it; how many requests it has attested since it was made."""
    for one in found:
        assert not one["failures"], f"seed {seed}, {one['kind']}: " + "\n\n".join(
            f"{name}\n{what}" for name, what in one["failures"].items()
        )
    statuses = sum((Counter(one["answers"]) for one in found), Counter[str]())
    assert {status for status in statuses if not "200" <= status < "500"} <= {"503"}, f"seed {seed}: {statuses}"
    query = (
        "select (select count(*) from ingress.ingress_attestations where decision = 'ACCEPT'),"
        " (select count(*) from outbox.payment_instructions),"
        " (select count(distinct correlation_id) from ingress.ingress_attestations)"
    )
    ((accepted, instructions, attested),) = await rows(dsn, query)
    assert accepted == instructions
    known = await rows(dsn, "select participant_id, instruction_id, outbox_id::text from outbox.payment_instructions")
    recorded = {(A, *pair) for one in found for pair in one["recorded"].items()}
    assert recorded
    assert recorded <= set(known), f"seed {seed}: answered with success and not recorded"
    return int(attested)


async def test_a_few_generated_requests(fresh_database: str, tmp_path: Path) -> None:
    async with generator(fresh_database, tmp_path) as sending:
        found = await sending.run(FIXED_SEED, FEW)
    assert await judge(fresh_database, FIXED_SEED, found) > 200


@pytest.mark.slow
async def test_an_answer_that_the_document_does_not_name_is_found(fresh_database: str, tmp_path: Path) -> None:
    async with generator(fresh_database, tmp_path) as sending:
        (found,) = await sending.run(FIXED_SEED, {PROVEN: 5}, hidden="422")
    assert [name.split(" ")[0] for name in found["failures"]] == ["status_code_conformance"], found["failures"]


@pytest.mark.slow
@pytest.mark.timeout(560)  # twice the life of the tokens that a run is given
async def test_twenty_thousand_generated_requests(fresh_database: str, tmp_path: Path) -> None:
    fresh = secrets.randbits(64)
    async with generator(fresh_database, tmp_path) as sending:
        for seed in (FIXED_SEED, fresh):
            found = await sending.run(seed, EXAMPLES)
            for one in found:
                print(seed, one["kind"], one["seconds"], one["answers"], one["checks"])
            attested = await judge(fresh_database, seed, found)
    assert attested >= 20_000, f"{attested} requests, seed {fresh}"
