"""Aliases through the real HTTP ingress, in front of a real database and a real registry process."""

from __future__ import annotations

import asyncio
import hmac
import io
import itertools
import json
import logging
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from symphony import api, logs
from symphony.ingress.aliases import AliasSettings, AliasSource
from symphony.registries.registry import RegistryOptions, open_registry
from symphony.resolver.hashing import AliasHasher, LocalHasher, TransitHasher
from symphony.resolver.sealing import open_sealed
from tests.bao_process import Bao
from tests.ingress_bench import (
    A,
    Answer,
    B,
    Bench,
    Client,
    conforms,
    instruction,
    policy_document,
    prepare,
    rows,
    serving,
)
from tests.ingress_trust_stage import trust_stage
from tests.registry_process import PERSONAL, RegistryProcess, entry, mobile
from tests.sql_cell import CONTEXTS, claim, row_counts
from tests.stopped import stopped
from tests.test_ingress_crashes import spawn
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
pytest_plugins = ("tests.bao_fixtures",)

# and A: DEFER by default
SYNC, PATIENT, HALFWAY, GUESSER, REFUSED = "ZM-SYNC", "ZM-PATIENT", "ZM-HALFWAY", "ZM-GUESSER", "ZM-REFUSED"
KEY = bytes(range(32))
UNAVAILABLE = (503, "PROXY_REGISTRY_UNAVAILABLE")


def proxy(mode: str = "SYNC", **changes: int) -> dict[str, object]:
    """A participant's rule in a policy."""
    times = {"ttl_ms": 60_000, "pending_max_ms": 60_000, "sync_budget_ms": 5_000, "misses_per_hour_max": 10_000}
    return {"mode": mode, **times, **changes}


def document(version: int = 1, **rules: Mapping[str, object]) -> dict[str, Any]:
    """The bench's policy with the participants of this module."""
    found: dict[str, Any] = dict(policy_document(version))
    one = found["participants"][0]
    given = {
        SYNC: proxy(sync_budget_ms=300),
        PATIENT: proxy(sync_budget_ms=10_000),
        HALFWAY: proxy(sync_budget_ms=4_000),
        GUESSER: proxy(misses_per_hour_max=2),
        REFUSED: proxy("REFUSE"),
    }
    found["participants"] += [{**one, "participant_id": name, "proxy": rule} for name, rule in given.items()]
    for participant in found["participants"]:
        name = participant["participant_id"].replace("-", "_")
        if name in rules:
            participant["proxy"] = dict(rules[name])
    return found


async def activate(dsn: str, wanted: dict[str, Any]) -> None:
    """Make this policy the active one."""
    async with await api.connect(dsn, application_name="test-policy") as connection:
        checksum = await api.policy.propose(connection, document=wanted, operator="test")
        await api.policy.activate(connection, version=wanted["version"], checksum=checksum, operator="test")


@pytest.fixture(scope="module")
def dsn(database_url: str) -> str:
    """One database for this module."""

    async def make() -> None:
        await prepare(database_url, policy=False)
        await activate(database_url, document())

    asyncio.run(make())
    return database_url


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    """One registry for this module; it knows the first 1000 mobile numbers."""
    with RegistryProcess(tmp_path_factory.mktemp("registry") / "store.db") as found:
        found.put(*[entry(mobile(number)) for number in range(1_000)])
        yield found


@pytest.fixture
def registry(process: RegistryProcess) -> Iterator[RegistryProcess]:
    """The same without faults."""
    yield process
    process.set_faults()


def source(base_url: str, *, hasher: AliasHasher | None = None, **settings: Any) -> AliasSource:
    """A real client of the registry there."""
    chosen = AliasSettings(**settings)
    options = RegistryOptions(base_url=base_url, timeout_ms=chosen.registry_timeout_ms)
    hashing = hasher or LocalHasher({3: KEY}, environment="dev")
    return AliasSource(registry=open_registry("sandbox", options), hasher=hashing, settings=chosen)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address where nobody listens, nor anybody else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def asking(dsn: str, base_url: str, **settings: Any) -> AsyncIterator[Bench]:
    """An ingress that asks the registry there."""
    aliases = source(base_url, **{"registry_timeout_ms": 9_500, **settings})
    async with serving(dsn, aliases, reject_attestations_burst=10_000) as bench:
        yield bench


