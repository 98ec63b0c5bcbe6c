"""Refusals too many to be attested one by one: counted by who and why for each second, and none counted twice.

A count is sealed into a row with an id once its second is over. The database records an id once, so that a row
whose answer was lost is sent again unchanged; a row that may have been sent is never merged with another.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

import structlog

from symphony.api.trust import RefusalCount
from symphony.errors import Invalid
from symphony.ingress.refusal_journal import RefusalJournal

CHUNK_ROWS: Final = 500
type Level = Literal["CONNECTION", "REQUEST"]
type Sink = Callable[[Sequence[RefusalCount]], Awaitable[object]]


class _Key(NamedTuple):
    level: str
    reason_code: str
    verify_code: int | None
    peer_address: str | None = None
    cert_sha256: bytes | None = None
    participant_id: str | None = None


class _Tally:
    """The count of one key in one second."""

    __slots__ = ("first_at", "last_at", "refusals")

    def __init__(self, at: datetime) -> None:
        self.first_at = self.last_at = at
        self.refusals = 1


class RefusalCounter:
    """Counts refusals and hands them to a sink each second.

    Args:
        sink: records rows, all or none, a known count_id not again; what it raises keeps the rows for later.
        instance: the name of this process in the rows, 1 to 100 characters.
        journal: where rows go when the sink fails, so that they outlive this process; without one they do not.
        max_keys: how many senders of a second are kept apart; further ones share one row without address.
        max_rows: how many unsent rows are kept apart; beyond them rows of one reason are merged.

    Attributes:
        unrecordable: refusals in rows that the database refused for their content.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        instance: str,
        journal: RefusalJournal | None = None,
        interval_s: float = 1.0,
        sink_timeout_s: float = 10.0,
        max_keys: int = 1_000,
        max_rows: int = 10_000,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sink = sink
        self._instance = instance
        self._journal = journal
        self._interval_s = interval_s
        self._sink_timeout_s = sink_timeout_s
        self._max_keys = max_keys
        self._max_rows = max_rows
        self._now = now
        self._log = structlog.get_logger()
        self._second = 0
        self._tallies: dict[_Key, _Tally] = {}
        self._rows: list[RefusalCount] = []  # sealed, oldest first; the first CHUNK_ROWS may have been sent
        self._in_journal = 0  # how many of the first rows the journal holds
        self._failing = False
        self._flushing = asyncio.Lock()
        self._loop: asyncio.Task[None] | None = None
        self.unrecordable = 0

    def note(
        self,
        reason_code: str,
        *,
        verify_code: int | None = None,
        peer_address: str | None = None,
        cert_sha256: bytes | None = None,
        participant_id: str | None = None,
        level: Level = "CONNECTION",
    ) -> None:
        """Count one refusal; who is its certificate when one is known, else its address."""
        now = self._now()
        second = int(now.timestamp())
        if second != self._second:
            self._seal()
            self._second = second
        address = None if peer_address is None or cert_sha256 is not None else peer_address.partition("%")[0]
        key = _Key(level, reason_code, verify_code, address, cert_sha256, participant_id)
        if key not in self._tallies and len(self._tallies) >= self._max_keys:
            key = _Key(level, reason_code, verify_code)
        tally = self._tallies.get(key)
        if tally is None:
            self._tallies[key] = _Tally(now)
        else:
            tally.refusals += 1
            tally.last_at = max(now, tally.first_at)  # a clock may be set back

    @property
    def unrecorded(self) -> int:
        """How many refusals are counted and not yet recorded."""
        waiting = sum(row.refusals for row in self._rows)
        return waiting + sum(tally.refusals for tally in self._tallies.values())

    @property
    def unkept(self) -> int:
        """How many of them are in memory alone, and lost with this process."""
        return self.unrecorded - sum(row.refusals for row in self._rows[: self._in_journal])

    async def start(self) -> None:
        """Take up what an earlier process left in the journal, and flush each interval from now on.

        Raises: JournalRefused.
        """
        if self._journal is not None:
            self._rows = await asyncio.to_thread(self._journal.open)
            self._in_journal = len(self._rows)
        self._loop = asyncio.create_task(self._run(), name="refusal-counter")

    async def close(self) -> None:
        """Flush a last time; what the sink does not take stays in the journal, or is lost and logged."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await self.flush()
        if self.unkept:
            self._log.error("refusal counts lost", refusals=self.unkept)
        if self._journal is not None:
            self._journal.close()

    async def flush(self) -> bool:
        """Send everything counted so far; False when the sink failed and rows are kept."""
        async with self._flushing:
            self._seal()
            while self._rows:
                chunk = self._rows[:CHUNK_ROWS]
                try:
                    self.unrecordable += await self._send(chunk)
                except Exception as error:  # of any kind: the rows are kept, and the next interval tries again
                    if not self._failing:
                        self._log.warning("refusal counts not recorded", error=type(error).__name__)
                    self._failing = True
                    await self._keep()
                    return False
                await self._forget(len(chunk))
            self._failing = False
            return True

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def _send(self, chunk: Sequence[RefusalCount]) -> int:
        """Send rows; how many refusals were in rows that the database refuses for their content."""
        try:
            async with asyncio.timeout(self._sink_timeout_s):
                await self._sink(chunk)
            return 0
        except Invalid as error:
            if len(chunk) == 1:  # sent again it would be refused again, and hold up all others for ever
                self._log.error("refusal count refused", reason_code=chunk[0].reason_code, error=str(error))
                return chunk[0].refusals
        return sum([await self._send([row]) for row in chunk])

    def _seal(self) -> None:
        """Turn the tallies into rows, which never change again."""
        for key, tally in self._tallies.items():
            self._rows.append(self._row(key, tally.refusals, tally.first_at, tally.last_at))
        self._tallies = {}

    def _row(self, key: _Key, refusals: int, first_at: datetime, last_at: datetime) -> RefusalCount:
        return RefusalCount(
            count_id=_uuid7(self._now()),
            **key._asdict(),
            refusals=refusals,
            first_at=first_at,
            last_at=last_at,
            instance=self._instance,
        )

    def _merge(self) -> None:
        """Merge the rows of one reason, but for those that may have been sent under their ids."""
        kept = self._rows[:CHUNK_ROWS]
        merged: dict[_Key, tuple[int, datetime, datetime]] = {}
        for row in self._rows[CHUNK_ROWS:]:
            key = _Key(row.level, row.reason_code, row.verify_code)
            known = merged.get(key)
            if known is None:
                merged[key] = (row.refusals, row.first_at, row.last_at)
            else:
                refusals, first_at, last_at = known
                merged[key] = (refusals + row.refusals, min(first_at, row.first_at), max(last_at, row.last_at))
        self._rows = kept + [self._row(key, *tally) for key, tally in merged.items()]

    async def _keep(self) -> None:
        merging = len(self._rows) > self._max_rows
        if merging:
            self._merge()
        if self._journal is None:
            return
        rows = list(self._rows)
        try:
            if merging:
                await asyncio.to_thread(self._journal.replace, rows)
            else:
                await asyncio.to_thread(self._journal.append, rows[self._in_journal :])
        except OSError as error:
            self._log.error("refusal journal not written", errno=error.errno)
            return
        self._in_journal = len(rows)

    async def _forget(self, sent: int) -> None:
        """Drop the first rows, which are recorded, from memory and journal."""
        del self._rows[:sent]
        if self._in_journal == 0 or self._journal is None:
            return
        self._in_journal = max(self._in_journal - sent, 0)
        try:
            await asyncio.to_thread(self._journal.replace, self._rows[: self._in_journal])
        except OSError as error:  # the journal holds more than is needed, which the database would ignore
            self._log.error("refusal journal not written", errno=error.errno)


def _uuid7(at: datetime) -> uuid.UUID:
    """Make a UUIDv7 (RFC 9562 section 5.7): milliseconds since the epoch, version, variant, 74 random bits."""
    random = int.from_bytes(os.urandom(10))
    value = int(at.timestamp() * 1_000) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
