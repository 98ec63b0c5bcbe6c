""".github/workflows: actions pinned by commit, least permissions, and nothing done there that does not run here too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from gates.gate import Gate
from gates.site import Site

_PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_OURS = re.compile(r"(?:bash )?\.?/?(?:scripts|\.ci)/[a-z-]+(?: [\w ./=-]*)?")
# What stands here and nothing else: a key that is not listed may make a step do nothing, or something else.
_WORKFLOW_KEYS = frozenset({"name", "on", True, "permissions", "jobs"})  # YAML 1.1 reads the member "on" as true
_JOB_KEYS = frozenset({"runs-on", "timeout-minutes", "environment", "steps"})
_STEP_KEYS = frozenset({"name", "uses", "with", "run", "env", "if"})
_VARIABLES = frozenset({"SYMPHONY_CHANGE_BASE", "SYMPHONY_EVIDENCE_KEY_PEM", "DATABASE_URL"})
# What must be run somewhere.
_NEEDED = (
    "bash .ci/run",
    "./scripts/gate --all",
    "./scripts/gate INV-N1-01 INV-020 INV-DDL-01",
    "./scripts/evidence",
    "./scripts/symphony drift",
    "./scripts/gate --no-server X03 X04 X05 X06 X07 X08",
    "./scripts/demo",
)


def workflow_gates() -> list[Gate]:
    """Return the gate over the workflows."""
    return [
        Gate(
            id="X07",
            title="workflows pin actions by commit, may read contents only, keep no credentials, call scripts/",
            invariants=("INV-EVID-001",),
            remedy="pin it by its 40-digit commit; move the command into scripts/; take the permission away",
            look=_loose,
        )
    ]


def _loose(site: Site) -> Iterator[tuple[str, str]]:
    folder = site.root / ".github" / "workflows"
    commands = set()
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = path.relative_to(site.root).as_posix()
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        yield from ((name, flaw) for flaw in _flaws(workflow))
        commands |= {str(step.get("run", "")).strip() for job in workflow["jobs"].values() for step in job["steps"]}
    for command in _NEEDED:
        if command not in commands:
            yield ".github/workflows", f"no workflow runs {command!r}"


def _flaws(workflow: dict[Any, Any]) -> Iterator[str]:
    if workflow.get("permissions") != {"contents": "read"}:
        yield f"its permissions are {workflow.get('permissions')}, not contents: read"
    if {"pull_request_target", "workflow_run"} & set(_events(workflow)):
        yield "it runs with secrets on code from outside"
    yield from _unknown("the workflow", workflow, _WORKFLOW_KEYS)
    for name, job in workflow["jobs"].items():
        yield from _unknown(f"job {name}", job, _JOB_KEYS)
        for step in job.get("steps", ()):
            yield from _unknown("a step", step, _STEP_KEYS)
            yield from _step_flaws(step)


def _unknown(what: str, members: dict[Any, Any], known: frozenset[Any]) -> Iterator[str]:
    for key in members.keys() - known:
        yield f"{what} has {key!r}, which is not among what is allowed"


def _events(workflow: dict[Any, Any]) -> list[str]:
    events = workflow.get("on", workflow.get(True, {}))
    return [events] if isinstance(events, str) else list(events)


def _step_flaws(step: dict[str, Any]) -> Iterator[str]:
    action = step.get("uses")
    if action is not None:
        if not _PINNED.fullmatch(action):
            yield f"{action} is not pinned by a commit"
        if action.startswith("actions/checkout@") and step.get("with", {}).get("persist-credentials") is not False:
            yield "the checkout keeps its credentials"
    command = step.get("run")
    if command is not None and not _OURS.fullmatch(command.strip()):
        yield f"it runs {command.strip().splitlines()[0][:60]!r}, which is not in scripts/"
    if "if" in step and (step["if"] != "always()" or "run" in step):
        yield f"a step depends on {step['if']!r}"
    for variable in step.get("env", {}).keys() - _VARIABLES:
        yield f"a step sets {variable}"
