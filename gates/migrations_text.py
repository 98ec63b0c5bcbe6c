"""What a migration's text must not hold: transaction and session control, code, steps backward (M01 to M07, M16)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gates import files_syntax
from gates.bodies_rules import denied
from gates.files_syntax import Statement, Unreadable, dotted, kind, nodes, relation
from gates.migrations_history import Migration, base, commands, history
from gates.site import Site

type Flaws = Iterator[tuple[str, str]]

_SESSION = (
    "VariableSetStmt", "AlterSystemStmt", "CopyStmt", "CallStmt", "LockStmt", "DiscardStmt", "ListenStmt",
    "UnlistenStmt", "NotifyStmt", "LoadStmt", "CheckPointStmt", "PrepareStmt", "ExecuteStmt", "DeallocateStmt",
    "DeclareCursorStmt", "FetchStmt", "ClosePortalStmt", "ConstraintsSetStmt", "AlterRoleSetStmt",
    "AlterDatabaseSetStmt",
)  # fmt: skip
_TIMEOUT = re.compile(r"\b\w*(lock|statement|transaction|session)_timeout\b", re.IGNORECASE)
_TAKES_BACK = re.compile(r"(^|[_.-])(down|revert\w*|rollback\w*|undo\w*|backout)([_.-]|$)", re.IGNORECASE)
_UNGUARDS = (
    "AT_DropColumn", "AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser", "AT_EnableTrig",
    "AT_EnableReplicaTrig", "AT_EnableTrigAll", "AT_EnableTrigUser", "AT_DisableRule",
)  # fmt: skip


def _statements(site: Site) -> Iterator[tuple[Migration, Statement]]:
    for migration in history(site):
        for one in migration.statements:
            yield migration, one


def transactions(site: Site) -> Flaws:
    """Yield transaction control, and files that cannot be parsed (psql commands among them)."""
    for file in files_syntax.files(site, "migrations"):
        try:
            file.statements  # noqa: B018 - parsed on access
        except Unreadable as error:
            yield file.path, str(error)
    for migration, one in _statements(site):
        if one.kind == "TransactionStmt":
            yield migration.path, f"line {one.line}: {one.node.kind.name.removeprefix('TRANS_STMT_')}"


def session(site: Site) -> Flaws:
    """Yield settings, LOCK, COPY, CALL and whatever else outlives the file or hides from these gates."""
    for migration, one in _statements(site):
        vacuum = one.kind == "VacuumStmt" and one.node.is_vacuumcmd
        if one.kind in _SESSION or vacuum:
            yield migration.path, f"line {one.line}: {' '.join(one.text.split())[:80]}"
        for node in nodes(one.node):
            reason = denied(node) if kind(node) == "FuncCall" else _of_the_catalog(node)
            if reason is not None:
                yield migration.path, f"line {one.line}: {reason}"


def _of_the_catalog(node: Any) -> str | None:
    """Return why a statement may not write there: what is enforced would change, and hardly anything would show it."""
    if kind(node) not in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
        return None
    table = relation(node.relation)
    schema, _dot, name = table.rpartition(".")
    ours = schema not in ("pg_catalog", "information_schema") and not (schema == "" and name.startswith("pg_"))
    return None if ours else f"{kind(node).removesuffix('Stmt').upper()} of {table}, a table of PostgreSQL's own"


def timeouts(site: Site) -> Flaws:
    """Yield everything that names a time-out."""
    for migration, one in _statements(site):
        if one.kind in (
            "VariableSetStmt",
            "DoStmt",
            "SelectStmt",
            "AlterRoleSetStmt",
            "AlterDatabaseSetStmt",
            "AlterSystemStmt",
        ):
            found = _TIMEOUT.search(one.text)
            if found or (one.kind == "VariableSetStmt" and one.node.kind.name == "VAR_RESET_ALL"):
                yield migration.path, f"line {one.line}: {found[0] if found else 'RESET ALL'}"


def do_blocks(site: Site) -> Flaws:
    """Yield DO blocks."""
    for migration, one in _statements(site):
        if one.kind == "DoStmt":
            yield migration.path, f"line {one.line}: a DO block"


def functions(site: Site) -> Flaws:
    """Yield functions made or altered."""
    for migration, one in _statements(site):
        if one.kind in ("CreateFunctionStmt", "AlterFunctionStmt"):
            name = one.node.funcname if one.kind == "CreateFunctionStmt" else one.node.func.objname
            yield f"{migration.path}: {dotted(name)}", f"line {one.line}: {one.kind.removesuffix('Stmt')}"


def backward(site: Site) -> Flaws:
    """Yield files that take a release back, and statements that touch what a ledger holds or what guards it."""
    for path in sorted((site.sql_dir / "migrations").rglob("*")):
        if _TAKES_BACK.search(path.name) or (path.is_file() and path.suffix != ".sql"):
            yield path.relative_to(site.root).as_posix(), "not a migration that goes forward"
    ledgers = _guarded_tables(site)
    for migration, one in _statements(site):
        for table in _rows_touched(one):
            if base(table) in ledgers:
                yield f"{migration.path}: {table}", f"line {one.line}: {one.kind.removesuffix('Stmt')} of a ledger"
            elif base(table) in migration.before.hot and one.kind in ("TruncateStmt", "DropStmt"):
                yield f"{migration.path}: {table}", f"line {one.line}: {one.kind.removesuffix('Stmt')} of a hot table"
        if one.kind == "DropStmt" and one.node.removeType.name == "OBJECT_SCHEMA":
            yield migration.path, f"line {one.line}: DROP SCHEMA"
    for migration in history(site):
        for one, table, command in commands(migration):
            if base(table) in ledgers and command.subtype.name in _UNGUARDS:
                yield (
                    f"{migration.path}: {table}",
                    f"line {one.line}: {command.subtype.name.removeprefix('AT_')} of a ledger",
                )


def _guarded_tables(site: Site) -> set[str]:
    """Return the tables that a row trigger guards against DELETE; every ledger is one."""
    found = set()
    for file in files_syntax.files(site, "functions"):
        try:
            triggers = [one.node for one in file.statements if one.kind == "CreateTrigStmt"]
        except Unreadable:
            continue  # F01 names it
        found |= {relation(node.relation) for node in triggers if node.row and node.events & 8}
    return found


def _rows_touched(one: Statement) -> Iterator[str]:
    node = one.node
    if one.kind == "TruncateStmt":
        yield from (relation(table) for table in node.relations)
    elif one.kind == "DropStmt" and node.removeType.name == "OBJECT_TABLE":
        yield from (dotted(names) for names in node.objects)
    elif one.kind == "DropStmt" and node.removeType.name in ("OBJECT_TRIGGER", "OBJECT_RULE"):
        yield from (dotted(names[:-1]) for names in node.objects)
    elif one.kind == "RuleStmt":
        yield relation(node.relation)
    for found in nodes(node):
        if kind(found) in ("UpdateStmt", "DeleteStmt", "MergeStmt"):
            yield relation(found.relation)


def concurrently(site: Site) -> Flaws:
    """Yield CONCURRENTLY where it cannot work, and nontransactional files that do anything else."""
    for migration in history(site):
        using = [one for one in migration.statements if _is_concurrent(one)]
        for one in using:
            if not migration.alone:
                yield migration.path, f"line {one.line}: CONCURRENTLY in a transactional file"
            if getattr(one.node, "if_not_exists", False):
                yield migration.path, f"line {one.line}: IF NOT EXISTS would keep the invalid index of a broken run"
        validates = [one for one in migration.statements if "AT_ValidateConstraint" in _subtypes(one)]
        if migration.alone and (len(migration.statements) != 1 or not (using or validates)):
            yield (
                migration.path,
                "a nontransactional file holds exactly one statement, CONCURRENTLY or VALIDATE CONSTRAINT",
            )


def _is_concurrent(one: Statement) -> bool:
    if one.kind == "ReindexStmt":
        return any(option.defname == "concurrently" for option in one.node.params or ())
    if one.kind == "AlterTableStmt":
        return any(c.subtype.name == "AT_DetachPartition" and c.def_.concurrent for c in one.node.cmds)
    return one.kind in ("IndexStmt", "DropStmt") and bool(one.node.concurrent)


def _subtypes(one: Statement) -> list[str]:
    return [command.subtype.name for command in one.node.cmds] if one.kind == "AlterTableStmt" else []


def dropped_functions(site: Site) -> Flaws:
    """Yield functions dropped while a function file or the grants still name them."""
    texts = {file.path: file.text for file in files_syntax.files(site, "functions")}
    for path in [*site.sql_dir.glob("grants.sql"), *sorted((site.root / "driver/symphony/api").glob("*.py"))]:
        texts[path.relative_to(site.root).as_posix()] = path.read_text(encoding="utf-8")
    for migration, one in _statements(site):
        if one.kind == "DropStmt" and one.node.removeType.name in (
            "OBJECT_FUNCTION",
            "OBJECT_PROCEDURE",
            "OBJECT_ROUTINE",
        ):
            for name in (dotted(thing.objname) for thing in one.node.objects):
                users = [path for path, text in texts.items() if re.search(rf"\b{re.escape(name)}\s*\(", text)]
                if users:
                    yield f"{migration.path}: {name}", f"line {one.line}: still named by {', '.join(users)}"
