"""The rows E1 to E9 of the ingress requirements against the running zero-trust ingress: load, outage, evidence, logins."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from symphony import logs
from symphony.bao.rights import statements
from symphony.clock_check import require_same_clock
from symphony.ingress.identity import StartRefused
from symphony.ingress.registry import RegistryCache
from symphony.ingress.service import Databases
from symphony.operator_error import OperatorError
from symphony.postgres_throwaway import Cluster
from symphony.rehearsal.relay import Relay, Weather
from tests.held_commits import at_commit, commits_wait, nothing_at_commit, until_waiting
from tests.ingress_bench import A, Answer, counts, instruction, rows
from tests.ingress_negative import UNSAID, Case, Judge, Knobs, judging
from tests.ingress_sender import Signing
from tests.ingress_trust_stage import BY, TrustStage, trust_stage
from tests.stopped import stopped
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLANTED = 'x\r\n{"event":"payment settled"}'
ATTESTED = "select count(*) from ingress.ingress_attestations as a where a::text ~ '[\\x01-\\x1f\\x7f]'"


@pytest.fixture(scope="module")
def log() -> Iterator[io.StringIO]:
    """Everything that is logged in this module, at the lowest level there is."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("ingress", level=logging.DEBUG, stream=stream)
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:], root.level = before


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def judge(database_url: str, log: io.StringIO, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Judge]:
    """One ingress for this table."""
    async with judging(database_url, tmp_path_factory.mktemp("operations")) as made:
        yield made


def body(**members: Any) -> Knobs:
    """An instruction with these members."""
    return {"body": instruction("injected", **members)}


def party(member: str) -> Knobs:
    """An instruction whose creditor has this member planted."""
    return body(creditor={"name": "n", "account": "a", member: PLANTED})


def planted(part: str, place: str, member: str) -> Knobs:
    """A token or proof with this member planted."""
    return {part: {place: {member: PLANTED}}}


