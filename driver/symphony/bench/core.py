"""`symphony bench core`: the SQL API recording, draining and doing both, beside the machine's own limit."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from symphony import api, migrate
from symphony.api import bench as sql
from symphony.bench import load
from symphony.bench.load import Tally

type Client = Callable[..., Coroutine[Any, Any, Tally]]
HISTORY_CHUNK = 20_000
START_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class CoreOptions:
    """What to measure: attempts of history, seconds per phase, rows per batch."""

    history_attempts: int
    seconds: float
    batch: int


def _run(client: Client, dsn: str, keywords: dict[str, Any]) -> Tally:
    return asyncio.run(client(dsn, **keywords))


def _in_processes(dsn: str, clients: list[tuple[Client, dict[str, Any]]]) -> list[Tally]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=len(clients), mp_context=context) as pool:
        barrier_at = time.time() + START_SECONDS
        futures: list[Future[Tally]] = [
            pool.submit(_run, client, dsn, keywords | {"worker": n, "barrier_at": barrier_at})
            for n, (client, keywords) in enumerate(clients)
        ]
        return [future.result() for future in futures]


async def prepare(dsn: str, *, history_attempts: int, say: Callable[[str], None]) -> int:
    """Migrate, establish the cell and policy, and load the history; returns the attempts present."""
    await migrate.apply(dsn)
    connection = await api.connect(
        dsn, application_name="bench prepare", statement_timeout_ms=0, transaction_timeout_ms=0
    )
    async with connection:
        await api.core.establish_cell(connection, cell_id="bench", epoch=1)
        document = load.policy_document()
        checksum = await api.policy.propose(connection, document=document, operator="bench")
        await api.policy.activate(connection, version=1, checksum=checksum, operator="bench")
        await api.rails.publish_response_classes(connection, document=load.response_classes(), operator="bench")
        await sql.make_limit_table(connection)
        payments = history_attempts // 2
        for first in range(0, payments, HISTORY_CHUNK):
            rows = min(HISTORY_CHUNK, payments - first)
            # Spread over the past hours of this month's partitions, oldest first, as a running system has them.
            age = 12 * (1 - first / payments)
            await sql.load_history(
                connection,
                first=first,
                rows=rows,
                participants=load.PARTICIPANTS,
                age_hours=age,
                parties=load.PARTIES,
            )
            if first % (25 * HISTORY_CHUNK) == 0:
                say(f"history: {2 * first:,} of {history_attempts:,} attempts")
        await sql.finish_history(connection)
        return await sql.count_attempts(connection)


def _summary(tallies: list[Tally]) -> dict[str, float]:
    calls = sorted(ms for tally in tallies for ms in tally.call_ms)
    rows = sum(tally.rows for tally in tallies)
    seconds = max(tally.seconds for tally in tallies)
    first, second = (sum(tally.rows_by_half[n] for tally in tallies) for n in (0, 1))
    return {
        "rows": rows,
        "rows_per_s": round(rows / seconds, 1),
        "client_cpu_us_per_row": round(sum(t.client_cpu_seconds for t in tallies) / rows * 1e6, 1) if rows else 0.0,
        "batch_p50_ms": round(statistics.median(calls), 2) if calls else 0.0,
        "batch_p99_ms": round(calls[int(len(calls) * 0.99)], 2) if calls else 0.0,
        "second_half_to_first": round(second / first, 3) if first else 0.0,
    }


async def _measured(dsn: str, clients: list[tuple[Client, dict[str, Any]]]) -> tuple[list[Tally], dict[str, float]]:
    connection = await api.connect(
        dsn, application_name="bench watch", statement_timeout_ms=0, transaction_timeout_ms=0
    )
    async with connection:
        await sql.analyse_and_checkpoint(connection)
        before = await sql.counters(connection)
        tallies = await asyncio.to_thread(_in_processes, dsn, clients)
        await asyncio.sleep(1.2)
        after = await sql.counters(connection)
    return tallies, {
        "wal_bytes": after.wal_bytes - before.wal_bytes,
        "rows_inserted": after.rows_inserted - before.rows_inserted,
    }


def measure_limit(dsn: str, *, seconds: float, batch: int) -> dict[str, float]:
    """The machine's own limit on a prepared database: plain batched INSERTs of two processes."""
    return _summary(_in_processes(dsn, [(load.plain, {"seconds": seconds, "batch": batch})] * 2))


async def run(dsn: str, options: CoreOptions, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure all phases on a prepared database; every ratio is against the limit measured in this run."""
    keywords: dict[str, Any] = {"seconds": options.seconds, "batch": options.batch}
    report: dict[str, Any] = {"batch": options.batch, "seconds_per_phase": options.seconds}
    say("limit: plain batched INSERT, 2 processes")
    tallies, _ = await _measured(dsn, [(load.plain, keywords)] * 2)
    limit = _summary(tallies)
    report["machine_limit"] = limit
    say("record: 2 processes")
    tallies, done = await _measured(dsn, [(load.record, keywords | {"lanes": 2})] * 2)
    report["record"] = _summary(tallies) | _per_row(done, tallies)
    say("drain: 2 processes")
    await asyncio.to_thread(_in_processes, dsn, [(load.record, keywords | {"rows": int(options.seconds * 10_000)})])
    tallies, done = await _measured(dsn, [(load.drain, keywords)] * 2)
    report["drain"] = _summary(tallies) | _per_row(done, tallies)
    say("both at once: 1 + 1 processes")
    tallies, done = await _measured(dsn, [(load.record, keywords), (load.drain, keywords)])
    both = _summary(tallies[1:]) | _per_row(done, tallies[1:])
    both["recorded_per_s"] = _summary(tallies[:1])["rows_per_s"]
    both["payments_per_s"] = min(both["rows_per_s"], both["recorded_per_s"])
    report["both_at_once"] = both
    for phase, key in (("record", "rows_per_s"), ("drain", "rows_per_s"), ("both_at_once", "payments_per_s")):
        report[phase]["ratio_to_machine_limit"] = round(report[phase][key] / limit["rows_per_s"], 3)
    return report


def _per_row(done: dict[str, float], tallies: list[Tally]) -> dict[str, float]:
    rows = sum(tally.rows for tally in tallies) or 1
    return {
        "wal_bytes_per_row": round(done["wal_bytes"] / rows, 1),
        "rows_inserted_per_row": round(done["rows_inserted"] / rows, 3),
    }