@pytest_asyncio.fixture(loop_scope="module")
async def bench(dsn: str, registry: RegistryProcess) -> AsyncIterator[Bench]:
    """An ingress of this test that asks the registry."""
    async with asking(dsn, registry.base_url) as running:
        yield running


def named(number: int | str, value: str, **creditor: object) -> dict[str, object]:
    """An instruction to an alias."""
    return instruction(number, creditor={"alias": {"type": "MBNO", "value": value}, **creditor})


async def send(bench: Bench, body: dict[str, object], *, participant: str = PATIENT) -> Answer:
    """Send an instruction under its id as the key."""
    return await bench.client.post(body, key=f"K-{body['instruction_id']}", participant=participant)


UNASKED = {"PROXY_INVALID_FORMAT", "PROXY_TYPE_UNSUPPORTED", "SCHEMA_INVALID"}


async def refused(bench: Bench, body: dict[str, object], *, participant: str = PATIENT, misses: int = 0) -> Answer:
    """Send; check that one attestation of the refusal was written, that many misses counted, and nothing else."""
    before = row_counts(bench.dsn)
    noted = await rows(bench.dsn, "select coalesce(sum(misses), 0) from proxy.miss_counts")
    answer = await send(bench, body, participant=participant)
    conforms(answer, "Problem")
    after = row_counts(bench.dsn)
    written = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    # A participant's sequence row is made by its first request, whatever becomes of that; misses are counted below.
    beside = {"outbox.participant_outbox_sequences", "proxy.miss_counts"}
    found = {_table(name): count for name, count in written.items() if name not in beside}
    # What the registry said, where it said something, is an evidence event that names the attestation.
    said = answer.status == 422 and answer.reason not in UNASKED
    assert found == {"ingress.ingress_attestations": 1} | ({"evidence.evidence_events": 1} if said else {})
    assert await rows(
        bench.dsn,
        "select participant_id, decision::text, reason_code, attestation_id::text from ingress.ingress_attestations"
        " where correlation_id = %s",
        answer.json["correlation_id"],
    ) == [(participant, "REJECT", answer.reason, answer.json["attestation_id"])]
    counted = await rows(bench.dsn, "select coalesce(sum(misses), 0) from proxy.miss_counts")
    assert counted[0][0] - noted[0][0] == misses
    return answer


def _table(name: str) -> str:
    return re.sub(r"_[0-9]{6}$", "", name)  # a month's leaf


async def holds(bench: Bench, number: int) -> None:
    """Wait until the ingress holds that many requests."""
    await until(lambda: bench.service.ingress.in_flight >= number)


def seconds_to_retry(answer: Answer) -> int:
    """What Retry-After says."""
    return int(answer.headers["Retry-After"])


async def test_by_default_an_alias_waits_for_its_resolver(bench: Bench, registry: RegistryProcess) -> None:
    asked = registry.stats()["questions"]
    answer = await send(bench, named("defer", "0977 000 001", participant_id=B), participant=A)
    assert answer.status == 202
    assert conforms(answer, "Accepted")["state"] == "AWAITING_PROXY_RESOLUTION"
    ((parties, kind, due),) = await rows(
        bench.dsn,
        "select y.parties, q.proxy_type, p.due_at = 'infinity' from outbox.instruction_parties as y"
        " join proxy.resolution_queue as q using (participant_id, outbox_id)"
        " join outbox.payment_outbox_pending as p using (participant_id, outbox_id) where outbox_id = %s::uuid",
        answer.json["outbox_id"],
    )
    assert json.loads(parties)["creditor"] == {"alias": {"type": "MBNO", "value": "+260977000001"}}
    assert (kind, due) == ("MBNO", True)
    again = await send(bench, named("defer", "+260977000001", participant_id=B), participant=A)
    assert (again.status, again.headers["Idempotency-Replayed"], again.raw) == (202, "true", answer.raw)
    assert registry.stats()["questions"] == asked


