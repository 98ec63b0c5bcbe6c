"""Every gate there is, by id."""

from __future__ import annotations

from gates.acl import acl_gates
from gates.bodies import body_gates
from gates.catalog import catalog_gates
from gates.changes import change_gates
from gates.drift import drift_gates
from gates.exceptions import exception_gates
from gates.files_functions import function_file_gates
from gates.files_grants import grant_file_gates
from gates.functions import function_gates
from gates.gate import Gate
from gates.lock_trace import lock_trace_gates
from gates.logins_made import login_gates
from gates.manifest import manifest_gates
from gates.migrations_static import migration_gates
from gates.previous_states import previous_release_gates
from gates.squawk import squawk_gates
from gates.workflows import workflow_gates


def all_gates() -> dict[str, Gate]:
    """Return every gate by its id, in the order of the ids. Raises ValueError when two share one."""
    found = [
        *catalog_gates(),
        *acl_gates(),
        *function_gates(),
        *login_gates(),
        *function_file_gates(),
        *grant_file_gates(),
        *body_gates(),
        *migration_gates(),
        *squawk_gates(),
        *manifest_gates(),
        *exception_gates(),
        *change_gates(),
        *workflow_gates(),
        *lock_trace_gates(),
        *previous_release_gates(),
        *drift_gates(),
    ]
    gates: dict[str, Gate] = {}
    for gate in sorted(found, key=lambda gate: gate.id):
        if gate.id in gates:
            raise ValueError(f"two gates are called {gate.id}")
        gates[gate.id] = gate
    return gates
