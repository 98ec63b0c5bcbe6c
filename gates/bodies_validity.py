"""Body validity: every query of every PL/pgSQL body, planned by the server, also in branches that no test reaches.

PL/pgSQL looks at a statement only when it runs it, so CREATE FUNCTION accepts a wrong column. Here each embedded query
is planned, never executed, in a transaction that is rolled back: `for … in explain <query>` inside a DO block that
declares the function's own parameters and variables. So PL/pgSQL itself resolves the names, with the function's own
search_path and #variable_conflict, and says what is unknown, ambiguous or of the wrong type. EXPLAIN also starts the
executor, which checks privileges: a definer's body is planned as its owner, so a missing grant is found too.
CREATE TABLE AS … WITH NO DATA tells the types of a query's columns, and gives a `record` variable its row type; the
types are then held against the variables or the result that take them.

This sees more than SQL functions with BEGIN ATOMIC bodies would: those prefer columns to variables, know no records,
and hide assignment. What cannot be judged is a finding, never skipped.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from gates import files_syntax
from gates.bodies_catalog import CatalogFunction
from gates.bodies_parse import Body, parse
from gates.bodies_steps import Step, quoted, steps

_OPTIMISABLE = ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt")
_TRIGGER_TEXTS = ("tg_name", "tg_when", "tg_level", "tg_op", "tg_table_name", "tg_table_schema", "tg_relname")
_IS_ROW = "select typtype = 'c' from pg_catalog.pg_type where oid = %s"
_COLUMNS = """
select a.attname, case when t.typtype = 'd' then t.typbasetype else a.atttypid end::oid, format_type(a.atttypid, null)
from pg_catalog.pg_attribute as a join pg_catalog.pg_type as t on t.oid = a.atttypid
where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
# As the assignment of PL/pgSQL without its last resort, the conversion through text, which fails only at run time.
_ASSIGNABLE = """
select %(source)s = %(target)s or t.typcategory = 'S'
  or exists (select from pg_catalog.pg_cast as c
    where c.castsource = %(source)s and c.casttarget = %(target)s and c.castcontext in ('a', 'i'))
  or (t.typtype = 'c' and s.typname = 'record')
from pg_catalog.pg_type as s, pg_catalog.pg_type as t
where s.oid = %(source)s and t.oid = %(target)s
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a query's result: its name, its type (a domain's base), the type's name."""

    name: str
    oid: int
    type: str


class _Wrong(Exception):
    """What is wrong with a step."""


def flaws(connection: Connection[TupleRow], function: CatalogFunction) -> Iterator[str]:
    """Yield what is wrong with a PL/pgSQL function's body, each with its line. Changes nothing."""
    try:
        body = parse(function.parsed)
        todo = steps(body)
    except files_syntax.Unreadable as error:
        yield f"its body could not be read: {error}"
        return
    rows = function.trigger_tables if re.search(r"\b(new|old)\b", function.parsed.body or "", re.I) else ()
    for table in rows or (None,):
        with connection.transaction(force_rollback=True):
            workshop = _Workshop(connection, function, body, table)
            for step in todo:
                try:
                    workshop.judge(step)
                except _Wrong as wrong:
                    yield f"line {step.line} of the body: {wrong}"
                except (psycopg.Error, files_syntax.Unreadable) as error:
                    yield f"line {step.line} of the body: {_told(error)}"


def _told(error: Exception) -> str:
    if isinstance(error, psycopg.Error):
        return f"{error.sqlstate} {error.diag.message_primary or error}"
    return str(error)


