"""Check a folder of evidence as somebody who did not make it: the index's signature, every file, and what it is of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jsonschema

from gates import signing
from gates.evidence import INDEX, SIGNATURE, listed

type Word = Literal["VALID", "TAMPERED", "INCOMPLETE", "STALE", "NOT PROVEN"]
_SCHEMA = Path(__file__).resolve().parent / "evidence.schema.json"


@dataclass(frozen=True, slots=True)
class Checked:
    """The word, and one line for each thing that led to it.

    VALID: signed by the given key, whole, of the given commit, and every implemented invariant passed.
    TAMPERED: the signature or a digest does not fit, or a file contradicts the index.
    INCOMPLETE: a file is missing, or one is there that the index does not list.
    STALE: of another commit than the one asked for, or of a tree with uncommitted changes.
    NOT PROVEN: sound, but some implemented invariant did not pass.
    """

    word: Word
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a caller with a checkout knows: the commit, the digest of its tree, and the invariants it declares."""

    commit: str
    tree_sha256: str
    invariants: frozenset[str]


def check(folder: Path, *, public_key: bytes, expected: Expected | None) -> Checked:
    """Check the folder against a key that the caller trusts, and against a commit when one is given.

    Raises:
        ValueError: the key is no P-256 public key.
    """
    try:
        content, signature = (folder / INDEX).read_bytes(), (folder / SIGNATURE).read_bytes()
    except FileNotFoundError as error:
        return Checked("INCOMPLETE", (f"{Path(error.filename).name} is missing",))
    if not signing.is_signed(public_key, signature, content):
        return Checked("TAMPERED", (f"{INDEX} is not signed by this key",))
    index = json.loads(content)
    missing, wrong = _against_index(folder, index)
    if expected is not None:
        missing += [f"{name} was not judged" for name in sorted(expected.invariants - index["results"].keys())]
    if wrong:
        return Checked("TAMPERED", tuple(wrong))
    if missing:
        return Checked("INCOMPLETE", tuple(missing))
    stale = _staleness(index["anchors"], expected)
    if stale:
        return Checked("STALE", tuple(stale))
    unproven = [f"{name} {result}" for name, result in index["results"].items() if result not in ("PASS", "ROADMAP")]
    if unproven or "PASS" not in index["results"].values():
        return Checked("NOT PROVEN", tuple(unproven) or ("no invariant passed",))
    counted = f"{len(index['results'])} invariants, {len(index['files'])} files"
    return Checked("VALID", (counted, *(f"let pass: {name} {why}" for name, why in _exceptions(folder, index))))


def _exceptions(folder: Path, index: dict[str, Any]) -> list[tuple[str, str]]:
    documents = [json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in index["results"]]
    return sorted({item for document in documents for item in document["exceptions"].items()})


def _against_index(folder: Path, index: dict[str, Any]) -> tuple[list[str], list[str]]:
    expected = {entry["path"]: entry["sha256"] for entry in index["files"]}
    present = set(listed(folder))
    missing = [f"{name} is missing" for name in sorted(set(expected) - present)]
    missing += [f"{name} is not in the index" for name in sorted(present - set(expected))]
    missing += [f"no file of {name}" for name in index["results"] if f"{name}.json" not in expected]
    wrong = []
    validator = jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))
    for name in sorted(present & set(expected)):
        if (folder / name).is_symlink():
            wrong.append(f"{name} is a symbolic link")
            continue
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != expected[name]:
            wrong.append(f"{name} is not what was sealed")
        elif name.startswith("INV-") and name.endswith(".json"):
            wrong += _contradictions(name, json.loads(content), index, validator)
    return missing, wrong


def _contradictions(
    name: str, document: Any, index: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> list[str]:
    error = next(iter(validator.iter_errors(document)), None)
    if error is not None:
        return [f"{name}: {error.message}"]
    found = []
    if document["anchors"] != index["anchors"]:
        found.append(f"{name} has other anchors than the index")
    if index["results"].get(document["invariant"]) != document["result"] or name != f"{document['invariant']}.json":
        found.append(f"{name} says {document['result']}, the index does not")
    return found


def _staleness(anchors: dict[str, Any], expected: Expected | None) -> list[str]:
    found = []
    if expected is not None and anchors["commit"] != expected.commit:
        found.append(f"it is of commit {anchors['commit'][:12]}, not {expected.commit[:12]}")
    elif expected is not None and anchors["tree_sha256"] != expected.tree_sha256:
        found.append(f"it is not of the files of commit {expected.commit[:12]}")
    if anchors["dirty"]:
        found.append("it is of a tree with changes that are in no commit")
    return found