async def test_a_malformed_alias_is_attested_and_nothing_else(bench: Bench, registry: RegistryProcess) -> None:
    asked = registry.stats()["questions"]
    for body, reason, member in (
        (named("bad", "+260211222333"), "PROXY_INVALID_FORMAT", "value"),
        (instruction("bad", creditor={"alias": {"type": "TELE", "value": "1"}}), "PROXY_TYPE_UNSUPPORTED", "type"),
    ):
        for participant in (A, PATIENT):
            answer = await refused(bench, body, participant=participant)
            assert (answer.status, answer.reason) == (422, reason)
            assert answer.json["pointer"] == f"/creditor/alias/{member}"
    assert registry.stats()["questions"] == asked


async def test_sync_records_the_instruction_with_what_the_registry_said(
    bench: Bench, registry: RegistryProcess
) -> None:
    value = mobile(10)
    version = registry.put(entry(value))
    answer = await send(bench, named("ok", value))
    assert answer.status == 202, answer.raw
    assert conforms(answer, "Accepted")["state"] == "PENDING"
    assert registry.calls(f"MBNO:{value}") == [(PATIENT, "RESOLVED", None)]
    found = await rows(
        bench.dsn,
        "select status::text, beneficiary_participant_id, source, source_version, hash_key_id, proxy_hash, from_cache,"
        " response_sha256 is not null, latency_us > 0, resolution_no from proxy.proxy_resolutions"
        " where outbox_id = %s::uuid",
        answer.json["outbox_id"],
    )
    hashed = hmac.digest(KEY, f"proxy:MBNO:{value}".encode(), "sha256")
    assert found == [("RESOLVED", B, "sandbox", version, "proxy-hash:v3", hashed, False, True, True, 1)]
    ((sealed,),) = await rows(
        bench.dsn, "select sealed_beneficiary from proxy.proxy_resolution_current where proxy_hash = %s", hashed
    )
    secret = hmac.digest(KEY, f"proxy-secret:MBNO:{value}".encode(), "sha256")
    assert json.loads(open_sealed(secret, sealed))["account"] == f"{PERSONAL}-{value}"
    async with await api.connect(bench.dsn, application_name="test-claim") as connection:
        claims = {one.outbox_id: one for one in await claim(connection, limit=200)}
    paid = next(one for outbox_id, one in claims.items() if str(outbox_id) == answer.json["outbox_id"])
    assert (paid.creditor_participant_id, json.loads(paid.parties or "")["creditor"]["account"]) == (
        B,
        f"{PERSONAL}-{value}",
    )


@pytest.mark.parametrize(
    ("fault", "status", "reason", "misses"),
    [
        (None, 422, "PROXY_NOT_FOUND", 1),
        ({"kind": "revoked"}, 422, "PROXY_REVOKED", 1),
        ({"kind": "several", "participant_id": A}, 422, "PROXY_AMBIGUOUS", 1),
        ({"kind": "unavailable"}, *UNAVAILABLE, 0),
        ({"kind": "poisoned"}, *UNAVAILABLE, 0),
        ({"kind": "malformed"}, *UNAVAILABLE, 0),
        ({"kind": "down"}, *UNAVAILABLE, 0),
        ({"kind": "down", "answer": "reset"}, *UNAVAILABLE, 0),
    ],
)
async def test_sync_refuses_what_is_not_resolved_and_keeps_an_attestation(
    bench: Bench, registry: RegistryProcess, fault: dict[str, Any] | None, status: int, reason: str, misses: int
) -> None:
    registry.set_faults(*([] if fault is None else [fault]))
    answer = await refused(bench, named("no", mobile(20 if fault else 5_000)), misses=misses)
    assert (answer.status, answer.reason) == (status, reason)
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert (await bench.client.get("/v1/instructions/INV-no", participant=PATIENT)).status == 404


async def test_an_alias_at_another_provider_than_the_payer_named_is_nobody(bench: Bench) -> None:
    answer = await refused(bench, named("provider", mobile(21), participant_id=A), misses=1)
    assert (answer.status, answer.reason) == (422, "PROXY_NOT_FOUND")


