"""An alias in clear stands in outbox.instruction_parties and nowhere else: tables, dump, server log, write-ahead log."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from symphony import api
from symphony.api.connection import Connection
from symphony.errors import InvariantBroken
from symphony.postgres import Server
from symphony.postgres_throwaway import Cluster
from symphony.resolver.sealing import open_sealed, seal
from tests.payments import activate, establish
from tests.proxy_cell import accept_aliases, alias_hash, alias_item, claim_aliases, nobody, resolve, says
from tests.sql_cell import A, claim, complete, policy
from tests.until import until

MOBILE, AS_TYPED = "+260977318642", "0977 318-642"
EMAIL = "chanda.mwila.7319@example.zm"
NOBODY = "+260966204975"
ACCOUNT, NAME = "0198273645546372", "Chanda Xylophone Mwila"
BENEFICIARY = f'{{"account":"{ACCOUNT}","name":"{NAME}"}}'
PARTIES = re.compile(r"^outbox\.instruction_parties(_\d{6})?$")


def _forms(secret: str) -> Iterable[bytes]:
    """The value as it might be written down: as it is, its digits, escaped, hexadecimal, base64, hashed without a key."""
    digits = re.sub(r"\D", "", secret)
    for text in {secret, secret.lstrip("+"), secret.upper(), *([digits, digits[3:]] if len(digits) > 8 else [])}:
        raw = text.encode()
        yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), text.encode("utf-16-le"))
        for shift in range(3):  # base64 has three forms, by what stands before; the ends depend on the neighbours
            encoded = base64.b64encode(b"\0" * shift + raw)
            yield encoded[4 if shift else 0 : -4]
        for digest in (hashlib.sha256, hashlib.sha1, hashlib.md5):
            yield digest(raw).digest()
            yield digest(raw).hexdigest().encode()


NEEDLES = {form for secret in (MOBILE, AS_TYPED, EMAIL, NOBODY, ACCOUNT, NAME) for form in _forms(secret)}
PLAIN = re.compile(b"|".join(re.escape(s.encode()) for s in (MOBILE, EMAIL, NOBODY, ACCOUNT, NAME)))


@pytest.fixture
async def judge(own_cluster: Cluster) -> AsyncIterator[Connection]:
    """A superuser's session on an established cell of a server of its own, whose WAL holds pages as they are."""
    url = own_cluster.server.url(own_cluster.clone())
    async with await api.connect(url, application_name="judge", statement_timeout_ms=30_000) as connection:
        await connection.execute("alter system set wal_compression = off")
        await connection.execute("select pg_reload_conf()")
        await connection.execute("create extension pg_walinspect schema tap")
        await establish(connection, policy())
        yield connection


