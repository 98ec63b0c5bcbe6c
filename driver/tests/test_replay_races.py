"""Replay and revocation with real sessions at once: a proof is good once, and what ended is refused from then on."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.api.ingress import Decision, Item, Proof
from tests.payments import establish, item
from tests.sql_cell import A, policy, row_counts, sessions

ACT = {"operator": "olga", "reason": "a test"}
CERT, ISSUER, SERIAL = sha256(b"cert-a").digest(), sha256(b"ca").digest(), "a1"
JWK = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'  # RFC 8037 A.2


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new cell that believes one client's certificate and key, and requires proof."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        await api.trust.register_client(connection, client_id="client-a", participant_id=A, **ACT)
        await register_cert(connection, CERT, SERIAL)
        await api.trust.register_signature_key(
            connection, key_id="key-a", client_id="client-a", alg="ed25519", public_jwk=JWK,
            active_from=datetime.now(UTC) - timedelta(days=1), active_until=None, **ACT,
        )  # fmt: skip
        await read_list(connection, 1)
        await api.trust.publish_proof_rule(connection, operator="olga", reason="a test")
        yield connection


async def register_cert(connection: Connection, cert: bytes, serial: str) -> None:
    """Register a certificate of client A."""
    now = datetime.now(UTC)
    await api.trust.register_client_cert(
        connection, client_id="client-a", cert_sha256=cert, issuer_sha256=ISSUER, serial=serial,
        not_before=now - timedelta(days=1), not_after=now + timedelta(days=1), **ACT,
    )  # fmt: skip


async def read_list(connection: Connection, number: int, *serials: str) -> int:
    """Record the issuer's revocation list of now; how many certificates it ended."""
    now = datetime.now(UTC)
    return await api.trust.record_revocation_list(
        connection, source="CRL", issuer_sha256=ISSUER, list_number=number, this_update=now - timedelta(seconds=1),
        next_update=now + timedelta(hours=1), revoked_serials=serials,
    )  # fmt: skip


def request(instruction_id: str, **changes: object) -> Item:
    """One instruction as an authenticated ingress hands it over, under a correlation id of its own."""
    facts: dict[str, Any] = {
        "client_id": "client-a", "cert_sha256": CERT, "token_iss": "https://issuer.example", "token_aud": "symphony",
        "token_kid": "k1", "token_jti_sha256": sha256(instruction_id.encode()).digest(), "pop_mode": "MTLS_DPOP",
        "signature_key_id": "key-a", "signature_alg": "ed25519",
    }  # fmt: skip
    return replace(item(instruction_id), **{**facts, **changes})


def proof(name: str = "", **changes: Any) -> Proof:
    """A proof whose DPoP jti is made of the name; both of its proofs are of now."""
    now = int(time.time())
    made = Proof(
        token_expires_at=now + 300,
        dpop_jkt=sha256(b"jkt").digest(),
        dpop_jti_sha256=sha256(f"proof {name}".encode()).digest(),
        dpop_issued_at=now,
        signature_created=now,
    )
    return replace(made, **changes)


def in_mid_slot() -> int:
    """A time of now that is more than 90 s from both edges of its ten minutes."""
    now = int(time.time())
    return now // 600 * 600 + min(max(now % 600, 100), 500)


async def one(connection: Connection, wanted: Item, proved: Proof) -> Decision:
    """Accept one proven item alone."""
    (decision,) = await api.ingress.accept(connection, items=[wanted], proofs=[proved])
    return decision


def said(decision: Decision) -> tuple[str, str | None]:
    """The decision and why."""
    return decision.decision, decision.reason_code


async def number(connection: Connection, query: str) -> int:
    """One query's only number."""
    ((found,),) = await (await connection.execute(query.encode())).fetchall()
    return int(found)


async def instructions(connection: Connection) -> int:
    """How many instructions are recorded."""
    return await number(connection, "select count(*) from outbox.payment_instructions")


async def seen(connection: Connection) -> int:
    """How many proofs the replay store holds."""
    return await number(connection, "select count(*) from ingress.seen_jti")


