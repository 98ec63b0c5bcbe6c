"""Rules of the house that a program keeps: where SQL stands, how long things are, what is never written."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "driver" / "symphony"
SQL = ROOT / "sql"
STATEMENT = re.compile(
    r"^\s*(select|insert\s+into|update|delete\s+from|create|alter|drop|truncate|grant|revoke|with|begin|set\s+local|call|copy)\s",
    re.I,
)
# The runner applies files and keeps its own ledger; a throwaway server makes its databases; the pretended rail has an SQLite ledger of its own.
SQL_ALLOWED = {
    "postgres_throwaway.py",
    "migrate.py",
    "migration_ledger.py",
    "migration_plan.py",
    "migration_run.py",
    "rail_sandbox/ledger.py",
    "registry_sandbox/store.py",
}
MODULES = sorted(PACKAGE.rglob("*.py"))
GATES = sorted((ROOT / "gates").glob("*.py"))
FUNCTION_FILES = sorted((SQL / "functions").rglob("*.sql"))


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE if PACKAGE in path.parents else ROOT).as_posix()


def _statements(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "execute"
            and not (
                isinstance(node.func.value, ast.Attribute)
                and node.func.value.attr == "_ledger"  # a method of the SQLite ledger
            )
        ):
            found.append(ast.unparse(node))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value):
            if re.search(r"\b(from|values|set|table|function|role|into)\b", node.value, re.I) and node.value.islower():
                found.append(node.value)
    return found


NO_SQL = [path for path in MODULES if not _name(path).startswith("api/") and _name(path) not in SQL_ALLOWED]


@pytest.mark.parametrize("path", NO_SQL, ids=_name)
def test_sql_stands_only_in_the_api_package(path: Path) -> None:
    assert _statements(path) == []


@pytest.mark.parametrize("path", [*MODULES, *GATES], ids=_name)
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", [*MODULES, *GATES], ids=_name)
def test_modules_and_public_names_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "the module has none"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", FUNCTION_FILES, ids=lambda p: p.relative_to(SQL).as_posix())
def test_function_files_are_whole_and_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 200
    for body in re.findall(r"\bas \$\$\n(.*?)\n\$\$;", text, re.S):
        assert body.count("\n") <= 70
    for head in re.findall(r"create or replace function.*?(?=\nas \$\$|\nreturn\b)", text, re.S):
        if "language plpgsql" in head:
            assert "set search_path = pg_catalog, pg_temp" in head
            assert re.search(r"security (definer|invoker)", head)
            assert re.search(r"\b(stable|volatile|immutable)\b", head)
    if "create or replace function" in text:
        assert re.search(r"alter function .* owner to symphony_\w+_owner;", text)
        assert re.search(r"revoke all on function .* from public;", text)
        for line in ("Callers:", "Writes:", "Locks:", "Raises:", "Idempotent:"):
            assert line in text


def test_dynamic_sql_stands_in_one_place() -> None:
    users = [p.name for p in FUNCTION_FILES if re.search(r"\bexecute\s+(format|pg_catalog|v_|')", p.read_text())]
    assert users == ["create_month_partition.sql"]


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"\b(TODO|FIXME|HACK)\b")
    for path in [*MODULES, *FUNCTION_FILES, *(SQL / "migrations").glob("*.sql"), *(ROOT / "scripts").glob("*")]:
        if path.is_file():
            assert not words.search(path.read_text(encoding="utf-8")), path


def test_no_rooms_are_named_after_nothing() -> None:
    banned = {"utils", "common", "helpers", "misc", "managers", "services", "handlers", "lib", "shared"}
    assert not {p.stem for p in PACKAGE.rglob("*")} & banned
