"""A client that may be killed at any moment: notes what it will send, sends it, notes what was acknowledged.

`python -m tests.chaos_submitter TARGET JOURNAL TAG`: TARGET is a database URL (ingress.accept directly) or an
http URL (the ingress). The journal is a text file of lines `will N SIZE` and `acked N`. Started again, it
first sends what was noted and not acknowledged, under the same ids and keys. Runs until SIGTERM or SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import aiohttp

from symphony import api
from symphony.errors import DatabaseUnavailable, OutcomeUnknown
from symphony.worker.session import Session
from tests.payments import PARTICIPANTS, item
from tests.sandbox_process import PARTIES


def instruction_id(tag: str, batch: int, number: int) -> str:
    """The id of one instruction, the same whenever its batch is sent."""
    return f"{tag}-{batch}-{number}"


def participant_of(tag: str) -> str:
    """A submitter acts for one participant."""
    return PARTICIPANTS[sum(tag.encode()) % len(PARTICIPANTS)]


def acknowledged(journal: Path, tag: str) -> list[tuple[str, str]]:
    """(participant, instruction) of everything the journal calls acknowledged."""
    sizes, acked = _read(journal)
    return [
        (participant_of(tag), instruction_id(tag, batch, number)) for batch in acked for number in range(sizes[batch])
    ]


class Target(Protocol):
    """Where batches go; True when every instruction of the batch was acknowledged."""

    async def send(self, ids: Sequence[str], participant_id: str) -> bool: ...


class DatabaseTarget:
    """ingress.accept, called directly."""

    def __init__(self, url: str) -> None:
        self._session = Session(dsn=url, application_name="chaos submitter")

    async def send(self, ids: Sequence[str], participant_id: str) -> bool:
        try:
            async with self._session.connection() as connection:
                items = [item(one, participant_id=participant_id) for one in ids]
                decisions = await api.ingress.accept(connection, items=items)
                await api.outbox.wake_executors(connection)
        except (DatabaseUnavailable, OutcomeUnknown):
            return False
        refused = {decision.reason_code for decision in decisions if decision.decision == "REJECT"}
        if refused:
            raise AssertionError(f"refused: {refused}")
        return True


class HttpTarget:
    """POST /v1/instructions/batch."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = f"{url}/v1/instructions/batch"
        self._session = session

    async def send(self, ids: Sequence[str], participant_id: str) -> bool:
        parties = json.loads(PARTIES)
        instructions = [
            {
                "instruction_id": one,
                "idempotency_key": one,
                "rail": "sandbox",
                "amount": "125.50",
                "currency": "ZMW",
                "creditor": {**parties["creditor"], "participant_id": PARTICIPANTS[1]},
                "debtor": parties["debtor"],
                "remittance": parties["remittance"],
            }
            for one in ids
        ]
        headers = {"Idempotency-Key": ids[0], "Symphony-Participant": participant_id}
        try:
            async with self._session.post(self._url, json={"instructions": instructions}, headers=headers) as response:
                body = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
        if response.status == 503:
            return False
        if response.status != 200:
            raise AssertionError(f"HTTP {response.status}: {body.get('reason_code')}")
        statuses = {result["status"] for result in body["results"]}
        if not statuses <= {202, 429, 503}:
            raise AssertionError(f"refused: {body['results']}")
        return statuses == {202}


async def submit_for_ever(target: Target, journal: Path, tag: str, stop: asyncio.Event) -> None:
    """Send batch after batch, each until it is acknowledged."""
    rng = random.Random(tag)
    sizes, acked = _read(journal)
    with journal.open("a", encoding="ascii") as notes:

        def note(line: str) -> None:
            notes.write(f"{line}\n")
            notes.flush()  # enough to survive a kill of this process

        open_batches = [batch for batch in sizes if batch not in acked]
        batch = max(sizes, default=0)
        while not stop.is_set():
            if not open_batches:
                batch += 1
                sizes[batch] = rng.choice([1, 1, 2, 5, 20])
                note(f"will {batch} {sizes[batch]}")
                open_batches.append(batch)
            current = open_batches[0]
            ids = [instruction_id(tag, current, number) for number in range(sizes[current])]
            if await target.send(ids, participant_of(tag)):
                note(f"acked {current}")
                open_batches.pop(0)
                await asyncio.sleep(rng.uniform(0, 0.03))
            else:
                await asyncio.sleep(rng.uniform(0.02, 0.1))


def _read(journal: Path) -> tuple[dict[int, int], set[int]]:
    sizes: dict[int, int] = {}
    acked: set[int] = set()
    for line in journal.read_text(encoding="ascii").splitlines() if journal.exists() else []:
        verb, *numbers = line.split()
        if verb == "will":
            sizes[int(numbers[0])] = int(numbers[1])
        else:
            acked.add(int(numbers[0]))
    return sizes, acked


async def _main(url: str, journal: Path, tag: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if url.startswith("http"):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            await submit_for_ever(HttpTarget(url, session), journal, tag, stop)
    else:
        await submit_for_ever(DatabaseTarget(url), journal, tag, stop)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