async def turn_clock(connection: Connection, *sessions_ahead: Connection) -> None:
    """Put the cell's clock 25 minutes ahead for these sessions: a step of the server's clock, seen by some before others."""
    await connection.execute(
        "create or replace function core.now() returns timestamptz language sql volatile parallel safe"
        " return clock_timestamp() + coalesce(nullif(current_setting('test.ahead', true), ''), '0')::interval"
    )
    for session in sessions_ahead:
        await session.execute("set test.ahead = '25 minutes'")


async def until_waiting(judge: Connection, task: asyncio.Task[Any]) -> None:
    """Return when a session of this database waits for a lock; fail when the task ends without."""
    query = (
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        " and pid <> pg_backend_pid()"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert not task.done(), "it should have waited"
        if await number(judge, query):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing ever waited for a lock")


NONCE = {"signature_nonce_sha256": sha256(b"nonce").digest()}
ONCE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("DPOP_REPLAYED", {}, {}),
    ("TOKEN_REPLAYED", {"pop_mode": "MTLS", "token_jti_sha256": sha256(b"token").digest()}, {}),
    ("SIGNATURE_REPLAYED", {}, NONCE),
]


@pytest.mark.parametrize(("reason", "facts", "proved"), ONCE, ids=[reason for reason, *_ in ONCE])
@pytest.mark.parametrize("same_instruction", [True, False])
async def test_sixteen_sessions_with_one_proof_are_believed_once(
    fresh_database: str,
    judge: Connection,
    reason: str,
    facts: dict[str, Any],
    proved: dict[str, Any],
    same_instruction: bool,
) -> None:
    common = proof(**proved)
    async with sessions(fresh_database, 16) as callers:
        decisions = await asyncio.gather(
            *(
                one(
                    caller,
                    request("I" if same_instruction else f"I-{n}", **facts),
                    replace(common, dpop_jti_sha256=sha256(bytes([n])).digest()) if proved else common,
                )
                for n, caller in enumerate(callers)
            )
        )
    assert Counter(map(said, decisions)) == {("ACCEPT", None): 1, ("REJECT", reason): 15}
    assert await instructions(judge) == 1
    counts = row_counts(fresh_database)
    assert sum(n for name, n in counts.items() if name.startswith("ingress.ingress_attestations_")) == 16
    assert sum(n for name, n in counts.items() if name.startswith("outbox.payment_outbox_pending")) == 1


@pytest.mark.parametrize("rolled_back", [True, False])
async def test_a_rolled_back_first_use_burns_nothing(fresh_database: str, judge: Connection, rolled_back: bool) -> None:
    common = proof()
    async with sessions(fresh_database, 2) as (first, second):
        async with first.transaction(force_rollback=rolled_back):
            assert said(await one(first, request("I-1"), common)) == ("ACCEPT", None)
            waiting = asyncio.create_task(one(second, request("I-2"), common))
            await until_waiting(judge, waiting)
        decision = await waiting
    assert said(decision) == (("ACCEPT", None) if rolled_back else ("REJECT", "DPOP_REPLAYED"))
    cursor = await judge.execute("select instruction_id from outbox.payment_instructions")
    assert await cursor.fetchall() == [("I-2" if rolled_back else "I-1",)]
    assert await seen(judge) == 1


async def test_batches_with_crossed_proofs_never_wait_in_a_ring(fresh_database: str, judge: Connection) -> None:
    proofs = [proof(str(n), signature_nonce_sha256=sha256(f"nonce {n}".encode()).digest()) for n in range(40)]
    async with sessions(fresh_database, 8) as callers:

        async def send(number: int, caller: Connection) -> list[tuple[int, Decision]]:
            order = random.sample(range(40), 40)
            wanted = [request(f"I-{number}-{n}") for n in order]
            decisions = await api.ingress.accept(caller, items=wanted, proofs=[proofs[n] for n in order])
            return list(zip(order, decisions, strict=True))

        answers = await asyncio.gather(*(send(number, caller) for number, caller in enumerate(callers)))
    told = Counter((n, said(decision)) for answer in answers for n, decision in answer)
    assert told == {
        (n, answer): times
        for n in range(40)
        for answer, times in (
            (("ACCEPT", None), 1),
            (("REJECT", "SIGNATURE_REPLAYED"), 0),
            (("REJECT", "DPOP_REPLAYED"), 7),
        )
        if times
    }
    assert await instructions(judge) == 40
    assert await seen(judge) == 80


