"""evidence: what auditors read (role symphony_auditor)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from symphony.api.connection import Connection, call


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One step in an instruction's life; `facts` holds hashes, ids and codes, never personal data."""

    happened_at: datetime
    kind: str
    state: str | None
    attempt_no: int | None
    facts: dict[str, Any]


async def timeline(
    connection: Connection, *, participant_id: str, instruction_id: str
) -> list[TimelineEntry]:
    """Everything recorded about one instruction, in order."""
    query = (
        "select happened_at, kind, state, attempt_no, facts from evidence.instruction_timeline"
        " where participant_id = %s and instruction_id = %s order by happened_at, step_no"
    )
    rows = await call(
        connection, role="symphony_auditor", query=query, params=(participant_id, instruction_id)
    )
    return [TimelineEntry(*row) for row in rows]
