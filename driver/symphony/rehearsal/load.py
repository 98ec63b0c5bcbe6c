"""Clients of the drill: they send through HAProxy, keep a journal of every acknowledgement, and never give a key up."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from symphony.demo.processes import DemoFailed
from symphony.demo.script import PARTICIPANT, RAIL
from symphony.routing.configuration import COLOUR_HEADER

PREFIX: Final = "LOAD-"
"""Every payment of the clients is named so."""
_TIMEOUT_S: Final = 4.0
_PAUSE_S: Final = 0.2
_TRIES: Final = 60
_REFUSALS: Final = range(400, 500)


def instruction(name: str) -> dict[str, Any]:
    """A small payment."""
    return {
        "instruction_id": name,
        "rail": RAIL,
        "amount": "12.50",
        "currency": "ZMW",
        "purpose": "SUPP",
        "debtor": {"name": "Fictional Ministry of Samples", "account": "0010000000001"},
        "creditor": {"name": "Sample Clinic", "account": "0020000000002", "participant_id": "ZM-BANK-B"},
    }


@dataclass(slots=True)
class Answer:
    """One HTTP answer; `status` 0 when there was none. `colour` is the one HAProxy says it came from."""

    status: int
    colour: str = ""
    replayed: bool = False
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Entry:
    """A key's life at its client: `asked_at` and `colour` are the last request's, `acknowledged` its 202 body."""

    name: str
    tries: int = 0
    asked_at: float = 0.0
    colour: str = ""
    replayed: bool = False
    acknowledged: dict[str, Any] | None = None


async def post(session: aiohttp.ClientSession, url: str, name: str) -> Answer:
    """Send the payment of that name under the key of that name."""
    headers = {"Symphony-Participant": PARTICIPANT, "Idempotency-Key": name}
    try:
        async with session.post(f"{url}/v1/instructions", json=instruction(name), headers=headers) as answer:
            body = await answer.json(content_type=None) if answer.status == 202 else {}
            replayed = answer.headers.get("Idempotency-Replayed") == "true"
            return Answer(answer.status, answer.headers.get(COLOUR_HEADER, ""), replayed, body)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return Answer(0)


def open_session() -> aiohttp.ClientSession:
    """A client's session."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))


class Load:
    """Several clients, each sending one payment after the other at a steady pace.

    Attributes:
        journal: every key's life.
        acknowledgements: every 202 as it came, name and body; nothing is ever taken out or written over.
    """

    def __init__(self, url: str, *, clients: int, per_second: float) -> None:
        self.journal: list[Entry] = []
        self.acknowledgements: list[tuple[str, dict[str, Any]]] = []
        self.url = url
        self._pace_s = clients / per_second
        self._clients = clients
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to send."""
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(self._clients)]

    async def stop(self) -> None:
        """Send nothing new; every key that was begun is sent again until it is acknowledged, or given up."""
        self._ending.set()
        await asyncio.gather(*self._tasks)

    def check(self) -> None:
        """Raise what ended a client before its time."""
        for task in self._tasks:
            if task.done():
                task.result()

    def cancel(self) -> None:
        """End at once."""
        for task in self._tasks:
            task.cancel()

    async def _client(self, number: int) -> None:
        await asyncio.sleep(self._pace_s * number / self._clients)
        async with open_session() as session:
            while not self._ending.is_set():
                began = time.monotonic()
                entry = Entry(f"{PREFIX}{uuid.uuid4().hex}")
                self.journal.append(entry)
                await self._deliver(session, entry)
                await asyncio.sleep(max(0.0, self._pace_s - (time.monotonic() - began)))

    async def _deliver(self, session: aiohttp.ClientSession, entry: Entry) -> None:
        while entry.acknowledged is None and entry.tries < _TRIES:
            entry.tries += 1
            entry.asked_at = time.monotonic()
            answer = await post(session, self.url, entry.name)
            if answer.status == 202:
                self.acknowledgements.append((entry.name, answer.body))
                entry.colour, entry.replayed, entry.acknowledged = answer.colour, answer.replayed, answer.body
            elif answer.status in _REFUSALS:
                raise DemoFailed(f"a payment of the drill was refused with {answer.status}; nothing is proved by that")
            else:
                await asyncio.sleep(_PAUSE_S)