async def ten_minutes_with_time_left() -> int:
    """The number of these ten minutes, of which some seconds are left."""
    if (left := 600 - time.time() % 600) < 10:
        await asyncio.sleep(left + 0.5)
    return int(time.time()) // 600


async def test_emptying_other_slots_forgets_no_proof(judge: Connection) -> None:
    bucket = await ten_minutes_with_time_left()
    used = proof(signature_nonce_sha256=sha256(b"nonce").digest())
    assert said(await one(judge, request("I-1"), used)) == ("ACCEPT", None)
    for back in (2, 3, 4):
        await judge.execute("insert into ingress.seen_jti values (%s, uuidv7(), uuidv7())", ((bucket - back) % 8,))
    assert await api.trust.retire_seen(judge) == 3
    assert await seen(judge) == 2, "both proofs, and none of the rows that are over"
    assert bucket - 2 <= await number(judge, "select closed_bucket from ingress.replay_horizon") <= bucket - 1
    assert said(await one(judge, request("I-2"), used)) == ("REJECT", "DPOP_REPLAYED")
    fresh_dpop = replace(used, dpop_jti_sha256=sha256(b"another").digest())
    assert said(await one(judge, request("I-2"), fresh_dpop)) == ("REJECT", "SIGNATURE_REPLAYED")
    assert await instructions(judge) == 1


async def test_a_busy_slot_is_passed_over_and_accepts_go_on(fresh_database: str, judge: Connection) -> None:
    bucket = await ten_minutes_with_time_left()
    configured = "select count(*) from pg_proc where proname = 'retire_seen' and 'lock_timeout=250ms' = any (proconfig)"
    assert await number(judge, configured) == 1, "a slot in use is not waited for longer"
    await judge.execute("alter function ingress.retire_seen() set lock_timeout = '2s'")  # it has to be seen waiting
    for back in (3, 4):
        await judge.execute("insert into ingress.seen_jti values (%s, uuidv7(), uuidv7())", ((bucket - back) % 8,))
    async with sessions(fresh_database, 3) as (holder, maintainer, caller):
        async with holder.transaction():
            await holder.execute("insert into ingress.seen_jti values (%s, uuidv7(), uuidv7())", ((bucket - 2) % 8,))
            async with maintainer.transaction():
                retiring = asyncio.create_task(api.trust.retire_seen(maintainer))
                await until_waiting(judge, retiring)
                assert said(await one(caller, request("I-1"), proof("1"))) == ("ACCEPT", None)
                assert await asyncio.wait_for(retiring, 30) == 2, "the other two"
                # Two slots are locked until the commit. What belongs into others waits for none of them, nor when it looks twice.
                second = proof("2", dpop_issued_at=in_mid_slot())
                assert said(await one(caller, request("I-2"), second)) == ("ACCEPT", None)
                replayed = asyncio.create_task(one(caller, request("I-3"), second))
                assert said(await asyncio.wait_for(replayed, 30)) == ("REJECT", "DPOP_REPLAYED")
        assert bucket - 2 <= await number(judge, "select closed_bucket from ingress.replay_horizon"), (
            "closed all the same"
        )
    assert await seen(judge) == 3, "two proofs, and the row of the slot that was in use"