async def test_a_registry_that_is_not_there_is_said_with_when_to_retry(dsn: str, nowhere: str) -> None:
    async with asking(dsn, nowhere) as bench:
        answer = await refused(bench, named("nowhere", mobile(30)))
        assert (answer.status, answer.reason) == UNAVAILABLE
        assert seconds_to_retry(answer) >= 1
        assert (
            bench.metrics.registry.get_sample_value(
                "proxy_resolutions_total", {"type": "MBNO", "status": "TEMP_UNAVAILABLE", "source": "sandbox"}
            )
            == 1
        )
        assert (await send(bench, instruction("beside"))).status == 202


async def test_an_ingress_without_a_registry_says_so_and_defers_nothing(dsn: str) -> None:
    async with serving(dsn) as bench:
        answer = await refused(bench, named("unconfigured", mobile(31)))
        assert (answer.status, answer.reason) == UNAVAILABLE
        assert seconds_to_retry(answer) >= 1
        assert (await send(bench, named("deferred", mobile(31)), participant=A)).status == 202


async def test_a_registry_slower_than_the_budget_is_not_waited_for(dsn: str, registry: RegistryProcess) -> None:
    registry.set_faults({"kind": "slow", "ms": 60_000})
    async with asking(dsn, registry.base_url, registry_timeout_ms=60_000) as bench:
        begun = time.monotonic()
        answer = await refused(bench, named("slow", mobile(32)), participant=SYNC)
        assert (answer.status, answer.reason) == UNAVAILABLE
        assert 0.3 <= time.monotonic() - begun < 15, "its budget is 300 ms; the registry answers after a minute"


async def test_a_short_budget_closes_the_registry_to_nobody_else(bench: Bench, registry: RegistryProcess) -> None:
    """The registry answers in its own time, so it is not away: late answers keep the breaker closed."""
    registry.set_faults({"kind": "slow", "ms": 400, "asked_by": SYNC})
    late = await asyncio.gather(*(send(bench, named(f"late-{n}", mobile(n)), participant=SYNC) for n in range(12)))
    assert {(answer.status, answer.reason) for answer in late} == {UNAVAILABLE}
    assert (await send(bench, named("in-time", mobile(40)))).status == 202
    await until(lambda: not bench.service.engine.aliases._asking)  # the late ones have been answered, too
    assert (await send(bench, named("still", mobile(41)))).status == 202


async def test_an_open_breaker_answers_at_once_and_closes_when_the_registry_is_back(
    dsn: str, registry: RegistryProcess
) -> None:
    async with asking(dsn, registry.base_url, breaker_failures=3, breaker_pause_min_ms=400) as bench:
        now = time.monotonic()
        bench.service.engine.aliases._breaker._clock = lambda: now

        def away() -> float | None:
            return bench.metrics.registry.get_sample_value("proxy_registry_unavailable", {"source": "sandbox"})

        registry.set_faults({"kind": "down"})
        asked = registry.stats()["requests"]
        assert away() == 0
        for number in range(8):
            assert (await send(bench, named(f"open-{number}", mobile(50)))).reason == UNAVAILABLE[1]
        assert away() == 1
        assert registry.stats()["requests"] - asked == 3, "five were refused without being asked about"
        registry.set_faults()
        now += 0.4
        assert (await send(bench, named("back", mobile(50)))).status == 202
        assert away() == 0


async def test_a_registry_that_never_answers_opens_the_breaker_and_holds_few_requests(
    dsn: str, registry: RegistryProcess
) -> None:
    registry.set_faults({"kind": "slow", "ms": 20_000})
    bounds = {"registry_timeout_ms": 5_000, "max_asking": 4, "breaker_failures": 1, "breaker_pause_min_ms": 250}
    async with asking(dsn, registry.base_url, **bounds) as bench:
        asked = registry.stats()["requests"]
        waiting = [asyncio.create_task(send(bench, named(f"held-{n}", mobile(n)))) for n in range(4)]
        await until(lambda: len(bench.service.engine.aliases._asking) == 4)
        more = await asyncio.gather(*(send(bench, named(f"more-{n}", mobile(n))) for n in range(20)))
        assert not any(task.done() for task in waiting), "above the bound nobody waits"
        assert {(answer.status, answer.reason) for answer in more} == {UNAVAILABLE}
        assert {(answer.status, answer.reason) for answer in await asyncio.gather(*waiting)} == {UNAVAILABLE}
        assert bench.service.engine.aliases._breaker.wait_s() <= 0.25, "one outage of four exchanges is one failure"
        assert bench.metrics.registry.get_sample_value("proxy_registry_unavailable", {"source": "sandbox"}) == 1
        assert registry.stats()["requests"] - asked <= 4


