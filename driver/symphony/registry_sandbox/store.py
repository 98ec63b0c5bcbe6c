"""The sandbox registry's store: SQLite with its entries, its version, and a ledger of every question."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from symphony.errors import SymphonyError

ACTIVE: Final = "ACTIVE"
REVOKED: Final = "REVOKED"

_SCHEMA: Final = """
create table if not exists version (number integer not null);
insert into version select 1 where not exists (select 1 from version);
create table if not exists entries (
    type text not null, value text not null, participant_id text not null,
    account text not null, agent text, name text, state text not null check (state in ('ACTIVE', 'REVOKED')),
    primary key (type, value, participant_id)) without rowid;
create table if not exists calls (
    call_no integer primary key autoincrement,
    request_no integer not null, called_at text not null, asked_by text not null, type text not null,
    alias_sha256 text not null, provider text, answer text not null, fault text);
create trigger if not exists calls_no_update before update on calls begin
    select raise(abort, 'calls is append-only'); end;
create trigger if not exists calls_no_delete before delete on calls begin
    select raise(abort, 'calls is append-only'); end;
"""


class StoreUnavailable(SymphonyError):
    """The store cannot be opened; the message says why and what to do."""


@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """An alias at one provider."""

    type: str
    value: str
    participant_id: str
    account: str
    agent: str | None = None
    name: str | None = None
    state: str = ACTIVE


class Store:
    """Entries are committed at once; calls when asked for, or every `flush`, so that answers do not wait for the disk.

    A kill -9 of this process can lose the calls of the last moments from its ledger; a SIGTERM loses none.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the store; raises StoreUnavailable."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
            self._db.executescript("pragma journal_mode = wal; pragma synchronous = normal;" + _SCHEMA)
            (self._version,) = self._db.execute("select number from version").fetchone()
            (self._request_no,) = self._db.execute("select coalesce(max(request_no), 0) from calls").fetchone()
        except sqlite3.Error as trouble:
            raise StoreUnavailable(f"store {path}: {trouble}; check the file or choose another") from None
        self._calls: list[tuple[object, ...]] = []

    @property
    def version(self) -> str:
        """The registry's version: raised by every change of its entries."""
        return f"sandbox-{self._version}"

    def put(self, entries: Sequence[Entry]) -> None:
        """Add or replace entries; one change, one new version."""
        rows = [(e.type, e.value, e.participant_id, e.account, e.agent, e.name, e.state) for e in entries]
        self._change("insert or replace into entries values (?, ?, ?, ?, ?, ?, ?)", rows)

    def remove(self, keys: Sequence[tuple[str, str, str]]) -> None:
        """Forget (type, value, participant_id); one change, one new version."""
        self._change("delete from entries where type = ? and value = ? and participant_id = ?", keys)

    def find(self, type_: str, value: str) -> list[Entry]:
        """All entries of an alias, by provider."""
        found = self._db.execute(
            "select type, value, participant_id, account, agent, name, state from entries"
            " where type = ? and value = ? order by participant_id",
            (type_, value),
        )
        return [Entry(*row) for row in found]

    def next_request(self) -> int:
        """A number for one HTTP request; all its questions are recorded under it."""
        self._request_no += 1
        return int(self._request_no)

    def record_call(
        self,
        request_no: int,
        *,
        asked_by: str,
        type_: str,
        value: str,
        provider: str | None,
        answer: str,
        fault: str | None,
    ) -> None:
        """Append one question and what it was answered. The alias is kept as SHA-256 of `type:value`."""
        alias_sha256 = hashlib.sha256(f"{type_}:{value}".encode()).hexdigest()
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        self._calls.append((request_no, at, asked_by, type_, alias_sha256, provider, answer, fault))

    def flush(self) -> None:
        """Commit the calls recorded so far."""
        if self._calls:
            self._transact(
                "insert into calls (request_no, called_at, asked_by, type, alias_sha256, provider, answer, fault)"
                " values (?, ?, ?, ?, ?, ?, ?, ?)",
                self._calls,
            )
            self._calls = []

    def page(self, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Calls in the order they were asked, beyond call number `after`."""
        self.flush()
        cursor = self._db.execute("select * from calls where call_no > ? order by call_no limit ?", (after, limit))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]

    def stats(self) -> dict[str, Any]:
        """Counts of what was asked and answered."""
        self.flush()
        requests, questions = self._db.execute("select count(distinct request_no), count(*) from calls").fetchone()
        (entries,) = self._db.execute("select count(*) from entries").fetchone()
        answers = dict(
            self._db.execute("select answer, count(*) from calls group by answer order by answer").fetchall()
        )
        version = self.version
        return {
            "version": version,
            "entries": entries,
            "requests": requests,
            "questions": questions,
            "answers": answers,
        }

    def close(self) -> None:
        """Commit what is left and close the file."""
        self.flush()
        self._db.close()

    def _change(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._transact(statement, rows, and_then="update version set number = number + 1")
        self._version += 1

    def _transact(self, statement: str, rows: Sequence[tuple[object, ...]], *, and_then: str | None = None) -> None:
        self._db.execute("begin immediate")
        try:
            self._db.executemany(statement, rows)
            if and_then is not None:
                self._db.execute(and_then)
            self._db.execute("commit")
        except sqlite3.Error:
            self._db.execute("rollback")
            raise
