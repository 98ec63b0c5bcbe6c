"""Every gate there is, by id."""

from __future__ import annotations

from gates.catalog import catalog_gates
from gates.changes import change_gates
from gates.exceptions import exception_gates
from gates.gate import Gate
from gates.manifest import manifest_gates
from gates.workflows import workflow_gates


def all_gates() -> dict[str, Gate]:
    """Return every gate by its id, in the order of the ids. Raises ValueError when two share one."""
    found = [*catalog_gates(), *manifest_gates(), *exception_gates(), *change_gates(), *workflow_gates()]
    gates: dict[str, Gate] = {}
    for gate in sorted(found, key=lambda gate: gate.id):
        if gate.id in gates:
            raise ValueError(f"two gates are called {gate.id}")
        gates[gate.id] = gate
    return gates
