"""The drill's judge must be able to say no, its relay must do what it says, and the drill itself must hold."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from symphony.api.evidence import InstructionOutcome
from symphony.api.routing import RoutingDecision
from symphony.demo.verdict import Books
from symphony.rehearsal import command
from symphony.rehearsal.drill import Facts, Zombie
from symphony.rehearsal.load import Answer, Entry, Load
from symphony.rehearsal.relay import Relay, Weather
from symphony.rehearsal.verdict import checks
from symphony.routing import configuration
from tests.cluster import Cluster
from tests.cluster import test_directory as make_directory
from tests.test_demo import NOT_OURS, PROCESS, running

DRIVER = Path(__file__).resolve().parents[1]
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
STORY = (("CANARY_BEGUN", 0), ("CANARY_RAISED", 2), ("FALLBACK", 5), ("COOLDOWN_BEGUN", 11), ("CANARY_RESUMED", 14))


class Evidence:
    """A drill that went well, in memory, for a test to spoil in one place."""

    def __init__(self) -> None:
        self.facts = Facts(Load("http://none", clients=1, per_second=1))
        self.facts.broken_at, self.facts.inverted_at, self.facts.resumed_at = 100.0, 104.0, 115.0
        self.outcomes: list[InstructionOutcome] = []
        self.ledger: list[dict[str, Any]] = []
        for number in range(1, 5):
            self.record(f"LOAD-{number}", number)
            entry = Entry(f"LOAD-{number}", 1, 90.0 + number, "green", acknowledged=self.body(-1))
            self.facts.load.journal.append(entry)
        self.record("ZOMBIE-1", 5)
        self.facts.zombies = [Zombie("ZOMBIE-1", Answer(503), Answer(202, "blue", True, self.body(-1)))]
        self.decisions = [
            RoutingDecision(uuid.uuid4(), kind, "NORMAL", "green", 50, 50, "c", "r", {"candidate": {"errors": 9}}, BEGIN + timedelta(seconds=at))
            for kind, at in STORY
        ]  # fmt: skip

    def record(self, name: str, number: int) -> None:
        outbox_id = uuid.uuid4()
        self.outcomes.append(
            InstructionOutcome(name, outbox_id, number, "ZMW", 1_250, BEGIN, "DISPATCHED", None, "R", BEGIN)
        )
        self.ledger.append({"reference": outbox_id.hex, "execution_count": 1})

    def body(self, number: int) -> dict[str, Any]:
        return {"outbox_id": str(self.outcomes[number].outbox_id), "sequence_id": self.outcomes[number].sequence_id}

    def wrong(self) -> list[str]:
        """The verdicts that do not hold."""
        found = checks(self.facts, Books(self.outcomes, []), self.ledger, self.decisions)
        return [check.said for check in found if check.wrong]


def test_a_drill_that_went_well_is_judged_well() -> None:
    assert Evidence().wrong() == []


def lost(e: Evidence) -> None:
    del e.outcomes[0], e.ledger[0]


def other_ids(e: Evidence) -> None:
    e.facts.load.journal[0].acknowledged = e.body(1)


def unacknowledged(e: Evidence) -> None:
    e.facts.load.journal[0].acknowledged = None


def twice(e: Evidence) -> None:
    e.ledger[2]["execution_count"] = 2


def unrecorded(e: Evidence) -> None:
    e.ledger.append({"reference": uuid.uuid4().hex, "execution_count": 1})


def not_executed(e: Evidence) -> None:
    del e.ledger[1]


def two_terminals(e: Evidence) -> None:
    e.outcomes.append(e.outcomes[1])


def no_terminal(e: Evidence) -> None:
    e.outcomes[1] = replace(e.outcomes[1], state=None)


def green_after_inversion(e: Evidence) -> None:
    e.facts.load.journal[0].asked_at = 106.0


def zombie_was_answered(e: Evidence) -> None:
    e.facts.zombies[0].first = Answer(202)


def zombie_is_new(e: Evidence) -> None:
    e.facts.zombies[0].again = Answer(202, "blue", False, e.body(-1))


def zombie_from_green(e: Evidence) -> None:
    e.facts.zombies[0].again = Answer(202, "green", True, e.body(-1))


def zombie_has_other_ids(e: Evidence) -> None:
    e.facts.zombies[0].again = Answer(202, "blue", True, e.body(0))


def no_zombie(e: Evidence) -> None:
    e.facts.zombies = []


def too_late(e: Evidence) -> None:
    e.facts.inverted_at, e.facts.resumed_at = 160.1, 170.0


def no_cooldown(e: Evidence) -> None:
    del e.decisions[3]


def short_hold_down(e: Evidence) -> None:
    e.decisions[3] = replace(e.decisions[3], decided_at=e.decisions[2].decided_at + timedelta(seconds=4.9))


def second_fallback(e: Evidence) -> None:
    e.decisions.append(e.decisions[2])


@pytest.mark.parametrize(
    ("spoil", "verdict"),
    [
        (lost, "zero acknowledgements lost"), (other_ids, "zero acknowledgements lost"), (unacknowledged, "every one of"),
        (twice, "zero double effects"), (unrecorded, "nothing that is not recorded"), (not_executed, "every DISPATCHED"),
        (two_terminals, "exactly one terminal"), (no_terminal, "exactly one terminal"), (green_after_inversion, "from green"),
        (zombie_was_answered, "without an acknowledgement"), (zombie_is_new, "as replays"), (zombie_from_green, "as replays"),
        (zombie_has_other_ids, "as replays"), (no_zombie, "without an acknowledgement"), (too_late, "inversion within"),
        (no_cooldown, "in order"), (short_hold_down, "hold-down"), (second_fallback, "one fallback"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_the_judge_sees_what_is_spoiled(spoil: Any, verdict: str) -> None:
    evidence = Evidence()
    spoil(evidence)
    assert any(verdict in said for said in evidence.wrong()), evidence.wrong()


@pytest.fixture
def relay(cluster: Cluster) -> Iterator[Relay]:
    """A relay in front of the run's server."""
    made = Relay(cluster.server.port, delay_s=0.3, swallow_every_s=60)
    made.start()
    yield made
    made.stop()


