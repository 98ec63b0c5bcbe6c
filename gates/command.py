"""`symphony gate`: look, say what is wrong, write the evidence, exit 1 on any finding."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click
import psycopg

from gates import anchors, evidence, exceptions, fingerprint, manifest, proofs
from gates.databases import built
from gates.gate import Gate, Result, run
from gates.site import ROOT, Site
from symphony.errors import SymphonyError
from symphony.operator_error import OperatorError, reported
from symphony.postgres_throwaway import PGTAP, Cluster

_AT_ONCE = 3


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Every gate, and evidence of every invariant.")
@click.option("--list", "only_list", is_flag=True, help="Say which gates there are.")
@click.option("--database-url", help="Look at this database.  [default: a fresh one on a throwaway server]")
@click.option("--no-server", is_flag=True, help="Look at files only; what needs a database then fails.")
@click.option("--require-proofs", is_flag=True, help="Red also when an implemented invariant is not proven.")
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.pass_context
def gate(
    context: click.Context,
    /,
    *,
    ids: tuple[str, ...],
    everything: bool,
    only_list: bool,
    database_url: str | None,
    no_server: bool,
    require_proofs: bool,
    as_json: bool,
) -> None:
    """Run gates by their ids or those of invariants (C01, INV-008), or --all. Findings go to standard output."""
    with reported():
        chosen, invariants = _choose(ids, everything=everything or only_list)
        if only_list:
            for found in chosen:
                click.echo(f"{found.id}  {found.title}  ({', '.join(found.invariants)})")
            return
        begin = time.monotonic()
        with _site(database_url, no_server=no_server) as site:
            run_of = _look(site, chosen, invariants=invariants)
        documents = evidence.documents(run_of, invariants)
        if documents:
            evidence.seal(site.root, documents, run_of.anchors)
        red = _tell(run_of, documents, require_proofs=require_proofs, as_json=as_json)
        if not as_json:
            click.echo(f"{len(chosen)} gates in {time.monotonic() - begin:.1f} s: {'red' if red else 'green'}")
    context.exit(1 if red else 0)


def _choose(ids: Sequence[str], *, everything: bool) -> tuple[list[Gate], list[manifest.Invariant]]:
    gates, declared = _all_gates(), manifest.load()
    if everything:
        return list(gates.values()), list(declared.invariants)
    known = declared.ids()
    unknown = [name for name in ids if name not in gates and name not in known]
    if unknown or not ids:
        raise OperatorError(
            "GATE_UNKNOWN",
            thing=", ".join(unknown) or "no id",
            reason="no gate and no invariant is called so" if unknown else "there is nothing to run",
            next_action="symphony gate --list shows the gates, gates/invariants.yml the invariants",
        )
    invariants = [invariant for invariant in declared.invariants if invariant.id in {known.get(name) for name in ids}]
    wanted = {name for invariant in invariants for name in invariant.verified_by if name.startswith("gate ")}
    return [found for name, found in gates.items() if name in ids or f"gate {name}" in wanted], invariants


def _all_gates() -> dict[str, Gate]:
    """Return every gate. What parses SQL is among the test tools, which a run-time installation does not have."""
    try:
        from gates.registry import all_gates
    except ModuleNotFoundError as error:
        raise OperatorError(
            "GATE_TOOLS_MISSING",
            thing=f"the package {error.name}",
            reason="it is among the test tools, and they are not installed",
            next_action="run scripts/setup --test",
        ) from error
    return all_gates()


@contextmanager
def _site(database_url: str | None, *, no_server: bool) -> Iterator[Site]:
    if database_url or no_server:
        yield Site(database_url=database_url)
        return
    cluster = Cluster()
    try:
        cluster.start()
        # Not a clone of the template: what CREATE DATABASE ... TEMPLATE loses would look like the files' doing.
        with built(cluster, ROOT / "sql") as url:
            yield Site(database_url=url, cluster=cluster)
    finally:
        cluster.stop()


def _look(site: Site, chosen: Sequence[Gate], *, invariants: Sequence[manifest.Invariant]) -> evidence.Run:
    _run_pgtap(site, invariants)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        results = list(threads.map(lambda found: run(found, site), chosen))
    excused, used = exceptions.apply(results, exceptions.load(site.root), exceptions.today())
    return evidence.Run(
        anchors=anchors.take(site.root),
        results={result.gate.id: result for result in excused},
        reports=proofs.load(site.root),
        enforcers=_enforcers(site, invariants),
        fingerprint=_fingerprint(site),
        exceptions=used,
    )


def _run_pgtap(site: Site, invariants: Sequence[manifest.Invariant]) -> None:
    """Have the assertions of sql/tests run on this tree, unless ./scripts/test has done it already."""
    asserted = any(name.startswith("pgtap ") for invariant in invariants for name in invariant.verified_by)
    if site.cluster is None or not asserted or not PGTAP.is_dir():
        return
    from tests.pgtap import prove

    reports = proofs.load(site.root)
    if "pgtap" in reports.suites:
        return
    folder = proofs.begin(site.root) if reports.reason else site.root / "evidence" / "proofs"
    files = sorted((site.sql_dir / "tests").rglob("*.sql"))
    prove(site.cluster.server, site.cluster.clone(), files, tap=folder / proofs.PGTAP)


def _enforcers(site: Site, invariants: Sequence[manifest.Invariant]) -> dict[str, bool | None]:
    names = {name for invariant in invariants for name in invariant.enforced_by}
    try:
        return dict(manifest.located(site, names))
    except (SymphonyError, psycopg.Error):
        return dict.fromkeys(names)


def _fingerprint(site: Site) -> str | None:
    try:
        with site.session() as connection:
            return fingerprint.take(connection).sha256
    except (SymphonyError, psycopg.Error):
        return None


def _tell(run_of: evidence.Run, documents: evidence.Documents, *, require_proofs: bool, as_json: bool) -> bool:
    """Print everything and return whether the run is red."""
    results = list(run_of.results.values())
    verdicts = {name: document["result"] for name, document in documents.items()}
    failed = {name: document["reason"] for name, document in documents.items() if verdicts[name] == "FAIL"}
    if require_proofs:
        failed |= {name: documents[name]["reason"] for name in verdicts if _is_unproven(documents[name], run_of)}
    red = any(result.verdict in ("FAIL", "ERROR") for result in results) or bool(failed)
    if as_json:
        found = [_as_json(result) for result in results]
        click.echo(json.dumps({"red": red, "results": found, "invariants": verdicts}))
        return red
    for result in results:
        if result.reason:
            click.echo(f"{result.verdict:<14} {result.gate.id}  {result.gate.title}: {result.reason}")
        for said in result.findings:
            click.echo(f"{said.severity:<14} {said.gate}  {said.object}: {said.detail}. Next: {said.remedy}")
    for name, reason in [*run_of.exceptions.items(), *failed.items()]:
        click.echo(f"{verdicts.get(name, 'excused'):<14} {name}  {reason}")
    if verdicts:
        counted = Counter(verdicts.values())
        words = ", ".join(f"{counted[word]} {word}" for word in ("PASS", "FAIL", "NOT_PROVEN", "ROADMAP"))
        click.echo(f"{len(verdicts)} invariants: {words}; sealed in evidence/{evidence.INDEX}")
    return red


def _is_unproven(document: Mapping[str, Any], run_of: evidence.Run) -> bool:
    """Tell whether a proof is missing of what was asked to run; the slow suite may not have been."""
    if document["result"] != "NOT_PROVEN":
        return False
    missing = [proof["name"] for proof in document["proofs"] if proof["outcome"] == "NOT_RUN"]
    excused = "slow" not in run_of.reports.suites and missing and all(name.startswith("slow ") for name in missing)
    return not excused


def _as_json(result: Result) -> dict[str, object]:
    return {
        "gate": result.gate.id,
        "title": result.gate.title,
        "verdict": result.verdict,
        "reason": result.reason,
        "duration_ms": result.duration_ms,
        "findings": [asdict(finding) for finding in result.findings],
    }
