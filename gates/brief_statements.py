"""Statements that may lock a table in use: they change the catalog, touch no row, and are over at once.

The allow-list of the lock trace, each with its lock (measured on 18.6). What one of them does beyond that, a rewrite or
a scan, is seen by the trace and refused all the same: a default that is no constant, a CHECK without NOT VALID.
"""

from __future__ import annotations

from typing import Any

from pglast import ast
from pglast.enums.parsenodes import AlterTableType as At
from pglast.enums.parsenodes import ConstrType, ObjectType

# ACCESS EXCLUSIVE or SHARE ROW EXCLUSIVE for the change of a catalog row. Renames are none: old callers use the name.
_BRIEF_COMMANDS = frozenset(
    {
        At.AT_ColumnDefault, At.AT_DropNotNull, At.AT_SetNotNull, At.AT_DropColumn, At.AT_DropConstraint,
        At.AT_ValidateConstraint, At.AT_AlterConstraint, At.AT_SetStatistics, At.AT_SetOptions, At.AT_SetRelOptions,
        At.AT_ResetRelOptions, At.AT_SetStorage, At.AT_SetCompression, At.AT_ChangeOwner, At.AT_ReplicaIdentity,
        At.AT_EnableTrig, At.AT_EnableAlwaysTrig, At.AT_EnableRowSecurity, At.AT_ForceRowSecurity,
        At.AT_AttachPartition,
    }
)  # fmt: skip
# What a new column may bring: a UNIQUE or a key builds an index under the lock.
_BRIEF_WITH_COLUMN = frozenset(
    {
        ConstrType.CONSTR_NULL, ConstrType.CONSTR_NOTNULL, ConstrType.CONSTR_DEFAULT, ConstrType.CONSTR_GENERATED,
        ConstrType.CONSTR_CHECK,
    }
)  # fmt: skip
_INDEXED = frozenset({ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY})
_UNVALIDATED = frozenset({ConstrType.CONSTR_CHECK, ConstrType.CONSTR_NOTNULL, ConstrType.CONSTR_FOREIGN})


def is_brief(statement: ast.Node, mode: str) -> bool:
    """Tell whether a statement may take this lock on a table in use."""
    if isinstance(statement, ast.AlterTableStmt):
        return statement.objtype == ObjectType.OBJECT_TABLE and all(map(_is_brief_command, statement.cmds or ()))
    if isinstance(statement, ast.CreateTrigStmt):
        return mode == "ShareRowExclusiveLock"
    if isinstance(statement, ast.CreateStmt):
        # Its foreign keys: the new table has no row to check. PARTITION OF locks the parent for everybody.
        return mode == "ShareRowExclusiveLock" and statement.partbound is None
    if isinstance(statement, ast.AlterOwnerStmt):
        return statement.objectType == ObjectType.OBJECT_TYPE
    return isinstance(statement, ast.CreatePolicyStmt | ast.AlterPolicyStmt)


def validates_only(statement: ast.Node) -> bool:
    """Tell whether a statement reads a table only to validate what was added before, as it may while others write."""
    return isinstance(statement, ast.AlterTableStmt) and all(
        command.subtype == At.AT_ValidateConstraint for command in statement.cmds or ()
    )


def _is_brief_command(command: ast.AlterTableCmd) -> bool:
    if command.subtype == At.AT_AddColumn:
        column: Any = command.def_
        return all(constraint.contype in _BRIEF_WITH_COLUMN for constraint in column.constraints or ())
    if command.subtype == At.AT_AddConstraint:
        constraint: Any = command.def_
        if constraint.contype in _INDEXED:
            return bool(constraint.indexname)
        waits = constraint.skip_validation or not constraint.is_enforced
        return constraint.contype in _UNVALIDATED and bool(waits)
    return command.subtype in _BRIEF_COMMANDS