async def test_a_clock_set_back_opens_no_closed_bucket(fresh_database: str, judge: Connection) -> None:
    used = proof()
    assert said(await one(judge, request("I-1"), used)) == ("ACCEPT", None)
    async with sessions(fresh_database, 1) as (ahead,):
        await turn_clock(judge, ahead)
        assert await api.trust.retire_seen(ahead) == 3
    assert await seen(judge) == 0, "the slot of the used proof is empty"
    for again in (used, proof("another")):
        assert said(await one(judge, request("I-2"), again)) == ("REJECT", "PROOF_EXPIRED")
    assert (await instructions(judge), await seen(judge)) == (1, 0)


async def test_what_waited_for_a_slot_finds_its_bucket_closed(fresh_database: str, judge: Connection) -> None:
    used = proof()
    assert said(await one(judge, request("I-1"), used)) == ("ACCEPT", None)
    async with sessions(fresh_database, 2) as (ahead, caller):
        await turn_clock(judge, ahead)
        async with ahead.transaction():
            await api.trust.retire_seen(ahead)
            waiting = asyncio.create_task(one(caller, request("I-2"), used))
            await until_waiting(judge, waiting)
        decision = await waiting
    assert said(decision) == ("REJECT", "PROOF_EXPIRED")
    assert await instructions(judge) == 1


async def test_a_revocation_ends_what_begins_after_it(fresh_database: str, judge: Connection) -> None:
    async with sessions(fresh_database, 3) as (holder, waiting, later):
        async with holder.transaction():
            await holder.execute("select outbox.lock_participants(array['ZM-BANK-A'])")
            accepting = asyncio.create_task(one(waiting, request("I-1"), proof("1")))
            await until_waiting(judge, accepting)
            # The revocation does not wait for accepts under way, and these were judged before it.
            await asyncio.wait_for(api.trust.revoke_client_cert(judge, cert_sha256=CERT, **ACT), 30)
            refused = asyncio.create_task(one(later, request("I-2"), proof("2")))
            assert said(await asyncio.wait_for(refused, 30)) == ("REJECT", "CERT_REVOKED"), "waits for nobody"
        assert said(await accepting) == ("ACCEPT", None)
        assert said(await one(waiting, request("I-3"), proof("3"))) == ("REJECT", "CERT_REVOKED"), "the same session"
    cursor = await judge.execute("select instruction_id from outbox.payment_instructions")
    assert await cursor.fetchall() == [("I-1",)]
    assert await seen(judge) == 1, "what is refused uses no proof up"


@pytest.mark.parametrize("registered_first", [True, False])
async def test_a_list_racing_with_a_registration_misses_no_certificate(
    fresh_database: str, judge: Connection, registered_first: bool
) -> None:
    cert, serial = sha256(b"cert-new").digest(), "b2"
    registration = register_cert, (cert, serial)
    reading = read_list, (2, serial)
    (first, first_args), (second, second_args) = (
        (registration, reading) if registered_first else (reading, registration)
    )
    async with sessions(fresh_database, 2) as (holder, waiting):
        async with holder.transaction():
            await first(holder, *first_args)
            task: asyncio.Task[Any] = asyncio.create_task(second(waiting, *second_args))
            await until_waiting(judge, task)
        found = await task
    wanted = request("I-1", cert_sha256=cert)
    if registered_first:
        assert found == 1, "the list waited, and saw the certificate"
    else:
        # The list was read before the certificate was registered, so it says nothing of it: not believed yet.
        assert said(await one(judge, wanted, proof())) == ("REJECT", "REVOCATION_STALE")
        assert await read_list(judge, 2, serial) == 1
    assert said(await one(judge, wanted, proof())) == ("REJECT", "CERT_REVOKED")
    assert said(await one(judge, request("I-2"), proof())) == ("ACCEPT", None), (
        "the other certificate is as good as ever"
    )
    assert await instructions(judge) == 1


