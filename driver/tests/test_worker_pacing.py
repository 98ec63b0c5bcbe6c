"""Debounce, poll, back-off and the settings."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from symphony import logs
from symphony.errors import DatabaseUnavailable
from symphony.metrics import Metrics
from symphony.worker.pacing import Backoff
from symphony.worker.settings import InvalidSettings, WorkerSettings, new_worker_id, parse_rail
from symphony.worker.wake import Debouncer, WakeSignal
from tests.until import until
from tests.worker_bench import settings


@pytest.fixture
def logged() -> Iterator[StringIO]:
    """What was logged, as JSON lines."""
    stream = StringIO()
    logs.configure("worker-test", stream=stream)
    yield stream
    structlog.reset_defaults()


async def test_a_debouncer_lets_the_first_call_through_and_joins_the_rest() -> None:
    fired: list[float] = []
    now = [1_000.0]  # by the debouncer's clock; what waits for the end of a window waits by the loop's
    loop = asyncio.get_running_loop()
    debouncer = Debouncer(lambda: fired.append(loop.time()), window_ms=60, clock=lambda: now[0])
    for _ in range(50):
        debouncer.call()
    assert len(fired) == 1
    await until(lambda: len(fired) == 2, seconds=30)
    assert fired[1] - fired[0] >= 0.05
    await asyncio.sleep(0.1)
    assert len(fired) == 2, "the rest came together"
    now[0] += 1.0
    debouncer.call()
    debouncer.call()
    debouncer.close()
    await asyncio.sleep(0.1)
    assert len(fired) == 3, "a call still waiting is dropped by close"


async def test_a_signal_tells_a_ring_from_the_poll_and_counts_both() -> None:
    metrics = Metrics()
    signal = WakeSignal(poll_ms=30, metrics=metrics, rng=random.Random(1))
    assert not await signal.wait()
    signal.ring()
    signal.ring()
    assert await signal.wait(), "a ring during the last claim is not lost"
    assert not await signal.wait()
    value = metrics.registry.get_sample_value
    assert (value("notify_wakeups_total"), value("poll_wakeups_total")) == (1, 2)


async def test_an_outage_is_logged_once_at_each_end_and_every_try_is_counted(logged: StringIO) -> None:
    metrics = Metrics()
    backoff = Backoff(point="claim", metrics=metrics, min_ms=100, max_ms=5_000, rng=random.Random(7))
    waits = [backoff.failed(DatabaseUnavailable("away")) for _ in range(30)]
    backoff.succeeded()
    backoff.succeeded()
    lines = logged.getvalue()
    assert lines.count("database_trouble_began") == lines.count("database_trouble_ended") == 1
    assert waits[0] <= 0.1
    assert max(waits) <= 5.0
    assert max(waits[10:]) > 2.5
    assert len(set(waits)) == 30, "full jitter"
    labels = {"point": "claim", "kind": "unavailable"}
    assert metrics.registry.get_sample_value("database_errors_total", labels) == 30


async def test_waiting_ends_when_a_stop_is_asked_for() -> None:
    stop = asyncio.Event()
    backoff = Backoff(point="claim", metrics=Metrics(), min_ms=60_000, max_ms=60_000, stop=stop, rng=random.Random(2))
    asyncio.get_running_loop().call_later(0.02, stop.set)
    async with asyncio.timeout(20):
        await backoff.wait(DatabaseUnavailable("away"))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"lease_ms": 10}, "lease_ms"),
        ({"claim_batch_items": 501}, "claim_batch_items"),
        ({"poll_ms": 0}, "poll_ms"),
        ({"call_timeout_ms": 1_000}, "call_timeout_ms"),
        ({"backoff_min_ms": 6_000}, "backoff_min_ms"),
        ({"in_flight_items": 0}, "in_flight_items"),
    ],
)
def test_a_setting_that_cannot_work_is_named(changes: dict[str, int], named: str) -> None:
    with pytest.raises(InvalidSettings, match=named):
        settings(**changes)


def test_slots_are_shared_out_between_rails_and_connecting_ends_before_the_lease() -> None:
    rails = {"sandbox": "http://a", "other": "http://b"}
    config = WorkerSettings(worker_id=new_worker_id(), rails=rails)
    assert config.slots_per_rail == 100
    assert config.connect_timeout_ms < config.lease_margin_ms < config.lease_ms
    with pytest.raises(InvalidSettings, match="no rail"):
        WorkerSettings(worker_id="w", rails={})


@pytest.mark.parametrize("text", ["sandbox", "sandbox=", "=http://x", "Sand Box=http://x", ""])
def test_a_rail_is_name_and_url(text: str) -> None:
    assert parse_rail("sandbox=http://127.0.0.1:9090") == ("sandbox", "http://127.0.0.1:9090")
    with pytest.raises(InvalidSettings, match="NAME=URL"):
        parse_rail(text)
