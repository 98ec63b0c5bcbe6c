"""Evidence of a run: one file per invariant, all of them sealed in one index, the index signed.

    evidence/INV-012.json           what this run showed about INV-012 (gates/evidence.schema.json)
    evidence/proofs/…               the suites' own reports
    evidence/EVIDENCE_INDEX.json    the SHA-256 of each, and the anchors
    evidence/EVIDENCE_INDEX.json.sig, signer.pem

Nothing passes by default: what could not be looked at, or did not run, is NOT_PROVEN.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gates import signing
from gates.anchors import Anchors, sha256_of
from gates.gate import Result
from gates.manifest import Invariant
from gates.proofs import EXCERPT, Proof, Reports

INDEX = "EVIDENCE_INDEX.json"
SIGNATURE = f"{INDEX}.sig"
SIGNER = "signer.pem"
_LONGEST_EXCERPT = 300

# By the id of the invariant; the form is gates/evidence.schema.json.
type Documents = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of the gates has to tell.

    Attributes:
        results: what each gate that ran said.
        reports: what the test suites reported of this tree.
        enforcers: of each object that enforces something, whether it exists; None when nobody could look.
        fingerprint: of the database looked at, None without one.
        exceptions: by id, what was let pass.
    """

    anchors: Anchors
    results: Mapping[str, Result]
    reports: Reports
    enforcers: Mapping[str, bool | None]
    fingerprint: str | None
    exceptions: Mapping[str, str]

    def proofs(self, invariant: Invariant) -> list[Proof]:
        """Return what each proof of an invariant came to in this run."""
        return [
            self._gate_proof(name) if name.startswith("gate ") else self.reports.proof(name)
            for name in invariant.verified_by
        ]

    def _gate_proof(self, name: str) -> Proof:
        result = self.results.get(name.removeprefix("gate "))
        if result is None:
            return Proof(name, "NOT_RUN", reason="it was not asked for")
        if result.verdict in ("NOT_APPLICABLE", "ERROR"):
            return Proof(name, "NOT_RUN" if result.verdict == "NOT_APPLICABLE" else "FAIL", reason=result.reason)
        said = tuple(f"{finding.object}: {finding.detail}"[:_LONGEST_EXCERPT] for finding in result.findings)[:EXCERPT]
        if result.verdict == "FAIL":
            return Proof(name, "FAIL", failed=len(result.findings), excerpts=said)
        return Proof(name, "PASS", passed=1, excerpts=said or (result.gate.title,))


def judge(invariant: Invariant, proofs: Iterable[Proof], enforcers: Mapping[str, bool | None]) -> tuple[str, str]:
    """Return (result, reason): PASS only if every enforcer exists and every proof ran and passed."""
    if invariant.status == "roadmap":
        return "ROADMAP", "promised, not enforced yet"
    proofs = list(proofs)
    wrong = [f"{name} does not exist" for name in invariant.enforced_by if enforcers.get(name) is False]
    wrong += [f"{proof.name} failed" for proof in proofs if proof.outcome == "FAIL"]
    if wrong:
        return "FAIL", "; ".join(wrong)
    missing = [f"{name} could not be looked for" for name in invariant.enforced_by if enforcers.get(name) is None]
    missing += [f"{proof.name}: {proof.reason}" for proof in proofs if proof.outcome == "NOT_RUN"]
    if missing or not proofs:
        return "NOT_PROVEN", "; ".join(missing) or "it names no proof"
    return "PASS", ""


def documents(run: Run, invariants: Iterable[Invariant]) -> Documents:
    """Return the evidence document of each invariant, by its id."""
    produced_at = datetime.now(UTC).isoformat(timespec="seconds")
    found = {}
    for invariant in invariants:
        proofs = run.proofs(invariant)
        result, reason = judge(invariant, proofs, run.enforcers)
        found[invariant.id] = {
            "schema": "symphony/evidence/1",
            "invariant": invariant.id,
            "title": invariant.title,
            "severity": invariant.severity,
            "status": invariant.status,
            "result": result,
            "reason": reason,
            "produced_at": produced_at,
            "anchors": asdict(run.anchors),
            "fingerprint_sha256": run.fingerprint,
            "enforced_by": [{"object": name, "exists": run.enforcers.get(name)} for name in invariant.enforced_by],
            "proofs": [{**asdict(proof), "excerpts": _bounded(proof.excerpts)} for proof in proofs],
            "exceptions": dict(run.exceptions),
        }
    return found


def _bounded(excerpts: Iterable[str]) -> list[str]:
    return [text[:_LONGEST_EXCERPT] for text in excerpts]


def seal(root: Path, found: Documents, anchors: Anchors) -> Path:
    """Write the documents, the index over everything in evidence/, and its signature; return the index.

    Files of another run are removed first: an index speaks of one run.

    Raises:
        OperatorError: as signing.signing_key does, before anything is written.
    """
    key = signing.signing_key(root)
    folder = root / "evidence"
    folder.mkdir(exist_ok=True)
    for left in [*folder.glob("*.json"), folder / SIGNATURE, folder / SIGNER]:
        left.unlink(missing_ok=True)
    for name, document in found.items():
        (folder / f"{name}.json").write_bytes(_json(document))
    index = {
        "schema": "symphony/evidence-index/1",
        "produced_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "anchors": asdict(anchors),
        "results": {name: document["result"] for name, document in sorted(found.items())},
        "files": [{"path": name, "sha256": sha256_of(folder / name)} for name in listed(folder)],
    }
    content = _json(index)
    (folder / SIGNER).write_bytes(signing.public_pem(key))
    (folder / SIGNATURE).write_bytes(signing.sign(key, content))
    (folder / INDEX).write_bytes(content)
    return folder / INDEX


def listed(folder: Path) -> list[str]:
    """Return the files that an index lists: everything in the folder but itself, its signature and the key."""
    own = {INDEX, SIGNATURE, SIGNER}
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(name for name in found if name not in own)


def _json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
