"""gates/invariants.yml: what is promised, what enforces it, what shows it; and the gates that hold it to its word.

`python -m gates.manifest --reviewed` writes the digests of today's SQL into it, after somebody has looked whether its
entries still say the truth about changed SQL.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gates import yaml_documents
from gates.anchors import git
from gates.gate import Gate
from gates.release_digest import functions_digest, migrations_digest
from gates.site import ROOT, Site
from symphony.migration_files import read

_LOCATE = (Path(__file__).resolve().parent / "enforcers.sql").read_text(encoding="utf-8")
_PGTAP_ID = re.compile(r"'([A-Z]+(?:-[A-Z0-9]+)*-\d+): ")
SCHEMA = "invariants.schema.json"
_PATH = "gates/invariants.yml"
_REVIEWED = re.compile(r"^  (migrations|functions)_sha256: .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Invariant:
    """One entry; see the comment at the top of gates/invariants.yml."""

    id: str
    title: str
    severity: str
    status: str
    owner: str
    enforced_by: tuple[str, ...]
    verified_by: tuple[str, ...]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole file."""

    reviewed: dict[str, str]
    invariants: tuple[Invariant, ...]

    def ids(self) -> dict[str, str]:
        """Return every id and alias with the id it means. Raises ValueError when one stands for two."""
        known: dict[str, str] = {}
        for invariant in self.invariants:
            for name in (invariant.id, *invariant.aliases):
                if name in known:
                    raise ValueError(f"{name} stands twice in gates/invariants.yml")
                known[name] = invariant.id
        return known


def load(root: Path = ROOT) -> Manifest:
    """Read the manifest. Raises InvalidDocument, ValueError (an id twice), OSError."""
    document = yaml_documents.read(root / "gates" / "invariants.yml", schema=SCHEMA)
    invariants = tuple(_invariant(entry) for entry in document["invariants"])
    manifest = Manifest(reviewed=document["reviewed"], invariants=invariants)
    manifest.ids()
    return manifest


def at_commit(root: Path, commit: str) -> list[Invariant]:
    """Return the invariants that a commit declared. Raises InvalidDocument; OperatorError: COMMIT_UNKNOWN."""
    text = git(root, "cat-file", "blob", f"{commit}:{_PATH}")
    return [_invariant(entry) for entry in yaml_documents.parse(text, schema=SCHEMA, name=_PATH)["invariants"]]


def _invariant(entry: dict[str, Any]) -> Invariant:
    lists = {name: tuple(entry.get(name, ())) for name in ("enforced_by", "verified_by", "aliases")}
    return Invariant(**{**entry, **lists})


def located(site: Site, objects: Iterable[str]) -> dict[str, bool]:
    """Tell of each enforcer whether it exists, in the catalog or in the checkout."""
    wanted = set(objects)
    in_catalog = {name for name in wanted if name.split()[0] not in ("python", "file")}
    found = {name: _in_checkout(site.root, name) for name in wanted - in_catalog}
    if in_catalog:
        with site.session() as connection:
            present = {str(name) for (name,) in connection.execute(_LOCATE.encode())}
        found |= {name: name in present for name in in_catalog}
    return found


def _in_checkout(root: Path, name: str) -> bool:
    kind, _, rest = name.partition(" ")
    if kind == "file":
        return (root / rest).exists()
    module, _, attribute = rest.partition(":")
    relative = Path(*module.split("."))
    for base in (root / "driver", root):
        for path in (base / relative.with_suffix(".py"), base / relative / "__init__.py"):
            if path.is_file():
                return bool(re.search(rf"^(?:async )?(?:def|class) {attribute}\b", path.read_text("utf-8"), re.M))
    return False


def manifest_gates() -> list[Gate]:
    """Return the gates that hold the manifest to its word."""
    return [
        Gate(
            id="X01",
            title="every enforcer that the manifest names exists",
            invariants=("INV-EVID-001",),
            remedy="restore the object, or say in gates/invariants.yml what enforces the invariant now",
            look=_missing_enforcers,
        ),
        Gate(
            id="X02",
            title="every proof that the manifest names exists, and every id that a proof names is in the manifest",
            invariants=("INV-EVID-001",),
            remedy="correct the name in gates/invariants.yml, or add the invariant",
            look=_missing_proofs,
        ),
        Gate(
            id="X03",
            title="changed migrations, functions or grants were held against the manifest",
            invariants=("INV-EVID-001",),
            remedy="see whether gates/invariants.yml still says the truth, then: python -m gates.manifest --reviewed",
            look=_not_reviewed,
        ),
        Gate(
            id="X08",
            title="the manifest promises, enforces and proves all that it did at the base",
            invariants=("INV-EVID-001",),
            remedy="restore it; what is really obsolete is let pass by an exception, once",
            look=_thinned,
        ),
    ]


