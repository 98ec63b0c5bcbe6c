"""The gates over migration files (M01 to M19): what a migration never does, told from its text before anything runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gates import migrations_locks, migrations_text
from gates.gate import Gate
from gates.migrations_history import Migration, history
from gates.migrations_landed import landed_gates, last_landed
from gates.migrations_owners import unowned
from gates.site import Site

type Flaws = Iterator[tuple[str, str]]

# Findings in migrations that have landed and cannot be edited: (gate, object) and why it is let pass.
ALLOWED = {
    (
        "M04",
        "sql/migrations/0001_roles_and_schemas.sql",
    ): "roles belong to the cluster and CREATE ROLE has no IF NOT EXISTS, "
    "so that a second database on it needs the one block",
    (
        "M04",
        "sql/migrations/0010_trust.sql",
    ): "two roles more, for the same reason in the same form",
}


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    title: str
    invariants: tuple[str, ...]
    remedy: str
    look: Callable[[Site], Flaws]


def migration_gates() -> list[Gate]:
    """Return the gates over migration files."""
    static = [
        Gate(
            rule.id,
            rule.title,
            rule.invariants,
            rule.remedy,
            functools.partial(_permitted, rule.id, rule.look),
        )
        for rule in _RULES
    ]
    return static + landed_gates()


def _permitted(gate: str, look: Callable[[Site], Flaws], site: Site) -> Flaws:
    """Leave out what is allowed; an entry that excuses nothing is a finding itself."""
    excused = set()
    for thing, detail in look(site):
        if (gate, thing) in ALLOWED:
            excused.add(thing)
        else:
            yield thing, detail
    for entry, thing in ALLOWED:
        if entry == gate and thing not in excused and (site.root / thing.partition(":")[0]).exists():
            yield thing, "allowed in gates/migrations_static.py without need: take the entry out"


def _each(look: Callable[[Migration], Flaws]) -> Callable[[Site], Flaws]:
    def over_all(site: Site) -> Flaws:
        for migration in history(site):
            yield from look(migration)

    return over_all


def _constraints(site: Site) -> Flaws:
    landed = last_landed(site)
    for migration in history(site):
        yield from migrations_locks.constraints(migration, landed)


_RULES = (
    _Rule(
        "M01",
        "no migration controls transactions, and each can be parsed",
        ("INV-002",),
        "take it out: the runner wraps the file",
        migrations_text.transactions,
    ),
    _Rule(
        "M02",
        "no migration touches its session or the catalog's tables, LOCKs, COPYs, CALLs or runs a text",
        ("INV-002",),
        "take it out",
        migrations_text.session,
    ),
    _Rule(
        "M03",
        "no migration overrides a time-out",
        ("INV-DDL-01",),
        "take it out: the runner sets lock_timeout and statement_timeout",
        migrations_text.timeouts,
    ),
    _Rule(
        "M04",
        "no DO block, whose text no gate reads",
        ("INV-006",),
        "write the statements out",
        migrations_text.do_blocks,
    ),
    _Rule(
        "M05",
        "no function in a migration",
        ("INV-009",),
        "put it into sql/functions/<schema>/<name>.sql",
        migrations_text.functions,
    ),
    _Rule(
        "M06",
        "forward only: nothing takes a release back or touches a ledger's rows",
        ("INV-003", "INV-014"),
        "write a migration that corrects",
        migrations_text.backward,
    ),
    _Rule(
        "M07",
        "CONCURRENTLY stands alone in a file headed «-- runner: nontransactional»",
        ("INV-DDL-01",),
        "one statement a file, without IF NOT EXISTS",
        migrations_text.concurrently,
    ),
    _Rule(
        "M16",
        "no function is dropped that other files still name",
        ("INV-020",),
        "take its file and its callers out a release earlier",
        migrations_text.dropped_functions,
    ),
    _Rule(
        "M17",
        "everything a migration makes is given its context's owner",
        ("INV-005",),
        "alter … owner to symphony_<schema>_owner",
        unowned,
    ),
    _Rule(
        "M08",
        "added columns take old inserts and rewrite nothing",
        ("INV-DDL-01", "INV-N1-01"),
        "add it nullable, SET DEFAULT, fill it in batches",
        _each(migrations_locks.add_column),
    ),
    _Rule(
        "M09",
        "NOT NULL only where a valid constraint proves it",
        ("INV-DDL-01",),
        "ADD CONSTRAINT … NOT NULL c NOT VALID, VALIDATE alone, then SET NOT NULL",
        _each(migrations_locks.set_not_null),
    ),
    _Rule(
        "M10",
        "nothing rewrites a table in use or changes rows of a hot one",
        ("INV-DDL-01",),
        "a new column, filled in batches, and the old one dropped releases later",
        _each(migrations_locks.rewrites),
    ),
    _Rule(
        "M11",
        "nothing is renamed",
        ("INV-020", "INV-N1-01"),
        "add the new name, keep the old one until no release uses it",
        _each(migrations_locks.renames),
    ),
    _Rule(
        "M12",
        "indexes of tables in use are built and dropped CONCURRENTLY",
        ("INV-DDL-01",),
        "CREATE INDEX CONCURRENTLY in a file of its own",
        _each(migrations_locks.indexes),
    ),
    _Rule(
        "M13",
        "constraints on tables in use scan nothing under their lock",
        ("INV-DDL-01",),
        "NOT VALID, then VALIDATE alone in a nontransactional file; UNIQUE USING INDEX",
        _constraints,
    ),
    _Rule(
        "M14",
        "partitions come and go without ACCESS EXCLUSIVE",
        ("INV-DDL-01",),
        "CREATE TABLE (LIKE …) with a CHECK, then ATTACH; DETACH CONCURRENTLY",
        _each(migrations_locks.partitions),
    ),
    _Rule(
        "M15",
        "one file keeps writers out of one hot table at most",
        ("INV-DDL-01",),
        "one file a table, each in a release of its own or nontransactional",
        _each(migrations_locks.many_hot_tables),
    ),
)
