"""Three capabilities, three database roles: to submit, to read one's own states, to read one's own evidence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from symphony import api
from symphony.errors import DatabaseUnavailable
from symphony.ingress.visit import Visit
from tests.ingress_bench import conforms, instruction
from tests.ingress_sender import Signing
from tests.ingress_trust_stage import TrustStage, trust_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATHS = {"payment:status": "/v1/instructions/INV-read", "evidence:read": "/v1/instructions/INV-read/evidence"}
ROLES = {"payment:status": "symphony_status_reader", "evidence:read": "symphony_evidence_reader"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TrustStage]:
    """One ingress for this module, and one instruction of client A."""
    async with trust_stage(database_url, tmp_path_factory.mktemp("trust")) as made, made.serving():
        await made.accepts(body=instruction("read"), key="K-read")
        yield made


def scoped(scope: str) -> dict[str, Any]:
    """A token with this scope alone."""
    return {"claims": {"scope": scope}}


@pytest.mark.parametrize("scope", list(PATHS))
async def test_a_read_needs_its_own_scope_and_is_attested_under_its_own_role(stage: TrustStage, scope: str) -> None:
    answer = await stage.accepts(method="GET", path=PATHS[scope], token=scoped(scope))
    attested = await stage.attestation(answer)
    assert (attested["decision"], attested["db_role"]) == ("READ", ROLES[scope])
    assert (attested["participant_id"], attested["instruction_id"]) == ("ZM-BANK-A", "INV-read")


@pytest.mark.parametrize("scope", ["payment:submit", "payment:status", "evidence:read"])
async def test_no_scope_gives_another_capability(stage: TrustStage, scope: str) -> None:
    for needed, path in PATHS.items():
        if needed != scope:
            attested = await stage.refuses(
                "TOKEN_SCOPE_INSUFFICIENT", 403, method="GET", path=path, token=scoped(scope)
            )
            assert attested["db_role"] == "symphony_ingest"
    if scope != "payment:submit":
        await stage.refuses("TOKEN_SCOPE_INSUFFICIENT", 403, token=scoped(scope))
        many = {"instructions": [instruction("no")]}
        await stage.refuses(
            "TOKEN_SCOPE_INSUFFICIENT", 403, path="/v1/instructions/batch", body=many, token=scoped(scope)
        )


async def test_the_state_and_the_evidence_have_the_documented_form(stage: TrustStage) -> None:
    status = conforms(await stage.accepts(method="GET", path=PATHS["payment:status"]), "Status")
    assert (status["state"], status["amount"]) == ("PENDING", "125.50")
    answer = await stage.accepts(method="GET", path=PATHS["evidence:read"])
    evidence = conforms(answer, "Evidence")
    assert evidence["instruction_id"] == "INV-read"
    assert [entry["kind"] for entry in evidence["entries"]][:2] == ["ATTESTATION", "INSTRUCTION"]
    assert b"Chanda" not in answer.raw
    assert b"db_role" not in answer.raw


@pytest.mark.parametrize("path", list(PATHS.values()))
async def test_a_participant_sees_only_its_own(stage: TrustStage, path: str) -> None:
    attested = await stage.refuses(
        "INSTRUCTION_UNKNOWN", 404, sender=stage.sender(stage.b), method="GET", path=path, signing=None
    )
    assert (attested["participant_id"], attested["instruction_id"]) == ("ZM-BANK-B", "INV-read")


@pytest.mark.parametrize("name", ["INV-never", "%00", "x" * 65])
async def test_an_unknown_instruction_is_attested_once(stage: TrustStage, name: str) -> None:
    for end in ("", "/evidence"):
        await stage.refuses("INSTRUCTION_UNKNOWN", 404, method="GET", path=f"/v1/instructions/{name}{end}")


async def test_a_read_is_checked_against_replay_too(stage: TrustStage) -> None:
    sender = stage.sender()
    request = sender.request(method="GET", path=PATHS["payment:status"])
    wire = await sender.connect()
    assert (await wire.ask(request)).status == 200
    again = await wire.ask(request)
    assert (again.status, again.reason) == (401, "DPOP_REPLAYED")
    assert (await stage.attestation(again))["db_role"] == "symphony_status_reader"
    wire.close()


async def test_a_read_may_be_unsigned_and_not_wrongly_signed(stage: TrustStage) -> None:
    await stage.accepts(method="GET", path=PATHS["payment:status"], signing=None)
    await stage.refuses(
        "SIGNATURE_INVALID", 401, method="GET", path=PATHS["payment:status"], signing=Signing(flip=True)
    )


async def test_an_id_that_ends_like_the_resource_is_sent_encoded(stage: TrustStage) -> None:
    await stage.accepts(body=instruction("x/evidence"), key="K-x-evidence")
    answer = await stage.accepts(method="GET", path="/v1/instructions/INV-x%2Fevidence")
    assert answer.json["instruction_id"] == "INV-x/evidence"


async def test_the_login_of_one_capability_can_do_nothing_else(stage: TrustStage) -> None:
    """A pool's login is a member of one role: the database refuses the others, whatever the handler would think."""
    async with await psycopg.AsyncConnection.connect(stage.dsn, autocommit=True) as admin:
        await admin.execute("drop role if exists one_capability")
        await admin.execute("create role one_capability login password 'once' noinherit")
        await admin.execute("grant symphony_status_reader to one_capability with inherit false, set true")
    dsn = psycopg.conninfo.make_conninfo(stage.dsn, user="one_capability", password="once")
    item = Visit(participant_id="ZM-BANK-A").read("INV-read")
    try:
        async with await api.connect(dsn, application_name="test") as connection:
            with pytest.raises(DatabaseUnavailable, match="42501"):
                await api.ingress.read_evidence(connection, item=item, proof=None)
            with pytest.raises(DatabaseUnavailable, match="42501"):
                await api.ingress.accept(connection, items=[item])
            decision, status = await api.ingress.read_status(connection, item=item, proof=None)
            assert (decision.reason_code, status) == ("PROOF_MISSING", None)
    finally:
        async with await psycopg.AsyncConnection.connect(stage.dsn, autocommit=True) as admin:
            await admin.execute("drop role one_capability")