@dataclass(slots=True)
class _Workshop:
    """One function's body on the bench. `known` holds the types of records and of PL/pgSQL's own variables so far."""

    connection: Connection[TupleRow]
    function: CatalogFunction
    body: Body
    table: str | None
    known: dict[str, str] = field(default_factory=dict)
    _tables: Iterator[str] = field(default_factory=lambda: (f"symphony_gate_{n}" for n in itertools.count(1)))
    _targets: dict[str, Column] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path = self.function.search_path
        self.connection.execute("select pg_catalog.set_config('search_path', %s, true)", (path,))

    def judge(self, step: Step) -> None:
        """Plan the step and compare types. Raises _Wrong, psycopg.Error, Unreadable."""
        if step.unread:
            raise _Wrong(step.unread)
        statement = files_syntax.statements(step.text)[0]
        if statement.kind not in _OPTIMISABLE:
            self._utility(statement)
            return
        self._plan(step)
        if step.defines:
            self.known[step.defines.strip('"')] = self._columns(self._result(step, ("c1",)))[0].type
        if step.boolean:
            self._compare(step, ("a condition",), [self._type("true", step)])
        elif step.targets and (row := self._row_taken(step)) is not None:
            self._take_row(step, row)
        elif step.targets:
            self._compare(step, step.targets, [self._target(target, step) for target in step.targets])
        elif step.returned and not self.function.is_trigger:
            self._returned(step)

    def _plan(self, step: Step) -> None:
        """Plan the step's query as the function's owner would."""
        explain = f"for symphony_gate in explain {step.text}\nloop end loop;"
        if self.function.definer:
            explain = f"set local role {quoted(self.function.owner)};\n{explain}\nreset role;"
        try:
            self._run(explain, step)
        except psycopg.Error as error:
            # The planner works out constants, and here every variable is null. What is wrong with the query itself is
            # of class 42; anything else must show again when it is only analysed.
            if (error.sqlstate or "").startswith("42"):
                raise
            self._result(step, ())

    def _row_taken(self, step: Step) -> str | None:
        """Return the variable that takes the whole row of the query, None when columns go to variables one by one."""
        name = step.targets[0].strip('"')
        if len(step.targets) != 1 or "." in name or "[" in name:
            return None
        declared = dict(step.scope).get(name, self._declared(name))
        if declared == "record" or (step.into and self._value(_IS_ROW, self._target(step.targets[0], step).oid)):
            return name
        return None

    def _take_row(self, step: Step, name: str) -> None:
        """Give a record the query's row type; hold a declared row against the query's columns."""
        if self._declared(name) != "record":
            self._compare(step, None, self._composite(name, step))
        elif step.into:
            self.known[name] = f"pg_temp.{self._result(step, ())}"
        else:
            self.known[name] = self._row_type(step)

    def _row_type(self, step: Step) -> str:
        """Return the type of the one row that an expression gives, a table of its fields when the row has no name."""
        try:
            return self._columns(self._result(step, ("c1",)))[0].type
        except psycopg.errors.InvalidTableDefinition:  # pseudo-type record
            fields = Step(step.line, f"select ({step.text.removeprefix('select ')}).*", scope=step.scope)
            return f"pg_temp.{self._result(fields, ())}"

    def _utility(self, statement: files_syntax.Statement) -> None:
        if statement.kind not in ("LockStmt", "TruncateStmt"):
            raise _Wrong(f"{statement.kind.removesuffix('Stmt')} cannot be planned ahead")
        for relation in statement.node.relations:
            self.connection.execute("select %s::pg_catalog.regclass", (files_syntax.relation(relation),))

    def _returned(self, step: Step) -> None:
        if step.returned == "value":
            self._compare(step, ("the result",), [self._type(f"null::{self.function.result_type}", step)])
            return
        expected = self.function.result_columns
        found = [column.type for column in self._numbered(step, len(expected))]
        for number, (has, wants) in enumerate(zip(found, expected, strict=True), start=1):
            if has != wants:
                raise _Wrong(f"column {number} of what it returns is {has} instead of {wants}")

    def _compare(self, step: Step, names: Sequence[str] | None, targets: Sequence[Column]) -> None:
        """Hold the columns of a query against what takes them."""
        if len(targets) == 1 and files_syntax.kind(_expression(step, 0)) == "RowExpr":
            return  # an anonymous row into a composite: EXPLAIN has seen its expressions
        columns = self._numbered(step, len(targets))
        for number, (column, target) in enumerate(zip(columns, targets, strict=True)):
            name = names[number] if names else f"field {target.name}"
            literals = _literals(_expression(step, number))
            for literal in literals or ():
                self._run(f"for symphony_gate in explain select cast({literal} as {target.type}) loop end loop;", step)
            if literals is not None:
                continue
            if not self._assignable(column, target):
                raise _Wrong(f"{column.type} is assigned to {name} of type {target.type}: write the cast")

    def _numbered(self, step: Step, expected: int) -> list[Column]:
        """Return the query's columns, of which there must be as many as are expected."""
        try:
            columns = self._columns(self._result(step, [f"c{n}" for n in range(1, expected + 1)]))
        except psycopg.errors.SyntaxError as error:  # more names than columns
            raise _Wrong(f"fewer than the {expected} columns that are taken") from error
        if len(columns) != expected:
            raise _Wrong(f"{len(columns)} columns where {expected} are taken")
        return columns

    def _assignable(self, column: Column, target: Column) -> bool:
        if target.type.endswith("[]") and column.type.endswith("[]"):
            oids = [
                self._value("select typelem from pg_catalog.pg_type where oid = %s", c.oid) for c in (column, target)
            ]
        else:
            oids = [column.oid, target.oid]
        return bool(self._value(_ASSIGNABLE, {"source": oids[0], "target": oids[1]}))

    def _value(self, query: LiteralString, value: object) -> object:
        found = self.connection.execute(query, value if isinstance(value, dict) else (value,)).fetchone()
        return found[0] if found else None

    def _target(self, text: str, step: Step) -> Column:
        if text not in self._targets or "." in text:
            self._targets[text] = self._type(text, step)
        return self._targets[text]

    def _type(self, expression: str, step: Step) -> Column:
        as_step = Step(step.line, f"select {expression}", scope=step.scope)
        return self._columns(self._result(as_step, ("c1",)))[0]

    def _composite(self, variable: str, step: Step) -> list[Column]:
        return self._columns(self._result(Step(step.line, f"select ({quoted(variable)}).*", scope=step.scope), ()))

    def _result(self, step: Step, names: Sequence[str]) -> str:
        """Make an empty table with the columns of the step's query and return its name."""
        query, table = step.text, next(self._tables)
        statement = files_syntax.statements(query)[0]
        if statement.kind != "SelectStmt":
            wanted = "*" if _returns_rows(statement.node) else "1"
            query = f"with symphony_gate_rows as ({query}\n) select {wanted}"
            query += " from symphony_gate_rows" if wanted == "*" else ""
        columns = f" ({', '.join(names)})" if names else ""
        self._run(f"create temporary table {table}{columns} as {query}\nwith no data;", step)
        return table

    def _columns(self, table: str) -> list[Column]:
        found = self.connection.execute(_COLUMNS, (f"pg_temp.{table}",)).fetchall()
        return [Column(str(name), int(oid), str(type_)) for name, oid, type_ in found]

    def _declared(self, name: str) -> str:
        variables = {v.name.lower(): v.type.lower() for v in (*self.function.parsed.parameters, *self.body.variables)}
        return variables.get(name.lower(), "")

    def _run(self, statement: str, step: Step) -> None:
        """Run a statement among the function's variables. Raises psycopg.Error; the transaction goes on."""
        with self.connection.transaction():
            self.connection.execute(self._block(statement, step).encode())

    def _block(self, statement: str, step: Step) -> str:
        parameters = [(p.name, p.type) for p in self.function.parsed.parameters if p.name]
        if self.function.is_trigger:
            row = self.table or "record"
            parameters += [("new", row), ("old", row), *((name, "text") for name in _TRIGGER_TEXTS)]
            parameters += [("tg_argv", "text[]"), ("tg_nargs", "integer"), ("tg_relid", "oid")]
        own = [(v.name, self.known.get(v.name, v.type)) for v in self.body.variables]
        cases = [(name, type_) for name, type_ in self.known.items() if name.startswith("__Case__")]
        inner = [*own, *cases, *step.scope, ("symphony_gate", "record")]
        label = f"<<{quoted(self.body.label)}>>\n" if self.body.label else ""
        outer = f"<<{quoted(self.function.plain_name)}>>\n{_declare(parameters)}"
        block = f"{outer}begin\n{label}{_declare(inner)}begin\n{statement}\nend;\nend\n"
        return f"do $symphony_gate$\n{self.body.directives}\n{block}$symphony_gate$"