@pytest.fixture
async def cell(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on an established cell of the run's server."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


async def live(connection: Connection) -> None:
    """Everything an alias can go through, mishaps included."""
    rule = {
        "mode": "SYNC",
        "ttl_ms": 10_000,
        "pending_max_ms": 60_000,
        "sync_budget_ms": 100,
        "misses_per_hour_max": 100,
    }
    await activate(connection, policy(version=2, participants={A: {"proxy": rule}}))
    target: dict[str, Any] = {"beneficiary": BENEFICIARY, "sealed_beneficiary": seal(bytes(32), BENEFICIARY.encode())}
    values = [MOBILE, AS_TYPED, EMAIL, NOBODY, MOBILE, MOBILE, EMAIL]
    kinds = ["MBNO", "MBNO", "EMAL", "MBNO", "MBNO", "MBNO", "EMAL"]
    await accept_aliases(
        connection, *(alias_item(f"I-{n}", v, kind=k) for n, (v, k) in enumerate(zip(values, kinds, strict=True)))
    )
    sync = [alias_item("S-1", MOBILE), alias_item("S-2", NOBODY), alias_item("S-3", "")]
    decisions = await api.ingress.accept(
        connection, items=sync, answers=[says(None, MOBILE, **target), nobody(None), None]
    )
    assert [d.decision for d in decisions] == ["ACCEPT", "REJECT", "REJECT"]
    leases = sorted(await claim_aliases(connection), key=lambda lease: lease.outbox_id)
    assert len(await api.proxy.read_leased_aliases(connection, worker="r", leases=leases)) == 7
    hashes = [alias_hash(v, kind=k) for v, k in zip(values, kinds, strict=True)]
    answers = [
        says(leases[0], proxy_hash=hashes[0], **target),
        nobody(leases[1], "INVALID", "PROXY_INVALID", proxy_hash=hashes[1]),
        says(leases[2], proxy_hash=hashes[2], **target),
        nobody(leases[3], proxy_hash=hashes[3]),
        says(leases[4], proxy_hash=hashes[4], cached_hash=alias_hash("gone"), **target),
        says(leases[5], proxy_hash=hashes[5], **{**target, "beneficiary": f'{{"name":"{NAME}"}}'}),
        nobody(leases[6], "TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT", proxy_hash=hashes[6]),
    ]
    bare = hashlib.sha256(MOBILE.encode()).digest()
    with pytest.raises(InvariantBroken, match="SX403"):
        await api.proxy.record_resolutions(connection, worker="r", answers=[says(leases[0], proxy_hash=bare, **target)])
    recorded = await api.proxy.record_resolutions(connection, worker="r", answers=answers)
    assert Counter(one.outcome for one in recorded) == {"RESOLVED": 2, "VOIDED": 2, "STALE": 1, "RETRY": 2}
    again = await claim_aliases(connection)
    assert await api.proxy.lookup(connection, keys=[(A, "MBNO", hashes[0])])
    await resolve(connection, again, proxy_hash=hashes[0], cached_hash=hashes[0], **target)
    claims = await claim(connection, limit=2)
    await complete(connection, claims[:1])
    await complete(connection, claims[1:], "TIMEOUT")

    async def outlived() -> bool:
        return (await api.proxy.tend_resolutions(connection, worker="t", limit=10))[0] >= 1

    await until(outlived, seconds=60)
    elsewhere = {**target, "beneficiary": f'{{"account":"{ACCOUNT}9"}}'}
    await resolve(connection, await claim_aliases(connection), proxy_hash=hashes[0], **elsewhere)
    for statement, params in (
        ("insert into outbox.instruction_parties values ('P', uuidv7(), null, %s)", (f'{{"a":"{MOBILE}"}}',)),
        (
            "insert into outbox.instruction_parties select participant_id, outbox_id, salt, %s from outbox.instruction_parties",
            (EMAIL,),
        ),
        ("select %s::jsonb", (f'{{"alias":"{MOBILE}","no JSON":{NOBODY}',)),
        ("select pg_sleep(1) where %s <> ''", (EMAIL,)),
    ):
        with pytest.raises(psycopg.Error):
            async with connection.transaction():
                await connection.execute("set local statement_timeout = '100ms'")
                await connection.execute(statement.encode(), params)


def holds(text: bytes) -> bool:
    """Whether any form of any value stands in it."""
    return any(needle in text for needle in NEEDLES)


async def every_row(connection: Connection) -> dict[str, bytes]:
    """Every table of the database, catalog and TOAST included, as text."""
    cursor = await connection.execute(
        "select n.nspname, c.relname, case c.relkind when 't' then 't.chunk_data' else 't' end from pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace where c.relkind in ('r', 't', 'm')"
    )
    found = {}
    for schema, name, whole in await cursor.fetchall():
        query = sql.SQL("select {}::text from only {} as t").format(sql.SQL(whole), sql.Identifier(schema, name))
        rows = await (await connection.execute(query)).fetchall()
        found[f"{schema}.{name}"] = "\n".join(row[0] for row in rows if row[0] is not None).encode()
    return found


async def wal_with(connection: Connection, begin: str) -> tuple[Counter[str], int]:
    """By relation, the WAL's block data and page images that hold the value; and how often it stands there plainly."""
    cursor = await connection.execute(
        "select coalesce(pg_filenode_relation(coalesce(nullif(b.reltablespace, d.dattablespace), 0), b.relfilenode)::regclass::text, 'unknown'),"
        " b.block_data, b.block_fpi_data from tap.pg_get_wal_block_info(%s, pg_current_wal_flush_lsn(), true) as b,"
        " pg_database as d where d.datname = current_database()",
        (begin,),
    )
    hits: Counter[str] = Counter()
    plainly = 0
    for relation, data, image in await cursor.fetchall():
        for part in (data or b"", image or b""):
            hits[relation] += holds(part)
            plainly += len(PLAIN.findall(part))
    return +hits, plainly


def dumped(server: Server, database: str) -> dict[str, int]:
    """By table (or '' outside of any), how often a whole dump holds the value."""
    command = [server.binaries.program("pg_dump"), "--format=plain", database]
    environment = {**os.environ, **server.environment(database)}
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    hits: Counter[str] = Counter()
    table = ""
    for line in output.split(b"\n"):
        if line.startswith(b"COPY "):
            table = line.split()[1].decode()
        hits[table] += holds(line)
        table = "" if line == b"\\." else table
    return +hits


@pytest.mark.slow
async def test_an_alias_in_clear_stands_beside_the_parties_and_nowhere_else(
    own_cluster: Cluster, judge: Connection
) -> None:
    row = await (await judge.execute("select pg_current_wal_insert_lsn()::text, current_database()")).fetchone()
    assert row is not None
    begin, database = row
    await live(judge)
    await judge.execute("checkpoint")
    rows = await every_row(judge)
    parties = b"".join(text for name, text in rows.items() if PARTIES.match(name))
    assert all(value.encode() in parties for value in (MOBILE, AS_TYPED, EMAIL, NOBODY, ACCOUNT, NAME)), "the control"
    elsewhere = {name for name, text in rows.items() if not PARTIES.match(name) and holds(text)}
    assert elsewhere == set()
    dump = dumped(own_cluster.server, database)
    assert sum(dump.values()) == 8, "a line for each instruction"
    assert all(PARTIES.match(name) for name in dump), dump
    log = b"".join(path.read_bytes() for path in sorted((own_cluster.server.data / "log").iterdir()))
    assert b"ERROR" in log, "the log does say that there was trouble"
    assert not holds(log), "not even about a refused statement that held it"
    await judge.execute("checkpoint")  # reading leaves hints in the WAL, which are to be in the files and flushed
    hits, plainly = await wal_with(judge, begin)
    assert hits, "the WAL holds what the tables hold"
    assert all(PARTIES.match(name) for name in hits), hits
    # Nothing outside of blocks (messages, main data): the files hold it no more often than the blocks do.
    assert plainly >= _in_files(own_cluster.server.data / "pg_wal") > 10


def _in_files(directory: Path) -> int:
    return sum(len(PLAIN.findall(path.read_bytes())) for path in directory.iterdir() if path.is_file())


async def test_the_cache_alone_says_nothing_of_the_account(cell: Connection) -> None:
    secret = hashlib.sha256(b"the alias' secret").digest()
    await accept_aliases(cell, alias_item("I-1", MOBILE))
    sealed = seal(secret, BENEFICIARY.encode())
    await resolve(cell, await claim_aliases(cell), value=MOBILE, beneficiary=BENEFICIARY, sealed_beneficiary=sealed)
    (row,) = await (
        await cell.execute("select c::text, c.sealed_beneficiary from proxy.proxy_resolution_current as c")
    ).fetchall()
    assert not holds(row[0].encode())
    assert not holds(row[1])
    assert open_sealed(secret, row[1]) == BENEFICIARY.encode(), "who knows the alias' secret opens it"


async def test_erasing_the_parties_erases_the_beneficiary_and_leaves_the_ledgers_valid(cell: Connection) -> None:
    await accept_aliases(cell, alias_item("I-1", MOBILE))
    await resolve(cell, await claim_aliases(cell), value=MOBILE, beneficiary=BENEFICIARY)
    await complete(cell, await claim(cell))
    valid = (
        "select count(*) from proxy.proxy_resolutions as r where r.commitment = core.commitment(array['proxy.proxy_resolutions',"
        " r.participant_id, r.resolution_id::text, r.outbox_id::text, r.resolution_no::text, r.proxy_type, encode(r.proxy_hash, 'hex'),"
        " r.hash_key_id, r.status::text, r.reason_code, r.beneficiary_participant_id, encode(r.beneficiary_commitment, 'hex'), r.source,"
        " r.source_version, r.from_cache::text, encode(r.response_sha256, 'hex'), core.epoch_us(r.observed_at), core.epoch_us(r.expires_at),"
        " r.resolved_by, r.lease_token::text, core.epoch_us(r.recorded_at)])"
    )
    assert await (await cell.execute(valid.encode())).fetchone() == (1,)
    await cell.execute("set role symphony_operator")
    await cell.execute("select outbox.erase_parties(%s, 'I-1', 'olga', 'DATA_SUBJECT_REQUEST')", (A,))
    await cell.execute("reset role")
    cursor = await cell.execute("select salt, parties, beneficiary from outbox.instruction_parties")
    assert await cursor.fetchall() == [(None, None, None)]
    assert await (await cell.execute(valid.encode())).fetchone() == (1,)
    assert [name for name, text in (await every_row(cell)).items() if holds(text)] == []


async def test_statistics_hold_no_alias(cell: Connection) -> None:
    await accept_aliases(cell, *(alias_item(f"I-{n}", MOBILE if n % 2 else EMAIL) for n in range(50)))
    await resolve(cell, await claim_aliases(cell), value=MOBILE, beneficiary=BENEFICIARY)
    await cell.execute("analyze")
    assert not holds((await every_row(cell))["pg_catalog.pg_statistic"])
