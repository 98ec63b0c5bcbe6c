"""The gates over sql/functions as files (F..): early, without a database; the catalog has the last word (B.., C..)."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from gates import files_syntax
from gates.bodies import allowed
from gates.bodies_parse import Function, functions
from gates.bodies_rules import RULES, Rule, denied_node, unqualified
from gates.files_syntax import SqlText, Statement, Unreadable, dotted, relation, spelled
from gates.gate import Gate
from gates.site import Site

_STATEMENTS = (
    "CreateFunctionStmt", "AlterOwnerStmt", "GrantStmt", "CommentStmt", "ViewStmt", "CreateTrigStmt", "AlterTableStmt",
)  # fmt: skip
_COMMANDS = {"AT_ChangeOwner", "AT_EnableAlwaysTrig"}
_SEARCH_PATH = ("pg_catalog", "pg_temp")

type Flaws = Iterator[tuple[str, str]]


def function_file_gates() -> list[Gate]:
    """Return the gates over function files."""
    ruled = [
        _gate(f"F{rule.number:02}", rule.title, rule.invariants, rule.remedy, functools.partial(_ruled, rule))
        for rule in RULES
    ]
    return [
        *ruled,
        _gate(
            "F07",
            "every function and type of ours is named with its schema",
            ("INV-008",),
            "write schema.name",
            _unqualified,
        ),
        _gate(
            "F08",
            "SECURITY and volatility are spelled out, and nothing alters a function afterwards",
            ("INV-008",),
            "write every attribute into CREATE OR REPLACE FUNCTION, which drops a forgotten SECURITY DEFINER or SET",
            _attributes,
        ),
        _gate(
            "F09",
            "search_path is pinned to exactly pg_catalog, pg_temp",
            ("INV-008",),
            "write: set search_path = pg_catalog, pg_temp",
            _search_path,
        ),
        _gate(
            "F10",
            "one function or view a file, named like the file, in the folder of its schema; no overloads",
            ("INV-004",),
            "give it a file of its own: sql/functions/<schema>/<name>.sql, with another name instead of an overload",
            _one_a_file,
        ),
        _gate(
            "F11",
            "every function and view gets its context's owner, functions are revoked from PUBLIC, no file grants",
            ("INV-005",),
            "alter … owner to symphony_<schema>_owner; revoke all on function … from public; grants in sql/grants.sql",
            _owner_and_revoke,
        ),
    ]


def _gate(id: str, title: str, invariants: tuple[str, ...], remedy: str, look: Callable[[Site], Flaws]) -> Gate:
    return Gate(id, f"{title} (files)", invariants, remedy, look)


def _parsed(site: Site) -> Iterator[tuple[SqlText, tuple[Statement, ...]]]:
    """Yield the files that parse; F01 names the others."""
    for file in files_syntax.files(site, "functions"):
        try:
            yield file, file.statements
        except Unreadable:
            continue


def _functions(site: Site) -> Iterator[tuple[SqlText, Function]]:
    for file, _statements in _parsed(site):
        for function in functions(file.text):
            yield file, function


def _ruled(rule: Rule, site: Site) -> Flaws:
    if rule.number == 1:
        yield from _unparsed(site)
    if rule.number == 3:
        yield from _outside_bodies(site)
    for file, function in _functions(site):
        for flaw in rule.look(function):
            if not allowed(rule.number, function, definer=_definer(function) is not False):
                yield f"{file.path}: {function.name}", f"{flaw}; the body begins on line {function.line}"


def _unparsed(site: Site) -> Flaws:
    for file in files_syntax.files(site, "functions"):
        try:
            file.statements  # noqa: B018 - parsed on access
        except Unreadable as error:
            yield file.path, str(error)


def _outside_bodies(site: Site) -> Flaws:
    """Views, WHEN of triggers and defaults of parameters run whenever somebody reads, writes or calls."""
    for file, found in _parsed(site):
        for one in found:
            roots = one.node.parameters or () if one.kind == "CreateFunctionStmt" else (one.node,)
            for node in (below for root in roots for below in files_syntax.nodes(root)):
                if (reason := denied_node(node)) is not None:
                    yield file.path, f"line {one.line}: {reason}"


def _unqualified(site: Site) -> Flaws:
    ours = {("function", function.name.partition(".")[2]) for _file, function in _functions(site)}
    ours |= {("type", name) for name in _our_types(site)}

    def is_built_in(kind: str, name: str) -> bool:
        return name.startswith("pg_") if kind == "relation" else (kind, name) not in ours

    for file, function in _functions(site):
        for flaw in unqualified(function, is_built_in):
            yield f"{file.path}: {function.name}", flaw


def _our_types(site: Site) -> Iterator[str]:
    for file in files_syntax.files(site, "migrations"):
        try:
            found = file.statements
        except Unreadable:
            continue  # M01 names it
        for one in found:
            if one.kind == "CreateEnumStmt":
                yield one.node.typeName[-1].sval
            elif one.kind == "CompositeTypeStmt":
                yield one.node.typevar.relname


def _definer(function: Function) -> bool | None:
    """Return whether it is SECURITY DEFINER; None when nothing says so."""
    said = function.options.get("security")
    return None if said is None else bool(said.boolval)


def _inlinable(function: Function) -> bool:
    """Tell whether it is a SQL-standard body: resolved when created, and SET would keep it from being inlined."""
    return function.language == "sql" and function.body is None and not _definer(function)


def _attributes(site: Site) -> Flaws:
    for file, found in _parsed(site):
        for one in found:
            if one.kind not in _STATEMENTS or not _COMMANDS.issuperset(_commands(one)):
                text = " ".join(one.text.split())[:60]
                yield file.path, f"line {one.line}: does not belong into a function file: {text}"
            if getattr(one.node, "replace", True) is False:
                yield file.path, f"line {one.line}: CREATE without OR REPLACE cannot be applied again"
        for function in functions(file.text):
            if _definer(function) is None and not _inlinable(function):
                yield f"{file.path}: {function.name}", "it does not say SECURITY DEFINER or SECURITY INVOKER"
            if "volatility" not in function.options:
                yield f"{file.path}: {function.name}", "it does not say VOLATILE, STABLE or IMMUTABLE"
            if "leakproof" in function.options and function.options["leakproof"].boolval:
                yield f"{file.path}: {function.name}", "it is LEAKPROOF"


def _commands(one: Statement) -> set[str]:
    return {command.subtype.name for command in one.node.cmds} if one.kind == "AlterTableStmt" else set()


def _search_path(site: Site) -> Flaws:
    for file, function in _functions(site):
        settings = [o.arg for o in function.statement.node.options or () if o.defname == "set"]
        paths = [s for s in settings if s.name == "search_path"]
        if not paths and not _inlinable(function):
            yield f"{file.path}: {function.name}", "search_path is not set"
        for setting in paths:
            if not _exact(setting):
                yield f"{file.path}: {function.name}", f"{spelled(setting)} is not pg_catalog, pg_temp"


def _exact(setting: Any) -> bool:
    values = tuple(getattr(argument.val, "sval", None) for argument in setting.args or ())
    return setting.kind.name == "VAR_SET_VALUE" and values == _SEARCH_PATH


def _one_a_file(site: Site) -> Flaws:
    defined: Counter[str] = Counter()
    for file, found in _parsed(site):
        path = PurePosixPath(file.path)
        names = [function.name for function in functions(file.text)]
        names += [relation(one.node.view) for one in found if one.kind == "ViewStmt"]
        defined.update(names)
        for name in names:
            if name != f"{path.parent.name}.{path.stem}":
                yield f"{file.path}: {name}", "the file is not named like it"
        if len(names) > 1:
            yield file.path, f"it defines {', '.join(names)}"
        if not names and not any(one.kind == "CreateTrigStmt" for one in found):
            yield file.path, "it defines no function, no view and no trigger"
    for name, times in defined.items():
        if times > 1:
            yield name, f"it is defined {times} times: an overload, or the last file wins"


def _owner_and_revoke(site: Site) -> Flaws:
    for file, found in _parsed(site):
        owners = {_object(one.node.object): one.node.newowner.rolename for one in found if one.kind == "AlterOwnerStmt"}
        owners |= {name: owner for one in found for name, owner in _relation_owner(one)}
        revoked = {name for one in found for name in _revoked_from_public(one)}
        for function in functions(file.text):
            identity = _identity(function)
            owner = f"symphony_{function.name.partition('.')[0]}_owner"
            if owners.get(identity) != owner:
                yield f"{file.path}: {function.name}", f"no line makes {owner} its owner"
            if identity not in revoked:
                yield f"{file.path}: {function.name}", "no line revokes all on it from public"
        for one in found:
            if (
                one.kind == "ViewStmt"
                and owners.get(relation(one.node.view)) != f"symphony_{one.node.view.schemaname}_owner"
            ):
                yield f"{file.path}: {relation(one.node.view)}", "no line gives it its context's owner"
            if one.kind == "GrantStmt" and one.node.is_grant:
                yield file.path, f"line {one.line}: a grant; the one matrix is sql/grants.sql"


def _identity(function: Function) -> str:
    return f"{function.name}({', '.join(p.type for p in function.parameters if p.mode in 'ibv')})"


def _object(node: Any) -> str:
    if not hasattr(node, "objname"):
        return spelled(node) if files_syntax.is_node(node) else dotted(node)
    return f"{dotted(node.objname)}({', '.join(spelled(argument) for argument in node.objargs or ())})"


def _relation_owner(one: Statement) -> Iterator[tuple[str, str]]:
    if one.kind == "AlterTableStmt":
        for command in one.node.cmds:
            if command.subtype.name == "AT_ChangeOwner":
                yield relation(one.node.relation), command.newowner.rolename


def _revoked_from_public(one: Statement) -> Iterator[str]:
    node = one.node
    if one.kind != "GrantStmt" or node.objtype.name != "OBJECT_FUNCTION" or node.is_grant or node.grant_option:
        return
    if not node.privileges and any(role.roletype.name == "ROLESPEC_PUBLIC" for role in node.grantees):
        yield from (_object(thing) for thing in node.objects)
