"""Races around who is believed: a new rule, a raised epoch, an ended source, and the emptying of slots in use."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding

from symphony import api
from symphony.api.connection import Connection
from symphony.api.trust import RefusalCount
from symphony.errors import Conflict, Invalid
from symphony.ingress.refusal_counter import RefusalCounter
from symphony.ingress.refusal_journal import RefusalJournal
from symphony.registrar.certificate_command import cert
from tests.ingress_bench import instruction, rows
from tests.ingress_trust_stage import TrustStage, trust_stage
from tests.payments import establish, item
from tests.sql_cell import A, policy, sessions
from tests.test_replay_races import (
    ACT,
    ISSUER,
    in_mid_slot,
    instructions,
    number,
    one,
    proof,
    request,
    said,
    seen,
    until_waiting,
)
from tests.test_replay_races import judge as judge
from tests.trust_material import Authority

OTHER_CA, OTHER_CERT = sha256(b"another ca").digest(), sha256(b"another cert").digest()


@pytest.fixture
async def unproven(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new cell that does not require proof yet."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


async def judged(connection: Connection) -> list[tuple[str, str | None, bool]]:
    """Each attestation: decision, reason, and whether it is younger than the rule that requires proof."""
    cursor = await connection.execute(
        "select a.decision::text, a.reason_code, a.recorded_at > r.published_at from evidence.attestations as a"
        " cross join evidence.proof_rules as r where r.proof_required order by a.recorded_at"
    )
    return await cursor.fetchall()


async def test_a_rule_waits_for_what_was_judged_before_it(fresh_database: str, unproven: Connection) -> None:
    async with sessions(fresh_database, 3) as (holder, caller, operator):
        assert said((await api.ingress.accept(caller, items=[item("I-0")]))[0]) == ("ACCEPT", None)
        async with holder.transaction():
            await holder.execute("select outbox.lock_participants(array['ZM-BANK-A'])")
            accepting = asyncio.create_task(api.ingress.accept(caller, items=[item("I-1")]))
            await until_waiting(unproven, accepting)
            publishing = asyncio.create_task(api.trust.publish_proof_rule(operator, operator="olga", reason="a test"))
            await asyncio.sleep(0.2)
            assert not publishing.done(), "the rule would be older than an attestation that it forbids"
        assert said((await accepting)[0]) == ("ACCEPT", None)
        assert await publishing == 1
        assert said((await api.ingress.accept(caller, items=[item("I-2")]))[0]) == ("REJECT", "PROOF_MISSING")
    assert await judged(unproven) == [
        ("ACCEPT", None, False),
        ("ACCEPT", None, False),
        ("REJECT", "PROOF_MISSING", True),
    ]
    assert await instructions(unproven) == 2


async def test_what_comes_while_a_rule_is_published_is_judged_by_it(fresh_database: str, unproven: Connection) -> None:
    async with sessions(fresh_database, 2) as (operator, caller):
        async with operator.transaction():
            await api.trust.publish_proof_rule(operator, operator="olga", reason="a test")
            accepting = asyncio.create_task(api.ingress.accept(caller, items=[item("I-1")]))
            await until_waiting(unproven, accepting)
        assert said((await accepting)[0]) == ("REJECT", "PROOF_MISSING")
    assert await judged(unproven) == [("REJECT", "PROOF_MISSING", True)]
    assert await instructions(unproven) == 0


async def test_an_epoch_is_not_raised_while_a_read_is_under_way(fresh_database: str, judge: Connection) -> None:
    async with sessions(fresh_database, 2) as (reader, admin):
        async with reader.transaction():
            answer, _ = await api.ingress.read_status(
                reader, item=request("I-1", rail=None, signature_key_id=None, signature_alg=None), proof=proof("read")
            )
            assert said_of(answer) == ("REJECT", "INSTRUCTION_UNKNOWN")
            raising = asyncio.create_task(admin.execute("select core.establish_cell('cell-test', 2)"))
            await until_waiting(judge, raising)
        await raising
    assert await number(judge, "select cell_epoch from evidence.attestations") == 1


def said_of(answer: Any) -> tuple[str, str | None]:
    """The decision of a read and why."""
    return answer.decision, answer.reason_code


@pytest.mark.parametrize("edge", [False, True], ids=["mid-slot", "edge of its slot"])
@pytest.mark.parametrize("replayed", [False, True], ids=["first use", "replay"])
async def test_a_request_locks_the_slots_of_its_proofs_and_no_other(
    fresh_database: str, judge: Connection, edge: bool, replayed: bool
) -> None:
    now = int(time.time())
    bucket = now // 600
    issued_at = in_mid_slot()
    if edge:  # within 90 s of the edge that is not more than five minutes ago
        issued_at = bucket * 600 + 5 if now % 600 < 300 else (bucket + 1) * 600 - 5
    beside = {False: set(), True: {bucket - 1 if now % 600 < 300 else bucket + 1}}[edge]
    used = proof("same", dpop_issued_at=issued_at)
    if replayed:
        assert said(await one(judge, request("I-0"), used)) == ("ACCEPT", None)
    for back in (2, 3, 4):
        await judge.execute("insert into ingress.seen_jti values (%s, uuidv7(), uuidv7())", ((bucket - back) % 8,))
    async with sessions(fresh_database, 2) as (caller, maintainer), caller.transaction():
        expected = ("REJECT", "DPOP_REPLAYED") if replayed else ("ACCEPT", None)
        assert said(await one(caller, request("I-1"), used)) == expected
        cursor = await judge.execute(
            "select distinct right(l.relation::regclass::text, 1)::integer from pg_locks as l"
            " where l.pid = %s and l.relation::regclass::text ~ '^ingress.seen_jti_[0-7]$'",
            (caller.info.backend_pid,),
        )
        locked = {slot for (slot,) in await cursor.fetchall()}
        assert locked <= {slot % 8 for slot in {issued_at // 600, *beside}}
        # A slot in use would be waited for in vain and not be counted.
        assert await api.trust.retire_seen(maintainer) == 3, "nothing in its way"
    assert await seen(judge) == 1


async def test_a_list_is_not_ended_beside_a_registration_under_way(fresh_database: str, judge: Connection) -> None:
    now = datetime.now(UTC)
    await api.trust.record_revocation_list(
        judge, source="CRL", issuer_sha256=OTHER_CA, list_number=1, this_update=now,
        next_update=now + timedelta(hours=1), revoked_serials=(),
    )  # fmt: skip
    async with sessions(fresh_database, 2) as (registrar, operator):
        async with registrar.transaction():
            await api.trust.register_client_cert(
                registrar, client_id="client-a", cert_sha256=OTHER_CERT, issuer_sha256=OTHER_CA, serial="b1",
                not_before=now - timedelta(days=1), not_after=now + timedelta(days=1), **ACT,
            )  # fmt: skip
            ending = asyncio.create_task(
                api.trust.end_revocation_source(operator, issuer_sha256=OTHER_CA, source="CRL", **ACT)
            )
            await until_waiting(judge, ending)
        with pytest.raises(Conflict) as caught:
            await ending
    assert caught.value.sqlstate == "SC504"
    assert await number(judge, "select count(*) from ingress.ended_revocation_sources") == 0


async def test_a_ca_that_was_replaced_stops_its_own_certificates_only(judge: Connection) -> None:
    now = datetime.now(UTC)
    await api.trust.register_client_cert(
        judge, client_id="client-a", cert_sha256=OTHER_CERT, issuer_sha256=OTHER_CA, serial="b1",
        not_before=now - timedelta(days=1), not_after=now + timedelta(days=1), **ACT,
    )  # fmt: skip
    # The old CA's list is not read any more.
    await judge.execute("update ingress.revocation_sources set checked_at = checked_at - interval '1 day'")
    await api.trust.record_revocation_list(
        judge, source="CRL", issuer_sha256=OTHER_CA, list_number=1, this_update=now,
        next_update=now + timedelta(hours=1), revoked_serials=(),
    )  # fmt: skip
    assert said(await one(judge, request("I-1", cert_sha256=OTHER_CERT), proof("1"))) == ("ACCEPT", None)
    assert said(await one(judge, request("I-2"), proof("2"))) == ("REJECT", "REVOCATION_STALE")
    fresh_until = (await api.trust.registry_state(judge)).revocation_fresh_until
    assert fresh_until is not None
    assert fresh_until > now + timedelta(seconds=1), "the ingress serves the new CA's clients"


async def test_many_expired_certificates_cost_nobody_time(judge: Connection) -> None:
    await judge.execute(
        "insert into ingress.client_certs select sha256(('old ' || g)::bytea), 'client-a', %s, %s, to_hex(g + 4096),"
        " now() - interval '3 days', now() - interval '2 days', 'o', 'r', now() - interval '3 days', sha256('x')"
        " from generate_series(1, 50000) as g",
        (A, ISSUER),
    )
    plans = []
    for query in ("ingress.get_registry_state()", "ingress.list_client_certs()"):
        async with judge.transaction(force_rollback=True):
            await judge.execute("load 'auto_explain'")
            await judge.execute("set local auto_explain.log_min_duration = 0")
            await judge.execute("set local auto_explain.log_nested_statements = on")
            await judge.execute("set local client_min_messages = log")
            notes: list[str] = []
            heard = lambda note, notes=notes: notes.append(note.message_primary or "")  # noqa: E731
            judge.add_notice_handler(heard)
            await judge.execute(f"select * from {query}".encode())
            judge.remove_notice_handler(heard)
        plans.append("\n".join(notes))
    for plan in plans:
        assert "ix_client_certs_end" in plan
        assert "Seq Scan on client_certs" not in plan
    assert len(await api.trust.list_client_certs(judge)) == 1


def end_source(url: str, *arguments: object) -> Result:
    """Run `symphony cert end-source`."""
    options = [*map(str, arguments), "--database-url", url, "--operator", "olga", "--reason", "ticket 7"]
    return CliRunner().invoke(cert, ["end-source", *options])


def test_an_operator_ends_a_source_by_its_ca_or_its_hash(fresh_database: str, tmp_path: Path) -> None:
    ca = Authority()
    file = tmp_path / "ca.pem"
    file.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    issuer = hashlib.sha256(ca.der).digest()
    query = "select source, encode(issuer_sha256, 'hex'), ended_by, reason from ingress.ended_revocation_sources"
    read = (
        "select ingress.record_revocation_list('OCSP', %s, null, now(), now() + interval '1 hour', '{}')",
        (issuer,),
    )
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(*read)
        done = end_source(fresh_database, "OCSP", "--client-ca", file)
        assert (done.exit_code, done.stdout) == (0, f"revocation source OCSP of CA {issuer.hex()} ended\n"), done.output
        again = end_source(fresh_database, "OCSP", "--issuer-sha256", issuer.hex())
        assert again.exit_code == 1
        assert "SN503" in again.stderr
        for wrong in (("OCSP",), ("OCSP", "--issuer-sha256", "x"), ("GOSSIP", "--issuer-sha256", "00")):
            assert end_source(fresh_database, *wrong).exit_code == 2
        assert connection.execute(query).fetchall() == [("OCSP", issuer.hex(), "olga", "ticket 7")]
        connection.execute(*read)
        assert end_source(fresh_database, "OCSP", "--issuer-sha256", issuer.hex().upper()).exit_code == 0


@pytest.fixture
async def stage(fresh_database: str, tmp_path: Path) -> AsyncIterator[TrustStage]:
    """A zero-trust ingress's surroundings on a database of its own."""
    async with trust_stage(fresh_database, tmp_path) as made:
        yield made