HUGE = 2**63 - 1
ODD: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *(("PROOF_EXPIRED", {}, {name: value}) for value in (HUGE, HUGE - 90, -1, 0, -HUGE - 1)
      for name in ("token_expires_at", "dpop_issued_at", "signature_created")),
    ("PROOF_EXPIRED", {"pop_mode": "MTLS"}, {"dpop_issued_at": HUGE}),
    ("PROOF_EXPIRED", {}, {"signature_created": HUGE} | NONCE),
    *(("PROOF_MISSING", {"pop_mode": mode}, {}) for mode in ("NONE", "DEV_HEADER", "mtls", "", "MTLS,DPOP")),
    *(("PROOF_MISSING", {name: None}, {})
      for name in ("cert_sha256", "client_id", "token_iss", "token_jti_sha256", "pop_mode", "correlation_id")),
    *(("PROOF_MISSING", {}, {name: None})
      for name in ("token_expires_at", "dpop_jkt", "dpop_jti_sha256", "dpop_issued_at", "signature_created")),
    *(("CERT_UNREGISTERED", {"cert_sha256": cert}, {}) for cert in (b"", CERT[:31], CERT + b"\0", bytes(32))),
    ("CERT_CLIENT_MISMATCH", {"participant_id": None}, {}),
    ("CERT_CLIENT_MISMATCH", {"client_id": "client-a "}, {}),
    ("SIGNATURE_MISSING", {"signature_key_id": None}, {}),
    ("SIGNATURE_KEY_UNKNOWN", {"signature_key_id": ""}, {}),
    ("SIGNATURE_ALGORITHM_REFUSED", {"signature_alg": None}, {}),
    ("UNREGISTERED_REASON", {"reject_reason": ""}, {}),
]  # fmt: skip


async def test_odd_requests_are_refused_alone_and_write_nothing_else(fresh_database: str, judge: Connection) -> None:
    wanted = [request(f"P-{n}", **facts) for n, (_, facts, _) in enumerate(ODD)]
    proofs = [proof(f"P-{n}", **changes) for n, (*_, changes) in enumerate(ODD)]
    before = row_counts(fresh_database)
    decisions = await api.ingress.accept(judge, items=wanted, proofs=proofs)
    refused = [d.reason_code for d in decisions]
    assert [d.decision for d in decisions] == ["REJECT"] * len(ODD)
    assert refused == ["" if facts.get("reject_reason") == "" else reason for reason, facts, _ in ODD]
    cursor = await judge.execute("select reason_code from ingress.ingress_attestations")
    assert Counter(row[0] for row in await cursor.fetchall()) == Counter(reason for reason, *_ in ODD)
    changed = {name for name, rows in row_counts(fresh_database).items() if rows != before[name]}
    assert {name.rpartition("_")[0] for name in changed} <= {"ingress.ingress_attestations"}, changed
    assert said(await one(judge, request("G"), proof("P-0"))) == ("ACCEPT", None), "and its proof is still unused"


async def test_a_used_proof_stays_used_when_its_surroundings_change(judge: Connection) -> None:
    used = proof()
    first = request("I-1")
    assert said(await one(judge, first, used)) == ("ACCEPT", None)
    await judge.execute("select core.establish_cell(p_cell_id => 'cell-test', p_epoch => 2)")
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"pop_mode": "DPOP"}, {}),
        ({"token_jti_sha256": sha256(b"another token").digest()}, {"token_expires_at": int(time.time()) + 600}),
        ({}, {"signature_created": int(time.time()) - 30}),
        ({"correlation_id": uuid.UUID(int=0)}, {}),
    ]
    for facts, proved in changes:
        decision = await one(judge, request("I-2", **facts), replace(used, **proved))
        assert said(decision) == ("REJECT", "DPOP_REPLAYED"), facts
    assert (await instructions(judge), await seen(judge)) == (1, 1)


async def test_requests_of_one_batch_do_not_share_a_proof_unless_they_are_one_request(judge: Connection) -> None:
    both = uuid.uuid4()
    wanted = [request(f"I-{n}", correlation_id=both if n < 2 else uuid.uuid4()) for n in range(4)]
    decisions = await api.ingress.accept(judge, items=wanted, proofs=[proof()] * 4)
    assert [said(d) for d in decisions] == [("ACCEPT", None)] * 2 + [("REJECT", "DPOP_REPLAYED")] * 2
    assert (await instructions(judge), await seen(judge)) == (2, 1)


