"""INV-019: the controller between a real database and a real HAProxy: what is decided stands there, whatever fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from symphony import api
from symphony.api import routing
from symphony.api.connection import Connection
from symphony.metrics import Metrics
from symphony.rehearsal.relay import Relay
from symphony.rehearsal.stage import through
from symphony.routing import measurement
from symphony.routing.controller import Controller, InvalidSettings, RouteSettings
from symphony.routing.haproxy import RuntimeSocket, ServerStatus
from symphony.routing.measurement import ColourMeter, Series, SharedMeter
from symphony.routing.read_back import InvalidTemplate, ReadBack
from tests.haproxy_process import Haproxy, Peer, haproxy, peers, until
from tests.routing_cell import kinds, ledger, publish

pytest_plugins = ("tests.login_fixtures",)
SETTINGS = RouteSettings(interval_ms=50, probe_timeout_ms=500, read_back_interval_ms=60)
DRIVER = Path(__file__).resolve().parents[1]
# Slow enough that only what a test does decides, quick enough to be waited for.
RULES: dict[str, object] = {
    "healthy_windows": 1_000,
    "heartbeat_interval_ms": 300,
    "window_ms": 300,
    "hold_down_ms": 60_000,
    "hold_down_max_ms": 60_000,
    "cooldown_ms": 300,
}


@dataclass
class Scene:
    """A controller under way, and everything around it."""

    url: str
    judge: Connection
    process: Haproxy
    blue: Peer
    green: Peer
    metrics: Metrics
    controller: Controller

    async def weights(self) -> dict[str, int]:
        """What HAProxy has."""
        return {name: status.weight_pct for name, status in (await RuntimeSocket(self.process.socket).status()).items()}

    async def until_weights(self, blue: int, *, seconds: float = 10.0) -> None:
        """Wait until HAProxy has them."""

        async def there() -> bool:
            return await self.weights() == {"blue": blue, "green": 100 - blue}

        await until(there, seconds=seconds)

    async def canary(self) -> None:
        """Begin a canary of green; both have been measured by then."""
        await until(lambda: self.controller.not_ready() is None)
        await asyncio.sleep(0.15)
        await routing.begin_canary(self.judge, candidate="green", operator="test", reason="test")
        await self.until_weights(80)

    def value(self, name: str, **labels: str) -> float:
        """An exported metric."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def scene(
    url: str, *, database_url: str | None = None, read_back: bool = False, **rules: object
) -> AsyncIterator[Scene]:
    """Start everything; the controller ends cleanly at the end."""
    async with await api.connect(url, application_name="judge") as judge, peers() as (blue, green):
        await publish(judge, **{**RULES, **rules})
        with haproxy(blue.colour, green.colour) as process:
            metrics = Metrics()
            beats = ReadBack("P", {"amount": "1"}, {"blue": blue.url, "green": green.url}) if read_back else None
            controller = Controller(
                database_url=database_url or url, actor="controller-1", haproxy=RuntimeSocket(process.socket),
                meters={peer.name: ColourMeter(peer.name, peer.url) for peer in (blue, green)}, shared=SharedMeter(),
                read_back=beats, metrics=metrics, settings=SETTINGS,
            )  # fmt: skip
            task = asyncio.create_task(controller.run())
            try:
                yield Scene(url, judge, process, blue, green, metrics, controller)
            finally:
                controller.stop()
                async with asyncio.timeout(10):
                    await task


async def test_what_is_decided_is_applied_and_exported(fresh_database: str) -> None:
    async with scene(fresh_database) as s:
        await s.until_weights(100)
        await s.canary()
        await until(lambda: s.value("routing_weight", colour="green") == 20)
        assert (s.value("routing_weight", colour="blue"), s.value("routing_mode")) == (80, 0)
        s.green.ready = False
        await s.until_weights(100)
        await until(lambda: s.value("routing_mode") == 1)
        assert [row[:4] for row in ledger(fresh_database)] == [
            ("CANARY_BEGUN", "test", 100, 80),
            ("FALLBACK", "controller-1", 80, 100),
        ]


async def test_errors_and_latency_together_bring_everything_back_within_seconds(fresh_database: str) -> None:
    async with scene(fresh_database) as s, aiohttp.ClientSession() as session:
        await s.canary()
        s.green.behaviour = "refuse"
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def load() -> None:
            for n in range(10_000):
                async with session.post(
                    f"{s.process.url}/v1/instructions", json={"instruction_id": f"L-{n}"}
                ) as answer:
                    await answer.read()

        loading = asyncio.create_task(load())
        await asyncio.sleep(1.0)
        assert await s.weights() == {"blue": 80, "green": 20}, "errors alone move nothing"

        async def slow() -> None:
            while True:
                s.green.flushes, s.green.flush_seconds = s.green.flushes + 1, s.green.flush_seconds + 2.0
                await asyncio.sleep(0.05)

        slowing = asyncio.create_task(slow())
        await s.until_weights(100)
        print(f"inverted {loop.time() - began - 1.0:.2f} s after the second signal")
        for task in (loading, slowing):
            task.cancel()
        assert [(row[0], row[5]) for row in ledger(fresh_database)][1:] == [("FALLBACK", "TWO_SIGNALS")]


