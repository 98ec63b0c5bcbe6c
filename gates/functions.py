"""The functions in the catalog are those of sql/functions: none more, none less, none with another body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from gates.files_syntax import Unreadable, statements
from gates.gate import Gate
from gates.site import Site

_QUERY = Path(__file__).with_suffix(".sql").read_bytes()


@dataclass(frozen=True, slots=True)
class Definition:
    """What CREATE FUNCTION says, as a file has it or as the catalog does.

    Attributes:
        body: the text between the quotes; None for a parsed body (RETURN, BEGIN ATOMIC), whose text the catalog does
            not keep: the drift gates compare it with what the files make of an empty database.
        settings: "name=value" of each SET clause.
        arguments: the names of parameters and result columns, in order.
    """

    language: str
    body: str | None
    volatility: str
    parallel: str
    definer: bool
    strict: bool
    leakproof: bool
    settings: frozenset[str]
    arguments: tuple[str, ...]
    procedure: bool


def function_gates() -> list[Gate]:
    """Return the gate that compares the functions of the catalog with the files."""
    return [
        Gate(
            id="C80",
            title="The functions in the catalog are those of sql/functions, body by body",
            invariants=("INV-004", "INV-008", "INV-009"),
            remedy="run symphony migrate; a function whose file is gone is dropped by a new migration",
            look=_look,
        )
    ]


def _look(site: Site) -> Iterator[tuple[str, str]]:
    wanted = dict(defined(site.sql_dir))
    with site.session() as connection:
        found = _in_catalog(connection)
    seen = set()
    for name, identity, definition in found:
        seen.add(name)
        if name not in wanted:
            yield identity, "no file of sql/functions makes it"
            continue
        for field in fields(Definition):
            here, there = getattr(definition, field.name), getattr(wanted[name], field.name)
            if here != there:
                yield (
                    identity,
                    f"its {field.name} differs from its file"
                    + ("" if field.name == "body" else f": {_said(here)}, not {_said(there)}"),
                )
    for name in wanted.keys() - seen:
        yield name, "has a file and is not in the catalog"


def _said(value: object) -> str:
    return ", ".join(sorted(map(str, value))) or "none" if isinstance(value, frozenset | tuple) else str(value)


def defined(sql_dir: Path) -> Iterator[tuple[str, Definition]]:
    """Yield (schema.name, definition) of every function that a file of sql/functions makes.

    Raises:
        Unreadable: a file that PostgreSQL's parser refuses.
        OperatorError: GATE_TOOLS_MISSING.
    """
    for path in sorted((sql_dir / "functions").rglob("*.sql")):
        try:
            found = statements(path.read_text(encoding="utf-8"))
        except Unreadable as error:
            raise Unreadable(f"{path.relative_to(sql_dir)}: {error}") from error
        for statement in found:
            if statement.kind == "CreateFunctionStmt":
                yield ".".join(part.sval for part in statement.node.funcname), _of_node(statement.node)


def _of_node(node: Any) -> Definition:
    options = {option.defname: option.arg for option in node.options or () if option.defname != "set"}
    settings = {_setting(option.arg) for option in node.options or () if option.defname == "set"}
    body = options.get("as")
    return Definition(
        language=options["language"].sval,
        body=body[0].sval if body else None,
        volatility=options["volatility"].sval if "volatility" in options else "volatile",
        parallel=options["parallel"].sval if "parallel" in options else "unsafe",
        definer=_true(options.get("security")),
        strict=_true(options.get("strict")),
        leakproof=_true(options.get("leakproof")),
        settings=frozenset(settings),
        arguments=_named(parameter.name or "" for parameter in node.parameters or ()),
        procedure=bool(node.is_procedure),
    )


def _named(names: Iterable[str]) -> tuple[str, ...]:
    """The catalog keeps no names at all when no parameter has one."""
    kept = tuple(names)
    return kept if any(kept) else ()


def _true(value: Any) -> bool:
    return value is not None and bool(value.boolval)


def _setting(clause: Any) -> str:
    values = [argument.val for argument in clause.args or ()]
    texts = (
        str(value.ival) if hasattr(value, "ival") else getattr(value, "sval", None) or value.fval for value in values
    )
    return f"{clause.name}={', '.join(texts)}"


def _in_catalog(connection: Connection[TupleRow]) -> list[tuple[str, str, Definition]]:
    return [(str(row[0]), str(row[1]), _of_row(row[2:])) for row in connection.execute(_QUERY)]


def _of_row(said: tuple[Any, ...]) -> Definition:
    language, body, volatility, parallel, definer, strict, leakproof, settings, arguments, procedure = said
    return Definition(
        language=language,
        body=body,
        volatility=volatility,
        parallel=parallel,
        definer=definer,
        strict=strict,
        leakproof=leakproof,
        settings=frozenset(settings),
        arguments=tuple(arguments),
        procedure=procedure,
    )
