"""The N-1 heartbeat: an instruction the candidate has acknowledged must be readable through the stable colour."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from symphony.errors import SymphonyError

_PROOF_INTERVALS: Final = 3
_MEMBERS: Final = ("outbox_id", "sequence_id", "instruction_id")


class InvalidTemplate(SymphonyError):
    """The file with the heartbeat's instruction cannot be used; the message says why."""


@dataclass(slots=True)
class ReadBack:
    """Sends a small real instruction to the candidate and reads it back through the other colour.

    It is a payment like any other, so it belongs to a participant and a rail that exist for it.

    Attributes:
        participant: who sends it (development identity header).
        template: the instruction without its id.
        services: base URL of each colour's service, not of HAProxy.
        owed_after_s: without a good result for so long, the candidate's releases have proved nothing.
        last: the last result that was not yet taken; None when there is none, or it said nothing about N-1.
    """

    participant: str
    template: dict[str, Any]
    services: dict[str, str]
    owed_after_s: float = 15.0
    clock: Callable[[], float] = time.monotonic
    last: bool | None = field(default=None)
    _proved: tuple[str, float] | None = field(default=None)

    @classmethod
    def load(cls, path: Path, *, services: dict[str, str], interval_ms: int = 5_000) -> ReadBack:
        """Read {"participant": ..., "instruction": {...}}, to be sent every interval_ms; raises InvalidTemplate."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            participant, template = str(document["participant"]), dict(document["instruction"])
            return cls(participant, template, services, _PROOF_INTERVALS * interval_ms / 1_000)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidTemplate(
                f"{path} is no heartbeat template ({type(error).__name__}); write a JSON object with the members"
                " participant and instruction"
            ) from error

    def take(self) -> bool | None:
        """The last result, once."""
        last, self.last = self.last, None
        return last

    def owed(self, candidate: str | None) -> bool:
        """Whether there is a candidate and no good heartbeat of it lately, be it that it acknowledges none."""
        if candidate is None:
            self._proved = None  # the next candidate is another release
            return False
        return (
            self._proved is None or self._proved[0] != candidate or self.clock() - self._proved[1] > self.owed_after_s
        )

    async def beat(self, session: aiohttp.ClientSession, *, candidate: str, stable: str) -> None:
        """One heartbeat. A candidate that acknowledges nothing says nothing about N-1: its own signals tell."""
        headers = {"Symphony-Participant": self.participant}
        name = f"HB-{uuid.uuid4().hex}"
        acknowledged = await _exchange(
            session.post(
                f"{self.services[candidate]}/v1/instructions",
                json={**self.template, "instruction_id": name},
                headers={**headers, "Idempotency-Key": name},
            )
        )
        if acknowledged is None or acknowledged[0] != 202:
            return
        read = await _exchange(session.get(f"{self.services[stable]}/v1/instructions/{name}", headers=headers))
        # No answer, or one that says that the stable colour cannot serve now, is its own heartbeat's business.
        if read is not None and read[0] < 500 and read[0] != 429:
            self.last = read[0] == 200 and all(read[1].get(m) == acknowledged[1].get(m) for m in _MEMBERS)
            if self.last:
                self._proved = (candidate, self.clock())


async def _exchange(request: Any) -> tuple[int, dict[str, Any]] | None:
    try:
        async with request as answer:
            document = await answer.json(content_type=None)
            return answer.status, document if isinstance(document, dict) else {}
    except Exception:  # no connection, no time, no JSON, or JSON that no parser bears: no answer
        return None
