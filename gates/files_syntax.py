"""SQL text as PostgreSQL's own parser reads it (pglast): statements with their lines, names, tokens."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gates.site import Site
from symphony.operator_error import OperatorError

CATALOG = "pg_catalog"
_COMMENTS = ("SQL_COMMENT", "C_COMMENT")


class Unreadable(ValueError):
    """Text that PostgreSQL's parser refuses. The message says what and where."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement: its parse tree, the name of its node, the line it begins on, its text."""

    node: Any
    kind: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class SqlText:
    """One SQL file: its path from the checkout's root, its text."""

    path: str
    text: str

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Its statements. Raises Unreadable, OperatorError: GATE_TOOLS_MISSING."""
        return statements(self.text)


@functools.cache
def tool(module: str = "pglast") -> Any:
    """Import pglast or a module of it when a gate needs it. Raises OperatorError: GATE_TOOLS_MISSING."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise OperatorError(
            "GATE_TOOLS_MISSING",
            thing=module,
            reason="the gates read SQL with PostgreSQL's own parser, and it is not installed",
            next_action="run scripts/setup --test",
        ) from error


@functools.lru_cache(maxsize=1024)
def statements(text: str) -> tuple[Statement, ...]:
    """Parse SQL. Raises Unreadable, OperatorError: GATE_TOOLS_MISSING."""
    pglast = tool()
    try:
        raw = pglast.parse_sql(text)
    except pglast.parser.ParseError as error:
        raise Unreadable(" ".join(str(error).split())) from error
    found = []
    for one in raw:
        end = one.stmt_location + one.stmt_len if one.stmt_len else len(text)
        begin = one.stmt_location + _first_token(text[one.stmt_location : end])
        line = text.count("\n", 0, begin) + 1
        found.append(Statement(one.stmt, type(one.stmt).__name__, line, text[begin:end]))
    return tuple(found)


def _first_token(text: str) -> int:
    return next((int(token.start) for token in tokens(text)), 0)


def tokens(text: str) -> list[Any]:
    """Return the tokens, without comments. Raises Unreadable."""
    parser = tool("pglast.parser")
    try:
        return [token for token in parser.scan(text) if token.name not in _COMMENTS]
    except parser.ParseError as error:
        raise Unreadable(" ".join(str(error).split())) from error


def assignment(text: str) -> tuple[str, str]:
    """Split PL/pgSQL's «target := value». Raises Unreadable."""
    depth = 0
    for token in tokens(text):
        depth += {"ASCII_91": 1, "ASCII_40": 1, "ASCII_93": -1, "ASCII_41": -1}.get(token.name, 0)
        if depth == 0 and token.name in ("COLON_EQUALS", "ASCII_61"):
            return text[: token.start].strip(), text[token.end + 1 :].strip()
    raise Unreadable(f"no assignment: {text}")


def is_node(value: object) -> bool:
    """Tell whether the value is a node of a parse tree."""
    return isinstance(value, tool("pglast.ast").Node)


def children(node: Any) -> Iterator[Any]:
    """Yield the nodes directly below a node."""
    for slot in node:
        value = getattr(node, slot)
        for item in value if isinstance(value, tuple) else (value,):
            if is_node(item):
                yield item
            elif isinstance(item, tuple):  # a list of lists, such as the rows of VALUES
                yield from (deep for deep in item if is_node(deep))


def nodes(root: Any) -> Iterator[Any]:
    """Yield a node and everything below it."""
    yield root
    for child in children(root):
        yield from nodes(child)


def kind(node: Any) -> str:
    """Return the name of a node's class."""
    return type(node).__name__


def dotted(names: Any) -> str:
    """Return a name in parts as it is written, «schema.name»."""
    return ".".join(part.sval for part in names if hasattr(part, "sval"))


def relation(range_var: Any) -> str:
    """Return «schema.table» of a RangeVar, «table» when it names no schema."""
    return f"{range_var.schemaname}.{range_var.relname}" if range_var.schemaname else str(range_var.relname)


def spelled(node: Any) -> str:
    """Return a node as SQL text."""
    return str(tool("pglast.stream").RawStream()(node))


def files(site: Site, folder: str) -> list[SqlText]:
    """Return the SQL files below sql/<folder>, sorted by path. Raises OSError, UnicodeDecodeError."""
    return [
        SqlText(path.relative_to(site.root).as_posix(), path.read_text(encoding="utf-8"))
        for path in _paths(site.sql_dir / folder)
    ]


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.sql"))
