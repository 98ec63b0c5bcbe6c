"""Migrations that would block a table in use (INV-DDL-01), told from the text: the early check before the lock trace.

Tables that a file creates itself are exempt; every other one counts as in use. The safe forms are those measured on
18.6: NOT VALID then VALIDATE in a file of its own, CONCURRENTLY, CREATE TABLE and ATTACH under a CHECK.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gates import files_syntax
from gates.files_syntax import dotted, kind, relation, spelled
from gates.migrations_history import Migration, base, commands, locked, not_null_column

# Evaluated once for all rows: they are stored as the column's missing value, nothing is rewritten.
_STABLE = ("now", "transaction_timestamp", "statement_timestamp")
_SERIAL = ("serial", "bigserial", "smallserial", "serial2", "serial4", "serial8")
_REWRITES = (
    "AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace", "AT_SetAccessMethod", "AT_SetExpression", "AT_SetIdentity",
)  # fmt: skip

type Flaws = Iterator[tuple[str, str]]


def add_column(migration: Migration) -> Flaws:
    """Yield added columns that old code cannot fill or that rewrite the table."""
    for one, table, command in commands(migration):
        if command.subtype.name != "AT_AddColumn":
            continue
        column, thing = command.def_, f"{migration.path}: {table}.{command.def_.colname}"
        kinds = {c.contype.name: c for c in column.constraints or ()}
        generated = kinds.get("CONSTR_GENERATED")
        default = kinds["CONSTR_DEFAULT"].raw_expr if "CONSTR_DEFAULT" in kinds else None
        if "CONSTR_NOTNULL" in kinds and default is None and generated is None and "CONSTR_IDENTITY" not in kinds:
            yield thing, f"line {one.line}: NOT NULL without a default: the previous release cannot insert"
        if "CONSTR_IDENTITY" in kinds or column.typeName.names[-1].sval in _SERIAL:
            yield thing, f"line {one.line}: identity or serial rewrites the table"
        if generated is not None and generated.generated_kind == "s":
            yield thing, f"line {one.line}: GENERATED … STORED rewrites the table"
        for call in _calls(default):
            yield thing, f"line {one.line}: its default calls {call}, which may be volatile and rewrites the table"


def _calls(default: Any) -> Iterator[str]:
    for node in files_syntax.nodes(default) if default is not None else ():
        if kind(node) == "FuncCall" and node.funcname[-1].sval not in _STABLE:
            yield dotted(node.funcname)


def set_not_null(migration: Migration) -> Flaws:
    """Yield NOT NULL on a column that no valid constraint proves, so that the table is scanned under the lock."""
    for one, table, command in commands(migration):
        column = command.name if command.subtype.name == "AT_SetNotNull" else None
        if command.subtype.name == "AT_AddConstraint" and command.def_.contype.name == "CONSTR_NOTNULL":
            column = None if command.def_.skip_validation else not_null_column(command.def_)
        if column is not None and (table, column) not in migration.before.proved:
            yield f"{migration.path}: {table}.{column}", f"line {one.line}: no earlier valid constraint proves it"


def rewrites(migration: Migration) -> Flaws:
    """Yield what writes rows of a table in place: type changes, moves, UPDATE and DELETE of all or of a hot table's.

    Of a hot table, whatever the WHERE says: how many rows it leaves out is not told by the text (ledgers are M06's).
    """
    for one, table, command in commands(migration):
        if command.subtype.name == "AT_AlterColumnType":
            detail = f"line {one.line}: type {spelled(command.def_.typeName)}"
            yield f"{migration.path}: {table}.{command.name}", detail
        elif command.subtype.name in _REWRITES:
            yield f"{migration.path}: {table}", f"line {one.line}: {command.subtype.name.removeprefix('AT_')}"
    for one in migration.statements:
        for node in files_syntax.nodes(one.node):
            if _writes(node) and migration.found(table := relation(node.relation)):
                word = kind(node).removesuffix("Stmt").upper()
                if base(table) in migration.before.hot:
                    yield f"{migration.path}: {table}", f"line {one.line}: {word} of rows of a hot table"
                elif getattr(node, "whereClause", node) is None:
                    yield f"{migration.path}: {table}", f"line {one.line}: {word} of every row"
        if one.kind == "ClusterStmt" or (one.kind == "RefreshMatViewStmt" and not one.node.concurrent):
            yield migration.path, f"line {one.line}: {one.kind.removesuffix('Stmt')}"


def _writes(node: Any) -> bool:
    """Tell whether a statement changes or removes rows that are there."""
    if kind(node) == "InsertStmt":
        conflict = node.onConflictClause
        return conflict is not None and conflict.action.name == "ONCONFLICT_UPDATE"
    return kind(node) in ("UpdateStmt", "DeleteStmt", "MergeStmt")


def renames(migration: Migration) -> Flaws:
    """Yield renames and moves to another schema: the previous release knows the old name."""
    for one in migration.statements:
        word_of_enum = one.kind == "AlterEnumStmt" and one.node.oldVal is not None
        if one.kind in ("RenameStmt", "AlterObjectSchemaStmt") or word_of_enum:
            yield migration.path, f"line {one.line}: {' '.join(one.text.split())}"


def indexes(migration: Migration) -> Flaws:
    """Yield index work that keeps writers out. CREATE INDEX … ON ONLY a partitioned table scans nothing."""
    for one in migration.statements:
        node = one.node
        if (
            one.kind == "IndexStmt"
            and not node.concurrent
            and node.relation.inh
            and migration.found(relation(node.relation))
        ):
            yield (
                f"{migration.path}: {node.idxname or 'an index'}",
                f"line {one.line}: on {relation(node.relation)}, not CONCURRENTLY",
            )
        elif one.kind == "DropStmt" and node.removeType.name == "OBJECT_INDEX" and not node.concurrent:
            yield f"{migration.path}: {dotted(node.objects[0])}", f"line {one.line}: dropped, not CONCURRENTLY"
        elif one.kind == "ReindexStmt" and not any(option.defname == "concurrently" for option in node.params or ()):
            yield migration.path, f"line {one.line}: REINDEX, not CONCURRENTLY"


def constraints(migration: Migration, landed: int) -> Flaws:
    """Yield constraints that scan the table under their lock. `landed`: the last migration of the previous release."""
    own = {}
    for one, table, command in commands(migration):
        name = command.subtype.name
        if name == "AT_AddConstraint":
            own[table, command.def_.conname] = migration.number
            if (reason := _scans(command.def_)) is not None:
                yield f"{migration.path}: {table}.{command.def_.conname}", f"line {one.line}: {reason}"
        elif name == "AT_AddColumn":
            for constraint in command.def_.constraints or ():
                if (reason := _scans(constraint)) is not None:
                    yield f"{migration.path}: {table}.{command.def_.colname}", f"line {one.line}: {reason}"
        elif name == "AT_ValidateConstraint" and not migration.alone:
            _column, added = migration.before.unproved.get((table, command.name), (None, 0))
            if own.get((table, command.name), added) > landed:
                detail = "validated in the transaction that adds it, so under its lock"
                yield f"{migration.path}: {table}.{command.name}", f"line {one.line}: {detail}"


def _scans(constraint: Any) -> str | None:
    name = constraint.contype.name
    if name in ("CONSTR_FOREIGN", "CONSTR_CHECK") and not constraint.skip_validation and constraint.is_enforced:
        return "not NOT VALID"
    if name in ("CONSTR_UNIQUE", "CONSTR_PRIMARY") and not constraint.indexname:
        return "not USING INDEX of an index built CONCURRENTLY"
    return "EXCLUDE has no safe form" if name == "CONSTR_EXCLUSION" else None


def partitions(migration: Migration) -> Flaws:
    """Yield partitions made or taken away under ACCESS EXCLUSIVE of a table in use."""
    checked = set(_checked_tables(migration))
    for one in migration.statements:
        node = one.node
        if one.kind == "CreateStmt" and node.partbound is not None and migration.found(relation(node.inhRelations[0])):
            yield f"{migration.path}: {relation(node.inhRelations[0])}", f"line {one.line}: CREATE TABLE … PARTITION OF"
    for one, table, command in commands(migration):
        if command.subtype.name == "AT_DetachPartition" and not command.def_.concurrent:
            yield f"{migration.path}: {table}", f"line {one.line}: DETACH PARTITION, not CONCURRENTLY"
        elif command.subtype.name == "AT_AttachPartition" and relation(command.def_.name) not in checked:
            yield (
                f"{migration.path}: {table}",
                f"line {one.line}: ATTACH PARTITION without a CHECK that spares the scan",
            )


def _checked_tables(migration: Migration) -> Iterator[str]:
    for one in migration.statements:
        checks = (
            n for n in files_syntax.nodes(one.node) if kind(n) == "Constraint" and n.contype.name == "CONSTR_CHECK"
        )
        if one.kind in ("CreateStmt", "AlterTableStmt") and any(checks):
            yield relation(one.node.relation)


def many_hot_tables(migration: Migration) -> Flaws:
    """Yield files that keep writers out of more than one hot table at once: each waits while the other is held."""
    taken = locked(migration)
    if len(taken) > 1:
        yield migration.path, "locks " + ", ".join(f"{table} (line {line})" for table, line in sorted(taken.items()))