def commit(url: str, relay: Relay, row: str) -> None:
    """One transaction with enough in it to count as a batch, through the relay."""
    with psycopg.connect(
        url.replace(f":{psycopg.conninfo.conninfo_to_dict(url)['port']}/", f":{relay.port}/")
    ) as connection:
        connection.execute("insert into public.relayed values (%s)", (row.ljust(1_000),))


def relayed(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [
            str(row[0]).strip() for row in connection.execute("select row from public.relayed order by 1").fetchall()
        ]


def test_the_relay_swallows_the_answer_and_not_the_commit(fresh_database: str, relay: Relay) -> None:
    with psycopg.connect(fresh_database) as connection:
        connection.execute("create table public.relayed (row text)")
    commit(fresh_database, relay, "1 fair")
    relay.weather = Weather.SWALLOWED
    with pytest.raises(psycopg.OperationalError) as caught:
        commit(fresh_database, relay, "2 swallowed")
    assert caught.value.sqlstate is None, "nobody said what became of it"
    assert relay.swallowed == 1
    relay.weather = Weather.STORM
    began = time.monotonic()
    commit(fresh_database, relay, "3 late")
    assert time.monotonic() - began >= 0.3
    assert relay.swallowed == 1, "one answer in a minute, and that was the last"
    relay.weather = Weather.FAIR
    commit(fresh_database, relay, "4 fair again")
    assert relayed(fresh_database) == ["1 fair", "2 swallowed", "3 late", "4 fair again"]


async def test_a_stopped_relay_lets_nobody_through(cluster: Cluster) -> None:
    relay = Relay(cluster.server.port)
    relay.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    await asyncio.to_thread(relay.stop)
    async with asyncio.timeout(5):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", relay.port)


@pytest.fixture
def temp() -> Iterator[Path]:
    """A directory for temporary files that the server's account can reach; TMPDIR of the drill."""
    made = make_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


def drill(temp: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "symphony.cli", "rehearse", "fallback", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **NOT_OURS, "PYTHONPATH": str(DRIVER), "TMPDIR": str(temp)},
    )  # fmt: skip


def assert_nothing_left(temp: Path, said: str) -> None:
    started = {int(number) for number in PROCESS.findall(said)}
    assert len(started) >= 8, said
    assert [number for number in sorted(started) if running(number)] == []
    assert list(temp.iterdir()) == []


def test_without_haproxy_nothing_is_begun(temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(temp))
    monkeypatch.setattr(configuration, "_ADMIN", temp / "none")
    monkeypatch.setattr(configuration, "_CACHED", temp / "none")
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
    monkeypatch.setattr(command, "forget_other_databases", lambda: None)
    done = CliRunner().invoke(command.fallback)
    assert done.exit_code == 1
    assert done.stderr.startswith("FAILED: HAPROXY_MISSING: ")
    assert list(temp.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_fallback_drill_holds_under_load(temp: Path) -> None:
    process = drill(temp, "--json", "--previous-driver", str(DRIVER))
    out, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    report = json.loads(out)
    assert report["holds"] is True
    assert all(verdict["holds"] for verdict in report["verdicts"])
    assert len(report["verdicts"]) >= 14
    measured = report["measured"]
    assert measured["sent"] == measured["acknowledged"] > 500
    assert measured["answers_to_commit_lost"] >= 1
    assert measured["zombies_replayed"] == 3
    assert 0 < measured["inversion_s"] <= 60
    assert_nothing_left(temp, said)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_drill_leaves_nothing(temp: Path, number: signal.Signals) -> None:
    process = drill(temp, "--json")
    assert process.stderr is not None
    said = ""
    while "canary of green begun" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(number)
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 128 + number, said + rest
    assert "FAILED: interrupted" in rest
    assert_nothing_left(temp, said + rest)
