"""What a PL/pgSQL body asks of the database, step by step: every query and expression, and where its result goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gates import files_syntax
from gates.bodies_parse import Body, walk

type Locals = tuple[tuple[str, str], ...]

_CONDITIONS = ("if", "if_elsif", "while", "exit", "assert")
_UNREAD = ("call", "forc", "fetch", "open")  # cursors and procedures: none here, so a body that has one is a finding
_NESTED = (
    "body",
    "then_body",
    "else_body",
    "else_stmts",
    "stmts",
    "elsif_list",
    "case_when_list",
    "exceptions",
    "exc_list",
    "action",
)
_HANDLER: Locals = (("sqlstate", "text"), ("sqlerrm", "text"))


@dataclass(frozen=True, slots=True)
class Step:
    """One query or expression.

    Attributes:
        line: the line of the body.
        text: a SQL statement; an expression as PL/pgSQL runs it, «select expression».
        targets: the variables, fields or elements that take the columns.
        into: the one target takes the whole row when it is a row itself (SELECT … INTO, FOR).
        defines: a variable of PL/pgSQL's own that has the type of the first column (CASE).
        returned: whether it is what the function returns: one value, or rows.
        boolean: it is a condition.
        scope: variables that exist only here: loop counters, SQLSTATE and SQLERRM of a handler.
        unread: why the gate cannot judge it.
    """

    line: int
    text: str
    targets: tuple[str, ...] = ()
    into: bool = False
    defines: str | None = None
    returned: Literal["", "value", "rows"] = ""
    boolean: bool = False
    scope: Locals = ()
    unread: str = ""


def steps(body: Body) -> list[Step]:
    """Return the steps of a body in the order of the text, none left out. Raises Unreadable."""
    found = list(_Reader(body).statements(body.action, body.action.get("lineno", 1), ()))
    expressions = sum(1 for kind, _node, _line in walk(body.action) if kind == "expr")
    if expressions != len(found) and not any(step.unread for step in found):
        raise files_syntax.Unreadable(f"the gates read {len(found)} of its {expressions} queries and expressions")
    defaults = [
        Step(variable.line, f"select {variable.default}", targets=(quoted(variable.name),))
        for variable in body.variables
        if variable.default is not None
    ]
    return defaults + found


def quoted(name: str) -> str:
    """Return a variable's name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


class _Reader:
    """Reads the tree of one body; the tree's variables are numbers into its datums."""

    def __init__(self, body: Body) -> None:
        self._datums = body.datums

    def statements(self, value: Any, line: int, scope: Locals) -> Iterator[Step]:
        """Yield the steps below a node."""
        for item in value if isinstance(value, list) else [value]:
            for key, node in item.items():
                if not key.startswith("PLpgSQL_"):
                    if key in _NESTED:
                        yield from self.statements(node, line, scope + (_HANDLER if key == "exceptions" else ()))
                    continue
                here = node.get("lineno", line)
                kind = key.removeprefix("PLpgSQL_").removeprefix("stmt_")
                yield from self._own(kind, node, here, scope)
                inner = scope
                if kind == "fori":
                    inner = (*scope, (node["var"]["PLpgSQL_var"]["refname"], "integer"))
                yield from self.statements(node, here, inner)

    def _own(self, kind: str, node: dict[str, Any], line: int, scope: Locals) -> Iterator[Step]:
        """Yield the steps of one statement, without those of the statements inside it."""
        if kind in _UNREAD and "dynquery" not in node:
            yield Step(line, "", unread=f"the gates do not read {kind.upper()}")
        elif kind == "assign":
            target, value = files_syntax.assignment(node["expr"]["PLpgSQL_expr"]["query"])
            yield Step(line, f"select {value}", targets=(target,), scope=scope)
        elif kind == "execsql":
            yield Step(line, _query(node["sqlstmt"]), **self._into(node.get("target")), scope=scope)
        elif kind == "fors":
            yield Step(line, _query(node["query"]), **self._into(node["var"]), scope=scope)
        elif kind == "fori":
            counter = node["var"]["PLpgSQL_var"]["refname"]
            for bound in ("lower", "upper", "step"):
                if bound in node:
                    yield Step(
                        line,
                        f"select {_query(node[bound])}",
                        targets=(quoted(counter),),
                        scope=(*scope, (counter, "integer")),
                    )
        elif kind == "foreach_a":
            yield Step(line, f"select ({_query(node['expr'])})[1]", targets=(self._name(node["varno"]),), scope=scope)
        elif kind == "case" and "t_expr" in node:
            yield Step(line, f"select {_query(node['t_expr'])}", defines=self._name(node["t_varno"]), scope=scope)
        elif kind == "return_query" and "query" in node:
            yield Step(line, _query(node["query"]), returned="rows", scope=scope)
        elif kind in ("return", "return_next"):
            if "expr" in node:
                yield Step(line, f"select {_query(node['expr'])}", returned="value", scope=scope)
        else:
            yield from self._expressions(kind, node, line, scope)

    def _expressions(self, kind: str, node: dict[str, Any], line: int, scope: Locals) -> Iterator[Step]:
        for key, value in node.items():
            if key in _NESTED:
                continue
            for item in value if isinstance(value, list) else [value]:
                inner = item.get("PLpgSQL_raise_option", item) if isinstance(item, dict) else {}
                expression = inner.get("expr", inner) if "PLpgSQL_expr" not in inner else inner
                if isinstance(expression, dict) and "PLpgSQL_expr" in expression:
                    text = _query(expression)
                    is_condition = (kind in _CONDITIONS and key == "cond") or (kind == "case_when" and key == "expr")
                    statement = text if expression["PLpgSQL_expr"]["parseMode"] == 0 else f"select {text}"
                    yield Step(line, statement, boolean=is_condition, scope=scope)

    def _into(self, target: dict[str, Any] | None) -> dict[str, Any]:
        if target is None:
            return {}
        if "PLpgSQL_row" in target:
            return {"into": True, "targets": tuple(self._name(f["varno"]) for f in target["PLpgSQL_row"]["fields"])}
        return {"into": True, "targets": (quoted(next(iter(target.values()))["refname"]),)}

    def _name(self, number: int) -> str:
        kind, datum = self._datums[number]
        if kind == "PLpgSQL_recfield":
            return f"{self._name(datum['recparentno'])}.{quoted(datum['fieldname'])}"
        return quoted(datum["refname"])


def _query(expression: dict[str, Any]) -> str:
    return str(expression["PLpgSQL_expr"]["query"])
