"""The SQL files of a release: numbered migrations, repeatable function files, the grants file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from symphony.operator_error import OperatorError

# The order of the contexts is the order of who may call whom (DESIGN 2): callees come first.
CONTEXTS = ("core", "evidence", "policy", "proxy", "outbox", "ingress", "rails", "routing", "ops")

_MIGRATION_NAME = re.compile(r"([0-9]{4})_([a-z0-9_]+)\.sql")
_DIRECTIVE = re.compile(rb"^--\s*runner:.*$", re.MULTILINE | re.IGNORECASE)
_NONTRANSACTIONAL = b"-- runner: nontransactional"
_PSQL_COMMAND = re.compile(rb"^\\.*$", re.MULTILINE)
_DEFINED = re.compile(
    rb'\bcreate\s+(?:or\s+replace\s+)?(?:function|procedure|aggregate)\s+"?(\w+)"?\s*\.\s*"?(\w+)"?',
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SqlFile:
    """One file: its path below the SQL directory, its bytes and their SHA-256."""

    path: str
    content: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered file that is applied once. `transactional` is false for one that must run alone."""

    version: int
    name: str
    file: SqlFile
    transactional: bool


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything a release brings: migrations by number, functions in load order, the grants file."""

    migrations: tuple[Migration, ...]
    functions: tuple[SqlFile, ...]
    grants: SqlFile | None

    def defined_functions(self) -> frozenset[tuple[str, str]]:
        """Return (schema, name) of every function that some file creates."""
        files = [*self.functions, *(migration.file for migration in self.migrations)]
        return frozenset(
            (schema.decode(), name.decode()) for file in files for schema, name in _DEFINED.findall(file.content)
        )


def read(sql_dir: Path) -> Sources:
    """Read and check the SQL directory.

    Raises:
        OperatorError: SQL_DIRECTORY_MISSING, MIGRATION_NAME_INVALID, MIGRATION_DUPLICATE, CONTEXT_UNKNOWN,
            SQL_FILE_INVALID (encoding, line ends, psql commands, an unknown runner directive).
    """
    if not (sql_dir / "migrations").is_dir():
        raise OperatorError(
            "SQL_DIRECTORY_MISSING",
            thing=str(sql_dir),
            reason="it has no folder migrations",
            next_action="name the sql folder of a Symphony release with --sql-dir",
        )
    grants = sql_dir / "grants.sql"
    return Sources(
        migrations=_read_migrations(sql_dir),
        functions=tuple(_read_functions(sql_dir)),
        grants=_read_file(grants, sql_dir) if grants.exists() else None,
    )


def _read_migrations(sql_dir: Path) -> tuple[Migration, ...]:
    found: dict[int, Migration] = {}
    for path in sorted((sql_dir / "migrations").glob("*.sql")):
        matched = _MIGRATION_NAME.fullmatch(path.name)
        if matched is None or matched[1] == "0000":
            raise OperatorError(
                "MIGRATION_NAME_INVALID",
                thing=str(path),
                reason="its name is not NNNN_lower_case_words.sql with a number from 0001",
                next_action="rename it",
            )
        file = _read_file(path, sql_dir)
        version = int(matched[1])
        if version in found:
            raise OperatorError(
                "MIGRATION_DUPLICATE",
                thing=str(path),
                reason=f"{found[version].file.path} has the same number",
                next_action="give the newer of the two the next free number",
            )
        transactional = not file.content.startswith(_NONTRANSACTIONAL)
        found[version] = Migration(version=version, name=matched[2], file=file, transactional=transactional)
    return tuple(found[version] for version in sorted(found))


def _read_functions(sql_dir: Path) -> Iterator[SqlFile]:
    root = sql_dir / "functions"
    if not root.is_dir():
        return
    for folder in sorted(root.iterdir()):
        if folder.suffix == ".sql" or (folder.is_dir() and folder.name not in CONTEXTS):
            raise OperatorError(
                "CONTEXT_UNKNOWN",
                thing=str(folder),
                reason=f"functions lie in the folder of a context: {', '.join(CONTEXTS)}",
                next_action="move it",
            )
    for context in CONTEXTS:
        for path in sorted((root / context).rglob("*.sql"), key=lambda path: path.as_posix()):
            yield _read_file(path, sql_dir)


def _read_file(path: Path, sql_dir: Path) -> SqlFile:
    content = path.read_bytes()
    reason = _flaw(content, migration=path.parent.name == "migrations")
    if reason is not None:
        raise OperatorError("SQL_FILE_INVALID", thing=str(path), reason=reason, next_action="correct the file")
    relative = path.relative_to(sql_dir).as_posix()
    return SqlFile(path=relative, content=content, sha256=hashlib.sha256(content).digest())


def _flaw(content: bytes, *, migration: bool) -> str | None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 (byte {error.start})"
    if content.startswith(b"\xef\xbb\xbf") or b"\r" in content or b"\0" in content:
        return "it holds a byte order mark, a carriage return or a NUL; lines end with a line feed alone"
    command = _PSQL_COMMAND.search(content)
    if command is not None:
        line = content.count(b"\n", 0, command.start()) + 1
        return f"line {line} is a psql command; the runner sends SQL only"
    for directive in _DIRECTIVE.finditer(content):
        if directive.start() != 0 or directive.group() != _NONTRANSACTIONAL or not migration:
            return (
                f"{directive.group().decode()!r} is no directive here; the only one is the first line of a "
                f"migration, {_NONTRANSACTIONAL.decode()!r}"
            )
    return None
