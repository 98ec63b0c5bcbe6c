"""What the runner would do with the files of one release on a database of another, taken apart into statements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pglast import ast, parse_sql, split

from symphony.migration_files import Sources, SqlFile


@dataclass(frozen=True, slots=True)
class Step:
    """What runs at once: files of one transaction, or one file alone."""

    files: tuple[SqlFile, ...]
    alone: bool


def steps(before: Sources, now: Sources) -> list[Step]:
    """Return what the runner would do with these files on a database of those, in its order."""
    known = {migration.version for migration in before.migrations}
    old = {file.path: file.sha256 for file in [*before.functions, *([before.grants] if before.grants else [])]}
    found: list[Step] = []
    together: list[SqlFile] = []
    for migration in now.migrations:
        if migration.version in known:
            continue
        if migration.transactional:
            together.append(migration.file)
            continue
        found += [Step(tuple(together), alone=False), Step((migration.file,), alone=True)]
        together = []
    together += [file for file in now.functions if old.get(file.path) != file.sha256]
    if now.grants and (found or together or old.get(now.grants.path) != now.grants.sha256):
        together.append(now.grants)
    return [step for step in [*found, Step(tuple(together), alone=False)] if step.files]


def statements(file: SqlFile) -> Iterator[tuple[str, bytes, ast.Node]]:
    """Yield (where it stands, its text, its parse tree) of each statement."""
    text = file.content.decode()
    for part in split(text, with_parser=True, only_slices=True):
        line = text.count("\n", 0, part.start) + 1
        statement = text[part]
        parsed = parse_sql(statement)[0].stmt
        if parsed is not None:
            yield f"{file.path} line {line} ({' '.join(statement.split())[:60]})", statement.encode(), parsed