def _thinned(site: Site) -> Iterator[tuple[str, str]]:
    from gates.changes import base_of  # which asks this module for the ids

    commit = git(site.root, "rev-parse", "--verify", "--end-of-options", f"{base_of(site)}^{{commit}}").strip()
    if _PATH not in git(site.root, "ls-tree", "-r", "--name-only", commit, "--", _PATH).splitlines():
        return  # nothing was promised yet
    now = {invariant.id: invariant for invariant in load(site.root).invariants}
    for was in at_commit(site.root, commit):
        if was.id not in now:
            yield was.id, "was promised and is gone"
        elif (was.status, now[was.id].status) == ("implemented", "roadmap"):
            yield was.id, "was implemented and is a promise again"
        else:
            for name in sorted(
                {*was.verified_by, *was.enforced_by} - {*now[was.id].verified_by, *now[was.id].enforced_by}
            ):
                yield was.id, f"no longer names {name}"


def _missing_enforcers(site: Site) -> Iterator[tuple[str, str]]:
    invariants = load(site.root).invariants
    exists = located(site, {name for invariant in invariants for name in invariant.enforced_by})
    for invariant in invariants:
        for name in invariant.enforced_by:
            if not exists[name]:
                yield invariant.id, f"{name} does not exist"


def _missing_proofs(site: Site) -> Iterator[tuple[str, str]]:
    from gates.registry import all_gates  # the registry holds this module's gates too

    manifest = load(site.root)
    gates = all_gates()
    asserted = asserted_ids(site.sql_dir / "tests")
    for invariant in manifest.invariants:
        for name in invariant.verified_by:
            kind, _, rest = name.partition(" ")
            if not _proof_exists(site.root, kind, rest, asserted, gates):
                yield invariant.id, f"{name} does not exist"
        claimed = {f"gate {gate.id}" for gate in gates.values() if invariant.id in gate.invariants}
        for name in sorted(claimed - set(invariant.verified_by)):
            yield invariant.id, f"{name} says it proves this, the manifest does not"
        for name in sorted({n for n in invariant.verified_by if n.startswith("gate ")} - claimed):
            yield invariant.id, f"the manifest says {name} proves this, the gate does not"
    known = manifest.ids()
    for gate in gates.values():
        for name in set(gate.invariants) - set(known):
            yield f"gate {gate.id}", f"proves {name}, which is not in the manifest"
    for name in sorted(asserted - set(known)):
        yield "sql/tests", f"assertions name {name}, which is not in the manifest"


def _proof_exists(root: Path, kind: str, rest: str, asserted: set[str], gates: dict[str, Gate]) -> bool:
    if kind == "gate":
        return rest in gates
    if kind == "pgtap":
        return rest in asserted
    path, _, test = rest.partition("::")
    file = root / path
    return file.is_file() and (not test or bool(re.search(rf"^(async )?def {test}\(", file.read_text("utf-8"), re.M)))


@cache
def asserted_ids(tests: Path) -> set[str]:
    """Return the ids with which assertions of sql/tests begin."""
    return {name for path in tests.rglob("*.*sql") for name in _PGTAP_ID.findall(path.read_text(encoding="utf-8"))}


def _not_reviewed(site: Site) -> Iterator[tuple[str, str]]:
    reviewed = load(site.root).reviewed
    for part, digest in _digests(site.sql_dir).items():
        if reviewed[f"{part}_sha256"] != digest:
            yield (
                ("sql/grants.sql" if part == "grants" else f"sql/{part}"),
                "changed since the manifest was last held against it",
            )


def _digests(sql_dir: Path) -> dict[str, str]:
    sources = read(sql_dir)
    # grants.sql counts among the functions
    return {"migrations": migrations_digest(sources).hex(), "functions": functions_digest(sources).hex()}


def _write_reviewed(root: Path) -> None:
    path = root / "gates" / "invariants.yml"
    now = _digests(root / "sql")
    text = _REVIEWED.sub(lambda found: f'  {found[1]}_sha256: "{now[found[1]]}"', path.read_text(encoding="utf-8"))
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["--reviewed"]:
        sys.exit("usage: python -m gates.manifest --reviewed")
    _write_reviewed(ROOT)
