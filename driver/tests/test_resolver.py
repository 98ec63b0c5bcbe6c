"""The resolver beside a real database and a real registry process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from symphony import api
from symphony.api.connection import Connection
from symphony.metrics import Metrics
from symphony.registries.registry import RegistryOptions, open_registry
from symphony.resolver.hashing import LocalHasher
from symphony.resolver.loop import Resolver
from symphony.resolver.settings import ResolverSettings
from tests.payments import Books, establish
from tests.proxy_cell import alias_item
from tests.registry_process import RegistryProcess, mobile
from tests.sql_cell import A, B, C, claim, policy

KEYS = {1: bytes(range(32))}


@pytest.fixture
async def judge(fresh_database: str) -> AsyncIterator[Connection]:
    """A superuser's session on a new, established cell."""
    async with await api.connect(fresh_database, application_name="judge") as connection:
        await establish(connection, policy())
        yield connection


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryProcess]:
    """A registry that knows 300 mobile numbers, all at bank B."""
    with RegistryProcess(tmp_path / "registry.sqlite") as process:
        process.put(*(entry(number) for number in range(300)))
        yield process


def entry(number: int, **changes: Any) -> dict[str, Any]:
    """What the registry knows of one number."""
    known = {"type": "MBNO", "value": mobile(number), "participant_id": B, "account": f"1000{number}", "name": "Payee"}
    return {**known, **changes}


@asynccontextmanager
async def resolving(
    url: str,
    registry: RegistryProcess,
    *,
    keys: dict[int, bytes] | None = None,
    timeout_ms: int = 5_000,
    **settings: Any,
) -> AsyncIterator[Metrics]:
    """A resolver at work in this process."""
    metrics = Metrics()
    adapter = open_registry("sandbox", RegistryOptions(base_url=registry.base_url, timeout_ms=timeout_ms))
    chosen = {
        "poll_ms": 30,
        "call_timeout_ms": timeout_ms,
        "breaker_pause_min_ms": 100,
        "tend_interval_ms": 50,
        **settings,
    }
    resolver = Resolver(
        settings=ResolverSettings(resolver_id="r", **chosen),
        database=url,
        registry=adapter,
        hasher=LocalHasher(keys or KEYS, environment="dev"),
        metrics=metrics,
    )
    task = asyncio.create_task(resolver.run(announce_ready=lambda: None))
    try:
        yield metrics
    finally:
        resolver.stop()
        await task
        await adapter.aclose()


async def accept(connection: Connection, *numbers: int, participant_id: str = A, begin: int = 0) -> None:
    """Accept one instruction a number, in this order."""
    items = [
        alias_item(f"I-{begin + n}", mobile(number), participant_id=participant_id) for n, number in enumerate(numbers)
    ]
    for first in range(0, len(items), 500):
        decisions = await api.ingress.accept(connection, items=items[first : first + 500])
        assert {d.state for d in decisions} == {"AWAITING_PROXY_RESOLUTION"}, decisions[0]


async def until(books: Books, query: str, wanted: int, *, seconds: float = 60.0) -> None:
    """Wait until a count is reached."""
    deadline = time.monotonic() + seconds
    while (found := books.number(query)) != wanted:
        assert time.monotonic() < deadline, f"{found}, wanted {wanted}"
        await asyncio.sleep(0.02)


async def until_away(metrics: Metrics) -> None:
    """Wait until the registry counts as away."""
    async with asyncio.timeout(30):
        while metrics.registry.get_sample_value("proxy_registry_unavailable", {"source": "sandbox"}) != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


WAITING = "select count(*) from proxy.resolution_queue"
RESOLVED = "select count(*) from outbox.payment_outbox_pending where resolution_id is not null"


async def test_aliases_are_resolved_once_each_and_then_from_the_cache(
    fresh_database: str, judge: Connection, registry: RegistryProcess
) -> None:
    books = Books(fresh_database)
    await accept(judge, *range(20), *range(20))
    async with resolving(fresh_database, registry) as metrics:
        await until(books, WAITING, 0)
        await accept(judge, *range(20), begin=100)
        await until(books, RESOLVED, 60)
    assert registry.stats()["questions"] == 20
    assert books.rows("select from_cache, count(*) from proxy.proxy_resolutions group by 1 order by 1") == [
        (False, 40),
        (True, 20),
    ]
    assert metrics.registry.get_sample_value("proxy_cache_lookups_total", {"result": "hit"}) == 20
    claims = await claim(judge)
    assert {json.loads(one.parties or "")["creditor"]["account"] for one in claims} == {f"1000{n}" for n in range(20)}


