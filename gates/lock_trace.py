"""Gates M20 to M23: what this release's migrations do to tables in use, seen by running them.

On a copy of the previous release's database with data in it, every file that is new since then runs as the runner runs
it, but statement by statement, in the same transactions, with the runner's own settings. After each statement the locks
held, the files of the tables, the counts of sequential scans and of changed rows are read. So it sees what no reading
of the SQL sees: what a DO block does, which default rewrites, which leaves are locked. A lock that an earlier statement
took hides that a later one takes it too; so a second run, on another copy, commits after each statement and looks at
locks alone.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psycopg
from pglast import ast
from psycopg import AsyncConnection

from gates.brief_statements import is_brief, validates_only
from gates.databases import copy_of, migrate
from gates.gate import Gate, NotApplicable, Severity
from gates.lock_trace_queries import LOCKS, SETTINGS, STATE, TABLES
from gates.migration_steps import Step, statements, steps
from gates.previous_release import filled, previous_release
from gates.release_digest import functions_digest, migrations_digest
from gates.site import Site
from symphony import migration_ledger as ledger
from symphony.migration_files import Sources, SqlFile, read
from symphony.migration_ledger import Connection
from symphony.migration_run import Options

# Nothing waits for these: the runner's own ledgers, and registers that only people and migrations read.
_COLD = frozenset({"core.schema_migration", "core.schema_repeatable", "core.errors", "core.month_partitioned"})
# Registers of some dozen rows: to read one whole is nothing, to lock one is.
_SMALL = frozenset({"core.reasons", "core.cell"})
_STRONG = ("ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing a statement did: `rule` is the gate it belongs to."""

    rule: str
    object: str
    detail: str


class _State(NamedTuple):
    """A table's or index's file, and in this transaction its scans from end to end and its rows changed or removed."""

    file: int
    scans: int
    changed: int


_NOTHING = _State(file=0, scans=0, changed=0)


