"""PL/pgSQL bodies as trees: CREATE FUNCTION text in, declarations and statements out.

parse_plpgsql knows only built-in types: it refuses a parameter or a variable of a type of ours. So a function is parsed
under a header of our own, with placeholders for such types: `record` where the body asks for a field of the variable,
`text` elsewhere. The placeholders never leave this module; what is declared is kept as it is written. A body that
cannot be parsed raises Unreadable, and every gate over bodies is red for it.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gates import files_syntax
from gates.files_syntax import Statement, Unreadable, dotted, spelled

_DIRECTIVES = re.compile(r"\A(?:\s*#\w+[ \t]+\w+[ \t]*\n)*")
_ENDS_TYPE = ("COLLATE", "NOT", "DEFAULT", "COLON_EQUALS", "ASCII_61")
_QUOTE = "$symphony_gate$"


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared variable or a parameter: its name, its type as it is written, its default, the body's line."""

    name: str
    type: str
    default: str | None = None
    line: int = 0
    mode: str = "i"


@dataclass(frozen=True, slots=True)
class Function:
    """A CREATE FUNCTION or CREATE PROCEDURE statement.

    Attributes:
        line: the line of the file on which the body begins; the body's line n is the file's line + n - 1.
        body: the text between the dollar quotes, None for a SQL-standard body, which stands in the statement.
        returns: the type as it is written, empty when only OUT parameters say it.
    """

    name: str
    line: int
    language: str
    body: str | None
    parameters: tuple[Variable, ...]
    returns: str
    returns_set: bool
    statement: Statement = field(compare=False, repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """The options that stand once, by name (security, volatility, language, ...)."""
        return {option.defname: option.arg for option in self.statement.node.options or ()}


@dataclass(frozen=True, slots=True)
class Body:
    """A parsed body: its directives (#variable_conflict), declared variables, and PL/pgSQL's own tree."""

    directives: str
    label: str | None
    variables: tuple[Variable, ...]
    datums: tuple[tuple[str, dict[str, Any]], ...]
    action: dict[str, Any]


def functions(text: str) -> list[Function]:
    """Return the functions that a SQL text creates. Raises Unreadable."""
    return [_function(one) for one in files_syntax.statements(text) if one.kind == "CreateFunctionStmt"]


def _function(statement: Statement) -> Function:
    node = statement.node
    options = {option.defname: option.arg for option in node.options or ()}
    body = options["as"][0].sval if "as" in options else None
    before = statement.text.find(body) if body else 0
    parameters = tuple(
        Variable(p.name or "", spelled(p.argType), mode=p.mode.value.replace("d", "i")) for p in node.parameters or ()
    )
    returns = node.returnType
    return Function(
        name=dotted(node.funcname),
        line=statement.line + statement.text.count("\n", 0, max(before, 0)),
        language=options["language"].sval.lower() if "language" in options else "sql",
        body=body,
        parameters=parameters,
        returns=spelled(returns).removeprefix("SETOF ") if returns else "",
        returns_set=bool(returns and returns.setof),
        statement=statement,
    )


@functools.lru_cache(maxsize=1024)
def parse(function: Function) -> Body:
    """Parse a PL/pgSQL body. Raises Unreadable."""
    if function.body is None or function.language != "plpgsql":
        raise Unreadable(f"it is no PL/pgSQL body (language {function.language})")
    pglast = files_syntax.tool()
    tokens = files_syntax.tokens(function.body)
    variables, spans = _declared(function.body, tokens)
    name = _quoted(function.name.rpartition(".")[2])
    fielded = _with_fields(function.body, tokens)
    text = f"create function {name}({_parameters(function, fielded)}){_returns(function, fielded)} language plpgsql as "
    text += f"{_QUOTE}{_spliced(function.body, [*spans, *_bare_returns(tokens)])}{_QUOTE}"
    try:
        tree = json.loads(pglast.parser.parse_plpgsql_json(text))[0]["PLpgSQL_function"]
    except pglast.parser.ParseError as error:
        raise Unreadable(" ".join(str(error).split())) from error
    directives = _DIRECTIVES.match(function.body)
    action = tree["action"]["PLpgSQL_stmt_block"]
    return Body(
        directives=directives[0].strip() if directives else "",
        label=_label(action),
        variables=tuple(variables),
        datums=tuple(next(iter(datum.items())) for datum in tree["datums"]),
        action=action,
    )


def _label(action: dict[str, Any]) -> str | None:
    """Return the label of the outermost block, around which PL/pgSQL puts another one when it has a label."""
    inner = action.get("body", [{}])[0].get("PLpgSQL_stmt_block", {}) if "lineno" not in action else action
    return inner.get("label")


def walk(value: Any, line: int = 0) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield every node below, as (kind without «PLpgSQL_», members, line of the body), in the order of the text."""
    if isinstance(value, list):
        for item in value:
            yield from walk(item, line)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key.startswith("PLpgSQL_"):
                here = member.get("lineno", line)
                yield key.removeprefix("PLpgSQL_"), member, here
                yield from walk(member, here)
            elif isinstance(member, list | dict):
                yield from walk(member, line)


def placeholder(written: str, *, has_fields: bool = False) -> str:
    """Return a type that parse_plpgsql knows and that behaves alike in the grammar."""
    plain = written.strip().lower()
    if "%" not in plain and ("." not in plain or plain.startswith("pg_catalog.")):
        return written
    return "record" if plain.endswith("%rowtype") or (has_fields and not plain.endswith("]")) else "text"


def _parameters(function: Function, fielded: set[str]) -> str:
    written = []
    for p in function.parameters:
        row = _is_out_row(p, fielded)
        word = "out" if row else {"o": "out", "b": "inout"}.get(p.mode, "in")
        if p.mode != "t":
            written.append(f"{word} {_quoted(p.name)} {placeholder(p.type, has_fields=row)}")
    return ", ".join(written)


def _is_out_row(parameter: Variable, fielded: set[str]) -> bool:
    """Tell whether it goes out and has fields. Only an OUT parameter may be a record, so INOUT becomes OUT for it."""
    return parameter.mode in "ob" and parameter.name in fielded


def _returns(function: Function, fielded: set[str]) -> str:
    columns = [f"{_quoted(p.name)} {placeholder(p.type)}" for p in function.parameters if p.mode == "t"]
    outs = [p for p in function.parameters if p.mode in "ob"]
    if columns:
        return f" returns table ({', '.join(columns)})"
    if outs and not function.returns_set:
        return ""
    returned = placeholder(function.returns)
    if outs:
        returned = "record" if len(outs) > 1 else placeholder(outs[0].type, has_fields=_is_out_row(outs[0], fielded))
    return f" returns {'setof ' if function.returns_set else ''}{returned}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if name else ""


def _declared(body: str, tokens: list[Any]) -> tuple[list[Variable], list[tuple[int, int, str]]]:
    """Return the variables of the one DECLARE section, and where placeholders replace their types."""
    sections = [n for n, token in enumerate(tokens) if token.name == "DECLARE"]
    if not sections:
        return [], []
    if len(sections) > 1:
        raise Unreadable("it has a second DECLARE section: declare every variable at the top of the function")
    with_fields = {_name(body, token) for token, after in itertools.pairwise(tokens) if after.name == "ASCII_46"}
    variables: list[Variable] = []
    spans: list[tuple[int, int, str]] = []
    for words in _declarations(tokens[sections[0] + 1 :]):
        variable, begin, end = _declaration(body, words)
        variables.append(variable)
        spans.append((begin, end, placeholder(variable.type, has_fields=variable.name in with_fields)))
    return variables, spans


def _with_fields(body: str, tokens: list[Any]) -> set[str]:
    """Return the names of which the body asks for a field, «name.field»."""
    return {_name(body, token) for token, after in itertools.pairwise(tokens) if after.name == "ASCII_46"}


def _declarations(tokens: list[Any]) -> Iterator[list[Any]]:
    words: list[Any] = []
    for token in tokens:
        if not words and token.name == "BEGIN_P":
            return
        if token.name != "ASCII_59":
            words.append(token)
        elif words:
            yield words
            words = []


def _declaration(body: str, words: list[Any]) -> tuple[Variable, int, int]:
    texts = [body[word.start : word.end + 1].lower() for word in words[:4]]
    first = 2 if texts[1:2] == ["constant"] else 1
    if {"cursor", "alias"}.intersection(texts[1:]) or len(words) <= first:
        raise Unreadable(f"the gates do not read this declaration: {_text(body, words)}")
    last = first
    while last + 1 < len(words) and words[last + 1].name not in _ENDS_TYPE:
        last += 1
    equals = [n for n, word in enumerate(words) if n > last and word.name in ("DEFAULT", "COLON_EQUALS", "ASCII_61")]
    variable = Variable(
        name=_name(body, words[0]),
        type=_text(body, words[first : last + 1]),
        default=_text(body, words[equals[0] + 1 :]) if equals else None,
        line=body.count("\n", 0, words[0].start) + 1,
    )
    return variable, words[first].start, words[last].end + 1


def _bare_returns(tokens: list[Any]) -> Iterator[tuple[int, int, str]]:
    """Put parentheses around a returned variable: the tree tells expressions, but no variable's name."""
    for n, token in enumerate(tokens):
        if token.name != "RETURN":
            continue
        at = n + 2 if n + 1 < len(tokens) and tokens[n + 1].name == "NEXT" else n + 1
        if at + 1 < len(tokens) and tokens[at + 1].name == "ASCII_59" and tokens[at].name not in ("ASCII_59", "NULL_P"):
            yield tokens[at].start, tokens[at].start, "("
            yield tokens[at].end + 1, tokens[at].end + 1, ")"


def _spliced(text: str, spans: list[tuple[int, int, str]]) -> str:
    for begin, end, new in sorted(spans, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


def _text(body: str, words: list[Any]) -> str:
    return body[words[0].start : words[-1].end + 1] if words else ""


def _name(body: str, token: Any) -> str:
    written = body[token.start : token.end + 1]
    return written[1:-1].replace('""', '"') if written.startswith('"') else written.lower()
