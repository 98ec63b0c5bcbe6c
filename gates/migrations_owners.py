"""What migrations make, and who owns it: a thing without an owner of its own belongs to whoever migrates."""

from __future__ import annotations

from collections.abc import Iterator

from gates import files_syntax
from gates.files_syntax import Statement, dotted, relation
from gates.migrations_history import history
from gates.site import Site


def unowned(site: Site) -> Iterator[tuple[str, str]]:
    """Yield schemas, tables, views, sequences and types that no migration gives to their context's owner."""
    made: dict[str, tuple[str, int]] = {}
    owners: dict[str, str] = {}
    for migration in history(site):
        for one in migration.statements:
            for name in _made(one):
                made.setdefault(name, (migration.path, one.line))
            owners |= dict(_owner(one))
            if one.kind == "CreateSchemaStmt" and one.node.schemaElts:
                yield f"{migration.path}: {one.node.schemaname}", f"line {one.line}: makes things inside CREATE SCHEMA"
    for name, (path, line) in made.items():
        owner = f"symphony_{name.partition('.')[0]}_owner"
        if owners.get(name) != owner:
            yield f"{path}: {name}", f"line {line}: its owner is {owners.get(name, 'the migrating role')}, not {owner}"


def _made(one: Statement) -> Iterator[str]:
    node = one.node
    if one.kind == "CreateStmt":
        yield relation(node.relation)
    elif one.kind == "CreateSchemaStmt":
        yield node.schemaname
    elif one.kind == "CreateEnumStmt":
        yield dotted(node.typeName)
    elif one.kind == "CompositeTypeStmt":
        yield relation(node.typevar)
    elif one.kind == "CreateRangeStmt":
        yield dotted(node.typeName)
    elif one.kind == "CreateDomainStmt":
        yield dotted(node.domainname)
    elif one.kind == "CreateSeqStmt":
        yield relation(node.sequence)
    elif one.kind == "ViewStmt":
        yield relation(node.view)
    elif one.kind == "CreateTableAsStmt":
        yield relation(node.into.rel)


def _owner(one: Statement) -> Iterator[tuple[str, str]]:
    node = one.node
    if one.kind == "AlterTableStmt":
        for command in node.cmds:
            if command.subtype.name == "AT_ChangeOwner":
                yield relation(node.relation), command.newowner.rolename
    elif one.kind == "CreateSchemaStmt" and node.authrole is not None:
        yield node.schemaname, node.authrole.rolename
    elif one.kind == "AlterOwnerStmt":
        thing = node.object
        yield (
            files_syntax.spelled(thing).strip("'") if not isinstance(thing, tuple) else dotted(thing),
            node.newowner.rolename,
        )
