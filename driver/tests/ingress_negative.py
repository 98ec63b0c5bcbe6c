"""Judges one bent request against a running zero-trust ingress: what the tables of the negative suite share."""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.ingress_bench import COUNTED, Answer
from tests.ingress_sender import Client, Sender, Wire
from tests.ingress_trust_stage import TrustStage, trust_stage

type Knobs = dict[str, Any]
type Case = tuple[str, int, Knobs | Callable[[TrustStage], Knobs | Awaitable[Knobs]]]

# What no answer says: our internals, or what the sender sent.
UNSAID = (
    b"Traceback",
    b'File "',
    b"aiohttp",
    b"psycopg",
    b"select ",
    b"insert ",
    b"ingress.",
    b"eyJ",
    b"ZM-1-001",
    b"python",
)


@dataclass
class Judge:
    """A stage, one connection to its database and one to its ingress."""

    stage: TrustStage
    database: psycopg.AsyncConnection[Any]
    wire: Wire | None = None

    async def judge(self, case: Case) -> None:
        """Check the answer, exactly one attestation that says the same, and nothing else written."""
        reason, status, given = case
        knobs = given(self.stage) if callable(given) else given
        if inspect.isawaitable(knobs):
            knobs = await knobs
        before = await self.counts()
        answer = await self.ask(dict(knobs))
        assert (answer.status, answer.reason) == (status, reason), answer.raw
        after = await self.counts()
        written = {table: after[table] - before[table] for table in after if after[table] != before[table]}
        assert written == {"ingress.ingress_attestations": 1}
        assert await self._attested(answer) == [("REJECT", reason)]
        assert ("WWW-Authenticate" in answer.headers) is (status in (401, 403))
        for unsaid in UNSAID:
            assert unsaid not in answer.raw

    async def ask(self, knobs: Knobs) -> Answer:
        """Send over the open connection while the ingress keeps it, or over one of its own for another certificate.

        Two knobs more than a sender's: `sender`, and `rewrite`, which changes the bytes of the request at the end.
        """
        sender: Sender = knobs.pop("sender", None) or self.stage.sender()
        rewrite: Callable[[bytes], bytes] = knobs.pop("rewrite", bytes)
        presented: Client = knobs.pop("certificate", sender.client)
        mine = presented is self.stage.a
        wire = self.wire if self.wire and mine else await sender.connect(presented)
        if mine:
            self.wire = None
        answer = await wire.ask(rewrite(sender.request(**knobs)))
        if not mine or answer.status not in (401, 403, 422):  # others may end the connection
            wire.close()
        else:
            self.wire = wire
        return answer

    async def counts(self) -> dict[str, int]:
        """How many rows each table of the accept path holds."""
        query = "select " + ", ".join(f"(select count(*) from {table})" for table in COUNTED)
        found = await (await self.database.execute(query.encode())).fetchone()
        return dict(zip(COUNTED, found or (), strict=True))

    async def _attested(self, answer: Answer) -> list[tuple[Any, ...]]:
        query = "select decision::text, reason_code from ingress.ingress_attestations where correlation_id = %s"
        cursor = await self.database.execute(query, (answer.headers["Symphony-Correlation-Id"],))
        return await cursor.fetchall()


@asynccontextmanager
async def judging(
    dsn: str, folder: Path, *, prepare: Callable[[TrustStage], Awaitable[None]] | None = None, **changes: Any
) -> AsyncIterator[Judge]:
    """Run an ingress for a table of cases; `prepare` changes the stage before the ingress starts."""
    async with trust_stage(dsn, folder) as stage:
        if prepare is not None:
            await prepare(stage)
        async with stage.serving(**changes), await psycopg.AsyncConnection.connect(dsn, autocommit=True) as database:
            judge = Judge(stage, database)
            yield judge
            if judge.wire is not None:
                judge.wire.close()


def now(offset: int = 0) -> int:
    """Epoch seconds, moved."""
    return int(time.time()) + offset


def claims(part: str, **offsets: int) -> Callable[[TrustStage], Knobs]:
    """Bend the times of a token or a proof: each is this many seconds from now."""

    def bend(_: TrustStage) -> Knobs:
        at = now()
        return {part: {"claims": {name: at + offset for name, offset in offsets.items()}}}

    return bend


def each(row: str, reason: str, status: int, values: Sequence[Any], knobs: Callable[[Any], Knobs]) -> dict[str, Case]:
    """One case for each of these values."""
    return {f"{row} {str(value)[:36]!r}": (reason, status, knobs(value)) for value in values}
