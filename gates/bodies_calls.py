"""Every function was executed: the calls that pgTAP and pytest made on this tree, against the functions there are.

The runs append lines «schema.name SHA-256 of the definition» to the file that SYMPHONY_CALLS names (Cluster.drop,
driver/tests/pgtap.py), from pg_stat_user_functions. The digest makes a call count only for the definition that was
called. PL/pgSQL resolves a statement when it first runs it, so a function that no test runs is a function nobody has
seen work.
"""

from __future__ import annotations

from collections.abc import Iterator

from gates.bodies_catalog import managed_functions
from gates.gate import Gate, NotApplicable
from gates.site import Site

# A call is counted when it ends; these never do. Whoever calls them is counted only for calls that met no error.
ALWAYS_RAISE = {
    "core.raise_error": "it raises a registered error: pgTAP asserts the SQLSTATEs of all its callers",
    "core.refuse_change": "the triggers of the ledgers: pgTAP asserts SX001 for every one of them",
}
CALLS = ("evidence", "proofs", "calls.txt")


def call_gates() -> list[Gate]:
    """Return the gate over executed functions."""
    return [
        Gate(
            id="B20",
            title="every function was executed by the suite, as it is defined now",
            invariants=("INV-EVID-001",),
            remedy="write the test that calls it, or drop the function; then run scripts/test",
            look=_never_called,
        )
    ]


def _never_called(site: Site) -> Iterator[tuple[str, str]]:
    path = site.root.joinpath(*CALLS)
    if not path.exists():
        raise NotApplicable("the suite did not run on this tree: scripts/test")
    called = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    if not called or any(len(words) != 2 for words in called):
        raise ValueError(f"{'/'.join(CALLS)} is empty or holds other lines than «schema.name digest»")
    digests = {(name, digest) for name, digest in called}
    names = {name for name, _digest in called}
    with site.session() as connection:
        for function in managed_functions(connection):
            # The planner writes a simple SQL function into its caller, so it is never counted; its body was resolved
            # when it was created, and its dependencies are recorded.
            if (function.inlined and function.has_sql_body) or (function.name, function.fingerprint) in digests:
                continue
            if function.name in ALWAYS_RAISE and function.name not in names:
                continue
            known = "only with another definition" if function.name in names else "never"
            yield function.identity, f"it was called {known}"
