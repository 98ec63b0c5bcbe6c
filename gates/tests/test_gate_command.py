"""The commands themselves, in a clone of this checkout: what they print, write and return."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gates.site import ROOT

pytestmark = pytest.mark.slow


class Checkout:
    """A clone with the changes that are not committed yet, committed in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        listed = self._git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
        self._git(ROOT, "clone", "--quiet", "--no-checkout", str(ROOT), str(root))
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes((ROOT / name).read_bytes())
                (root / name).chmod((ROOT / name).stat().st_mode)
        (root / ".cache").symlink_to(ROOT / ".cache")
        self.commit()

    def commit(self) -> None:
        """Commit everything."""
        self._git(self.root, "add", "--all")
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        self._git(self.root, *identity, "commit", "--quiet", "--allow-empty", "-m", "as it lies")

    def symphony(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command there."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("SYMPHONY_", "PG", "DATABASE_"))
        }
        environment |= {"PYTHONPATH": f"{self.root / 'driver'}:{self.root}", **variables}
        command = [sys.executable, "-m", "symphony.cli", *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def evidence(self, name: str) -> Any:
        """Return a document of the last run."""
        return json.loads((self.root / "evidence" / f"{name}.json").read_text(encoding="utf-8"))

    @staticmethod
    def _git(where: Path, *arguments: str) -> str:
        command = ["git", "-C", str(where), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("clone") / "checkout")


def test_an_invariant_proven_by_gates_and_assertions_alone_passes_and_is_sealed(checkout: Checkout) -> None:
    done = checkout.symphony("gate", "INV-018")
    assert (done.returncode, "1 PASS" in done.stdout) == (0, True), done.stdout + done.stderr
    document = checkout.evidence("INV-018")
    assert (document["result"], document["anchors"]["dirty"]) == ("PASS", False)
    assert document["fingerprint_sha256"]
    key = str(checkout.root / "evidence" / "signer.pem")
    verified = checkout.symphony("evidence", "verify", "--key", key)
    assert (verified.returncode, verified.stdout.splitlines()[0]) == (3, "INCOMPLETE"), "the others were not judged"
    assert "INV-014 was not judged" in verified.stdout
    verified = checkout.symphony("evidence", "verify", "--key", key, "--commit", "any")
    assert (verified.returncode, verified.stdout.splitlines()[0]) == (0, "VALID"), verified.stdout + verified.stderr


def test_a_test_that_did_not_run_is_not_proven_and_red_when_proofs_are_required(checkout: Checkout) -> None:
    done = checkout.symphony("gate", "INV-CELL-001")
    assert (done.returncode, checkout.evidence("INV-CELL-001")["result"]) == (0, "NOT_PROVEN")
    done = checkout.symphony("gate", "INV-CELL-001", "--require-proofs")
    assert done.returncode == 1
    assert "test driver/tests/test_cell_fence.py" in done.stdout


def test_without_a_database_nothing_passes(checkout: Checkout) -> None:
    done = checkout.symphony("gate", "--all", "--no-server", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["red"]) == (1, True)
    assert "PASS" not in said["invariants"].values()
    verdicts = {result["gate"]: result["verdict"] for result in said["results"]}
    assert {verdict for gate, verdict in verdicts.items() if gate.startswith("C")} <= {"ERROR", "NOT_APPLICABLE"}


def test_a_database_that_is_not_there_is_an_error(checkout: Checkout) -> None:
    done = checkout.symphony("gate", "C01", "--database-url", "postgresql://nobody@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "ERROR          C01" in done.stdout


def test_an_unknown_id_is_named(checkout: Checkout) -> None:
    done = checkout.symphony("gate", "C01", "INV-999")
    assert done.returncode == 1
    assert "GATE_UNKNOWN: INV-999" in done.stderr


def test_outside_dev_a_run_without_a_key_is_refused(checkout: Checkout) -> None:
    done = checkout.symphony("gate", "INV-018", SYMPHONY_ENVIRONMENT="ci")
    assert done.returncode == 1
    assert "SIGNING_KEY_MISSING" in done.stderr
