"""Gates N01 to N05: what the previous release does goes on working on this release's tables.

    N01  what its callers rely on is still there, by signature (the early check)
    N02  state A: its contract tests on this release
    N03  state B: its functions put back over this release's tables, its contract tests again
    N04  state C: a database it made and filled, migrated to this release: same as fresh, every row unchanged, readable
    N05  state D: its driver on this release, doing everything it did on its own, and going on with what this release's
         driver left (both with the libraries of this checkout)

State B leaves this release's grants in force. The old file begins by revoking all it does not know, so it would break
what this release added; and a grant that the old functions need and this release took away shall be seen.
Exact tests of the previous release are not run: every addition fails them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg

from gates.databases import copy_of, migrate
from gates.drift import differences, fingerprint_of, fresh_fingerprint
from gates.gate import Gate
from gates.kept_rows import lost, rows_of
from gates.migration_steps import statements
from gates.previous_release import Previous, candidate, filled, previous_release, run_session
from gates.proofs import assertions
from gates.site import Site
from symphony.migration_files import read
from symphony.postgres import Server

_SURFACE = (Path(__file__).parent / "surface.sql").read_bytes()
_LONGEST_S = 120
# What differs between two runs of the same work: ids, times and what is made of them.
_OF_THE_RUN = ("_id", "_at", "_hash")


def surface(url: str) -> dict[str, str]:
    """Return what callers rely on, by object."""
    with psycopg.connect(url) as connection:
        connection.execute("set local search_path = pg_catalog")
        return dict(connection.execute(_SURFACE).fetchall())


def _signatures(site: Site) -> Iterator[tuple[str, str]]:
    previous = previous_release(site)
    cluster = site.server()
    template, _seen = filled(site, previous)
    with copy_of(cluster, template) as before, copy_of(cluster, candidate(site)) as now:
        old, new = surface(cluster.server.url(before)), surface(cluster.server.url(now))
    names = {thing.partition("(")[0] for thing in old if thing.startswith("function ")}
    for thing, shape in old.items():
        if thing not in new:
            yield thing, f"gone: {previous.tag} has it as {shape}"
        elif new[thing] != shape:
            yield thing, f"was {shape}, is {new[thing]}"
    for thing in new.keys() - old.keys():
        if thing.partition("(")[0] in names and thing.startswith("function "):
            yield thing, f"overloads a function of {previous.tag}: its calls may become ambiguous"


def prove(server: Server, database: str, files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Run pgTAP files, two at a time; yield (file, what is wrong) for everything that did not pass."""
    with ThreadPoolExecutor(2) as threads:
        for found in threads.map(lambda file: list(_prove_file(server, database, file)), files):
            yield from found


def _prove_file(server: Server, database: str, file: Path) -> Iterator[tuple[str, str]]:
    command = [server.binaries.program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
    environment = {**os.environ, **server.environment(database), "PGOPTIONS": "-c search_path=tap,public"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LONGEST_S, check=False)
    said = assertions(done.stdout)
    name = f"sql/tests/{file.parent.name}/{file.name}"
    for what, passed in said:
        if not passed:
            yield f"{name}: {what}", "this assertion of the previous release fails"
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "ERROR" in line] or ["psql failed"]
        yield name, f"stopped: {errors[0].partition('ERROR')[2].strip(': ') or errors[0]}"
    elif f"\n1..{len(said)}\n" not in f"\n{done.stdout}\n" or not said:
        yield name, f"ran {len(said)} assertions, which is not what it planned"


def _contract(previous: Previous) -> list[Path]:
    return sorted((previous.sql_dir / "tests" / "contract").glob("*.sql"))


def _state_a(site: Site) -> Iterator[tuple[str, str]]:
    previous = previous_release(site)
    cluster = site.server()
    with copy_of(cluster, candidate(site)) as database:
        yield from prove(cluster.server, database, _contract(previous))


def _state_b(site: Site) -> Iterator[tuple[str, str]]:
    previous = previous_release(site)
    cluster = site.server()
    with copy_of(cluster, candidate(site)) as database:
        refused = put_back(cluster.server.url(database), previous)
        if refused is not None:
            yield refused
            return
        yield from prove(cluster.server, database, _contract(previous))


