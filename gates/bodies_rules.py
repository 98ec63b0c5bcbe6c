"""What no function body may do, read from its tree: dynamic SQL by any door, DDL, transaction control, catch-alls."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gates import files_syntax
from gates.bodies_parse import Body, Function, parse, walk
from gates.files_syntax import Unreadable, dotted, kind, nodes, statements
from symphony.migration_files import CONTEXTS

type Flaws = Iterator[str]
type Look = Callable[[Function], Flaws]
type IsBuiltIn = Callable[[str, str], bool]

# PL/pgSQL statements that run a text.
_DYNAMIC = {"stmt_dynexecute": "EXECUTE", "stmt_dynfors": "FOR … IN EXECUTE"}
_DYNAMIC_QUERY = {"stmt_open": "OPEN … FOR EXECUTE", "stmt_return_query": "RETURN QUERY EXECUTE"}
# Functions that run a text given to them, or reach what no body of ours has to reach: files, large objects, settings,
# other servers and sessions; C83 looks for the same outside bodies. Shown on 18.6: query_to_xml and ts_stat run their
# caller's SQL as the definer.
DENIED = re.compile(
    r"(query|cursor|table|schema|database)_to_xml(schema|_and_xmlschema)?|ts_stat|dblink\w*|crosstab\w*|connectby"
    r"|xpath_table|set_config|pg_read_(binary_)?file|pg_ls_\w+|pg_stat_file|pg_file_\w+|pg_logfile_\w+|lo_\w+|lowrite|loread"
    r"|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal"
    r"|pg_create_restore_point|pg_backup_\w+|pg_logical_\w+|pg_\w*replication_\w+|pg_export_snapshot|pg_import_system_collations"
)
_SCHEMAS = (*CONTEXTS, files_syntax.CATALOG)
_SEQUENCES = ("nextval", "currval", "setval")
_DATA = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "ReturnStmt", "LockStmt", "CallStmt")
_TRANSACTION = ("TransactionStmt",)


def unreadable(function: Function) -> Flaws:
    """Yield why a body cannot be read: then no other rule has looked at it."""
    if function.language not in ("sql", "plpgsql"):
        yield f"language {function.language}: only sql and plpgsql can be read"
        return
    try:
        list(_queries(function))
    except Unreadable as error:
        yield str(error)


def dynamic_sql(function: Function) -> Flaws:
    """Yield every statement that runs a text. Also by token, so that a body that cannot be parsed is not let pass."""
    for name, node, line in _walked(function):
        if name in _DYNAMIC or (name in _DYNAMIC_QUERY and "dynquery" in node):
            yield f"line {line} of the body: {_DYNAMIC.get(name) or _DYNAMIC_QUERY[name]}"
    if function.language == "plpgsql" and _body(function) is None and function.body is not None:
        yield from _execute_tokens(function.body)
    for line, statement in _readable(function):
        if statement.kind in ("ExecuteStmt", "PrepareStmt", "DoStmt"):
            yield f"line {line} of the body: {statement.kind.removesuffix('Stmt').upper()}"


def denied_functions(function: Function) -> Flaws:
    """Yield calls that run a text or reach files, settings, other sessions; objects not ours or chosen at run time."""
    for line, node in _nodes(function):
        if (reason := denied_node(node)) is not None:
            yield f"line {line} of the body: {reason}"


def denied_node(node: Any) -> str | None:
    """Return why a node of a statement may not stand there, None when it may."""
    if kind(node) == "FuncCall":
        return denied(node)
    if kind(node) == "RangeVar" and node.schemaname and node.schemaname not in _SCHEMAS:
        return f"touches {node.schemaname}.{node.relname}, which is not ours"
    if kind(node) == "TypeCast" and node.typeName.names[-1].sval.startswith("reg") and kind(node.arg) != "A_Const":
        return f"casts a value to {node.typeName.names[-1].sval}: the object is chosen at run time"
    return "COPY" if kind(node) == "CopyStmt" else None


def catch_all(function: Function) -> Flaws:
    """Yield WHEN OTHERS: it hides what nobody thought of, and keeps half of the work."""
    for name, node, line in _walked(function):
        if name == "condition" and node.get("condname") == "others":
            yield f"line {line} of the body: WHEN OTHERS"


def transaction_control(function: Function) -> Flaws:
    """Yield COMMIT and ROLLBACK: the caller's transaction is the caller's."""
    for name, _node, line in _walked(function):
        if name in ("stmt_commit", "stmt_rollback"):
            yield f"line {line} of the body: {name.removeprefix('stmt_').upper()}"
    for line, statement in _readable(function):
        if statement.kind in _TRANSACTION:
            yield f"line {line} of the body: transaction control"


def ddl(function: Function) -> Flaws:
    """Yield every statement that is neither a query, DML nor LOCK: runtime roles change no schema, and no setting."""
    for line, statement in _readable(function):
        if statement.kind not in _DATA and statement.kind not in _TRANSACTION:
            yield f"line {line} of the body: {statement.kind.removesuffix('Stmt')}"
        elif getattr(statement.node, "intoClause", None) is not None:
            yield f"line {line} of the body: SELECT INTO makes a table"


def unqualified(function: Function, is_built_in: IsBuiltIn) -> Flaws:
    """Yield names without a schema that are not PostgreSQL's own. `is_built_in` takes a kind and a name."""
    for line, statement in _readable(function):
        bare = [("relation", name) for name in _bare_relations(statement.node, frozenset())]
        for node in nodes(statement.node):
            if kind(node) == "FuncCall" and len(node.funcname) == 1:
                bare.append(("function", node.funcname[0].sval))
            elif kind(node) == "TypeName" and len(node.names or ()) == 1:
                bare.append(("type", node.names[0].sval))
        for what, name in bare:
            if not is_built_in(what, name):
                yield f"line {line} of the body: {what} {name} has no schema"
    body = _body(function)
    for variable in body.variables if body else ():
        if "%" in variable.type and "." not in variable.type and variable.type.lower().endswith("%rowtype"):
            yield f"line {variable.line} of the body: {variable.type} has no schema"