async def test_direct_instructions_are_answered_while_aliases_wait(dsn: str, registry: RegistryProcess) -> None:
    async with asking(dsn, registry.base_url) as bench:
        with stopped(registry.process.pid):
            waiting = [asyncio.create_task(send(bench, named(f"wait-{n}", mobile(100 + n)))) for n in range(40)]
            await holds(bench, 40)
            for number in range(10):
                assert (await send(bench, instruction(f"direct-{number}"))).status == 202
                assert (await send(bench, named(f"deferred-{number}", mobile(7)), participant=A)).status == 202
            assert not any(task.done() for task in waiting)
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {202}


async def test_a_replay_gets_its_answer_while_the_registry_is_away(
    dsn: str, registry: RegistryProcess, nowhere: str
) -> None:
    async with asking(dsn, registry.base_url) as bench:
        first = await send(bench, named("replayed", mobile(70)))
        assert first.status == 202
    async with asking(dsn, nowhere) as bench:
        before = await rows(dsn, "select count(*) from proxy.proxy_resolutions")
        again = await send(bench, named("replayed", mobile(70)))
        assert (again.status, again.headers["Idempotency-Replayed"], again.raw) == (202, "true", first.raw)
        assert await rows(dsn, "select count(*) from proxy.proxy_resolutions") == before
        other = await send(bench, named("replayed", mobile(71)))
        assert (other.status, other.reason) == (409, "IDEMPOTENCY_CONFLICT")


async def test_who_guesses_is_stopped_until_the_next_hour(bench: Bench) -> None:
    if (left := 3_600 - time.time() % 3_600) < 15:
        await asyncio.sleep(left + 1)  # all within one hour
    for number in range(2):
        missed = await refused(bench, named("guess", mobile(6_000 + number)), participant=GUESSER, misses=1)
        assert missed.reason == "PROXY_NOT_FOUND"
    for value in (mobile(6_002), mobile(80)):
        answer = await refused(bench, named("guess", value), participant=GUESSER)
        assert (answer.status, answer.reason) == (429, "PROXY_THROTTLED")
        assert 1 <= seconds_to_retry(answer) <= 3_610
    assert (await send(bench, instruction("not-a-guess"), participant=GUESSER)).status == 202


async def test_a_participant_that_may_not_use_aliases_is_refused(bench: Bench, registry: RegistryProcess) -> None:
    asked = registry.stats()["questions"]
    answer = await refused(bench, named("never", mobile(81)), participant=REFUSED)
    assert (answer.status, answer.reason) == (403, "PROXY_REFUSED_BY_POLICY")
    assert registry.stats()["questions"] == asked
    assert (await send(bench, instruction("account"), participant=REFUSED)).status == 202


async def test_refusals_for_a_registry_that_is_away_keep_no_direct_instruction_waiting(dsn: str, nowhere: str) -> None:
    settings = {"refused_decisions_burst": 3, "refused_decisions_per_s": 0.1}
    async with serving(dsn, source(nowhere), **settings) as bench:
        for number in range(3):
            assert (await send(bench, named(f"away-{number}", mobile(90)))).reason == UNAVAILABLE[1]
        stopped = await send(bench, named("away-3", mobile(90)))
        assert (stopped.status, stopped.reason) == (429, "TOO_MANY_REFUSALS")
        assert seconds_to_retry(stopped) >= 1
        assert (await send(bench, instruction("paid-all-the-same"))).status == 202


