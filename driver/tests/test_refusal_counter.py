"""Refusal counts: exactly what was noted reaches the sink, whatever fails in between, and none twice."""

from __future__ import annotations

import asyncio
import stat
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from symphony import api
from symphony.api.trust import RefusalCount
from symphony.errors import DatabaseUnavailable, Invalid, OutcomeUnknown
from symphony.ingress.refusal_counter import CHUNK_ROWS, RefusalCounter
from symphony.ingress.refusal_journal import JournalRefused, RefusalJournal
from tests.until import until

BEGIN = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
CERTIFICATE = bytes(32)


class Ledger:
    """A sink that behaves as the database does: all rows or none, a known id not again; with scripted trouble."""

    def __init__(self) -> None:
        self.rows: dict[object, RefusalCount] = {}
        self.troubles: list[Exception | None] = []
        self.refused: set[str] = set()
        self.calls = 0

    async def __call__(self, rows: Sequence[RefusalCount]) -> None:
        self.calls += 1
        trouble = self.troubles.pop(0) if self.troubles else None
        if isinstance(trouble, DatabaseUnavailable | OSError):
            raise trouble
        assert 1 <= len(rows) <= CHUNK_ROWS
        if any(row.reason_code in self.refused for row in rows):
            raise Invalid(sqlstate="SV502", message="registration_incomplete", detail=None, hint=None)
        for row in rows:
            assert self.rows.setdefault(row.count_id, row) == row, "an id was sent with other content"
        if trouble is not None:
            raise trouble

    @property
    def total(self) -> int:
        return sum(row.refusals for row in self.rows.values())

    def by(self, *names: str) -> Counter[object]:
        counted: Counter[object] = Counter()
        for row in self.rows.values():
            counted[tuple(getattr(row, name) for name in names)] += row.refusals
        return counted


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def down(times: int) -> list[Exception | None]:
    return [DatabaseUnavailable("down") for _ in range(times)]


async def test_counts_are_kept_apart_by_who_why_and_second() -> None:
    ledger, clock = Ledger(), Clock()
    counter = RefusalCounter(ledger, instance="test:1", now=clock)
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1"):
        clock.move(0.1)
        counter.note("CONNECTION_NO_CERTIFICATE", peer_address=address)
    counter.note("CONNECTION_CERTIFICATE_REFUSED", verify_code=18, peer_address="10.0.0.1")
    counter.note("CONNECTION_CERTIFICATE_REFUSED", verify_code=20, peer_address="fe80::1%eth0")
    counter.note(
        "RATE_LIMITED", level="REQUEST", cert_sha256=CERTIFICATE, participant_id="ZM-A", peer_address="10.0.0.9"
    )
    clock.move(1)
    counter.note("CONNECTION_NO_CERTIFICATE", peer_address="10.0.0.1")
    assert counter.unrecorded == 7
    assert await counter.flush()
    assert counter.unrecorded == 0
    found = {(row.level, row.reason_code, row.verify_code, row.peer_address, row.cert_sha256, row.participant_id,
              row.refusals, row.first_at, row.last_at) for row in ledger.rows.values()}  # fmt: skip

    def at(seconds: float) -> datetime:
        return BEGIN + timedelta(seconds=seconds)

    none = ("CONNECTION", "CONNECTION_NO_CERTIFICATE", None)
    refused = ("CONNECTION", "CONNECTION_CERTIFICATE_REFUSED")
    assert found == {
        (*none, "10.0.0.1", None, None, 2, at(0.1), at(0.3)),
        (*none, "10.0.0.2", None, None, 1, at(0.2), at(0.2)),
        (*refused, 18, "10.0.0.1", None, None, 1, at(0.3), at(0.3)),
        (*refused, 20, "fe80::1", None, None, 1, at(0.3), at(0.3)),
        ("REQUEST", "RATE_LIMITED", None, None, CERTIFICATE, "ZM-A", 1, at(0.3), at(0.3)),
        (*none, "10.0.0.1", None, None, 1, at(1.3), at(1.3)),
    }
    assert {row.instance for row in ledger.rows.values()} == {"test:1"}


