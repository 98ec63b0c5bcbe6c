"""The catalog gates: one SQL file each in gates/catalog, a query that returns (object, detail) of what is wrong.

A file begins with comment lines a program reads and a DBA too:

    -- C01: every definer and every PL/pgSQL function pins a search_path
    -- invariants: INV-008
    -- severity: error
    -- remedy: spell out "set search_path = pg_catalog, pg_temp" in the function's file

The query runs as it stands in psql. Its scope is what the context owners own: schemas whose owner is
symphony_<context>_owner.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from gates.gate import Gate, Severity
from gates.site import Site

DIRECTORY = Path(__file__).resolve().parent / "catalog"
_HEADER = re.compile(
    r"\A-- (?P<id>C\d\d): (?P<title>.+)\n-- invariants: (?P<invariants>[\w-]+(?:, [\w-]+)*)\n"
    r"-- severity: (?P<severity>error|warning)\n-- remedy: (?P<remedy>.+)\n"
)


def catalog_gates(directory: Path = DIRECTORY) -> list[Gate]:
    """Read the catalog gates, by id. Raises ValueError for a file whose head cannot be read."""
    return [_gate(path) for path in sorted(directory.glob("*.sql"))]


def _gate(path: Path) -> Gate:
    text = path.read_text(encoding="utf-8")
    head = _HEADER.match(text)
    if head is None or not path.name.startswith(head["id"] + "_"):
        raise ValueError(f"{path.name}: its first lines are not those of a catalog gate (see gates/catalog.py)")
    severity: Severity = "error" if head["severity"] == "error" else "warning"
    return Gate(
        id=head["id"],
        title=head["title"],
        invariants=tuple(head["invariants"].split(", ")),
        remedy=head["remedy"],
        severity=severity,
        look=_query(text),
    )


def _query(text: str) -> Callable[[Site], Iterable[tuple[str, str]]]:
    def look(site: Site) -> list[tuple[str, str]]:
        with site.session() as connection:
            return [(str(thing), str(detail)) for thing, detail in connection.execute(text.encode())]

    return look
