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


def workflow_gates() -> list[Gate]:
    """Return the gate over the workflows."""
    return [
        Gate(
            id="X07",
            title="workflows pin actions by commit, may read contents only, keep no credentials, call scripts/",
            invariants=("INV-EVID-001",),
            remedy="pin it by its 40-digit commit; move the command into scripts/; take the permission away",
            look=_loose,
            needs_database=False,
        )
    ]


def _loose(site: Site) -> Iterator[tuple[str, str]]:
    folder = site.root / ".github" / "workflows"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = path.relative_to(site.root).as_posix()
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        if workflow.get("permissions") != {"contents": "read"}:
            yield name, f"its permissions are {workflow.get('permissions')}, not contents: read"
        if {"pull_request_target", "workflow_run"} & set(_events(workflow)):
            yield name, "it runs with secrets on code from outside"
        for job_name, job in workflow["jobs"].items():
            if "permissions" in job or "uses" in job:
                yield name, f"job {job_name} has permissions of its own or comes from elsewhere"
            for step in job.get("steps", ()):
                yield from ((name, flaw) for flaw in _step_flaws(step))


def _events(workflow: dict[Any, Any]) -> list[str]:
    # YAML 1.1 reads the member "on" as true.
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