def _expression(step: Step, number: int) -> Any:
    """Return the expression of a column, None when the query is no plain SELECT or ends before it."""
    targets: tuple[Any, ...] = getattr(files_syntax.statements(step.text)[0].node, "targetList", None) or ()
    return getattr(targets[number], "val", None) if number < len(targets) else None


def _literals(value: Any) -> list[str] | None:
    """Return the strings and NULLs that an expression chooses from, each of its target's type."""
    kind = files_syntax.kind(value)
    if kind == "A_Const":
        is_text = value.isnull or files_syntax.kind(value.val) == "String"
        return [files_syntax.spelled(value)] if is_text else None
    if kind != "CaseExpr":
        return None
    results = [*(when.result for when in value.args), *([value.defresult] if value.defresult else [])]
    found = [_literals(result) for result in results]
    return [text for texts in found for text in texts or ()] if None not in found else None


def _returns_rows(node: Any) -> bool:
    return bool(getattr(node, "returningClause", None) or getattr(node, "returningList", None))


def _declare(variables: Sequence[tuple[str, str]]) -> str:
    """Declare variables; of those with one name the last one, as an inner scope hides an outer one."""
    lines = [f"  {quoted(name)} {type_};" for name, type_ in dict(variables).items()]
    return "declare\n" + "\n".join(lines) + "\n" if lines else ""