async def test_a_clock_that_is_set_back_makes_no_count_that_ends_before_it_begins() -> None:
    ledger, clock = Ledger(), Clock()
    counter = RefusalCounter(ledger, instance="test", now=clock)
    for seconds in (0.5, -0.3, -3_600.0, 3_600.0):
        clock.move(seconds)
        counter.note("CONNECTION_LIMIT")
    await counter.flush()
    assert ledger.total == 4
    assert len(ledger.rows) == 3
    assert all(row.first_at <= row.last_at for row in ledger.rows.values())


async def test_ids_are_uuidv7_of_the_time_and_differ() -> None:
    ledger, clock = Ledger(), Clock()
    counter = RefusalCounter(ledger, instance="test", now=clock)
    for number in range(50):
        counter.note("CONNECTION_LIMIT", peer_address=f"10.0.0.{number}")
    await counter.flush()
    assert len(ledger.rows) == 50
    for row in ledger.rows.values():
        assert (row.count_id.version, row.count_id.variant) == (7, "specified in RFC 4122")
        assert row.count_id.int >> 80 == int(BEGIN.timestamp() * 1_000)


async def test_a_flood_of_addresses_is_one_row_without_address_above_the_bound() -> None:
    ledger, clock = Ledger(), Clock()
    counter = RefusalCounter(ledger, instance="test", max_keys=10, now=clock)
    for number in range(1_000):
        counter.note("CONNECTION_NO_CERTIFICATE", peer_address=f"10.0.{number // 250}.{number % 250}")
    counter.note("CONNECTION_CERTIFICATE_REFUSED", verify_code=18, peer_address="10.9.9.9")
    counter.note("CONNECTION_NO_CERTIFICATE", peer_address="10.0.0.3")
    await counter.flush()
    assert len(ledger.rows) == 12
    assert ledger.total == 1_002
    assert ledger.by("reason_code", "verify_code", "peer_address")["CONNECTION_NO_CERTIFICATE", None, None] == 990
    assert ledger.by("reason_code", "verify_code", "peer_address")["CONNECTION_CERTIFICATE_REFUSED", 18, None] == 1
    assert ledger.by("peer_address")["10.0.0.3",] == 2, "a key that is known stays its own"


@pytest.mark.parametrize("trouble", [DatabaseUnavailable("down"), OutcomeUnknown("lost"), OSError(5, "broken")])
async def test_a_failed_flush_loses_and_doubles_nothing(trouble: Exception) -> None:
    ledger, clock = Ledger(), Clock()
    counter = RefusalCounter(ledger, instance="test", now=clock)
    ledger.troubles = [trouble, trouble]
    for _ in range(3):
        counter.note("CONNECTION_LIMIT", peer_address="10.0.0.1")
        await counter.flush()
        clock.move(1)
    assert ledger.total == 3
    assert len(ledger.rows) == 3
    assert counter.unrecorded == 0


async def test_a_sink_that_hangs_is_given_up_and_asked_again() -> None:
    ledger = Ledger()
    hangs = True

    async def sink(rows: Sequence[RefusalCount]) -> None:
        await ledger(rows)
        if hangs:
            await asyncio.sleep(60)

    counter = RefusalCounter(sink, instance="test", sink_timeout_s=0.05)
    counter.note("CONNECTION_LIMIT", peer_address="10.0.0.1")
    assert not await counter.flush()
    hangs = False
    assert await counter.flush()
    assert (ledger.calls, ledger.total) == (2, 1)


async def test_what_happens_during_a_flush_is_counted_after_it() -> None:
    ledger, clock = Ledger(), Clock()

    async def sink(rows: Sequence[RefusalCount]) -> None:
        if ledger.calls < 3:
            counter.note("CONNECTION_LIMIT", peer_address="10.0.0.1")
            clock.move(1)
            counter.note("CONNECTION_LIMIT", peer_address="10.0.0.1")
        await ledger(rows)

    counter = RefusalCounter(sink, instance="test", now=clock)
    counter.note("CONNECTION_LIMIT", peer_address="10.0.0.1")
    await counter.flush()
    await counter.flush()
    await counter.flush()
    assert ledger.total == 7
    assert counter.unrecorded == 0