async def test_who_is_slowed_down_after_too_many_refusals_is_counted(stage: TrustStage) -> None:
    async with stage.serving({"refused_decisions_per_s": 0.1, "refused_decisions_burst": 1}):
        refused = await stage.sender().send(body=json.dumps(instruction("refused", rail="other")).encode())
        assert (refused.status, refused.reason) == (403, "RAIL_NOT_ALLOWED")
        for n in range(3):
            answer = await stage.sender().send(body=json.dumps(instruction(f"slow-{n}")).encode())
            assert (answer.status, answer.reason) == (429, "TOO_MANY_REFUSALS")
    counted = await rows(
        stage.dsn,
        "select participant_id, level, sum(refusals)::integer from ingress.refusal_counts"
        " where reason_code = 'TOO_MANY_REFUSALS' and cert_sha256 = %s group by 1, 2",
        stage.a.cert_sha256,
    )
    assert counted == [(A, "REQUEST", 3)]
    ((facts,),) = await rows(
        stage.dsn, "select facts from evidence.evidence_events where kind = 'INGRESS_STOPPED' order by event_id"
    )
    assert (facts["refusals_lost"], facts["refusals_unrecordable"]) == (0, 0)


async def test_a_counter_tells_what_is_lost_with_it(tmp_path: Path) -> None:
    async def away(counts: object) -> None:
        raise OSError

    alone, kept = (
        RefusalCounter(away, instance="i", journal=journal) for journal in (None, RefusalJournal(tmp_path / "journal"))
    )
    for counter in (alone, kept):
        await counter.start()
        counter.note("RATE_LIMITED", level="REQUEST")
        counter.note("RATE_LIMITED", level="REQUEST")
        assert not await counter.flush()
        counter.note("RATE_LIMITED", level="REQUEST")
    assert (alone.unrecorded, alone.unkept) == (3, 3)
    assert (kept.unrecorded, kept.unkept) == (3, 1)
    for counter in (alone, kept):
        await counter.close()


