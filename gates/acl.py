"""Exact privileges: what gates/acl.sql finds in the catalog is what gates/expected_acl.txt says, no more and no less.

`python -m gates.acl --write` makes the file anew from a fresh database of this checkout. Read its diff as you read
sql/grants.sql: a line that is added is a privilege that is granted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from gates.gate import Gate
from gates.site import ROOT, Site
from symphony.migrate import apply
from symphony.operator_error import OperatorError
from symphony.postgres_throwaway import Cluster

EXPECTED = Path("gates") / "expected_acl.txt"
HEADER = (
    "# object | grantee | privilege: everything granted, from a fresh database. Made by: python -m gates.acl --write\n"
)
_QUERY = Path(__file__).with_suffix(".sql").read_bytes()
type Privilege = tuple[str, str, str]


def acl_gates() -> list[Gate]:
    """Return the gate that compares every privilege with the expected list."""
    return [
        Gate(
            id="C70",
            title="Privileges are exactly those of gates/expected_acl.txt, no more and no less",
            invariants=("INV-005", "INV-007", "INV-010"),
            remedy="correct sql/grants.sql and migrate; if it is wanted: python -m gates.acl --write, review its diff",
            look=_look,
        )
    ]


def held(connection: Connection[TupleRow]) -> set[Privilege]:
    """Return every privilege in the catalog: (object, grantee, privilege). The search_path must be pg_catalog."""
    rows = connection.execute(_QUERY).fetchall()
    return {(str(thing), str(grantee), str(privilege)) for thing, grantee, privilege in rows}


def expected(root: Path = ROOT) -> set[Privilege]:
    """Return the privileges of the checked-in list. Raises ValueError for a line that is none, or OSError."""
    found: set[Privilege] = set()
    for line in (root / EXPECTED).read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        parts = line.split(" | ")
        if len(parts) != 3:
            raise ValueError(f"{EXPECTED}: {line!r} is not object | grantee | privilege")
        found.add((parts[0], parts[1], parts[2]))
    return found


def text(privileges: set[Privilege]) -> str:
    """Return the list as the file has it: sorted, one line each."""
    return HEADER + "".join(f"{' | '.join(privilege)}\n" for privilege in sorted(privileges))


def _look(site: Site) -> Iterator[tuple[str, str]]:
    wanted = expected(site.root)
    with site.session() as connection:
        found = held(connection)
    for thing, grantee, privilege in found - wanted:
        yield thing, f"{grantee} holds {privilege}, which is not expected"
    for thing, grantee, privilege in wanted - found:
        yield thing, f"{grantee} does not hold {privilege}, which is expected"


def from_a_fresh_database(root: Path = ROOT) -> set[Privilege]:
    """Migrate an empty database of a server of its own and return its privileges. Raises OperatorError."""
    cluster = Cluster()
    try:
        cluster.start()
        url = cluster.server.url(cluster.empty())
        asyncio.run(apply(url, sql_dir=root / "sql"))
        with psycopg.connect(url) as connection:
            connection.execute("set local search_path = pg_catalog")
            return held(connection)
    finally:
        cluster.stop()


def main() -> int:
    """Write the list, or say how it differs from a fresh database; exit status 1 when it does."""
    parser = argparse.ArgumentParser(prog="python -m gates.acl", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make gates/expected_acl.txt anew")
    arguments = parser.parse_args()
    try:
        fresh = text(from_a_fresh_database())
    except OperatorError as error:
        print(error, file=sys.stderr)
        return 1
    place = ROOT / EXPECTED
    if arguments.write:
        place.write_text(fresh, encoding="utf-8")
        print(f"{EXPECTED}: {fresh.count(chr(10)) - 1} privileges")
        return 0
    stale = not place.exists() or place.read_text(encoding="utf-8") != fresh
    print(f"{EXPECTED} is {'stale: run python -m gates.acl --write' if stale else 'current'}")
    return int(stale)


if __name__ == "__main__":
    sys.exit(main())
