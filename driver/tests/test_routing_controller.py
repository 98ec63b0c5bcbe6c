"""INV-019: the controller between a real database and a real HAProxy: what is decided stands there, whatever fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import psycopg
import pytest
from structlog.testing import capture_logs

from symphony import api
from symphony.api import routing
from symphony.api.connection import Connection
from symphony.api.routing import ColourSample
from symphony.metrics import Metrics
from symphony.rehearsal.relay import Relay
from symphony.rehearsal.stage import through
from symphony.routing import measurement
from symphony.routing.controller import Controller, InvalidSettings, RouteSettings
from symphony.routing.haproxy import HaproxyUnavailable, ServerStatus
from symphony.routing.measurement import ColourMeter, Series, SharedMeter
from symphony.routing.read_back import InvalidTemplate, ReadBack
from tests.haproxy_process import Haproxy, Peer, haproxy, peers
from tests.routing_cell import kinds, ledger, publish
from tests.until import until

pytest_plugins = ("tests.login_fixtures",)
SETTINGS = RouteSettings(interval_ms=50, probe_timeout_ms=5_000, read_back_interval_ms=250)
DRIVER = Path(__file__).resolve().parents[1]
# Slow enough that only what a test does decides, quick enough to be waited for.
RULES: dict[str, object] = {
    "healthy_windows": 1_000,
    "heartbeat_interval_ms": 1_500,
    "heartbeat_misses_max": 1,
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
        return {name: status.weight_pct for name, status in (await self.process.runtime.status()).items()}

    async def until_weights(self, blue: int, *, seconds: float = 30.0) -> None:
        """Wait until HAProxy has them."""

        async def there() -> bool:
            try:
                return await self.weights() == {"blue": blue, "green": 100 - blue}
            except HaproxyUnavailable:  # it has just begun again
                return False

        await until(there, seconds=seconds)

    async def measured(self) -> None:
        """Wait until the controller is ready and a good heartbeat of both, not a second old, stands in the database."""
        query = (
            "select count(distinct colour) from routing.health_samples"
            " where heartbeat_ok and recorded_at > core.now() - interval '1 second'"
        )

        async def both() -> bool:
            return await (await self.judge.execute(query)).fetchone() == (2,)

        await until(lambda: self.controller.not_ready() is None)
        await until(both)

    async def canary(self) -> None:
        """Begin a canary of green."""
        await self.measured()
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
            await process.trust()
            metrics = Metrics()
            beats = ReadBack("P", {"amount": "1"}, {"blue": blue.url, "green": green.url}) if read_back else None
            controller = Controller(
                database=database_url or url, actor="controller-1", haproxy=process.runtime,
                meters={peer.name: ColourMeter(peer.name, peer.url) for peer in (blue, green)}, shared=SharedMeter(),
                read_back=beats, metrics=metrics, settings=SETTINGS,
            )  # fmt: skip
            task = asyncio.create_task(controller.run())
            try:
                yield Scene(url, judge, process, blue, green, metrics, controller)
            finally:
                controller.stop()
                async with asyncio.timeout(30):
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
        flush_s = 0.001

        async def flush() -> None:
            while True:
                s.green.flushes, s.green.flush_seconds = s.green.flushes + 1, s.green.flush_seconds + flush_s
                await asyncio.sleep(0.02)

        flushing = asyncio.create_task(flush())
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
        flush_s = 2.0
        await s.until_weights(100)
        print(f"inverted {loop.time() - began - 1.0:.2f} s after the second signal")
        for task in (loading, flushing):
            task.cancel()
        assert [(row[0], row[5]) for row in ledger(fresh_database)][1:] == [("FALLBACK", "TWO_SIGNALS")]


async def test_a_colour_that_refuses_everything_and_records_nothing_loses_its_traffic(fresh_database: str) -> None:
    async with scene(fresh_database) as s, aiohttp.ClientSession() as session:
        await s.canary()
        s.green.behaviour = "refuse"
        n = 0
        async with asyncio.timeout(60):
            while await s.weights() != {"blue": 100, "green": 0}:
                n += 1
                async with session.post(
                    f"{s.process.url}/v1/instructions", json={"instruction_id": f"N-{n}"}
                ) as answer:
                    await answer.read()
        assert [(row[0], row[5]) for row in ledger(fresh_database)][1:] == [("FALLBACK", "TWO_SIGNALS")]


@pytest.mark.parametrize("value", ["nan", "inf", "1e300", "-1e300", "-1"])
async def test_a_nonsense_metric_neither_ends_nor_blinds_the_controller(fresh_database: str, value: str) -> None:
    async with scene(fresh_database) as s:
        s.green.flushes, s.green.flush_seconds = 7, float(value)
        await s.canary()
        s.green.ready = False
        await s.until_weights(100)
        assert [row[5] for row in ledger(fresh_database)][1:] == ["HEARTBEAT_MISSED"]


async def test_a_sample_the_database_refuses_hides_neither_the_other_colour_nor_a_heartbeat(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: Callable[..., Any] = ColourMeter.read

    async def impossible(self: ColourMeter, *given: Any, **named: Any) -> ColourSample:
        sample: ColourSample = await read(self, *given, **named)
        return replace(sample, errors=sample.requests + 1) if self.colour == "green" else sample

    monkeypatch.setattr(ColourMeter, "read", impossible)
    with capture_logs() as logs:
        await _steered_by_heartbeats(fresh_database)
    said = [log["colour"] for log in logs if log["event"] == "a measurement is impossible"]
    assert said == ["green"], "told once, not twenty times a second"


async def _steered_by_heartbeats(fresh_database: str) -> None:
    async with scene(fresh_database) as s:
        await s.canary()
        await until(lambda: s.value("database_errors_total", point="route", kind="refused") >= 3)
        await until(lambda: s.controller.not_ready() is None)  # nobody is out of reach
        s.green.ready = False
        await s.until_weights(100)
        assert [row[5] for row in ledger(fresh_database)][1:] == ["HEARTBEAT_MISSED"]


async def test_while_its_database_is_away_a_controller_does_not_fight_a_live_one(fresh_database: str) -> None:
    relay = Relay(urlsplit(fresh_database).port or 0)
    relay.start()
    try:
        async with scene(fresh_database, database_url=through(fresh_database, relay.port)) as s:
            await s.canary()
            await asyncio.to_thread(relay.stop)
            await until(lambda: "database out of reach" in (s.controller.not_ready() or ""))
            await s.process.runtime.set_weights({"blue": 60, "green": 40})  # the live one's
            for _ in range(10):
                await asyncio.sleep(0.05)
                assert await s.weights() == {"blue": 60, "green": 40}
            await until(lambda: s.value("routing_weight", colour="green") == 40)
    finally:
        relay.stop()


async def test_n_minus_1_heartbeats_that_end_by_themselves_end_the_controller(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no more heartbeats")

    monkeypatch.setattr(ReadBack, "beat", broken)
    ended = False
    with pytest.raises(RuntimeError, match=r"^no more heartbeats$"):
        async with scene(fresh_database, read_back=True) as s:
            await s.measured()
            await routing.begin_canary(s.judge, candidate="green", operator="test", reason="test")
            await until(lambda: s.controller._connection is None)
            ended = True
    assert ended, "by itself, before it was stopped"


async def beaten(blue: Peer, green: Peer) -> ReadBack:
    """One heartbeat of green, read back through blue."""
    beats = ReadBack("P", {"amount": "1"}, {"blue": blue.url, "green": green.url})
    async with aiohttp.ClientSession() as session:
        await beats.beat(session, candidate="green", stable="blue")
    return beats


@pytest.mark.parametrize(
    ("status", "says"), [(None, True), (200, False), (404, False), (500, None), (503, None), (429, None)]
)
async def test_what_the_stable_colour_cannot_serve_now_is_not_the_candidates_fault(
    status: int | None, says: bool | None
) -> None:
    async with peers() as (blue, green):
        blue.read_status = status
        beats = await beaten(blue, green)
        assert green.posted, "it was acknowledged"
        assert (beats.take(), beats.owed("green")) == (says, says is not True)


async def test_an_answer_that_no_parser_bears_is_no_answer() -> None:
    async with peers() as (blue, green), aiohttp.ClientSession() as session:
        green.behaviour = "nest"
        assert (await beaten(blue, green)).take() is None
        green.metrics_type = "text/plain; charset=rot13"
        assert await measurement.scrape(session, green.url) is None
        green.metrics_type = "text/plain; charset=utf-16"
        assert await measurement.scrape(session, green.url) is None


async def test_heartbeats_prove_one_candidate_for_a_while() -> None:
    now = 0.0
    async with peers() as (blue, green):
        beats = await beaten(blue, green)
        beats.clock, beats._proved = lambda: now, ("green", now)
        assert not beats.owed("green")
        assert beats.owed("blue")
        now = 15.1
        assert beats.owed("green")
        now = 15.0
        assert not beats.owed("green")
        assert not beats.owed(None)
        assert beats.owed("green"), "the next canary is another release"


async def test_a_candidate_that_acknowledges_no_heartbeat_is_recorded_as_owing_it(fresh_database: str) -> None:
    def owing() -> set[tuple[str, bool]]:
        with psycopg.connect(fresh_database) as connection:
            return set(connection.execute(
                "select distinct on (colour) colour::text, read_back_owed from routing.health_samples"
                " order by colour, recorded_at desc"
            ).fetchall())  # fmt: skip

    async with scene(fresh_database, read_back=True) as s:
        s.green.behaviour = "refuse"
        await s.canary()
        await until(lambda: len(s.green.posted) >= 2)
        await asyncio.sleep(0.3)  # some samples later
        await until(lambda: owing() == {("blue", False), ("green", True)})
        s.green.behaviour = "answer"
        await until(lambda: owing() == {("blue", False), ("green", False)})


async def test_an_instruction_the_stable_colour_cannot_read_brings_everything_back(fresh_database: str) -> None:
    async with scene(fresh_database, read_back=True) as s:
        await s.canary()
        await until(lambda: len(s.green.posted) >= 3)
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
                "--blue", blue.url, "--green", green.url, "--interval-ms", "1000",
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
        traffic.since_last(
            ServerStatus(weight_pct=50, started=started, requests=requests, errors=errors, process=process)
        )
        for process, started, requests, errors in (
            ("1", 9, 9, 4),
            ("1", 20, 19, 4),
            ("1", 20, 19, 3),
            ("1", 21, 21, 5),
            ("2", 2, 2, 1),
            ("3", 30, 30, 9),
        )
    ]
    assert seen == [(0, 0), (10, 0), (0, 0), (2, 1), (2, 1), (30, 9)], "the beginning, a dip, the rest, two restarts"


async def test_shared_signals_come_from_the_named_processes() -> None:
    assert Series.parse('attempts_total{state="FAILED",rail="r"} 3\n').total("attempts_total", state="FAILED") == 3
    async with peers() as (blue, _), aiohttp.ClientSession() as session:
        assert await SharedMeter().read(session) == (None, 0, 0), "nobody named, nothing known"
        assert await SharedMeter(f"{blue.url}/nowhere").read(session) == (None, 0, 0)
