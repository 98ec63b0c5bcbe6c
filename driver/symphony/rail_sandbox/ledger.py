"""The sandbox rail's ledger: SQLite, append-only executions, one durable commit for many calls."""

from __future__ import annotations

import asyncio
import fcntl
import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from symphony.errors import SymphonyError

SYNCHRONOUS: Final = ("full", "normal", "off")
PAGED: Final = ("executions", "effects", "rejections", "calls")
_MAX_BATCH: Final = 500

# An effect cannot exist without an execution, nor an execution without an effect: the trigger writes effects.
_SCHEMA: Final = """
create table if not exists key (hash_key blob not null);
create table if not exists executions (
    execution_no integer primary key autoincrement,
    reference text not null, amount text not null, currency text not null,
    content_hash text not null, rail_reference text not null, executed_at text not null);
create table if not exists effects (
    reference text primary key,
    amount text not null, currency text not null,
    creditor_participant_id text, creditor_hash text not null, debtor_hash text not null,
    content_hash text not null, rail_reference text not null, executed_at text not null,
    execution_count integer not null default 0);
create table if not exists rejections (
    reference text primary key,
    content_hash text not null, code text not null, rejected_at text not null);
create table if not exists calls (
    call_no integer primary key autoincrement,
    called_at text not null, phase text not null, reference text,
    http_status integer, answer text not null, fault text);
create trigger if not exists executions_count after insert on executions begin
    update effects set execution_count = execution_count + 1 where reference = new.reference;
    select raise(abort, 'an execution needs its effect') where changes() <> 1; end;
"""
_APPEND_ONLY: Final = """
create trigger if not exists {table}_no_{verb} before {verb} on {table} begin
    select raise(abort, '{table} is append-only'); end;
"""