async def test_each_kind_of_answer_ends_as_it_must(
    fresh_database: str, judge: Connection, registry: RegistryProcess
) -> None:
    books = Books(fresh_database)
    registry.put(entry(1, state="REVOKED"))
    registry.set_faults(
        {"kind": "several", "value": mobile(2), "participant_id": C},
        {"kind": "poisoned", "value": mobile(3), "first": 1},
        {"kind": "malformed", "value": mobile(4), "first": 1},
        {"kind": "moved", "value": mobile(5), "participant_id": "ZM-NOBODY"},
    )
    await accept(judge, 0, 1, 2, 3, 4, 5, 999)
    async with resolving(fresh_database, registry):
        await until(books, WAITING, 0)
    found = books.rows(
        "select i.instruction_id, coalesce(a.reason_code, 'PENDING') from outbox.payment_instructions as i"
        " left join outbox.payment_outbox_attempts as a using (participant_id, outbox_id) order by 1"
    )
    assert dict(found) == {
        "I-0": "PENDING",
        "I-1": "PROXY_REVOKED",
        "I-2": "PROXY_AMBIGUOUS",
        "I-3": "PENDING",
        "I-4": "PENDING",
        "I-5": "PROXY_BENEFICIARY_NOT_ALLOWED",
        "I-6": "PROXY_NOT_FOUND",
    }
    retried = "select reason_code, status::text from proxy.proxy_resolutions where status = 'TEMP_UNAVAILABLE'"
    assert books.rows(retried) == [("PROXY_ANSWER_UNUSABLE", "TEMP_UNAVAILABLE")] * 2
    assert books.number("select count(*) from evidence.cases") == 4


async def test_a_registry_that_is_away_is_asked_rarely_and_the_backlog_drains_in_order(
    fresh_database: str, judge: Connection, registry: RegistryProcess
) -> None:
    books = Books(fresh_database)
    registry.set_faults({"kind": "down"})
    await accept(judge, *range(300))
    async with resolving(fresh_database, registry, batches_at_once=1, chunk_items=10) as metrics:
        await until_away(metrics)
        await asyncio.sleep(1.5)
        calls = registry.stats()["requests"]
        assert calls <= 5 + 16 + 6, "five in a row open the breaker; what was under way then; then probes"
        registry.set_faults()
        await until(books, WAITING, 0)
        assert metrics.registry.get_sample_value("proxy_registry_unavailable", {"source": "sandbox"}) == 0
    order = books.rows(
        "select i.sequence_id from proxy.proxy_resolutions as r join outbox.payment_instructions as i"
        " using (participant_id, outbox_id) where r.status = 'RESOLVED' order by r.recorded_at, i.outbox_id"
    )
    assert [row[0] for row in order] == list(range(1, 301))


async def test_a_rotated_key_re_keys_the_cache_without_a_question(
    fresh_database: str, judge: Connection, registry: RegistryProcess
) -> None:
    books = Books(fresh_database)
    await accept(judge, 1)
    async with resolving(fresh_database, registry):
        await until(books, WAITING, 0)
    rotated = {**KEYS, 2: bytes(32)}
    for begin, keys in ((10, rotated), (20, {2: bytes(32)})):
        await accept(judge, 1, begin=begin)
        async with resolving(fresh_database, registry, keys=keys):
            await until(books, WAITING, 0)
    assert registry.stats()["questions"] == 1
    assert books.rows("select hash_key_id, from_cache from proxy.proxy_resolutions order by recorded_at") == [
        ("proxy-hash:v1", False),
        ("proxy-hash:v2", True),
        ("proxy-hash:v2", True),
    ]
    observed = "select count(distinct observed_at), count(distinct expires_at) from proxy.proxy_resolutions"
    assert books.rows(observed) == [(1, 1)]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("side_by_side", "places"), [(1, 0), (4, 5 * 200)])
async def test_ten_thousand_drain_after_an_outage_in_order_and_without_a_storm(
    fresh_database: str, judge: Connection, registry: RegistryProcess, side_by_side: int, places: int
) -> None:
    """Batches of 200 side by side may overtake each other, and the probe has its mates' place; one by one, nobody."""
    books = Books(fresh_database)
    for first in range(0, 10_000, 1_000):
        registry.put(*(entry(number) for number in range(first, first + 1_000)))
    registry.set_faults({"kind": "down"})
    await accept(judge, *range(10_000))
    async with resolving(
        fresh_database, registry, batches_at_once=side_by_side, breaker_pause_min_ms=500, breaker_pause_max_ms=2_000
    ) as metrics:
        await until_away(metrics)
        await asyncio.sleep(5.5)
        down = registry.stats()
        assert down["requests"] <= 5 + 16 + 12, (
            "what opens the breaker, what was under way then, and a probe now and then"
        )
        registry.set_faults()
        await until(books, WAITING, 0, seconds=300)
    healed = registry.stats()
    # Each number once after the outage; those asked in vain before it were asked again.
    assert healed["questions"] - down["questions"] <= 10_000
    assert healed["requests"] - down["requests"] <= 10_000 / 25 + 40
    assert books.number("select count(*) from proxy.proxy_resolutions where status = 'RESOLVED'") == 10_000
    order = books.rows(
        "select i.sequence_id from proxy.proxy_resolutions as r join outbox.payment_instructions as i"
        " using (participant_id, outbox_id) where r.status = 'RESOLVED' order by r.recorded_at, i.outbox_id"
    )
    assert max(abs(place - row[0]) for place, row in enumerate(order, start=1)) <= places