def put_back(url: str, previous: Previous) -> tuple[str, str] | None:
    """Apply the previous release's function files in its order; return what was refused.

    Views stay this release's: one that gained a column cannot be replaced by what it was (42P16), and what callers need
    of a view is N01's and, through the contract tests, N02's.
    """
    with psycopg.connect(url) as connection:
        connection.execute("set local search_path = pg_catalog, pg_temp")
        for file in read(previous.sql_dir).functions:
            kinds = {type(node).__name__ for _place, _text, node in statements(file)}
            if "ViewStmt" in kinds and not kinds & {"CreateFunctionStmt", "CreateTrigStmt"}:
                continue
            try:
                connection.execute(file.content)
            except psycopg.Error as error:
                return (
                    f"sql/{file.path}",
                    f"of {previous.tag} does not apply: {error.sqlstate} {error.diag.message_primary}",
                )
    return None


def _state_c(site: Site) -> Iterator[tuple[str, str]]:
    previous = previous_release(site)
    cluster = site.server()
    template, seen = filled(site, previous)
    with copy_of(cluster, template) as database:
        url = cluster.server.url(database)
        before = rows_of(url)
        migrate(url, site.sql_dir)
        for difference in differences(fresh_fingerprint(cluster, site.sql_dir), fingerprint_of(url)):
            word = "missing after the upgrade" if difference.missing else "left by the upgrade"
            yield difference.object, f"{word}: {difference.line}"
        yield from lost(before, url)
        yield from _unreadable(seen, run_session(site.root, "go-on", url, seen))


def _unreadable(seen: dict[str, Any], found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, state in seen["states"].items():
        if found["states"][name] != state:
            yield f"instruction {name}", f"its status was {state}, is {found['states'][name]}"
        first = {**seen["decisions"][name], "decision": "REPLAY"}
        if found["replays"][name] != first:
            yield f"instruction {name}", f"a repeated request was answered {found['replays'][name]}, not {first}"
        if not found["timelines"][name]:
            yield f"instruction {name}", "it has no timeline"
    if found["cases"] != seen["cases"]:
        yield "open cases", f"were {seen['cases']}, are {found['cases']}"
    expected = dict.fromkeys(("S-UNCERTAIN", "S-PENDING-1", "S-PENDING-2", "S-FRESH"), "DISPATCHED")
    expected["S-IN-FLIGHT"] = "FAILED"
    if found["outcomes"] != expected:
        yield "what was open", f"came to {found['outcomes']}, not {expected}"


def _state_d(site: Site) -> Iterator[tuple[str, str]]:
    previous = previous_release(site)
    cluster = site.server()
    _template, seen = filled(site, previous)
    with copy_of(cluster, candidate(site)) as database:
        found = run_session(previous.tree, "fill", cluster.server.url(database))
    for name in seen.keys() - {"lease"}:
        was, now = _comparable(seen[name]), _comparable(found[name])
        if was != now:
            yield f"{name} of the previous driver", f"on {previous.tag} {was}, on this release {now}"
    # What this release's driver recorded, the previous one reads, repeats and ends.
    with copy_of(cluster, candidate(site)) as database:
        url = cluster.server.url(database)
        left = run_session(site.root, "fill", url)
        yield from _unreadable(left, run_session(previous.tree, "go-on", url, left))


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _comparable(inner) for name, inner in value.items() if not name.endswith(_OF_THE_RUN)}
    if isinstance(value, list):
        return [_comparable(inner) for inner in value]
    return value


def previous_release_gates() -> list[Gate]:
    """Return the gates that hold this release against the previous one."""
    expand = "expand first: keep the old form working beside the new one, take it away one release later"
    looks = {
        "N01": ("functions, types and views that callers use keep their signatures", _signatures),
        "N02": ("the previous release's contract tests pass on this release", _state_a),
        "N03": ("the previous release's functions work on this release's tables", _state_b),
        "N04": ("a database of the previous release becomes this one, with every row unchanged and readable", _state_c),
        "N05": ("the previous release's driver works on this release", _state_d),
    }
    return [
        Gate(
            id=name,
            title=title,
            invariants=("INV-N1-01", "INV-020"),
            remedy=expand,
            look=look,
        )
        for name, (title, look) in looks.items()
    ]
