"""squawk over the migrations newer than the previous release: a second reader with rules of its own (.squawk.toml)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gates import exceptions, files_syntax
from gates.gate import Gate, NotApplicable
from gates.migrations_history import NONTRANSACTIONAL
from gates.migrations_landed import last_landed
from gates.site import Site
from symphony.operator_error import OperatorError

CONFIG = ".squawk.toml"
_TIMEOUT_S = 30
_IGNORES = re.compile(r"squawk-(ignore|disable)")
_WAIVER = re.compile(r"\bEXC-\d{4}\b")


def squawk_gates() -> list[Gate]:
    """Return the gates over squawk's findings and over who silences it."""
    return [
        Gate(
            id="F20",
            title="squawk finds nothing in migrations newer than the previous release",
            invariants=("INV-DDL-01",),
            remedy="follow squawk's advice (squawkhq.com/docs/rules)",
            look=_findings,
        ),
        Gate(
            id="F21",
            title="squawk is silenced only under an exception in force",
            invariants=("INV-DDL-01",),
            remedy="take the comment out, or name on its line an exception of gate F20 for this file",
            look=_silenced,
        ),
    ]


def _findings(site: Site) -> Iterator[tuple[str, str]]:
    landed = last_landed(site)
    newer = [f for f in files_syntax.files(site, "migrations") if int(Path(f.path).name[:4]) > landed]
    if not newer:
        raise NotApplicable(f"no migration is newer than {landed:04}, the previous release's last")
    alone = [file.path for file in newer if file.text.startswith(NONTRANSACTIONAL)]
    wrapped = [file.path for file in newer if file.path not in alone]
    yield from _run(site.root, wrapped, "--assume-in-transaction")
    yield from _run(site.root, alone, "--no-assume-in-transaction")


def _run(root: Path, paths: Sequence[str], *options: str) -> Iterator[tuple[str, str]]:
    """Run squawk over the paths. Raises OperatorError: GATE_TOOLS_MISSING, SQUAWK_FAILED."""
    if not paths:
        return
    if not (root / CONFIG).exists():
        raise _failed(f"{CONFIG} is missing")
    command = [_program(), "--config", CONFIG, "--reporter", "json", *options, *paths]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
        told = json.loads(done.stdout) if done.returncode in (0, 1) else None
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        raise _failed(str(error)) from error
    if told is None or (done.returncode == 1 and not told):
        raise _failed(done.stderr.strip() or f"exit status {done.returncode}")
    for one in told:
        yield f"{one['file']}: {one['rule_name']}", f"line {one['line'] + 1}: {one['message']}"


def _program() -> str:
    beside = Path(sys.executable).with_name("squawk")
    found = str(beside) if beside.exists() else shutil.which("squawk")
    if found is None:
        raise OperatorError(
            "GATE_TOOLS_MISSING", thing="squawk", reason="it is not installed", next_action="run scripts/setup --test"
        )
    return found


def _failed(reason: str) -> OperatorError:
    return OperatorError(
        "SQUAWK_FAILED", thing="squawk", reason=reason, next_action="run it by hand with --config .squawk.toml"
    )


def _silenced(site: Site) -> Iterator[tuple[str, str]]:
    in_force = {e.id: e for e in exceptions.load(site.root) if e.gate == "F20" and e.flaw(exceptions.today()) is None}
    for path in sorted(site.sql_dir.rglob("*.sql")):
        name = path.relative_to(site.root).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            waivers = [in_force[id] for id in _WAIVER.findall(line) if id in in_force]
            if _IGNORES.search(line) and not any(waiver.object.startswith(name) for waiver in waivers):
                yield name, f"line {number}: {line.strip()}"