FORM, CLAIM, SIGNED = ("SCHEMA_INVALID", 422), ("TOKEN_CLAIM_INVALID", 401), ("SIGNATURE_MALFORMED", 400)
CASES: dict[str, Case] = {
    **{
        f"E4 a second line in {name}": (*FORM, body(**{name: PLANTED}))
        for name in ("instruction_id", "rail", "end_to_end_id", "purpose", "uetr", "remittance", PLANTED)
    },
    "E4 a second line in the amount": ("AMOUNT_INVALID", 422, body(amount=PLANTED)),
    "E4 a second line in the currency": ("CURRENCY_INVALID", 422, body(currency=PLANTED)),
    **{
        f"E4 a second line in the creditor's {name}": (*FORM, party(name))
        for name in ("name", "account", "agent", "participant_id", "alias", PLANTED)
    },
    "E4 a second line in an alias": (*FORM, body(creditor={"name": "n", "alias": {"type": "TEL", "value": PLANTED}})),
    "E4 a second line in the path": (
        "INSTRUCTION_UNKNOWN", 404, {"method": "GET", "path": "/v1/instructions/x%0D%0Asettled"},
    ),
    "E4 a second line in the key": ("IDEMPOTENCY_KEY_INVALID", 400, {"key": "x%0D%0Asettled"}),
    "E4 a second line in kid": ("TOKEN_HEADER_REFUSED", 401, planted("token", "header", "kid")),
    "E4 a second line in the token's alg": ("TOKEN_ALGORITHM_REFUSED", 401, planted("token", "header", "alg")),
    "E4 a second line in the token's typ": ("TOKEN_TYPE_REFUSED", 401, planted("token", "header", "typ")),
    "E4 a second line in iss": ("TOKEN_ISSUER_REFUSED", 401, planted("token", "claims", "iss")),
    "E4 a second line in aud": ("TOKEN_AUDIENCE_REFUSED", 401, planted("token", "claims", "aud")),
    **{
        f"E4 a second line in the token's {name}": (*CLAIM, planted("token", "claims", name))
        for name in ("sub", "client_id", "jti", "scope")
    },
    "E4 a second line in cnf": ("TOKEN_NOT_BOUND", 401, {"token": {"claims": {"cnf": {"jkt": PLANTED}}}}),
    "E4 a second line in the proof's jti": ("DPOP_CLAIM_INVALID", 401, planted("proof", "claims", "jti")),
    "E4 a second line in htm": ("DPOP_METHOD_MISMATCH", 401, planted("proof", "claims", "htm")),
    "E4 a second line in htu": ("DPOP_TARGET_MISMATCH", 401, planted("proof", "claims", "htu")),
    "E4 a second line in ath": ("DPOP_TOKEN_MISMATCH", 401, planted("proof", "claims", "ath")),
    **{
        f"E4 a second line in the signature's {name}": (*SIGNED, {"signing": Signing(parameters={name: PLANTED})})
        for name in ("keyid", "nonce", "tag")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
async def test_a_second_line_is_refused_once_attested_and_says_nothing(
    judge: Judge, log: io.StringIO, name: str
) -> None:
    begun = log.tell()
    await judge.judge(CASES[name])
    said = log.getvalue()[begun:].split("\n")[:-1]
    assert said, "the refusal is logged"
    assert all(json.loads(line)["service"] == "ingress" for line in said)
    assert "settled" not in "".join(said)
    assert await rows(judge.stage.dsn, ATTESTED) == [(0,)]


async def test_e4_raw_line_ends_in_a_field_make_no_second_field(judge: Judge, log: io.StringIO) -> None:
    before = await judge.counts()
    for key in ("x\ry", "x\n y", "x\ny: z"):
        answer = await judge.stage.sender().send(key=key)
        assert (answer.status, answer.reason) == (400, "FRAMING_INVALID")
    assert await judge.counts() == before, "what is no HTTP request is counted, not attested"
    assert "settled" not in log.getvalue()


async def test_e4_a_row_says_who_what_when_and_why(judge: Judge) -> None:
    """PCI DSS 10.2.2: user, type, time, outcome, origin, resource; a refused row has all of them as an accepted one."""
    attested = await judge.stage.refuses("TOKEN_AUDIENCE_REFUSED", 401, token={"claims": {"aud": "other"}})
    who = ("participant_id", "client_id", "cert_sha256", "token_kid", "token_jti_sha256", "db_role")
    assert all(attested[name] is not None for name in who)
    query = "select received_at <= recorded_at, cell_id, cell_epoch from ingress.ingress_attestations order by 1"
    assert {(True, "cell-1", 1)} == set(await rows(judge.stage.dsn, query))


async def test_e4_the_search_for_control_characters_finds_one(judge: Judge) -> None:
    assert await rows(judge.stage.dsn, "select E'a\\nb' ~ '[\\x01-\\x1f\\x7f]'") == [(True,)]


# E1 -----------------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    cluster: Cluster, log: io.StringIO, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TrustStage]:
    """A database that may be taken away, and its surroundings; each test below runs its own ingress."""
    name = cluster.clone()
    async with trust_stage(cluster.server.url(name), tmp_path_factory.mktemp("stage")) as made:
        yield made
    cluster.drop(name)


@pytest_asyncio.fixture(loop_scope="module")
async def running(stage: TrustStage) -> AsyncIterator[TrustStage]:
    """The stage with an ingress of default settings."""
    async with stage.serving():
        yield stage


async def gathered(stage: TrustStage, number: int, prefix: str) -> dict[str, Answer]:
    """Send this many payments at once."""

    async def one(name: str) -> tuple[str, Answer]:
        return name, await stage.sender().send(body=instruction(name))

    return dict(await asyncio.gather(*(one(f"{prefix}-{n}") for n in range(number))))


async def recorded(stage: TrustStage) -> set[str]:
    """The ids of the instructions in the ledger."""
    return {row[0] for row in await rows(stage.dsn, "select instruction_id from outbox.payment_instructions")}


async def test_e1_ten_times_the_load_is_shed_and_what_is_accepted_is_quick(stage: TrustStage) -> None:
    async with stage.serving({"max_in_flight_requests": 8, "max_queue_wait_ms": 60_000}):
        await at_commit(stage.dsn, "perform pg_sleep(0.5);")
        try:
            begun = time.monotonic()
            answers = await gathered(stage, 80, "load")
            took_s = time.monotonic() - begun
        finally:
            await nothing_at_commit(stage.dsn)
        told = Counter((a.status, None if a.status == 202 else a.reason) for a in answers.values())
        assert told.keys() == {(202, None), (503, "OVERLOADED")}
        assert took_s < 80 * 0.5 / 2, "one after another would take 0.5 s each"
        assert all(int(a.headers["Retry-After"]) >= 1 for a in answers.values() if a.status == 503)
        accepted = {f"INV-{name}" for name, a in answers.items() if a.status == 202}
        assert {name for name in await recorded(stage) if name.startswith("INV-load-")} == accepted
        assert (await stage.sender().send()).status == 202, "afterwards it serves as before"


async def test_e1_a_slow_database_opens_the_breaker_and_loses_no_accept(stage: TrustStage) -> None:
    slow = {
        "statement_timeout_ms": 1_000, "breaker_failures": 3, "breaker_probe_after_ms": 3_000, "breaker_window_ms": 600_000,
    }  # fmt: skip
    async with stage.serving(slow):
        assert stage.service is not None
        answers: dict[str, Answer] = {}
        async with inside_the_function(stage.dsn):
            for n in range(6):
                answers[f"slow-{n}"] = await stage.sender().send(body=instruction(f"slow-{n}"))
        assert {a.status for a in answers.values()} == {503}
        assert answers["slow-5"].reason == "BREAKER_OPEN"
        assert not {name for name in await recorded(stage) if name.startswith("INV-slow-")}
        async with asyncio.timeout(60):
            while (answer := await stage.sender().send(body=instruction("slow-0"))).status != 202:
                assert (answer.status, answer.reason) == (503, "BREAKER_OPEN")
                await asyncio.sleep(0.1)
        assert stage.service.breaker.state.name == "CLOSED"


# E2, B15 ------------------------------------------------------------------------------------------------------------


FAILING = ("40001", "40P01", "53100", "57014", "55P03")


@pytest.mark.parametrize("state", FAILING)
async def test_e2_a_rolled_back_transaction_burns_no_proof(running: TrustStage, state: str) -> None:
    """B15: the very bytes that were answered 503, proofs and all, are accepted when the transaction goes through."""
    stage = running
    before = await counts(stage.dsn)
    seen = await rows(stage.dsn, "select count(*) from ingress.seen_jti")
    request = stage.sender().request(body=instruction(f"rolled-{state}"))
    await at_commit(stage.dsn, f"raise exception 'no' using errcode = '{state}';")
    try:
        wire = await stage.sender().connect()
        answer = await wire.ask(request)
    finally:
        await nothing_at_commit(stage.dsn)
    assert (answer.status, answer.reason) == (503, "DATABASE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    assert not [unsaid for unsaid in (*UNSAID, state.encode()) if unsaid in answer.raw]
    assert await counts(stage.dsn) == before
    assert await rows(stage.dsn, "select count(*) from ingress.seen_jti") == seen
    again = await wire.ask(request)
    assert (again.status, "Idempotency-Replayed" in again.headers) == (202, False)
    once_more = await wire.ask(request)
    assert (once_more.status, once_more.reason) == (401, "DPOP_REPLAYED"), "committed, the same proof is used up"
    wire.close()


@pytest.mark.parametrize("state", ["40001", "40P01"])
async def test_e2_the_ingress_tries_again_with_the_same_proof(running: TrustStage, state: str) -> None:
    stage = running
    await rows(stage.dsn, "create sequence public.test_tries")
    await at_commit(
        stage.dsn,
        f"if nextval('public.test_tries') = 1 then raise exception 'no' using errcode = '{state}'; end if;",
    )
    try:
        answer = await stage.accepts(body=instruction(f"again-{state}"))
        assert "Idempotency-Replayed" not in answer.headers
        assert await rows(stage.dsn, "select last_value from public.test_tries") == [(2,)]
    finally:
        await nothing_at_commit(stage.dsn)
        await rows(stage.dsn, "drop sequence public.test_tries")
    query = "select count(*) from ingress.ingress_attestations where correlation_id = %s"
    assert await rows(stage.dsn, query, answer.headers["Symphony-Correlation-Id"]) == [(1,)]


async def held_by_a_lock(dsn: str) -> list[int]:
    """The ingress's server processes that wait for a row or a table."""
    query = (
        "select pid from pg_stat_activity where application_name = 'symphony-ingress' and wait_event_type = 'Lock'"
        " and datname = current_database()"
    )
    async with asyncio.timeout(30):
        while not (pids := [pid for (pid,) in await rows(dsn, query)]):  # noqa: ASYNC110 - another process's lock
            await asyncio.sleep(0.01)
    return pids


@asynccontextmanager
async def inside_the_function(dsn: str) -> AsyncIterator[Callable[[], Any]]:
    """Hold the transaction inside the accepting function, at its first write."""
    async with await psycopg.AsyncConnection.connect(dsn) as blocker:
        await blocker.execute("lock table ingress.ingress_attestations in exclusive mode")
        yield lambda: held_by_a_lock(dsn)
        await blocker.rollback()


@asynccontextmanager
async def inside_the_commit(dsn: str) -> AsyncIterator[Callable[[], Any]]:
    """Hold the transaction in its COMMIT."""
    async with commits_wait(dsn):
        yield lambda: until_waiting(dsn)


@pytest.mark.parametrize("step", [inside_the_function, inside_the_commit])
async def test_e2_a_backend_that_dies_at_a_step_is_a_503_and_the_retry_is_clean(running: TrustStage, step: Any) -> None:
    stage = running
    before = await counts(stage.dsn)
    request = stage.sender().request(body=instruction(f"died-{step.__name__}"))
    wire = await stage.sender().connect()
    async with step(stage.dsn) as waiting:
        asking = asyncio.create_task(wire.ask(request))
        for pid in await waiting():
            await rows(stage.dsn, "select pg_terminate_backend(%s, 5000)", pid)
        answer = await asking
        assert (answer.status, answer.reason) == (503, "OUTCOME_UNKNOWN")
    assert await counts(stage.dsn) == before
    again = await wire.ask(request)
    assert (again.status, "Idempotency-Replayed" in again.headers) == (202, False)
    wire.close()


async def test_e2_a_commit_whose_answer_is_lost_is_no_acknowledgement(stage: TrustStage) -> None:
    relay = Relay(int(conninfo_to_dict(stage.dsn)["port"]))  # type: ignore[arg-type]
    relay.start()
    through = make_conninfo(stage.dsn, port=relay.port)
    try:
        databases = Databases(ingest=through, status=through, evidence=through)
        async with stage.serving({"pool_acquire_ms": 2_500}, databases=databases):
            sender, key = stage.sender(), "K-swallowed"
            relay.weather = Weather.SWALLOWED
            answer = await sender.send(body=instruction("swallowed"), key=key)
            relay.weather = Weather.FAIR
            assert (answer.status, answer.reason) == (503, "OUTCOME_UNKNOWN")
            assert "INV-swallowed" in await recorded(stage)
            again = await stage.accepts(body=instruction("swallowed"), key=key)
            assert again.headers["Idempotency-Replayed"] == "true"
    finally:
        relay.stop()


# E2, E3: no connection is to be had ---------------------------------------------------------------------------------


@asynccontextmanager
async def database_away(dsn: str) -> AsyncIterator[None]:
    """Inside, the database ends every session and refuses every connection."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    beside = make_conninfo(dsn, dbname="postgres")
    await rows(beside, f"alter database {name} with allow_connections false")
    try:
        await rows(beside, "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", name)
        yield
    finally:
        await rows(beside, f"alter database {name} with allow_connections true")


REFUSED: dict[str, Any] = {"token": {"header": {"typ": "JWT"}}}
COUNTED = (
    "select sum(refusals)::integer, count(*) > 0 from ingress.refusal_counts where reason_code = 'TOKEN_TYPE_REFUSED'"
)


async def told(stage: TrustStage, number: int, at_once: int = 20, **knobs: Any) -> Counter[tuple[int, str]]:
    """Send requests and count how they are answered; each is answered."""
    found: Counter[tuple[int, str]] = Counter()
    for begin in range(0, number, at_once):
        many = min(at_once, number - begin)
        answers = await asyncio.gather(*(stage.sender().send(**knobs) for _ in range(many)))
        found.update((a.status, a.reason if a.status >= 300 else "") for a in answers)
    return found


async def until_counted(stage: TrustStage, number: int) -> None:
    """Wait until the database has this many refusals counted, then see that none is added."""
    async with asyncio.timeout(60):
        while await rows(stage.dsn, COUNTED) != [(number, True)]:  # noqa: ASYNC110 - another process's table
            await asyncio.sleep(0.1)
    await asyncio.sleep(1.2)  # one flush more
    assert await rows(stage.dsn, COUNTED) == [(number, True)]


def kept(journal: Path) -> int:
    """How many refusals are on the disk."""
    lines = journal.read_bytes().splitlines() if journal.exists() else []
    return sum(json.loads(line)["refusals"] for line in lines if line)


async def until_kept(journal: Path, number: int) -> None:
    """Wait until this many refusals are on the disk."""
    await until(lambda: kept(journal) == number, seconds=30)


PATIENT = {"breaker_failures": 1_000, "pool_acquire_ms": 100}


@pytest.mark.slow
@pytest.mark.parametrize("restarted", [False, True], ids=["the same ingress", "another one after it"])
async def test_e3_a_hundred_refusals_of_an_outage_are_counted_once(
    fresh_database: str, tmp_path: Path, restarted: bool
) -> None:
    journal = tmp_path / "refusals"
    async with trust_stage(fresh_database, tmp_path) as stage:
        attested = await counts(stage.dsn)
        async with contextlib.AsyncExitStack() as outage:
            async with stage.serving(PATIENT, journal=journal, registry_max_age_ms=60_000):
                await stage.accepts()
                await outage.enter_async_context(database_away(fresh_database))
                # Those that find a session cut cannot know whether they were attested; they are counted like the others.
                answers = await told(stage, 100, **REFUSED)
                assert answers.keys() <= {(503, "OUTCOME_UNKNOWN"), (503, "DATABASE_UNAVAILABLE")}
                assert answers.total() == 100
                await until_kept(journal, 100)
                if not restarted:
                    await outage.aclose()
                    await until_counted(stage, 100)
            if restarted:
                await until_kept(journal, 100)
        async with stage.serving(journal=journal):
            await until_counted(stage, 100)
            assert kept(journal) == 0
        after = await counts(stage.dsn)
        assert after["ingress.ingress_attestations"] == attested["ingress.ingress_attestations"] + 1
        seen = "select sum(refusals)::integer, array_agg(distinct participant_id), count(distinct cert_sha256)"
        query = f"{seen} from evidence.refusal_counts where reason_code = 'TOKEN_TYPE_REFUSED'"
        assert await rows(stage.dsn, query) == [(100, [A], 1)]


async def test_e3_with_its_breaker_open_the_ingress_judges_nothing_and_says_how_much(stage: TrustStage) -> None:
    """DESIGN section 8: the breaker comes before every check, so what it sheds is no refusal; the metric counts it."""

    async def counted() -> int:
        ((number, _),) = await rows(stage.dsn, COUNTED)
        return number or 0

    async with stage.serving({"pool_acquire_ms": 100}, registry_max_age_ms=60_000):
        await stage.accepts()
        before = await counted()
        async with database_away(stage.dsn):
            answers = await told(stage, 100, at_once=5, **REFUSED)
        assert {status for status, _ in answers} == {503}
        judged = answers[503, "DATABASE_UNAVAILABLE"] + answers[503, "OUTCOME_UNKNOWN"]
        shed = stage.metrics.registry.get_sample_value("ingress_shed_total", {"cause": "breaker"})
        assert shed == answers[503, "BREAKER_OPEN"] > 0
        async with asyncio.timeout(30):
            while await counted() < before + judged:  # noqa: ASYNC110 - another process's table
                await asyncio.sleep(0.1)
    assert await counted() == before + judged


async def test_e2_without_a_connection_nothing_is_acknowledged(stage: TrustStage) -> None:
    async with stage.serving(PATIENT, registry_max_age_ms=60_000):
        await stage.accepts()
        before = await counts(stage.dsn)
        request = stage.sender().request(body=instruction("away"))
        async with database_away(stage.dsn):
            wire = await stage.sender().connect()
            statuses = [(await wire.ask(request)).status for _ in range(6)]
            assert statuses == [503] * 6
        assert await counts(stage.dsn) == before
        async with asyncio.timeout(30):  # well inside the proof's 60 s
            while (answer := await wire.ask(request)).status == 503:
                assert answer.reason == "DATABASE_UNAVAILABLE", "until the pool has a session again"
                await asyncio.sleep(0.05)
        assert answer.status == 202, "the same proof"
        wire.close()


# E5, E9: what the login behind the pool can do ----------------------------------------------------------------------


WRITER = "test_writer"


@asynccontextmanager
async def writer(dsn: str) -> AsyncIterator[str]:
    """A login as OpenBao lends it to the ingress: one capability, not inherited; yields its conninfo."""
    await rows(dsn, f"create role {WRITER} login password 'once' noinherit")
    try:
        await rows(dsn, f"grant symphony_ingest to {WRITER} with inherit false, set true")
        await rows(dsn, f"alter role {WRITER} set role = symphony_ingest")
        yield make_conninfo(dsn, user=WRITER, password="once")
    finally:
        await rows(dsn, f"drop role if exists {WRITER}")


LEDGERS = ("ingress.ingress_attestations", "ingress.refusal_counts")


@pytest.mark.parametrize("table", LEDGERS)
async def test_e5_the_writer_changes_and_reads_no_ledger(stage: TrustStage, table: str) -> None:
    before = await counts(stage.dsn)
    async with writer(stage.dsn) as login, await psycopg.AsyncConnection.connect(login, autocommit=True) as own:
        for statement in (
            f"update {table} set reason_code = 'X'",
            f"delete from {table}",
            f"truncate {table}",
            f"select from {table} limit 1",
            f"insert into {table} default values returning *",
            f"insert into {table} (recorded_at) values (now())",
            f"insert into {table} select * from {table}",
            f"merge into {table} using (values (1)) as v on true when matched then delete",
            f"copy {table} to stdout",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"permission denied for (table|schema)"):
                await own.execute(statement.encode())
    assert await counts(stage.dsn) == before


@pytest.mark.parametrize("table", LEDGERS)
@pytest.mark.parametrize("change", ["update {} set reason_code = 'X'", "delete from {}", "truncate {} cascade"])
async def test_e5_nor_does_a_superuser_by_an_ordinary_statement(stage: TrustStage, table: str, change: str) -> None:
    before = await counts(stage.dsn)
    if table == "ingress.refusal_counts":
        await rows(
            stage.dsn,
            "select ingress.record_refusal_counts(array[(uuidv7(), 'REQUEST', 'RATE_LIMITED', null, null, null, null, 1,"
            " now(), now(), 'test')::ingress.refusal_count])",
        )
    with pytest.raises(psycopg.Error) as refused:
        await rows(stage.dsn, change.format(table))
    assert refused.value.sqlstate == "SX001"
    assert await counts(stage.dsn) == before


async def test_e9_the_writer_becomes_nobody_else(stage: TrustStage) -> None:
    async with writer(stage.dsn) as login, await psycopg.AsyncConnection.connect(login, autocommit=True) as own:

        async def refused(statement: str, match: str) -> None:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=match):
                await own.execute(statement.encode())

        for role in ("symphony_status_reader", "symphony_evidence_reader", "symphony_auditor", "postgres"):
            await refused(f"set role {role}", "permission denied to set role")
            await refused(f"set session authorization {role}", "permission denied to set session authorization")
        await refused("select ingress.read_status(null, null)", "permission denied|does not exist")
        for statement in ("reset role", "set role none"):
            await own.execute("set role symphony_ingest")
            await own.execute(statement.encode())
            for query in ("select ingress.accept(null)", "select from ingress.ingress_attestations"):
                if statement == "set role none":
                    await refused(query, "permission denied for schema ingress")
                else:  # its role is the login's own setting, so it is the writer again, and nobody else
                    expected = "permission denied for table" if "from" in query else "SV401|batch"
                    with pytest.raises(psycopg.Error, match=expected):
                        await own.execute(query.encode())


async def test_e9_a_lease_that_ends_in_mid_transaction_takes_the_transaction_with_it(stage: TrustStage) -> None:
    """OpenBao's own statements, run as it runs them, while a payment waits in its COMMIT on the login that ends."""
    async with writer(stage.dsn) as login:
        mine = Databases(ingest=login, status=stage.dsn, evidence=stage.dsn)
        async with stage.serving(databases=mine):
            request = stage.sender().request(body=instruction("lease"))
            before = await counts(stage.dsn)
            wire = await stage.sender().connect()
            async with commits_wait(stage.dsn):
                asking = asyncio.create_task(wire.ask(request))
                await until_waiting(stage.dsn)
                await end_login(stage.dsn)
                answer = await asking
            assert (answer.status, answer.reason) == (503, "OUTCOME_UNKNOWN")
            assert await counts(stage.dsn) == before
            refused = await wire.ask(request)
            assert refused.status == 503, "and there is no way back in"
            assert await counts(stage.dsn) == before
            wire.close()


async def end_login(dsn: str) -> None:
    """End the writer's login as OpenBao ends it."""
    for listed in statements("revoke_login"):
        (statement,) = json.loads(listed)
        if statement != "commit":  # each of ours is a transaction of its own
            await rows(dsn, statement.replace("{{name}}", WRITER).replace("%", "%%"))


# E6, E8: clocks and what is known about revocations -----------------------------------------------------------------


@pytest.mark.parametrize("apart_s", [15, -15, 86_400])
async def test_e6_it_does_not_start_far_from_the_databases_clock(
    stage: TrustStage, monkeypatch: pytest.MonkeyPatch, apart_s: int
) -> None:
    events = "select count(*) from evidence.evidence_events where kind like 'INGRESS_%%'"
    before = await rows(stage.dsn, events)
    injected = require_same_clock.__kwdefaults__
    assert injected is not None
    monkeypatch.setitem(injected, "wall", lambda: time.time() + apart_s)
    with pytest.raises(OperatorError, match="CLOCKS_APART"):
        async with stage.serving():
            pass
    assert await rows(stage.dsn, events) == before, "it never said that it serves"
    monkeypatch.setitem(injected, "wall", lambda: time.time() + (4 if apart_s > 0 else -4))
    async with stage.serving():
        await stage.accepts()


async def test_e6_a_clock_that_jumps_accepts_nothing(stage: TrustStage) -> None:
    moved = [0]
    async with stage.serving(clock=lambda: int(time.time()) + moved[0]):
        for seconds, reason in ((-3_600, "TOKEN_NOT_YET_VALID"), (600, "TOKEN_EXPIRED")):
            moved[0] = seconds
            await stage.refuses(reason, 401)
        moved[0] = 0
        await stage.accepts()


async def test_e6_how_old_it_is_what_the_ingress_believes_is_exported(stage: TrustStage) -> None:
    """What the alert rules of test_alerts.py look at: each age is exported, and grows when its source is away."""

    def age(kind: str) -> float:
        found = stage.metrics.registry.get_sample_value("trust_material_age_seconds", {"kind": kind})
        assert found is not None
        return found

    async with stage.serving(registry_poll_ms=100):
        await until(lambda: age("registry") < 1, seconds=30)
        assert 0 <= age("jwks") < 60
        assert 0 <= age("revocation") < 60
        async with database_away(stage.dsn):
            await asyncio.sleep(1.3)
            assert age("registry") > 1.2


async def test_e6_revocations_that_nobody_confirms_grow_old(stage: TrustStage) -> None:
    clock = [0.0]
    cache = RegistryCache(stage.dsn, settings=stage.trust().settings, clock=lambda: clock[0])
    await cache.open()
    try:
        clock[0] = 700.0
        await cache._confirm()
        assert (cache.age_s, cache.revocation_age_s) == (0, 700)
        await rows(stage.dsn, "update ingress.revocation_sources set checked_at = checked_at - interval '1 s'")
        await cache._confirm()
        assert cache.revocation_age_s == 700, "older than before is no confirmation"
        await rows(stage.dsn, "update ingress.revocation_sources set checked_at = checked_at + interval '2 s'")
        clock[0] = 701.0
        await cache._confirm()
        assert (cache.age_s, cache.revocation_age_s) == (0, 0)
    finally:
        await cache.close()


async def test_e6_it_does_not_start_on_revocations_that_are_not_fresh(stage: TrustStage) -> None:
    await rows(stage.dsn, "update ingress.revocation_sources set checked_at = checked_at - interval '1 day'")
    try:
        with pytest.raises(StartRefused, match="revoked certificates is not fresh"):
            async with stage.serving():
                pass
    finally:
        await stage.read_list()


# E7, E8 -------------------------------------------------------------------------------------------------------------

BOUND_S = 2.0


async def refused_within(stage: TrustStage, client: Any, seconds: float) -> None:
    """Ask until the client is refused as revoked; fail when that takes longer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await stage.sender(client).send()
        if answer.status != 202:
            assert answer.reason == "CERT_REVOKED"
            return
        assert time.monotonic() < deadline, "still accepted"


async def test_e7_a_revocation_is_a_row_a_notification_and_a_refusal(stage: TrustStage) -> None:
    client = stage.client("client-e7", A)
    await stage.register(client)
    row = "select revocation_source, revoked_by, revoked_at is null from evidence.client_certs where cert_sha256 = %s"
    assert await rows(stage.dsn, row, client.cert_sha256.hex()) == [(None, None, True)]
    async with (
        stage.serving(registry_poll_ms=4_000, registry_max_age_ms=60_000),
        await psycopg.AsyncConnection.connect(stage.dsn, autocommit=True) as listener,
    ):
        await listener.execute("listen symphony_trust")
        await stage.accepts(stage.sender(client))
        await stage.revoke(client)
        heard = [notice.channel async for notice in listener.notifies(timeout=30, stop_after=1)]
        assert heard == ["symphony_trust"]
        await refused_within(stage, client, BOUND_S)
    assert await rows(stage.dsn, row, client.cert_sha256.hex()) == [("OPERATOR", BY["operator"], False)]


LISTENER = "from pg_stat_activity where datname = current_database() and application_name = 'symphony-ingress-registry'"


@asynccontextmanager
async def no_notification(dsn: str) -> AsyncIterator[None]:
    """Inside, the registry's changes are not announced."""
    ((source,),) = await rows(dsn, "select pg_get_functiondef('ingress.bump_registry'::regproc)")
    await rows(dsn, source.replace("perform pg_notify('symphony_trust', v_version::text);", "").replace("%", "%%"))
    try:
        yield
    finally:
        await rows(dsn, source.replace("%", "%%"))


@pytest.mark.parametrize("lost", ["one notification", "the listening session"])
async def test_e8_a_revocation_that_was_not_heard_of_ends_its_certificate_at_the_next_request(
    stage: TrustStage, lost: str
) -> None:
    """The database looks again inside the accepting transaction: what the cache missed is refused all the same."""
    client = stage.client(f"client-{lost.replace(' ', '-')}", A)
    await stage.register(client)
    async with stage.serving(registry_poll_ms=4_000, registry_max_age_ms=60_000):
        await stage.accepts(stage.sender(client))
        if lost == "one notification":
            async with no_notification(stage.dsn):
                await stage.revoke(client)
        else:
            ((pid,),) = await rows(stage.dsn, f"select pid {LISTENER}")
            await rows(stage.dsn, "select pg_terminate_backend(%s, 5000)", pid)
            await stage.revoke(client)
        await stage.refuses("CERT_REVOKED", 401, sender=stage.sender(client))


async def test_e8_a_database_that_pauses_stops_every_request(stage: TrustStage) -> None:
    """What the registry is read from is locked: nothing comes back, nothing is believed any longer."""
    async with stage.serving(registry_poll_ms=50, registry_max_age_ms=3_000):
        assert stage.service is not None
        await stage.accepts()
        async with await psycopg.AsyncConnection.connect(stage.dsn) as holder:
            await holder.execute("lock table ingress.registry_state in access exclusive mode")
            await until(lambda: stage.registry_age_s > 3, seconds=30)
            before = await counts(stage.dsn)
            assert await told(stage, 20) == {(503, "REGISTRY_STALE"): 20}
            assert await counts(stage.dsn) == before
            assert stage.service.not_ready() == "registry stale"
        # Not at the first answer, which is as old as the question that waited for it.
        await until(lambda: stage.service.not_ready() is None and stage.registry_age_s < 0.5, seconds=30)
        await stage.accepts()


async def test_e8_a_session_that_hangs_is_left_for_another(stage: TrustStage) -> None:
    """Its server process is stopped, not ended: it neither answers nor closes, and cannot be cancelled."""
    async with stage.serving(registry_poll_ms=50, registry_max_age_ms=3_000):
        await stage.accepts()
        ((hung,),) = await rows(stage.dsn, f"select pid {LISTENER}")
        with stopped(hung):
            await until(lambda: stage.registry_age_s > 1, seconds=30)
            await until(lambda: stage.registry_age_s < 0.5, seconds=30)
            assert {pid for (pid,) in await rows(stage.dsn, f"select pid {LISTENER}")} - {hung}
            await stage.accepts()


async def test_e8_after_a_restart_the_revocation_holds(stage: TrustStage) -> None:
    client = stage.client("client-restart", A)
    await stage.register(client)
    async with stage.serving():
        await stage.accepts(stage.sender(client))
    await stage.revoke(client)
    async with stage.serving():
        await stage.refuses("CERT_REVOKED", 401, sender=stage.sender(client))
