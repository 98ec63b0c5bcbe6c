"""The gate over logins (C82): our files make none, so that a server which only they touched has its own superuser's."""

from __future__ import annotations

from collections.abc import Iterator

from gates.gate import Gate, NotApplicable
from gates.site import Site

# PostgreSQL's own roles end at oid 16383, the superuser of initdb among them.
_LOGINS = "select r.rolname::text from pg_catalog.pg_roles as r where r.rolcanlogin and r.oid >= 16384"


def login_gates() -> list[Gate]:
    """Return the gate over logins that our files make."""
    return [
        Gate(
            id="C82",
            title="no file of ours makes a login",
            invariants=("INV-005", "INV-007"),
            remedy="take it out of the file: logins are the installation's (symphony logins create, or its DBA)",
            look=_look,
        )
    ]


def _look(site: Site) -> Iterator[tuple[str, str]]:
    if site.cluster is None:
        raise NotApplicable("the logins of a live server are the installation's")
    with site.session() as connection:
        for (name,) in connection.execute(_LOGINS):
            yield f"role {name}", "may log in, on a server where nothing but our files was applied"