class LedgerUnavailable(SymphonyError):
    """The ledger cannot be opened or did not take the work; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as the rail keeps it: parties only as keyed hashes."""

    reference: str
    amount: str
    currency: str
    creditor_participant_id: str | None
    creditor_hash: str
    debtor_hash: str
    content_hash: str
    end_to_end_id: str | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What the rail did under a reference; times are UTC, ISO 8601."""

    reference: str
    amount: str
    currency: str
    content_hash: str
    rail_reference: str
    executed_at: str


class Ledger:
    """The rail's books. `transact` is the only way in: work runs in order, results come after the commit.

    Statements run on the event loop's thread (no two threads contend for the interpreter); only COMMIT, which
    waits for the disk, runs beside it, so that the calls arriving meanwhile share the next commit.
    """

    def __init__(self, path: Path, *, synchronous: str = "full") -> None:
        """Open or create the ledger; raises LedgerUnavailable when another process has it."""
        self._lock = _lock(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
            self._db.executescript(f"pragma journal_mode = wal; pragma synchronous = {synchronous};")
            self._db.executescript(_SCHEMA)
            for table in ("executions", "calls", "rejections"):
                for verb in ("update", "delete"):
                    self._db.executescript(_APPEND_ONLY.format(table=table, verb=verb))
            self._hash_key = self._read_hash_key()
            self._reader = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
        except sqlite3.Error as trouble:
            os.close(self._lock)
            raise LedgerUnavailable(f"ledger {path}: {trouble}; check the file or choose another") from None
        self._committer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="commit")
        self._queue: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.commits = 0

    def hash(self, content: bytes) -> str:
        """Keyed hash: alike for like content within this ledger only, so that no account can be guessed."""
        return hmac.digest(self._hash_key, content, "sha256").hex()

    async def transact[T](self, work: Callable[[], T]) -> T:
        """Run `work` on the ledger; return its result once it is on disk.

        Raises:
            LedgerUnavailable: the commit that held it failed.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._queue.append((work, done))
        if self._writer is None:
            self._writer = loop.create_task(self._write())
        return await done

    def execute(self, payment: Payment, *, at: str) -> Effect:
        """Really execute: append an execution, add or count up its effect. Call inside `transact`."""
        rail_reference = f"SBX-{secrets.token_hex(10)}"
        self._db.execute(
            "insert into effects (reference, amount, currency, creditor_participant_id, creditor_hash,"
            " debtor_hash, content_hash, rail_reference, executed_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict (reference) do nothing",
            (
                payment.reference,
                payment.amount,
                payment.currency,
                payment.creditor_participant_id,
                payment.creditor_hash,
                payment.debtor_hash,
                payment.content_hash,
                rail_reference,
                at,
            ),
        )
        effect = Effect(payment.reference, payment.amount, payment.currency, payment.content_hash, rail_reference, at)
        self._db.execute(
            "insert into executions (reference, amount, currency, content_hash, rail_reference, executed_at)"
            " values (?, ?, ?, ?, ?, ?)",
            (
                effect.reference,
                effect.amount,
                effect.currency,
                effect.content_hash,
                effect.rail_reference,
                effect.executed_at,
            ),
        )
        return effect

    def reject(self, reference: str, *, content_hash: str, code: str, at: str) -> None:
        """Keep a final no. Call inside `transact`."""
        self._db.execute("insert into rejections values (?, ?, ?, ?)", (reference, content_hash, code, at))

    def effect(self, reference: str) -> Effect | None:
        """The first effect under a reference. Call inside `transact`."""
        row = self._db.execute(
            "select reference, amount, currency, content_hash, rail_reference, executed_at from effects"
            " where reference = ?",
            (reference,),
        ).fetchone()
        return None if row is None else Effect(*row)

    def rejection(self, reference: str) -> tuple[str, str] | None:
        """(content_hash, code) of a rejected reference. Call inside `transact`."""
        row: tuple[str, str] | None = self._db.execute(
            "select content_hash, code from rejections where reference = ?", (reference,)
        ).fetchone()
        return row

    def record_call(
        self,
        *,
        at: str,
        phase: str,
        reference: str | None,
        http_status: int | None,
        answer: str,
        fault: str | None,
    ) -> None:
        """Append an HTTP call and what it is answered; no status means no answer. Call inside `transact`."""
        self._db.execute(
            "insert into calls (called_at, phase, reference, http_status, answer, fault) values (?, ?, ?, ?, ?, ?)",
            (at, phase, reference, http_status, answer, fault),
        )

    def stats(self) -> dict[str, Any]:
        """Counts of what is committed."""
        executed, references, most = self._reader.execute(
            "select (select count(*) from executions), count(*), coalesce(max(execution_count), 0) from effects"
        ).fetchone()
        (rejected,) = self._reader.execute("select count(*) from rejections").fetchone()
        calls: dict[str, dict[str, int]] = {"SUBMIT": {}, "QUERY": {}}
        for phase, answer, number in self._reader.execute(
            "select phase, answer, count(*) from calls group by phase, answer order by phase, answer"
        ):
            calls[phase][answer] = number
        return {
            "executed": executed,
            "references": references,
            "max_executions_per_reference": most,
            "rejected": rejected,
            "submits": sum(calls["SUBMIT"].values()),
            "queries": sum(calls["QUERY"].values()),
            "answers": calls,
            "commits": self.commits,
        }

    def page(self, table: str, *, after: int, limit: int) -> list[dict[str, Any]]:
        """Rows of one of PAGED in the order written, each with its `row`, from beyond row `after`."""
        if table not in PAGED:
            raise ValueError(f"table must be one of {', '.join(PAGED)}")
        cursor = self._reader.execute(
            f"select rowid as row, * from {table} where rowid > ? order by rowid limit ?",  # noqa: S608
            (after, limit),
        )
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor]

    async def aclose(self) -> None:
        """Commit what is queued and close the files."""
        while self._writer is not None:
            await asyncio.wait([self._writer])
        self._committer.shutdown()
        self._reader.close()
        self._db.close()
        os.close(self._lock)

    def _read_hash_key(self) -> bytes:
        self._db.execute(
            "insert into key select ? where not exists (select 1 from key)",
            (secrets.token_bytes(32),),
        )
        (hash_key,) = self._db.execute("select hash_key from key").fetchone()
        return bytes(hash_key)

    async def _write(self) -> None:
        """Group commit: what queued while the last commit waited for the disk goes into the next one."""
        try:
            while self._queue:
                batch, self._queue = self._queue[:_MAX_BATCH], self._queue[_MAX_BATCH:]
                await self._commit(batch)
        finally:
            self._writer = None

    async def _commit(self, batch: list[tuple[Callable[[], Any], asyncio.Future[Any]]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._db.execute("begin immediate")
            results = [work() for work, _ in batch]
            await loop.run_in_executor(self._committer, self._db.execute, "commit")
        except Exception as trouble:
            if self._db.in_transaction:
                self._db.execute("rollback")
            refusal = LedgerUnavailable(f"the ledger did not take the work: {type(trouble).__name__}")
            for _, done in batch:
                if not done.done():
                    done.set_exception(refusal)
            return
        self.commits += 1
        for (_, done), result in zip(batch, results, strict=True):
            if not done.done():
                done.set_result(result)


def read_hash_key(path: Path) -> bytes:
    """The key of a ledger's hashes, for a judge who knows what was to be paid; the rail may have it open."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as db:
        (hash_key,) = db.execute("select hash_key from key").fetchone()
    return bytes(hash_key)


def _lock(path: Path) -> int:
    """One process per ledger; returns the descriptor that holds the lock until it is closed."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as trouble:
        raise LedgerUnavailable(f"ledger {path}: {trouble.strerror}; choose a writable place") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise LedgerUnavailable(
            f"ledger {path}: another sandbox rail has it open; stop that one or choose another file"
        ) from None
    return lock