@pytest.mark.parametrize("changes", [{"dpop_jkt": b""}, {"dpop_jti_sha256": b""}, {"dpop_jti_sha256": bytes(33)}])
async def test_a_hash_of_another_length_brings_in_no_replay(judge: Connection, changes: dict[str, Any]) -> None:
    odd = proof(**changes)
    await one(judge, request("I-1"), odd)
    assert (await one(judge, request("I-2"), odd)).decision == "REJECT"
    cursor = await judge.execute("select count(*) from outbox.payment_instructions where instruction_id = 'I-2'")
    assert await cursor.fetchall() == [(0,)]


async def test_a_read_and_a_payment_do_not_share_a_proof(fresh_database: str, judge: Connection) -> None:
    assert said(await one(judge, request("I-1"), proof("1"))) == ("ACCEPT", None)
    async with sessions(fresh_database, 8) as readers:
        reads = await asyncio.gather(
            *(api.ingress.read_status(r, item=request("I-1", rail=None), proof=proof("2")) for r in readers)
        )
    assert Counter((read.decision, read.reason_code, status is None) for read, status in reads) == {
        ("READ", None, False): 1,
        ("REJECT", "DPOP_REPLAYED", True): 7,
    }
    assert said(await one(judge, request("I-2"), proof("2"))) == ("REJECT", "DPOP_REPLAYED")
    assert (await instructions(judge), await seen(judge)) == (1, 2)


async def accept_shifted(connection: Connection, wanted: Item, *, bound: int, proven: bool) -> list[tuple[str, str]]:
    """Call as symphony_ingest with an item array whose first subscript is `bound`, which psycopg never makes."""
    names = ", ".join(f"%({name})s" for name in Item.__dataclass_fields__)
    values = {name: getattr(wanted, name) for name in Item.__dataclass_fields__}
    shifted = f"('[{bound}:{bound}]=' || array[row({names})::ingress.item]::text)::ingress.item[]"
    function = f"accept_proven({shifted}, array[null]::ingress.proof[])" if proven else f"accept({shifted})"
    query = f"select a.decision::text, a.reason_code from ingress.{function} as a"
    async with connection.transaction():
        await connection.execute("set local role symphony_ingest")
        cursor = await connection.execute(query.encode(), values)
        return await cursor.fetchall()


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("bound", [0, 2])
async def test_an_array_that_does_not_begin_at_one_brings_nothing_unproven_in(
    judge: Connection, bound: int, proven: bool
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        await accept_shifted(judge, request("I-1"), bound=bound, proven=proven)
    assert caught.value.sqlstate == "SV401"
    assert await instructions(judge) == 0


async def test_an_array_that_begins_at_one_is_refused_without_proof(judge: Connection) -> None:
    for proven in (True, False):
        answers = await accept_shifted(judge, request("I-1"), bound=1, proven=proven)
        assert answers == [("REJECT", "PROOF_MISSING")]
    assert await instructions(judge) == 0


async def test_a_nonce_without_a_signature_does_not_fail_its_batch_mates(judge: Connection) -> None:
    await api.trust.publish_proof_rule(judge, signature_required=False, operator="olga", reason="a test")
    odd = proof("1", signature_created=None, **NONCE)
    wanted = [request("P", signature_key_id=None, signature_alg=None), request("G")]
    decisions = await api.ingress.accept(judge, items=wanted, proofs=[odd, proof("2")])
    assert [said(d) for d in decisions] == [("REJECT", "PROOF_MISSING"), ("ACCEPT", None)]


async def test_a_list_number_that_is_none_ends_no_later_list(judge: Connection) -> None:
    with pytest.raises(psycopg.Error) as caught:
        await judge.execute(
            "select ingress.record_revocation_list('CRL', %s, 'NaN', now(), now() + interval '1 hour', '{}')", (ISSUER,)
        )
    assert caught.value.sqlstate == "SV502"
    assert await read_list(judge, 2) == 0
