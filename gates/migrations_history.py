"""The migrations as a history: what each file finds in place, and what it locks of that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from gates import files_syntax
from gates.files_syntax import SqlText, Statement, Unreadable, dotted, relation
from gates.site import Site

NONTRANSACTIONAL = "-- runner: nontransactional\n"
_LEAF = re.compile(r"_(\d{6}|\d)$")
# Sub-commands of ALTER TABLE that take SHARE UPDATE EXCLUSIVE or less: writers go on.
_GENTLE = (
    "AT_SetRelOptions", "AT_ResetRelOptions", "AT_SetStatistics", "AT_SetOptions", "AT_ValidateConstraint",
    "AT_AttachPartition", "AT_ClusterOn", "AT_DropCluster",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What stands before a file is applied, by name «schema.table».

    Attributes:
        hot: tables that grow or churn: partitioned ones, and those with autovacuum settings of their own.
        unproved: constraints NOT VALID, by (table, constraint): the column they say is not null, or None, and the
            number of the file that added them.
        proved: columns that a valid constraint keeps from being null.
    """

    tables: frozenset[str] = frozenset()
    hot: frozenset[str] = frozenset()
    unproved: dict[tuple[str, str], tuple[str | None, int]] = field(default_factory=dict)
    proved: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file with what it finds in place.

    Attributes:
        number: of the file name.
        made: tables that this file itself creates; nobody waits for a lock on them.
    """

    file: SqlText
    number: int
    statements: tuple[Statement, ...]
    before: Known
    made: frozenset[str]

    @property
    def path(self) -> str:
        """The path from the checkout's root."""
        return self.file.path

    @property
    def alone(self) -> bool:
        """Whether the runner applies it alone, outside a transaction."""
        return self.file.text.startswith(NONTRANSACTIONAL)

    def found(self, table: str) -> bool:
        """Tell whether a table was there before this file: a leaf counts as its table."""
        return table not in self.made and (table in self.before.tables or base(table) in self.before.tables)


def base(table: str) -> str:
    """Return the partitioned table of a leaf's name."""
    return _LEAF.sub("", table)


def history(site: Site) -> Iterator[Migration]:
    """Yield the migrations that parse, in order (M01 names the others)."""
    known = Known()
    for file in files_syntax.files(site, "migrations"):
        try:
            found = file.statements
        except Unreadable:
            continue
        made = {relation(one.node.relation): one.node for one in found if one.kind == "CreateStmt"}
        digits = re.match(r"\d+", file.path.rpartition("/")[2])
        migration = Migration(file, int(digits[0]) if digits else 0, found, known, frozenset(made))
        yield migration
        known = _after(migration, made)


def commands(migration: Migration) -> Iterator[tuple[Statement, str, Any]]:
    """Yield every sub-command of ALTER TABLE on a table that was there before: statement, table, command."""
    for one in migration.statements:
        if one.kind == "AlterTableStmt" and one.node.objtype.name in ("OBJECT_TABLE", "OBJECT_INDEX"):
            table = relation(one.node.relation)
            if migration.found(table):
                for command in one.node.cmds:
                    yield one, table, command


def locked(migration: Migration) -> dict[str, int]:
    """Return the hot tables found in place that the file locks against writers, each with a line."""
    taken: dict[str, int] = {}
    for one in migration.statements:
        for table in _locks(one):
            if migration.found(table) and base(table) in migration.before.hot | {base(h) for h in migration.before.hot}:
                taken.setdefault(base(table), one.line)
    return taken


def _locks(one: Statement) -> Iterator[str]:
    node = one.node
    if one.kind == "AlterTableStmt":
        if any(command.subtype.name not in _GENTLE for command in node.cmds):
            yield relation(node.relation)
    elif one.kind in ("IndexStmt", "CreateTrigStmt", "RuleStmt", "RenameStmt"):
        if node.relation is not None and not getattr(node, "concurrent", False):
            yield relation(node.relation)
    elif one.kind in ("CreatePolicyStmt", "AlterPolicyStmt"):
        yield relation(node.table)
    elif one.kind == "TruncateStmt":
        yield from (relation(table) for table in node.relations)
    elif one.kind == "CreateStmt" and node.inhRelations:
        yield from (relation(parent) for parent in node.inhRelations)
    elif one.kind == "DropStmt":
        yield from _dropped(node)
    yield from referenced(node)


def _dropped(node: Any) -> Iterator[str]:
    if node.removeType.name == "OBJECT_TABLE":
        yield from (dotted(names) for names in node.objects)
    elif node.removeType.name in ("OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"):
        yield from (dotted(names[:-1]) for names in node.objects)


def referenced(node: Any) -> Iterator[str]:
    """Yield the tables that foreign keys below a node lead to."""
    for found in files_syntax.nodes(node):
        if files_syntax.kind(found) == "Constraint" and found.pktable is not None:
            yield relation(found.pktable)


def _after(migration: Migration, made: dict[str, Any]) -> Known:
    before = migration.before
    hot = {name for name, node in made.items() if _is_hot(node)}
    unproved, proved = dict(before.unproved), set(before.proved)
    for _one, table, command in commands(migration):
        kind, constraint = command.subtype.name, command.def_
        if kind == "AT_AddConstraint" and constraint.skip_validation:
            unproved[table, constraint.conname] = (not_null_column(constraint), migration.number)
        elif kind == "AT_ValidateConstraint" and (table, command.name) in unproved:
            column, _number = unproved.pop((table, command.name))
            if column is not None:
                proved.add((table, column))
    return replace(
        before,
        tables=before.tables | migration.made,
        hot=before.hot | hot,
        unproved=unproved,
        proved=frozenset(proved),
    )


def _is_hot(node: Any) -> bool:
    options = [option.defname for option in node.options or ()]
    return (
        node.partspec is not None
        or node.partbound is not None
        or any(name.startswith("autovacuum") for name in options)
    )


def not_null_column(constraint: Any) -> str | None:
    """Return the column that a constraint keeps from being null: NOT NULL c, or CHECK (c IS NOT NULL)."""
    if constraint.contype.name == "CONSTR_NOTNULL" and constraint.keys:
        return str(constraint.keys[0].sval)
    test = constraint.raw_expr
    if test is not None and files_syntax.kind(test) == "NullTest" and test.nulltesttype.name == "IS_NOT_NULL":
        return str(test.arg.fields[-1].sval) if files_syntax.kind(test.arg) == "ColumnRef" else None
    return None