class _Trace:
    """One run on one database."""

    def __init__(self, connection: Connection, *, together: bool) -> None:
        self.connection = connection
        self.together = together
        self.options = Options()
        self.seen: list[Seen] = []
        self.tables: dict[int, tuple[str, str]] = {}
        self.expected = ("", "")
        self.place = ""

    async def run(self, work: Sequence[Step]) -> list[Seen]:
        """Run everything; stop at the first statement that fails."""
        rows = await (await self.connection.execute(TABLES)).fetchall()
        self.tables = {oid: (name, kind) for oid, name, kind in rows if name not in _COLD}
        for step in work:
            try:
                if step.alone:
                    await self._alone(step.files[0])
                elif self.together:
                    async with self.connection.transaction():
                        await self._together(step.files)
                else:
                    await self._each(step.files)
            except psycopg.Error as error:
                self.seen.append(
                    Seen("M20", self.place, f"fails on data: {error.sqlstate} {error.diag.message_primary}")
                )
                break
        return self.seen

    async def _together(self, files: Sequence[SqlFile]) -> None:
        held: dict[int, set[str]] = defaultdict(set)
        before = await self._state()  # what a file that ran alone before has counted is not this transaction's
        strong: dict[str, str] = {}
        for file in files:
            await self._settings()
            for self.place, statement, parsed in statements(file):
                await self.connection.execute(statement)
                await self._check_settings()
                self._in_one_transaction(await self._new_locks(held), strong)
                after = await self._state()
                self._rewrites(before, after)
                self._scans(parsed, before, after, held)
                self._rows(before, after)
                before = after

    async def _each(self, files: Sequence[SqlFile]) -> None:
        for file in files:
            for self.place, statement, parsed in statements(file):
                async with self.connection.transaction():
                    await self._settings()
                    await self.connection.execute(statement)
                    for name, mode in await self._new_locks(defaultdict(set)):
                        if not is_brief(parsed, mode):
                            self.seen.append(Seen("M20", f"table {name}", f"{self.place} takes {mode}"))

    async def _alone(self, file: SqlFile) -> None:
        self.place = file.path
        wait_ms = self.options.concurrent_lock_timeout_ms
        await ledger.set_session(self.connection, lock_timeout_ms=wait_ms, statement_timeout_ms=0)
        try:
            await self.connection.execute(file.content, binary=True)
        finally:
            for index in await ledger.invalid_indexes(self.connection):
                self.seen.append(Seen("M22", f"index {index}", f"left invalid by {file.path}"))

    async def _settings(self) -> None:
        await ledger.set_local(
            self.connection,
            lock_timeout_ms=self.options.lock_timeout_ms,
            statement_timeout_ms=self.options.statement_timeout_ms,
        )
        self.expected = await self._timeouts()

    async def _timeouts(self) -> tuple[str, str]:
        row = await (await self.connection.execute(SETTINGS)).fetchone()
        return (str(row[0]), str(row[1])) if row else ("", "")

    async def _check_settings(self) -> None:
        names = ("lock_timeout", "statement_timeout")
        for name, wanted, found in zip(names, self.expected, await self._timeouts(), strict=True):
            if found != wanted:
                self.seen.append(Seen("M21", self.place, f"{name} is {found} after it, the runner set {wanted}"))

    async def _state(self) -> dict[int, _State]:
        rows = await (await self.connection.execute(STATE, (list(self.tables),))).fetchall()
        return {oid: _State(*row) for oid, *row in rows}

    async def _new_locks(self, held: dict[int, set[str]]) -> list[tuple[str, str]]:
        """Return (table, mode) of the strong locks that are new, and note all locks in `held`."""
        rows = await (await self.connection.execute(LOCKS)).fetchall()
        new = [(oid, mode) for oid, mode in rows if oid in self.tables and mode not in held[oid]]
        for oid, mode in new:
            held[oid].add(mode)
        tables = {(*self.tables[oid], mode) for oid, mode in new if mode in _STRONG}
        return sorted((name, mode) for name, kind, mode in tables if kind in ("r", "p", "c"))

    def _in_one_transaction(self, new: Sequence[tuple[str, str]], strong: dict[str, str]) -> None:
        types = {name for name, kind in self.tables.values() if kind == "c"}  # only a session new to one waits for it
        for name, mode in new:
            if name in types:
                continue
            others = ", ".join(sorted(strong.keys() - {name}))
            if others and name not in strong:
                self.seen.append(Seen("M23", f"table {name}", f"{self.place} takes {mode} while {others} is locked"))
            strong.setdefault(name, mode)

    def _rewrites(self, before: Mapping[int, _State], after: Mapping[int, _State]) -> None:
        for oid, state in after.items():
            name, kind = self.tables[oid]
            if state.file != before.get(oid, _NOTHING).file:
                what = "an index of it is" if kind in ("i", "I") else "it is"
                self.seen.append(Seen("M20", f"table {name}", f"{self.place}: {what} rewritten"))

    def _scans(
        self,
        statement: ast.Node,
        before: Mapping[int, _State],
        after: Mapping[int, _State],
        held: Mapping[int, set[str]],
    ) -> None:
        for oid, state in after.items():
            if state.scans == before.get(oid, _NOTHING).scans or self.tables[oid][0] in _SMALL:
                continue
            modes = sorted(held.get(oid, set()) & set(_STRONG))
            if modes or not validates_only(statement):
                under = f" under {modes[-1]}" if modes else ""
                name = self.tables[oid][0]
                self.seen.append(Seen("M20", f"table {name}", f"{self.place} reads it from end to end{under}"))

    def _rows(self, before: Mapping[int, _State], after: Mapping[int, _State]) -> None:
        """By an index no scan is counted, and rows changed by the thousand keep their locks until the commit."""
        for oid, state in after.items():
            name, number = self.tables[oid][0], state.changed - before.get(oid, _NOTHING).changed
            if number > 0 and name not in _SMALL:
                self.seen.append(Seen("M20", f"table {name}", f"{self.place} changes or removes {number} rows of it"))


