"""The N-1 heartbeat: an instruction the candidate has acknowledged must be readable through the stable colour."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from symphony.errors import SymphonyError

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
        last: the last result that was not yet taken; None when there is none, or it said nothing about N-1.
    """

    participant: str
    template: dict[str, Any]
    services: dict[str, str]
    last: bool | None = field(default=None)

    @classmethod
    def load(cls, path: Path, *, services: dict[str, str]) -> ReadBack:
        """Read {"participant": ..., "instruction": {...}}; raises InvalidTemplate."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(str(document["participant"]), dict(document["instruction"]), services)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidTemplate(
                f"{path} is no heartbeat template ({type(error).__name__}); write a JSON object with the members"
                " participant and instruction"
            ) from error

    def take(self) -> bool | None:
        """The last result, once."""
        last, self.last = self.last, None
        return last

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
        # No answer at all is the stable colour's own heartbeat's business.
        if read is not None:
            self.last = read[0] == 200 and all(read[1].get(m) == acknowledged[1].get(m) for m in _MEMBERS)


async def _exchange(request: Any) -> tuple[int, dict[str, Any]] | None:
    try:
        async with request as answer:
            document = await answer.json(content_type=None)
            return answer.status, document if isinstance(document, dict) else {}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
