"""The gate over sql/grants.sql (F12): whoever migrates applies it last, so it grants, revokes and does nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from gates.files_syntax import SqlText, Unreadable
from gates.gate import Gate
from gates.site import Site

# The one block, by SHA-256 of its text: it revokes what anybody holds on our objects, whose names and holders are known
# only in the database. Whoever changes the block reads it again and writes its new digest here.
_BLOCK = "4fdb55c2c422921b2ba77c8e54833d15c36c74915aa3316b54b9b25ce4b7d9cf"
_PATH = "sql/grants.sql"


def grant_file_gates() -> list[Gate]:
    """Return the gate over the file of grants."""
    return [
        Gate(
            id="F12",
            title="sql/grants.sql holds GRANT and REVOKE on objects and the one block that revokes (files)",
            invariants=("INV-005", "INV-006", "INV-014"),
            remedy="put functions into sql/functions and everything else into a migration, where the other gates look",
            look=_look,
        )
    ]


def _look(site: Site) -> Iterator[tuple[str, str]]:
    file = SqlText(_PATH, (site.root / _PATH).read_text(encoding="utf-8"))
    try:
        found = file.statements
    except Unreadable as error:
        yield _PATH, str(error)
        return
    blocks = 0
    for one in found:
        if one.kind == "DoStmt" and hashlib.sha256(one.text.encode()).hexdigest() == _BLOCK:
            blocks += 1
        elif one.kind == "DoStmt":
            yield _PATH, f"line {one.line}: a DO block that is not the one named in gates/files_grants.py"
        elif one.kind != "GrantStmt":
            yield _PATH, f"line {one.line}: neither GRANT nor REVOKE on objects: {' '.join(one.text.split())[:80]}"
    if blocks != 1 or found[0].kind != "DoStmt":
        yield _PATH, f"it does not begin with the block that revokes, or has it {blocks} times"
