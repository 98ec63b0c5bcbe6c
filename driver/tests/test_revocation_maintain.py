"""`symphony maintain` on a leased login: what the CA revokes is recorded by itself, and its lists are kept fresh."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509

from symphony.bao.enrolment import issue_enrolment, write_enrolment
from symphony.bao.rights import CLIENT_CA
from tests.bao_logins import place
from tests.bao_process import Bao
from tests.registry import registry
from tests.sandbox_child import environment
from tests.until import until

pytest_plugins = ("tests.bao_fixtures",)

TASKS = ("revocation", "ocsp", "rotation", "replay", "logins")
MAIN = "from symphony.maintenance_command import maintain; maintain()"


def exported(port: int) -> dict[str, float]:
    """Every sample of the metrics listener."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


@pytest.mark.slow
async def test_a_certificate_revoked_at_the_ca_ends_within_the_interval(
    lender: Bao, database_url: str, tmp_path: Path
) -> None:
    enrolment = tmp_path / "maintainer.json"
    write_enrolment(issue_enrolment(lender.root, "maintainer"), enrolment)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", MAIN, "--revocation-interval-ms", "1000",
        "--bao-enrolment", str(enrolment), "--database-place", place(database_url),
        env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(100), lender.session("registrar") as registrar, registry(database_url) as kept:
            ready = json.loads(await process.stdout.readline())
            issuer = x509.load_der_x509_certificate(await registrar.authority_certificate(CLIENT_CA))
            issued = await registrar.client_certificate("client-a")
            certificate = x509.load_pem_x509_certificate(issued.certificate_pem)
            serial = await kept.register(certificate, issuer, client_id="client-a")

            async def fresh() -> bool:
                return (await kept.state()).revocation_fresh_until is not None

            async def ended() -> bool:
                return (await kept.sources())[serial] is not None

            await until(fresh, seconds=30)
            assert not await ended()
            await registrar.revoke_client_certificate(issued.serial)
            await until(ended, seconds=20)
            samples: dict[str, float] = {}

            async def all_ran() -> bool:
                samples.update(await asyncio.to_thread(exported, ready["metrics_port"]))
                return all(f'maintenance_runs_total{{result="ok",task="{task}"}}' in samples for task in TASKS)

            await until(all_ran, seconds=30)
            process.send_signal(signal.SIGTERM)
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    for kind, most_s in (("crl", 10), ("ocsp", 10), ("login", 60)):  # a login's age grows from its grant
        assert samples[f'trust_material_age_seconds{{kind="{kind}"}}'] < most_s
    for task in TASKS:
        assert samples[f'maintenance_runs_total{{result="ok",task="{task}"}}'] >= 1
        assert f'maintenance_runs_total{{result="failed",task="{task}"}}' not in samples
    assert samples["overdue_logins"] == 0
    assert f"{CLIENT_CA}/crl/rotate" in lender.said()