async def test_a_count_of_a_month_without_partition_is_kept_and_sent_again(
    fresh_database: str, judge: Connection
) -> None:
    async def record(counts: Any) -> None:
        async with await api.connect(fresh_database, application_name="counts") as connection:
            await api.trust.record_refusal_counts(connection, counts=counts)

    cursor = await judge.execute(
        "select relid::regclass::text from pg_partition_tree('ingress.refusal_counts') where isleaf"
    )
    leaves = [leaf for (leaf,) in await cursor.fetchall()]
    for leaf in leaves:
        await judge.execute(f"alter table ingress.refusal_counts detach partition {leaf}".encode())
    counter = RefusalCounter(record, instance="i")
    counter.note("RATE_LIMITED", level="REQUEST")
    assert not await counter.flush()
    assert (counter.unrecorded, counter.unrecordable) == (1, 0), "kept, not dropped as out of its form"
    for leaf in leaves:
        await judge.execute(f"drop table {leaf}".encode())
    await judge.execute("select ops.ensure_partitions(0)")
    assert await counter.flush()
    assert await number(judge, "select sum(refusals) from ingress.refusal_counts") == 1


async def test_a_count_out_of_its_form_is_told_from_it(judge: Connection) -> None:
    now = datetime.now(UTC)
    odd = RefusalCount(
        count_id=(await (await judge.execute("select uuidv7()")).fetchall())[0][0], level="REQUEST",
        reason_code="NO_SUCH_REASON", refusals=1, first_at=now, last_at=now, instance="i",
    )  # fmt: skip
    with pytest.raises(Invalid) as caught:
        await api.trust.record_refusal_counts(judge, counts=[odd])
    assert caught.value.sqlstate == "SV502"
    assert await number(judge, "select count(*) from ingress.refusal_counts") == 0