async def test_a_batch_asks_once_for_each_alias_and_answers_in_order(bench: Bench, registry: RegistryProcess) -> None:
    body = [
        named("b-0", mobile(200)),
        instruction("b-1"),
        named("b-2", mobile(200)),
        named("b-3", mobile(7_000)),
        named("b-4", "no number"),
        named("b-5", mobile(201)),
    ]
    answer = await bench.client.batch(body, key="K-batch", participant=PATIENT)
    assert answer.status == 200
    results = conforms(answer, "BatchResults")["results"]
    assert [one.get("instruction_id") or one["reason_code"] for one in results] == [
        "INV-b-0",
        "INV-b-1",
        "INV-b-2",
        "PROXY_NOT_FOUND",
        "PROXY_INVALID_FORMAT",
        "INV-b-5",
    ]
    assert [one["state"] for one in results if one["status"] == 202] == ["PENDING"] * 4
    assert results[4]["pointer"] == "/instructions/4/creditor/alias/value"
    for number in (200, 201, 7_000):
        assert len(registry.calls(f"MBNO:{mobile(number)}")) == 1
    again = await bench.client.batch(body, key="K-batch", participant=PATIENT)
    assert [one["status"] for one in again.json["results"]] == [202, 202, 202, 422, 422, 202]


async def test_what_a_batch_could_not_learn_in_time_is_refused_and_the_rest_is_recorded(
    dsn: str, registry: RegistryProcess
) -> None:
    """Aliases are asked about fifty at a time, in order: the slow one keeps back those that it travels with."""
    registry.set_faults({"kind": "slow", "ms": 20_000, "value": mobile(355)})
    body = [named(f"part-{n}", mobile(300 + n)) for n in range(60)] + [instruction("part-direct")]
    async with asking(dsn, registry.base_url) as bench:
        answer = await bench.client.batch(body, key="K-part", participant=HALFWAY)
    reasons = [one.get("reason_code") for one in answer.json["results"]]
    assert reasons == [None] * 50 + [UNAVAILABLE[1]] * 10 + [None]


async def test_a_new_policy_is_followed_within_a_second_or_so(fresh_database: str, registry: RegistryProcess) -> None:
    await prepare(fresh_database, policy=False)
    await activate(fresh_database, document())
    async with asking(fresh_database, registry.base_url) as bench:
        first = await send(bench, named("before", mobile(400)), participant=A)
        assert first.json["state"] == "AWAITING_PROXY_RESOLUTION"
        await activate(fresh_database, document(2, ZM_BANK_A=proxy()))
        async with asyncio.timeout(30):
            for number in itertools.count():
                answer = await send(bench, named(f"after-{number}", mobile(400)), participant=A)
                if answer.json["state"] == "PENDING":
                    break
                await asyncio.sleep(0.05)


async def test_an_alias_is_in_no_answer_no_log_and_no_ledger(fresh_database: str, registry: RegistryProcess) -> None:
    await prepare(fresh_database, policy=False)
    await activate(fresh_database, document())
    stream = io.StringIO()
    logs.configure("test", level=logging.DEBUG, stream=stream)
    said = b""
    faults: list[dict[str, Any]] = [{"kind": kind} for kind in ("poisoned", "malformed", "oversize", "down", "revoked")]
    async with asking(fresh_database, registry.base_url) as bench:
        for number, fault in enumerate([None, *faults]):
            registry.set_faults(*([] if fault is None else [fault]))
            for participant in (PATIENT, A):
                said += (await send(bench, named(f"p-{number}", mobile(500)), participant=participant)).raw
        registry.set_faults()
        said += (await send(bench, named("none", mobile(9_000)))).raw
        said += (await send(bench, named("bad", f"{mobile(500)}77"))).raw
        said += (await bench.client.get("/v1/instructions/INV-p-0/evidence", participant=PATIENT)).raw
    assert b"PROXY_NOT_FOUND" in said and b"PENDING" in said
    assert "instruction refused" in stream.getvalue()
    for personal in (mobile(500)[4:], mobile(9_000)[4:], PERSONAL):
        hidden = personal.encode().hex()
        assert personal not in stream.getvalue()
        assert personal.encode() not in said
        assert _tables_with(fresh_database, personal, hidden) <= {"outbox.instruction_parties"}
    assert _tables_with(fresh_database, mobile(500)[4:]) == {"outbox.instruction_parties"}, "the search finds"