async def test_one_row_the_database_refuses_does_not_hold_up_the_others() -> None:
    ledger, clock = Ledger(), Clock()
    ledger.refused = {"NEWER_THAN_THE_DATABASE"}
    counter = RefusalCounter(ledger, instance="test", now=clock)
    counter.note("NEWER_THAN_THE_DATABASE")
    for number in range(20):
        counter.note("CONNECTION_LIMIT", peer_address=f"10.0.0.{number}")
    assert await counter.flush()
    assert (ledger.total, counter.unrecordable, counter.unrecorded) == (20, 1, 0)
    counter.note("NEWER_THAN_THE_DATABASE")
    counter.note("CONNECTION_LIMIT")
    ledger.troubles = [None, None, DatabaseUnavailable("down")]
    assert not await counter.flush()
    assert await counter.flush()
    assert (ledger.total, counter.unrecordable, counter.unrecorded) == (21, 2, 0)


async def test_a_long_outage_is_bounded_and_keeps_every_count(tmp_path: Path) -> None:
    ledger, clock = Ledger(), Clock()
    path = tmp_path / "refusals"
    counter = RefusalCounter(
        ledger, instance="test", interval_s=60, max_keys=100, max_rows=700, now=clock, journal=RefusalJournal(path)
    )
    await counter.start()
    ledger.troubles = [OutcomeUnknown("recorded, but nobody knows"), *down(29)]
    for _ in range(30):
        for number in range(100):
            counter.note("CONNECTION_NO_CERTIFICATE", peer_address=f"10.0.0.{number}")
        clock.move(1)
        assert not await counter.flush()
        assert len(path.read_bytes().split()) > 0
        assert len(path.read_bytes().splitlines()) <= 900
    assert counter.unrecorded == 3_000
    await counter.close()
    assert ledger.total == 3_000
    assert len(ledger.rows) < 1_000
    assert ledger.by("peer_address")[None,] > 0
    assert not path.read_bytes().strip()


async def crashed(path: Path, *, refusals: int, ledger: Ledger) -> None:
    """A process that notes refusals while the database is down, and ends without closing anything."""
    journal = RefusalJournal(path)
    counter = RefusalCounter(ledger, instance="crashed", journal=journal, interval_s=60)
    await counter.start()
    for number in range(refusals):
        counter.note("REFUSALS_UNRECORDED", level="REQUEST", cert_sha256=bytes([number % 7] * 32))
    await counter.flush()
    assert counter._loop is not None
    counter._loop.cancel()
    await asyncio.gather(counter._loop, return_exceptions=True)
    journal.close()  # a dead process holds no lock


@pytest.mark.parametrize("committed", [False, True], ids=["refused", "committed, answer lost"])
async def test_100_refusals_of_an_outage_survive_a_crash_exactly_once(tmp_path: Path, committed: bool) -> None:
    ledger, path = Ledger(), tmp_path / "refusals"
    ledger.troubles = [OutcomeUnknown("lost")] if committed else down(1)
    await crashed(path, refusals=100, ledger=ledger)
    assert ledger.total == (100 if committed else 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    counter = RefusalCounter(ledger, instance="next", journal=RefusalJournal(path))
    await counter.start()
    assert counter.unrecorded == 100
    counter.note("REFUSALS_UNRECORDED", level="REQUEST")
    await counter.close()
    assert ledger.by("instance") == {("crashed",): 100, ("next",): 1}
    assert not path.read_bytes().strip()


async def test_a_second_crash_in_the_middle_of_the_replay_doubles_nothing(tmp_path: Path) -> None:
    ledger, path, clock = Ledger(), tmp_path / "refusals", Clock()
    counter = RefusalCounter(
        ledger, instance="1", journal=RefusalJournal(path), interval_s=60, max_keys=2_000, now=clock
    )
    await counter.start()
    for number in range(1_200):
        counter.note("CONNECTION_NO_CERTIFICATE", peer_address=f"10.0.{number // 250}.{number % 250}")
    ledger.troubles = [*down(1), None, OutcomeUnknown("lost")]
    assert not await counter.flush()  # into the journal
    assert not await counter.flush()  # one chunk recorded and known, one recorded and not known
    assert ledger.total == 2 * CHUNK_ROWS
    assert counter._loop is not None and counter._journal is not None
    counter._loop.cancel()
    counter._journal.close()
    after = RefusalCounter(ledger, instance="2", journal=RefusalJournal(path), interval_s=60, max_rows=600, now=clock)
    await after.start()
    assert after.unrecorded == 700
    ledger.troubles = down(1)
    assert not await after.flush()  # merges what certainly was not sent
    await after.close()
    assert ledger.total == 1_200


async def test_a_line_cut_off_by_a_crash_is_not_a_row_and_spoils_none(tmp_path: Path) -> None:
    ledger, path = Ledger(), tmp_path / "refusals"
    ledger.troubles = down(1)
    await crashed(path, refusals=7, ledger=ledger)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:40])
    ledger.troubles = down(1)
    await crashed(path, refusals=3, ledger=ledger)  # appends after the cut
    counter = RefusalCounter(ledger, instance="next", journal=RefusalJournal(path))
    await counter.start()
    await counter.close()
    assert ledger.total == 10


