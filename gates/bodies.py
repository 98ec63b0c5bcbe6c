"""The gates over function bodies as the catalog has them (B..): may they, can they, did they run."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator

from psycopg import Connection
from psycopg.rows import TupleRow

from gates.bodies_calls import call_gates
from gates.bodies_catalog import CatalogFunction, managed_functions
from gates.bodies_parse import Function
from gates.bodies_rules import RULES, Rule, unqualified
from gates.bodies_validity import flaws
from gates.gate import Gate
from gates.site import Site

# What one function may do against a rule, by the rule's number and SHA-256 of its body, and why. A changed body is read
# again by whoever changes it, and gets its new digest here and in C46.
ALLOWED = {
    (
        2,
        "core.create_month_partition",
        "5e4f7c87ba9d0e345490aa8efe5ec49492b39381527a5541c02242d4d6939954",
    ): "makes the monthly leaves of registered tables: DDL, so its text is made at run time; "
    "every name passes through %I, every value through %L, and it is SECURITY INVOKER",
    (
        6,
        "ingress.retire_seen",
        "68cdf51de4575ca96b3efd79ec43024aa01508bde17358846db5361a26adcc13",
    ): "empties slots of the replay ring, each named in full: TRUNCATE leaves nothing to vacuum",
}
# Those of them that run as their owner: what they do needs its rights, and nothing in it comes from the caller.
_DEFINERS = frozenset({"ingress.retire_seen"})
_BUILT_IN = """
select 'function', proname::text from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace
union select 'relation', relname::text from pg_catalog.pg_class where relnamespace = 'pg_catalog'::regnamespace
union select 'type', typname::text from pg_catalog.pg_type where typnamespace = 'pg_catalog'::regnamespace
"""


def body_gates() -> list[Gate]:
    """Return the gates over bodies."""
    ruled = [
        Gate(
            f"B{rule.number:02}",
            f"{rule.title} (catalog)",
            rule.invariants,
            rule.remedy,
            functools.partial(_ruled, rule),
        )
        for rule in RULES
    ]
    return [
        *ruled,
        Gate(
            id="B07",
            title="every name in a body that is not PostgreSQL's own has its schema (catalog)",
            invariants=("INV-008",),
            remedy="write schema.name: a bare name is looked for in pg_temp too, where its caller may put it",
            look=_unqualified,
        ),
        Gate(
            id="B10",
            title="every query of every function can be planned, by its owner, with fitting types",
            invariants=("INV-N1-01", "INV-005"),
            remedy="correct the body, or grant its owner what it uses; a changed column needs expand and contract",
            look=_invalid,
        ),
        *call_gates(),
    ]


def allowed(number: int, function: Function, *, definer: bool) -> bool:
    """Tell whether a function may break the rule of this number: with this body only, a definer only when named."""
    digest = hashlib.sha256((function.body or "").encode()).hexdigest()
    return (number, function.name, digest) in ALLOWED and (not definer or function.name in _DEFINERS)


def _functions(site: Site) -> Iterator[tuple[Connection[TupleRow], CatalogFunction]]:
    with site.session() as connection:
        for function in managed_functions(connection):
            yield connection, function


def _ruled(rule: Rule, site: Site) -> Iterator[tuple[str, str]]:
    needed = set()
    for _connection, function in _functions(site):
        for flaw in rule.look(function.parsed):
            needed.add(function.name)
            if not allowed(rule.number, function.parsed, definer=function.definer):
                yield function.identity, flaw
    for number, name, _digest in ALLOWED:
        if number == rule.number and name not in needed:
            yield name, "it is allowed to break this rule (gates/bodies.py) and does not: take the entry out"


def _unqualified(site: Site) -> Iterator[tuple[str, str]]:
    with site.session() as connection:
        built_in = {(str(kind), str(name)) for kind, name in connection.execute(_BUILT_IN)}

        def is_built_in(kind: str, name: str) -> bool:
            return (kind, name) in built_in

        for function in managed_functions(connection):
            for flaw in unqualified(function.parsed, is_built_in):
                yield function.identity, flaw


def _invalid(site: Site) -> Iterable[tuple[str, str]]:
    """Plan every query in a transaction that is rolled back: temporary tables are all it makes."""
    found: list[tuple[str, str]] = []
    with site.session() as connection:
        if connection is not site.connection:
            connection.execute("set transaction read write")
        with connection.transaction(force_rollback=True):
            connection.execute("set local lock_timeout = '2s'; set local statement_timeout = '30s'")
            for function in managed_functions(connection):
                if function.language == "plpgsql":
                    found += [(function.identity, flaw) for flaw in flaws(connection, function)]
                elif not function.has_sql_body:  # a SQL-standard body was resolved when it was created
                    found.append(
                        (
                            function.identity,
                            f"language {function.language} with a body that is a string: nothing checks it",
                        )
                    )
    return found
