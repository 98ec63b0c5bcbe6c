"""The functions of the managed schemas as the catalog has them: the authority, whatever the files say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import TupleRow

from gates.bodies_parse import Function, functions

_QUERY = (Path(__file__).resolve().parent / "bodies_catalog.sql").read_bytes()


@dataclass(frozen=True, slots=True)
class CatalogFunction:
    """One function or procedure of a managed schema.

    Attributes:
        identity: schema.name(argument types).
        parsed: its CREATE FUNCTION statement, as pg_get_functiondef writes it.
        inlined: a SQL function that the planner may write into its caller, so that its calls are not counted.
        result_columns: the types of a returned row's columns, or the one type of a scalar.
        trigger_tables: the tables on which it is a trigger.
        fingerprint: SHA-256 of the statement.
    """

    identity: str
    name: str
    language: str
    has_sql_body: bool
    owner: str
    definer: bool
    inlined: bool
    search_path: str
    result_type: str
    result_columns: tuple[str, ...]
    trigger_tables: tuple[str, ...]
    fingerprint: str
    parsed: Function

    @property
    def is_trigger(self) -> bool:
        """Whether it returns trigger."""
        return self.result_type == "trigger"

    @property
    def plain_name(self) -> str:
        """Its name without the schema."""
        return self.name.partition(".")[2]


def managed_functions(connection: Connection[TupleRow]) -> list[CatalogFunction]:
    """Return every function of the managed schemas, sorted. Raises Unreadable, OperatorError: GATE_TOOLS_MISSING."""
    with connection.transaction():
        connection.execute("set local search_path = pg_catalog")
        rows = connection.execute(_QUERY).fetchall()
    return [_function(*row) for row in rows]


def _function(*row: Any) -> CatalogFunction:
    *plain, columns, tables, fingerprint, definition = row
    values: tuple[Any, ...] = (*plain, tuple(columns), tuple(tables), fingerprint, functions(definition)[0])
    return CatalogFunction(*values)