async def test_what_neither_database_nor_disk_takes_stays_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger()
    counter = RefusalCounter(ledger, instance="test", journal=RefusalJournal(tmp_path / "refusals"), interval_s=60)
    await counter.start()
    counter.note("CONNECTION_LIMIT")
    ledger.troubles = down(1)
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        assert not await counter.flush()
    assert counter.unrecorded == 1
    await counter.close()
    assert ledger.total == 1


def full(_descriptor: int) -> None:
    raise OSError(28, "no space left on device")


async def test_a_journal_has_one_process(tmp_path: Path) -> None:
    path = tmp_path / "refusals"
    journal = RefusalJournal(path)
    assert journal.open() == []
    with pytest.raises(JournalRefused, match=f"{path} is used by another process; give each ingress its own"):
        RefusalJournal(path).open()  # flock counts descriptors, not processes
    journal.close()
    RefusalJournal(path).open()
    with pytest.raises(JournalRefused, match="cannot be used"):
        RefusalJournal(tmp_path / "none" / "refusals").open()


async def test_the_database_records_each_count_once(database_url: str) -> None:
    """The real sink: 1,200 refusals, an answer that is lost, and one count that the database refuses."""
    lost = [True]

    async def sink(rows: Sequence[RefusalCount]) -> None:
        await api.trust.record_refusal_counts(connection, counts=rows)
        if lost:
            lost.pop()
            raise OutcomeUnknown("the answer was lost")

    async with await api.connect(database_url, application_name="test") as connection:
        await api.ops.ensure_partitions(connection, months_ahead=1)
        counter = RefusalCounter(sink, instance="test:1", max_keys=2_000)
        for number in range(1_200):
            counter.note(
                "CONNECTION_CERTIFICATE_REFUSED", verify_code=18, peer_address=f"10.0.{number // 250}.{number % 250}"
            )
        counter.note("RATE_LIMITED", level="REQUEST", cert_sha256=CERTIFICATE, participant_id="ZM-BANK-A")
        counter.note("CONNECTION_NO_CERTIFICATE", peer_address="fe80::1%eth0")
        counter.note("NOT_REGISTERED")
        assert not await counter.flush()
        assert await counter.flush()
        assert counter.unrecordable == 1
        cursor = await connection.execute(
            "select level, reason_code, verify_code, cert_sha256, participant_id, instance, count(distinct peer_address)::int,"
            " sum(refusals)::int from ingress.refusal_counts group by 1, 2, 3, 4, 5, 6 order by 2"
        )
        assert await cursor.fetchall() == [
            ("CONNECTION", "CONNECTION_CERTIFICATE_REFUSED", 18, None, None, "test:1", 1_200, 1_200),
            ("CONNECTION", "CONNECTION_NO_CERTIFICATE", None, None, None, "test:1", 1, 1),
            ("REQUEST", "RATE_LIMITED", None, CERTIFICATE, "ZM-BANK-A", "test:1", 0, 1),
        ]


async def test_it_flushes_by_itself_each_interval() -> None:
    ledger = Ledger()
    counter = RefusalCounter(ledger, instance="test", interval_s=0.02)
    await counter.start()
    ledger.troubles = down(2)
    counter.note("CONNECTION_LIMIT")
    await until(lambda: bool(ledger.rows))
    await counter.close()
    assert ledger.total == 1