def _bare_relations(node: Any, ctes: frozenset[str]) -> Iterator[str]:
    """Yield relations without a schema that are no CTE where they stand."""
    with_clause = getattr(node, "withClause", None)
    if with_clause is not None:
        ctes = ctes | {cte.ctename for cte in with_clause.ctes}
    if kind(node) == "RangeVar" and not node.schemaname and node.relname not in ctes:
        yield node.relname
    for child in files_syntax.children(node):
        yield from _bare_relations(child, ctes)


def denied(call: Any) -> str | None:
    """Return why a function may not be called, None when it may."""
    parts = dotted(call.funcname).split(".")
    name, arguments = parts[-1], call.args or ()
    if len(parts) == 2 and parts[0] not in _SCHEMAS:
        return f"calls {'.'.join(parts)}, which is not ours"
    if len(parts) == 2 and parts[0] != files_syntax.CATALOG:
        return None
    if DENIED.fullmatch(name):
        return f"calls {name}"
    if name == "ts_rewrite" and len(arguments) == 2:
        return "calls ts_rewrite(tsquery, text)"
    if name in _SEQUENCES and arguments and not _constant(arguments[0]):
        return f"calls {name} on a sequence chosen at run time"
    return None


def _constant(node: Any) -> bool:
    return kind(node) == "A_Const" or (kind(node) == "TypeCast" and kind(node.arg) == "A_Const")


def _execute_tokens(body: str) -> Flaws:
    try:
        found = [token for token in files_syntax.tokens(body) if token.name == "EXECUTE"]
    except Unreadable:
        found = list(re.finditer(r"\bexecute\b", body, re.I))
    if found:
        yield "EXECUTE, in a body that cannot be parsed"


def _body(function: Function) -> Body | None:
    try:
        return parse(function)
    except Unreadable:
        return None


def _walked(function: Function) -> Iterator[tuple[str, dict[str, Any], int]]:
    body = _body(function)
    return walk(body.action) if body else iter(())


def _readable(function: Function) -> Iterator[tuple[int, files_syntax.Statement]]:
    """Yield the statements of a body, none of one that cannot be read (see `unreadable`)."""
    try:
        yield from list(_queries(function))
    except Unreadable:
        return


def _queries(function: Function) -> Iterator[tuple[int, files_syntax.Statement]]:
    """Yield every embedded statement with the line of the body. Raises Unreadable."""
    if function.language == "sql":
        yield from _sql_body(function)
        return
    body = parse(function)
    for variable in body.variables:
        if "%" not in variable.type:
            yield variable.line, statements(f"select null::{variable.type}")[0]
        if variable.default is not None:
            yield variable.line, statements(f"select {variable.default}")[0]
    for name, node, line in walk(body.action):
        if name == "expr":
            for statement in _embedded(node):
                yield line, statement


def _embedded(expression: dict[str, Any]) -> tuple[files_syntax.Statement, ...]:
    query, mode = expression["query"], expression["parseMode"]
    if mode == 0:
        return statements(query)
    if mode == 2:
        return statements(f"select {query}")
    target, value = files_syntax.assignment(query)  # 3 to 5
    return statements(f"select {value}") + statements(f"select {target}")


def _sql_body(function: Function) -> Iterator[tuple[int, files_syntax.Statement]]:
    if function.body is not None:
        for statement in statements(function.body):
            yield statement.line, statement
        return
    body = function.statement.node.sql_body
    for item in _flat(body):
        yield 1, files_syntax.Statement(item, kind(item), 1, "")


def _flat(body: Any) -> Iterator[Any]:
    """Yield the statements of a SQL-standard body: one RETURN, or the list inside BEGIN ATOMIC."""
    for item in body if isinstance(body, tuple) else (body,):
        if isinstance(item, tuple):
            yield from _flat(item)
        elif item is not None:
            yield item


def _nodes(function: Function) -> Iterator[tuple[int, Any]]:
    for line, statement in _readable(function):
        for node in nodes(statement.node):
            yield line, node


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule for bodies; it is looked at in the files (F..) and, by the same code, in the catalog (B..)."""

    number: int
    title: str
    invariants: tuple[str, ...]
    remedy: str
    look: Look


RULES = (
    Rule(
        1,
        "every function body can be read by these gates",
        ("INV-009",),
        "write it in sql or plpgsql, with one DECLARE section and without cursors",
        unreadable,
    ),
    Rule(
        2,
        "no function runs a text as SQL",
        ("INV-009",),
        "write the statement out; what must be made at run time needs a reasoned entry in gates/bodies.py",
        dynamic_sql,
    ),
    Rule(
        3,
        "no function calls what runs a text, or reaches files, settings, other sessions or schemas not ours",
        ("INV-009",),
        "do it without that function",
        denied_functions,
    ),
    Rule(
        4,
        "no function catches WHEN OTHERS",
        ("INV-ACK-001",),
        "name the conditions that can be answered; let the rest reach the caller",
        catch_all,
    ),
    Rule(
        5, "no function commits or rolls back", ("INV-002",), "leave the transaction to the caller", transaction_control
    ),
    Rule(
        6,
        "no function body holds DDL or changes a setting",
        ("INV-006",),
        "put schema changes into a migration and settings into the SET clause of the function",
        ddl,
    ),
)
