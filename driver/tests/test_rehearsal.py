"""The drill's judge must be able to say no, its relay must do what it says, and the drill itself must hold."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

import symphony
from gates.previous_release import named
from symphony.api.evidence import InstructionOutcome
from symphony.api.routing import RoutingDecision
from symphony.demo.processes import DemoFailed, Interruption
from symphony.demo.verdict import Books
from symphony.postgres_throwaway import Cluster
from symphony.postgres_throwaway import throwaway_directory as make_directory
from symphony.rehearsal import command
from symphony.rehearsal.drill import Facts, Zombie
from symphony.rehearsal.load import Answer, Entry, Load
from symphony.rehearsal.relay import Relay, Weather
from symphony.rehearsal.stage import Code, Company
from symphony.rehearsal.verdict import checks
from symphony.routing import configuration
from tests.test_demo import NOT_OURS, PROCESS, running

DRIVER = Path(__file__).resolve().parents[1]
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
STORY = (("CANARY_BEGUN", 0), ("CANARY_RAISED", 2), ("FALLBACK", 5), ("COOLDOWN_BEGUN", 11), ("CANARY_RESUMED", 14))


class Evidence:
    """A drill that went well, in memory, for a test to spoil in one place."""

    def __init__(self) -> None:
        self.facts = Facts(Load("http://none", clients=1, per_second=1))
        self.facts.broken_at, self.facts.inverted_at, self.facts.resumed_at = 100.0, 104.0, 115.0
        self.facts.green_share_pct, self.facts.swallowed = 40.0, 4
        self.outcomes: list[InstructionOutcome] = []
        self.ledger: list[dict[str, Any]] = []
        for number in range(1, 5):
            self.record(f"LOAD-{number}", number)
            entry = Entry(f"LOAD-{number}", 1, 90.0 + number, "green", acknowledged=self.body(-1))
            self.facts.load.journal.append(entry)
            self.facts.load.acknowledgements.append((entry.name, self.body(-1)))
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


def lost_and_forgotten(e: Evidence) -> None:
    del e.outcomes[0], e.ledger[0], e.facts.load.journal[0]


def not_in_the_journal(e: Evidence) -> None:
    del e.facts.load.journal[0], e.facts.load.acknowledgements[0]


def dropped_from_the_journal(e: Evidence) -> None:
    del e.facts.load.journal[0]


def written_over(e: Evidence) -> None:
    e.facts.load.journal[0].acknowledged = {}


def came_from_nowhere(e: Evidence) -> None:
    del e.facts.load.acknowledgements[0]


def second_answer_differs(e: Evidence) -> None:
    e.facts.load.acknowledgements.insert(0, ("LOAD-1", e.body(1)))


def nothing_at_all(e: Evidence) -> None:
    e.facts.load.journal.clear()
    e.facts.load.acknowledgements.clear()
    e.outcomes, e.ledger = e.outcomes[4:], e.ledger[4:]


def gap(e: Evidence) -> None:
    e.outcomes[4] = replace(e.outcomes[4], sequence_id=6)


def nothing_broke(e: Evidence) -> None:
    e.facts.swallowed = 0


def green_had_nothing(e: Evidence) -> None:
    e.facts.green_share_pct = 0.0


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
        (lost, "zero acknowledgements lost"), (lost_and_forgotten, "zero acknowledgements lost"),
        (not_in_the_journal, "every payment of the clients"), (dropped_from_the_journal, "as it came"),
        (written_over, "as it came"), (came_from_nowhere, "as it came"), (second_answer_differs, "zero acknowledgements lost"),
        (nothing_at_all, "is not empty"), (nothing_at_all, "zero acknowledgements lost"), (gap, "no gap"),
        (nothing_broke, "was broken"), (green_had_nothing, "was broken"),
        (other_ids, "as it came"), (unacknowledged, "every one of"),
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
    async with asyncio.timeout(20):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
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


def previous_driver(temp: Path) -> Path:
    """The driver folder of the commit that release.json names, taken from git."""
    _, commit = named(DRIVER.parent)
    archive = subprocess.run(
        ["git", "-C", str(DRIVER.parent), "archive", "--format=tar", commit, "driver", "sql", "scripts"],
        capture_output=True, check=True,
    )  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(temp / "previous", filter="data")
    for folder in (temp / "previous").rglob("*"):
        folder.chmod(folder.stat().st_mode | 0o055 if folder.is_dir() else 0o644)
    return temp / "previous" / "driver"


def pretend_release(folder: Path, said: str) -> Path:
    """A driver folder whose `symphony` only says it is ready, and who it is."""
    package = folder / "symphony"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "9.9.9"\n')
    (package / "cli.py").write_text(
        f'if __name__ == \'__main__\':\n    print(\'{{"event": "ready", "said": "{said}"}}\', flush=True)\n'
    )
    return folder


def test_the_working_directory_has_no_say_in_which_release_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    company = Company(tmp_path, Interruption())
    here, previous = pretend_release(tmp_path / "here", "wrong"), pretend_release(tmp_path / "previous", "previous")
    monkeypatch.chdir(here)
    child = company.start_release("blue", "ingress", database_url="", driver=previous)
    assert child.wait_ready(seconds=60)["said"] == "previous"
    child.wait_done(seconds=60)
    assert "Usage" in company.start("own", "--help").wait_done(seconds=60)
    code = Code.of(previous)
    assert (code.version, code.file) == ("9.9.9", "previous/symphony/__init__.py")
    assert code.modules_sha256 != Code.of(DRIVER).modules_sha256
    with pytest.raises(DemoFailed, match=r"is no driver folder of a release; name one that has symphony/cli\.py"):
        Code.of(tmp_path / "nothing")


def until_ended(numbers: Iterable[int], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := [number for number in numbers if running(number)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


CHILDREN = """\
import sys, time
from pathlib import Path
from symphony.demo.processes import Child, Guard
from symphony.rehearsal.stage import _Program
directory = Path(sys.argv[1])
child = Child("rail", ["rail-sandbox", "--port", "0", "--ledger", str(directory / "rail.db")], directory=directory, environment={})
child.wait_ready(seconds=60)
program = _Program("other", [sys.executable, "-c", "import time; time.sleep(600)", "symphony-demo-"], directory=directory)
guard = Guard(directory / "data")
print(child.pid, program.pid, guard._process.pid, flush=True)
time.sleep(600)
"""


def test_children_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILDREN, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(DRIVER)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        numbers = [int(number) for number in process.stdout.readline().split()]
        assert len(numbers) == 3
        deadline = time.monotonic() + 30
        while not all(running(number) for number in numbers):  # between fork and exec a process has another name
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.communicate()
    until_ended(numbers, seconds=60)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_killed_drill_leaves_no_process(temp: Path) -> None:
    process = drill(temp, "--json")
    assert process.stderr is not None
    said = ""
    while "canary of green begun" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.kill()
    process.communicate(timeout=120)
    started = {int(number) for number in PROCESS.findall(said)}
    assert len(started) >= 8, said
    until_ended(started, seconds=60)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_fallback_drill_holds_under_load(temp: Path) -> None:
    previous = previous_driver(temp)
    process = drill(temp, "--json", "--previous-driver", str(previous))
    out, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    shutil.rmtree(previous.parent)
    report = json.loads(out)
    blue, green = report["code"]["blue"], report["code"]["green"]
    assert blue["file"] == green["file"] == "driver/symphony/__init__.py"
    assert blue["modules_sha256"] != green["modules_sha256"], "blue ran the same code"
    assert green["version"] == symphony.__version__
    assert str(temp) not in json.dumps(report["code"])
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