def trace(url: str, work: Sequence[Step], *, together: bool) -> list[Seen]:
    """Run the steps on a database to be thrown away, and return what they did that tables in use cannot bear.

    Args:
        together: in the runner's transactions, or each statement in one of its own.
    """

    async def session() -> list[Seen]:
        connection = await AsyncConnection.connect(url, autocommit=True, application_name="symphony gate lock trace")
        async with connection:
            return await _Trace(connection, together=together).run(work)

    with ThreadPoolExecutor(1) as thread:  # whoever asks may have a loop running
        return thread.submit(asyncio.run, session()).result()


@contextmanager
def _base(site: Site) -> Iterator[tuple[str, Sources]]:
    """Lend the name of a database to copy, and its files: the previous release's, or all but the last migration."""
    cluster = site.server()
    try:
        previous = previous_release(site)
    except NotApplicable:
        cluster.make_template()  # so that the roles are there; see databases.built
        name = f"earlier_{uuid.uuid4().hex[:16]}"
        cluster.server.create_database(name)
        earlier = cluster.directory / name
        try:
            shutil.copytree(site.sql_dir, earlier)
            sorted((earlier / "migrations").glob("*.sql"))[-1].unlink()
            migrate(cluster.server.url(name), earlier)
            yield name, read(earlier)
        finally:
            shutil.rmtree(earlier, ignore_errors=True)
            cluster.drop(name)
        return
    yield filled(site, previous)[0], read(previous.sql_dir)


def _traced(site: Site, now: Sources) -> list[Seen] | None:
    """Run the new files on two copies, once in the runner's transactions, once in one for each statement."""
    cluster = site.server()
    with _base(site) as (template, before):
        work = steps(before, now)
        found: list[Seen] = []
        for together in (True, False):
            with copy_of(cluster, template) as database:
                found += trace(cluster.server.url(database), work, together=together)
    return found if work else None


_TRACED: dict[tuple[Path, bytes], list[Seen] | None] = {}
_ONE_AT_A_TIME = threading.Lock()


def _seen(site: Site) -> list[Seen]:
    """Trace once for each server and state of the files. Raises NotApplicable."""
    now = read(site.sql_dir)
    key = (site.server().directory, migrations_digest(now) + functions_digest(now))
    with _ONE_AT_A_TIME:
        if key not in _TRACED:
            _TRACED[key] = _traced(site, now)
    found = _TRACED[key]
    if found is None:
        raise NotApplicable("no file of sql/ is newer than the previous release")
    return found


def lock_trace_gates() -> list[Gate]:
    """Return the gates that run the new migrations and watch."""
    rules: dict[str, tuple[str, Severity, str]] = {
        "M20": (
            "new migrations take no long lock on a table in use, rewrite none, read none whole, change no row of one",
            "error",
            "take the safe form: NOT VALID then VALIDATE in a nontransactional file, CREATE INDEX CONCURRENTLY,"
            " nullable column, default later, rows filled in batches by the driver",
        ),
        "M21": ("lock_timeout and statement_timeout stay what the runner set", "error", "take the setting out"),
        "M22": ("CONCURRENTLY leaves no invalid index", "error", "see why it failed; migrate builds it anew"),
        "M23": ("one transaction locks one table in use", "warning", "give each table a migration, so that none waits"),
    }  # fmt: skip
    return [
        Gate(
            id=rule,
            title=title,
            invariants=("INV-DDL-01",),
            remedy=remedy,
            severity=severity,
            look=lambda site, rule=rule: [(s.object, s.detail) for s in _seen(site) if s.rule == rule],  # type: ignore[misc]
        )
        for rule, (title, severity, remedy) in rules.items()
    ]