async def test_an_instruction_the_stable_colour_cannot_read_brings_everything_back(fresh_database: str) -> None:
    async with scene(fresh_database, read_back=True) as s:
        await s.canary()
        await asyncio.sleep(0.5)
        assert kinds(fresh_database) == ["CANARY_BEGUN"], "a good read-back decides nothing"
        s.blue.reads_others = False
        await s.until_weights(100)
        assert [(row[0], row[5]) for row in ledger(fresh_database)][1:] == [("FALLBACK", "READ_BACK_FAILED")]


async def test_a_restarted_haproxy_gets_the_weights_again(fresh_database: str) -> None:
    async with scene(fresh_database) as s:
        await s.canary()
        s.process.stop()
        await until(lambda: "haproxy out of reach" in (s.controller.not_ready() or ""))
        assert s.value("haproxy_errors_total") >= 1
        s.process.start()  # with everything on blue, as its configuration says
        await s.until_weights(80)
        await until(lambda: s.controller.not_ready() is None)
        assert kinds(fresh_database) == ["CANARY_BEGUN"]


async def test_without_the_database_the_last_weights_stay_even_at_a_restarted_haproxy(fresh_database: str) -> None:
    relay = Relay(urlsplit(fresh_database).port or 0)
    relay.start()
    try:
        async with scene(fresh_database, database_url=through(fresh_database, relay.port)) as s:
            await s.canary()
            await asyncio.to_thread(relay.stop)
            await until(lambda: "database out of reach" in (s.controller.not_ready() or ""))
            s.green.ready = False  # nobody can decide what that means
            s.process.stop()
            s.process.start()
            await s.until_weights(80)
            assert s.value("database_errors_total", point="route", kind="unavailable") >= 1
            assert kinds(fresh_database) == ["CANARY_BEGUN"]
    finally:
        relay.stop()


async def test_a_second_controller_starts_with_what_is_in_force(fresh_database: str) -> None:
    async with scene(fresh_database) as s:
        await s.canary()
    async with scene(fresh_database) as s:
        await s.until_weights(80)
    assert kinds(fresh_database) == ["CANARY_BEGUN"]


async def test_the_command_announces_itself_and_ends_on_sigterm(fresh_database: str, urls: dict[str, str]) -> None:
    async with peers() as (blue, green):
        with haproxy(blue.colour, green.colour) as process:
            command = await asyncio.create_subprocess_exec(
                sys.executable, "-W", "error", "-m", "symphony.cli", "route", "--haproxy-socket", str(process.socket),
                "--blue", blue.url, "--green", green.url, "--interval-ms", "100",
                env={**os.environ, "PYTHONPATH": str(DRIVER), "SYMPHONY_DATABASE_URL": urls["symphony_router"]},
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert command.stdout is not None
            try:
                async with asyncio.timeout(30), aiohttp.ClientSession() as session:
                    ready = json.loads(await command.stdout.readline())
                    assert ready["event"] == "ready"
                    base = f"http://127.0.0.1:{ready['metrics_port']}"
                    async with session.get(f"{base}/readyz") as answer:
                        assert answer.status == 200
                    async with session.get(f"{base}/metrics") as answer:
                        assert 'routing_weight{colour="blue"} 100.0' in await answer.text()
                    command.send_signal(signal.SIGTERM)
                    _, errors = await command.communicate()
            finally:
                if command.returncode is None:
                    command.kill()
                    await command.wait()
    assert command.returncode == 0, errors.decode()
    assert json.loads(errors.decode().splitlines()[-1])["event"] == "controller stopped"
    assert urls["symphony_router"] not in errors.decode()


@pytest.mark.parametrize("name", ["interval_ms", "probe_timeout_ms", "read_back_interval_ms"])
def test_a_setting_out_of_range_is_named(name: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"^{name} is 49; use a value from 50 to \d+$"):
        RouteSettings(**{name: 49})


def test_a_heartbeat_template_has_a_form(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat.json"
    for text in ("", "[]", '{"participant": "P"}', '{"participant": "P", "instruction": 5}'):
        file.write_text(text)
        with pytest.raises(InvalidTemplate, match="write a JSON object with the members participant and instruction"):
            ReadBack.load(file, services={})


async def test_counters_that_begin_again_are_not_negative() -> None:
    async with peers() as (blue, _), aiohttp.ClientSession() as session:
        meter = ColourMeter("blue", blue.url)
        seen = []
        for flushes, seconds in ((10, 1.0), (14, 1.2), (3, 0.5)):
            blue.flushes, blue.flush_seconds = flushes, seconds
            found = await meter.read(session, server=None, read_back_ok=None)
            seen.append((found.latency_count, found.latency_total_ms))
        assert seen == [(0, 0), (4, 200), (3, 500)]


def test_what_happens_between_readings_is_counted_once() -> None:
    traffic = measurement._Traffic()
    seen = [
        traffic.since_last(ServerStatus(weight_pct=50, started=started, requests=requests, errors=errors))
        for started, requests, errors in ((9, 9, 4), (20, 19, 4), (20, 19, 3), (21, 21, 5), (2, 2, 1))
    ]
    assert seen == [(0, 0), (10, 0), (0, 0), (2, 1), (2, 1)], "the beginning, a dip, the rest, a restart"


async def test_shared_signals_come_from_the_named_processes() -> None:
    assert Series.parse('attempts_total{state="FAILED",rail="r"} 3\n').total("attempts_total", state="FAILED") == 3
    async with peers() as (blue, _), aiohttp.ClientSession() as session:
        assert await SharedMeter().read(session) == (None, 0, 0), "nobody named, nothing known"
        assert await SharedMeter(f"{blue.url}/nowhere").read(session) == (None, 0, 0)
