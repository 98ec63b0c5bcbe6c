"""`symphony bench resolver`: aliases resolved uncached and cached, and direct payments during a registry outage."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import batched
from pathlib import Path
from typing import Any, Final

from symphony import api
from symphony.api import bench as sql
from symphony.api.ingress import Item
from symphony.bench import core, load
from symphony.demo.processes import Child, Children, Interruption
from symphony.demo.trust import Trust

FLOOR_CACHED_PER_S: Final = 5_000
FLOOR_UNCACHED_PER_S: Final = 1_000
_READY_S: Final = 30.0
_BATCH: Final = 500
_TARGET: Final = "ZM-BENCH-0"
_PROBE_BATCH: Final = 20


@contextmanager
def _children(say: Callable[[str], None]) -> Iterator[tuple[Path, Children]]:
    umask = os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="symphony-bench-resolver-") as folder:
        children = Children(Path(folder), Interruption())
        try:
            yield Path(folder), children
        finally:
            children.stop(say)
            os.umask(umask)


def run(dsn: str, *, aliases: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure on an empty database of a superuser; keys and the resolver's login come from OpenBao.

    Args:
        aliases: distinct aliases of the uncached phase; the cached one asks for each twice.
        seconds: of the limit, and of each probe of direct payments.
    """
    with _children(say) as (folder, children):
        trust = Trust(folder, children, operator="bench")
        asyncio.run(core.prepare(dsn, history_attempts=0, say=say))
        trust.open_bao(dsn)
        limit = core.measure_limit(dsn, seconds=seconds, batch=200)
        registry = children.start(
            "registry", "registry", "sandbox", "--port", "0", "--latency-ms", "5", "--store", str(folder / "registry")
        )
        url = f"http://127.0.0.1:{registry.wait_ready(seconds=_READY_S)['port']}"
        _fill(url, aliases)
        report: dict[str, Any] = {"aliases": aliases, "registry_latency_ms": 5, "machine_limit": limit}

        def resolver() -> Child:
            child = trust.serve("resolver", "resolver", dsn, "--registry", f"sandbox={url}")
            child.wait_ready(seconds=_READY_S)
            return child

        for phase, floor, repeat in (("uncached", FLOOR_UNCACHED_PER_S, 1), ("cached", FLOOR_CACHED_PER_S, 2)):
            say(f"{phase}: {aliases * repeat:,} aliases, one resolver process")
            asyncio.run(_accept(dsn, [n for _ in range(repeat) for n in range(aliases)]))
            child = resolver()
            report[phase] = asyncio.run(_drained(dsn, aliases * repeat)) | {"floor_per_s": floor}
            report[phase]["ratio_to_machine_limit"] = round(report[phase]["per_s"] / limit["rows_per_s"], 3)
            report[phase]["held"] = report[phase]["per_s"] >= floor
            child.stop()
        say("direct payments beside 10,000 waiting aliases and a registry that is away, and beside nothing")
        report["direct_during_outage"] = asyncio.run(_outage(dsn, url, seconds, resolver))
        return report


def _post(url: str, body: object) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310 (our own child on loopback)
        pass


def _mobile(number: int) -> str:
    return f"+26097{7_000_000 + number:07d}"


def _fill(url: str, aliases: int) -> None:
    for numbers in batched(range(aliases), 1_000):
        known = [
            {"type": "MBNO", "value": _mobile(n), "participant_id": _TARGET, "account": f"1{n:012d}", "name": "Payee"}
            for n in numbers
        ]
        _post(f"{url}/admin/entries", known)


def _items(numbers: Sequence[int]) -> list[Item]:
    parties = '{{"creditor":{{"alias":{{"type":"MBNO","value":"{}"}}}},"debtor":{{"account":"9988776655443"}}}}'
    return [
        replace(
            one,
            participant_id=f"ZM-BENCH-{number % load.PARTICIPANTS}",
            requires_proxy=True,
            parties=parties.format(_mobile(number)),
        )
        for one, number in zip(load.make_items(len(numbers), lane=0, lanes=1), numbers, strict=True)
    ]


async def _accept(dsn: str, numbers: Sequence[int]) -> None:
    async with await api.connect(dsn, application_name="bench accept", statement_timeout_ms=60_000) as connection:
        for some in batched(numbers, _BATCH):
            decisions = await api.ingress.accept(connection, items=_items(some))
            if any(decision.decision != "ACCEPT" for decision in decisions):
                raise RuntimeError(f"the bench's items must be accepted: {decisions[0]}")


async def _drained(dsn: str, number: int) -> dict[str, Any]:
    """Wait until nothing waits for its alias; the rate is from the first commit in the ledger to the last."""
    async with await api.connect(dsn, application_name="bench watch") as connection:
        while await sql.aliases_waiting(connection):  # noqa: ASYNC110 (another process' work)
            await asyncio.sleep(0.05)
        resolved, counted, seconds = await sql.resolution_span(connection, last=number)
    if resolved != number:
        raise RuntimeError(f"{resolved} of {number} aliases were resolved")
    return {"resolved": resolved, "seconds": round(seconds, 2), "per_s": round(counted / seconds, 1)}


async def _outage(dsn: str, url: str, seconds: float, resolver: Callable[[], Child]) -> dict[str, Any]:
    """Accept, claim and complete direct payments at a fixed pace, in turn without and with the outage."""
    calm, outage = [], []
    for turn in range(2):
        calm += await _probe(dsn, seconds)
        _post(f"{url}/admin/faults", [{"kind": "down"}])
        await _accept(dsn, range(900_000 + turn * 10_000, 910_000 + turn * 10_000))
        child = resolver()
        await asyncio.sleep(2)
        outage += await _probe(dsn, seconds)
        _post(f"{url}/admin/faults", [])
        child.stop()
        async with await api.connect(dsn, application_name="bench watch") as connection:
            await sql.forget_waiting_aliases(connection)
    return {"aliases_waiting": 10_000, "calm": _latency(calm), "outage": _latency(outage)}


async def _probe(dsn: str, seconds: float) -> list[float]:
    """Milliseconds from accept to DISPATCHED of small batches, 20 a second."""
    found: list[float] = []
    async with await api.connect(dsn, application_name="bench direct") as connection:
        items = load.make_items(int(seconds * 20) * _PROBE_BATCH, lane=0, lanes=1)
        for some in batched(items, _PROBE_BATCH):
            started = time.perf_counter()
            await api.ingress.accept(connection, items=some)
            await load.drain_once(connection, worker="bench-direct", batch=_PROBE_BATCH)
            found.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(max(0.0, 0.05 - found[-1] / 1000))
    return found


def _latency(found: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(found)
    return {
        "batches": len(found),
        "p50_ms": round(statistics.median(found), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
    }