def _tables_with(dsn: str, *needles: str) -> set[str]:
    """The tables a row of which, written as text, holds one of these."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        tables = connection.execute(
            "select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where c.relkind = 'r' and n.nspname = any (%s)",
            (list(CONTEXTS),),
        ).fetchall()
        found = set()
        for schema, name in tables:
            query = f'select count(*) from only {schema}."{name}" as t where position(%s in t::text) > 0'
            for needle in needles:
                row = connection.execute(query.encode(), (needle,)).fetchone()
                if row is not None and row[0]:
                    found.add(_table(f"{schema}.{name}"))
        return found


async def test_the_zero_trust_ingress_hashes_in_openbao_only_where_it_may(
    fresh_database: str, tmp_path: Path, registry: RegistryProcess, bao: Bao
) -> None:
    async with trust_stage(fresh_database, tmp_path) as stage:
        await activate(fresh_database, document(2, ZM_BANK_A=proxy(sync_budget_ms=3_000)))
        try:
            async with bao.session("ingress") as session:
                aliases = source(registry.base_url, hasher=TransitHasher(session), registry_timeout_ms=9_500)
                asked = registry.stats()["questions"]
                async with stage.serving(aliases=aliases):
                    await stage.refuses(UNAVAILABLE[1], UNAVAILABLE[0], body=named("zt", mobile(600)))
                assert registry.stats()["questions"] == asked, "without a hash nobody is asked"
            await asyncio.to_thread(bao.bootstrap, ingress_aliases=True)
            async with bao.session("ingress") as session:
                aliases = source(registry.base_url, hasher=TransitHasher(session), registry_timeout_ms=9_500)
                async with stage.serving(aliases=aliases):
                    accepted = await stage.accepts(body=named("zt", mobile(600)), key="K-zt")
                    assert accepted.json["state"] == "PENDING"
                    attested = await stage.refuses("PROXY_NOT_FOUND", 422, body=named("zt-2", mobile(9_100)))
                    assert attested["instruction_id"] == "INV-zt-2"
                    with bao.hung():
                        await stage.refuses(UNAVAILABLE[1], UNAVAILABLE[0], body=named("zt-3", mobile(601)))
        finally:
            await asyncio.to_thread(bao.bootstrap)
    found = await rows(
        fresh_database, "select hash_key_id, proxy_hash from proxy.proxy_resolutions where status = 'RESOLVED'"
    )
    ((key_id, hashed),) = found
    assert re.fullmatch(r"proxy-hash:v[0-9]+", key_id)
    assert len(hashed) == 32
    ((event,),) = await rows(
        fresh_database,
        "select distinct facts ->> 'alias_registry' from evidence.evidence_events where kind = 'INGRESS_STARTED'",
    )
    assert event == "sandbox"


async def test_the_command_asks_the_registry_that_it_is_told_of(
    dsn: str, registry: RegistryProcess, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"3 {KEY.hex()}\n")
    told = ("--dev", "--alias-registry", f"sandbox={registry.base_url}")
    process, ready = await spawn(dsn, *told, "--local-hash-keys", str(keys))
    try:
        async with Client(f"http://127.0.0.1:{ready['port']}") as client:
            answer = await client.post(named("command", mobile(700)), key="K-command", participant=PATIENT)
        assert (answer.status, answer.json["state"]) == (202, "PENDING")
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    assert process.returncode == 0, said
    assert mobile(700)[4:].encode() not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--alias-registry", "sandbox=http://127.0.0.1:1"), "ALIAS_KEYS_MISSING"),
        (("--alias-registry", "http://127.0.0.1:1", "--local-hash-keys", "KEYS"), "NAME=URL"),
        (("--alias-registry", "nobody=http://127.0.0.1:1", "--local-hash-keys", "KEYS"), "known registries"),
    ],
)
async def test_the_command_refuses_a_registry_that_cannot_work(
    dsn: str, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"3 {KEY.hex()}\n")
    process, ready = await spawn(dsn, "--dev", *(str(keys) if option == "KEYS" else option for option in options))
    _, told = await process.communicate()
    assert (ready, process.returncode) == ({}, 1)
    assert said in told.decode()
