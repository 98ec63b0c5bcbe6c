"""Evidence: nothing passes by default, and what was sealed cannot be changed, thinned out or passed off as newer."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gates import evidence, signing
from gates.anchors import Anchors
from gates.evidence_check import Expected, check
from gates.gate import Finding, Gate, Result
from gates.manifest import Invariant
from gates.proofs import Reports
from symphony.operator_error import OperatorError

COMMIT = "0" * 40
ANCHORS = Anchors(
    commit=COMMIT,
    dirty=False,
    tree_sha256="1" * 64,
    validator_sha256="2" * 64,
    migration_version=8,
    migrations_sha256="3" * 64,
    functions_sha256="4" * 64,
    environment="dev",
    tools={"python": "3.13"},
)
INDEX_LINE = "table outbox.idempotency_ledger"
PROMISE = Invariant(
    id="INV-011",
    title="One instruction per key",
    severity="critical",
    status="implemented",
    owner="outbox",
    enforced_by=(INDEX_LINE,),
    verified_by=("pgtap INV-011", "test driver/tests/test_a.py::test_b", "gate C29"),
)
GATE = Gate("C29", "the index is as it must be", ("INV-011",), "restore it", lambda site: [])
GREEN = Result(GATE, "PASS", (), "", 1)
REPORTS = Reports(
    suites={"pgtap", "test"},
    assertions=[("INV-011: one", True), ("INV-012: another", False)],
    tests=[("driver/tests/test_a.py", "test_b[16]", True), ("driver/tests/test_a.py", "test_bc", False)],
)
RUN = evidence.Run(ANCHORS, {"C29": GREEN}, REPORTS, {INDEX_LINE: True}, "6" * 64, {})


def judged(run: evidence.Run, invariant: Invariant = PROMISE) -> tuple[str, str]:
    """Return (result, reason) of the one invariant, whose document must have the published form."""
    document = evidence.documents(run, [invariant])[invariant.id]
    schema = json.loads((Path(evidence.__file__).parent / "evidence.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    return document["result"], document["reason"]


def test_everything_proven_is_a_pass() -> None:
    assert judged(RUN) == ("PASS", "")


FINDING = Finding("C29", "error", "outbox.ux_attempts", "another predicate", "restore it")


@pytest.mark.parametrize(
    ("change", "result", "reason"),
    [
        ({"enforcers": {INDEX_LINE: False}}, "FAIL", "table outbox.idempotency_ledger does not exist"),
        ({"enforcers": {INDEX_LINE: None}}, "NOT_PROVEN", "could not be looked for"),
        ({"enforcers": {}}, "NOT_PROVEN", "could not be looked for"),
        ({"reports": replace(REPORTS, assertions=[])}, "NOT_PROVEN", "pgtap INV-011: it did not run"),
        ({"reports": replace(REPORTS, assertions=[("INV-0110: near", True)])}, "NOT_PROVEN", "pgtap INV-011"),
        ({"reports": replace(REPORTS, assertions=[("INV-011: one", False)])}, "FAIL", "pgtap INV-011 failed"),
        ({"reports": replace(REPORTS, tests=[])}, "NOT_PROVEN", "test_b: it did not run"),
        (
            {"reports": replace(REPORTS, tests=[("driver/tests/test_a.py", "test_b[1]", False)])},
            "FAIL",
            "test_b failed",
        ),
        ({"reports": Reports(reason="of another tree")}, "NOT_PROVEN", "of another tree"),
        ({"results": {}}, "NOT_PROVEN", "gate C29: it was not asked for"),
        ({"results": {"C29": replace(GREEN, verdict="FAIL", findings=(FINDING,))}}, "FAIL", "gate C29 failed"),
        ({"results": {"C29": replace(GREEN, verdict="ERROR", reason="no database")}}, "FAIL", "gate C29 failed"),
        (
            {"results": {"C29": replace(GREEN, verdict="NOT_APPLICABLE", reason="no release")}},
            "NOT_PROVEN",
            "no release",
        ),
    ],
)
def test_anything_less_is_not(change: dict[str, object], result: str, reason: str) -> None:
    found = judged(replace(RUN, **change))  # type: ignore[arg-type]
    assert found[0] == result
    assert reason in found[1]


def test_a_promise_is_never_green() -> None:
    assert judged(RUN, replace(PROMISE, status="roadmap", enforced_by=(), verified_by=()))[0] == "ROADMAP"
    assert judged(RUN, replace(PROMISE, verified_by=()))[0] == "NOT_PROVEN"


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SYMPHONY_ENVIRONMENT", raising=False)
    monkeypatch.delenv(signing.KEY_VARIABLE, raising=False)
    (tmp_path / "evidence" / "proofs").mkdir(parents=True)
    (tmp_path / "evidence" / "proofs" / "pgtap.tap").write_text("ok 1 - INV-011: one\n", encoding="utf-8")
    evidence.seal(tmp_path, evidence.documents(RUN, [PROMISE, replace(PROMISE, id="INV-012")]), ANCHORS)
    return tmp_path / "evidence"


HERE = Expected(COMMIT, ANCHORS.tree_sha256, frozenset({"INV-011"}))


def word(folder: Path, expected: Expected | None = HERE, key: bytes | None = None) -> str:
    """Check the folder with the key that was seen when it was sealed."""
    return check(folder, public_key=key or (folder / evidence.SIGNER).read_bytes(), expected=expected).word


def test_what_was_sealed_is_valid_also_to_openssl(sealed: Path) -> None:
    assert word(sealed) == "VALID"
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    command = [
        "openssl",
        "dgst",
        "-sha256",
        "-verify",
        evidence.SIGNER,
        "-signature",
        evidence.SIGNATURE,
        evidence.INDEX,
    ]
    said = subprocess.run(command, cwd=sealed, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout.strip()) == (0, "Verified OK")


def test_evidence_of_another_commit_or_a_changed_tree_is_stale(sealed: Path) -> None:
    assert word(sealed, replace(HERE, commit="f" * 40)) == "STALE"
    assert word(sealed, replace(HERE, tree_sha256="f" * 64)) == "STALE", "not the files of that commit"
    assert word(sealed, None) == "VALID"
    root = sealed.parent
    evidence.seal(root, evidence.documents(RUN, [PROMISE]), replace(ANCHORS, dirty=True))
    assert word(sealed) == "TAMPERED", "the documents have other anchors than the index"
    dirty = replace(RUN, anchors=replace(ANCHORS, dirty=True))
    evidence.seal(root, evidence.documents(dirty, [PROMISE]), dirty.anchors)
    assert word(sealed) == "STALE"


def test_a_run_in_which_something_did_not_pass_is_not_proven(sealed: Path) -> None:
    half = replace(RUN, reports=Reports())
    evidence.seal(sealed.parent, evidence.documents(half, [PROMISE]), ANCHORS)
    assert word(sealed) == "NOT PROVEN"
    promised = replace(PROMISE, status="roadmap")
    evidence.seal(sealed.parent, evidence.documents(RUN, [promised]), ANCHORS)
    assert word(sealed) == "NOT PROVEN", "nothing but promises"


def _edit(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def test_forged_thinned_and_padded_evidence_is_found(sealed: Path, tmp_path: Path) -> None:
    def spoiled(name: str) -> Path:
        copy = tmp_path / name
        shutil.copytree(sealed, copy)
        return copy

    forged = spoiled("forged")
    _edit(forged / "INV-011.json", b'"critical"', b'"medium"')
    assert word(forged) == "TAMPERED"
    report = spoiled("report")
    _edit(report / "proofs" / "pgtap.tap", b"ok 1", b"ok 2")
    assert word(report) == "TAMPERED"
    index = spoiled("index")
    _edit(index / evidence.INDEX, COMMIT.encode(), b"f" * 40)
    assert word(index, replace(HERE, commit="f" * 40)) == "TAMPERED"
    thinned = spoiled("thinned")
    (thinned / "INV-012.json").unlink()
    assert word(thinned) == "INCOMPLETE"
    padded = spoiled("padded")
    (padded / "INV-099.json").write_text("{}", encoding="utf-8")
    assert word(padded) == "INCOMPLETE"
    linked = spoiled("linked")
    (linked / "annex").symlink_to(sealed, target_is_directory=True)
    assert word(linked) == "INCOMPLETE"
    (linked / "annex").unlink()
    (linked / "INV-012.json").rename(tmp_path / "elsewhere.json")
    (linked / "INV-012.json").symlink_to(tmp_path / "elsewhere.json")
    assert word(linked) == "TAMPERED"
    unsigned = spoiled("unsigned")
    (unsigned / evidence.SIGNATURE).unlink()
    assert check(unsigned, public_key=(sealed / evidence.SIGNER).read_bytes(), expected=None).word == "INCOMPLETE"


def test_a_signature_of_another_key_is_none(sealed: Path) -> None:
    trusted = (sealed / evidence.SIGNER).read_bytes()
    other = ec.generate_private_key(ec.SECP256R1())
    content = (sealed / evidence.INDEX).read_bytes()
    (sealed / evidence.SIGNATURE).write_bytes(signing.sign(other, content))
    (sealed / evidence.SIGNER).write_bytes(signing.public_pem(other))
    assert word(sealed) == "VALID", "the key in the folder is no better than the folder"
    assert word(sealed, key=trusted) == "TAMPERED"


def test_a_run_that_judged_only_some_invariants_is_incomplete(sealed: Path) -> None:
    found = check(
        sealed,
        public_key=(sealed / evidence.SIGNER).read_bytes(),
        expected=replace(HERE, invariants=frozenset({"INV-011", "INV-014"})),
    )
    assert (found.word, found.lines) == ("INCOMPLETE", ("INV-014 was not judged",))


def test_what_was_let_pass_is_told(sealed: Path) -> None:
    excused = replace(RUN, exceptions={"EXC-0001": "M05 x: a reason"})
    evidence.seal(sealed.parent, evidence.documents(excused, [PROMISE]), ANCHORS)
    found = check(sealed, public_key=(sealed / evidence.SIGNER).read_bytes(), expected=HERE)
    assert (found.word, found.lines[1:]) == ("VALID", ("let pass: EXC-0001 M05 x: a reason",))


def test_a_resealed_run_leaves_nothing_of_the_one_before(sealed: Path) -> None:
    evidence.seal(sealed.parent, evidence.documents(RUN, [PROMISE]), ANCHORS)
    assert not (sealed / "INV-012.json").exists()
    assert word(sealed) == "VALID"


def test_outside_dev_nothing_is_signed_with_a_key_of_our_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYMPHONY_ENVIRONMENT", "production")
    monkeypatch.delenv(signing.KEY_VARIABLE, raising=False)
    with pytest.raises(OperatorError) as refused:
        evidence.seal(tmp_path, evidence.documents(RUN, [PROMISE]), ANCHORS)
    assert refused.value.code == "SIGNING_KEY_MISSING"
    assert not (tmp_path / "evidence").exists()
    (tmp_path / "not-a-key.pem").write_text("x", encoding="ascii")
    monkeypatch.setenv(signing.KEY_VARIABLE, str(tmp_path / "not-a-key.pem"))
    with pytest.raises(OperatorError) as refused:
        signing.signing_key(tmp_path)
    assert refused.value.code == "SIGNING_KEY_INVALID"
