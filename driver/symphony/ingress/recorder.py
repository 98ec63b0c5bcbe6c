"""Where the ingress meets the database: batches, status queries, and what they tell the breaker."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from symphony import api
from symphony.api.connection import Connection, Pool, acquire
from symphony.api.ingress import Decision, Item, Proof, Read
from symphony.api.outbox import Status
from symphony.api.proxy import AliasAnswer, ProxyRule
from symphony.errors import DatabaseRefused, DatabaseUnavailable, OutcomeUnknown, SymphonyError
from symphony.ingress.batcher import is_caused_by_content, sqlstate_of
from symphony.ingress.breaker import Breaker
from symphony.ingress.visit import ProvenItem
from symphony.metrics import Metrics

_NO_PROOF = Proof()
_FIRST_CONNECTION_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """One pool per capability: the login behind each may become that one role."""

    ingest: Pool
    status: Pool
    evidence: Pool

    async def open(self) -> None:
        """Open them all, and wait until a batch would find a connection; raises DatabaseUnavailable."""
        for pool in (self.ingest, self.status, self.evidence):
            await pool.open()
        deadline = time.monotonic() + _FIRST_CONNECTION_S
        while True:  # an attempt that was refused is not made again before somebody asks
            try:
                async with acquire(self.ingest):
                    return
            except DatabaseUnavailable:
                if time.monotonic() >= deadline:
                    raise

    async def close(self) -> None:
        """Close them all."""
        for pool in (self.ingest, self.status, self.evidence):
            await pool.close()


class Recorder:
    """Runs database calls from a pool under the client's own time limit, and reports each to the breaker.

    The time limit is for a server that neither answers nor closes: the caller gets OutcomeUnknown, the call
    is left to end on its own (to abandon one takes psycopg seconds), and its connection is out of the pool until then.

    Args:
        proven: every item comes with its proof, and the database accepts no other.
    """

    def __init__(
        self,
        pools: Pools,
        *,
        proven: bool,
        breaker: Breaker,
        metrics: Metrics,
        timeout_s: float,
        on_accepted: Callable[[], None],
    ) -> None:
        self._pools = pools
        self._proven = proven
        self._breaker = breaker
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._on_accepted = on_accepted
        self._left_behind: set[asyncio.Future[Any]] = set()
        self._batch_size = metrics.batch_size.labels("ingest")
        self._flush_latency = metrics.flush_latency_seconds.labels("ingest")

    async def record(self, items: Sequence[Item]) -> list[Decision]:
        """Record one batch, committed when this returns; raises what `api.ingress.accept` raises."""

        proofs = [self._proof(item) or _NO_PROOF for item in items] if self._proven else None
        given = [_answer(item) for item in items]
        answers = given if any(answer is not None for answer in given) else None

        async def run() -> list[Decision]:
            async with self._connection(self._pools.ingest) as connection:
                return await api.ingress.accept(connection, items=items, proofs=proofs, answers=answers)

        started_at = time.perf_counter()
        decisions = await self._limited(run())
        self._flush_latency.observe(time.perf_counter() - started_at)
        self._batch_size.observe(len(items))
        self._count(decisions)
        if any(decision.decision == "ACCEPT" for decision in decisions):
            self._on_accepted()
        return decisions

    async def list_proxy_rules(self, participant_ids: Sequence[str]) -> list[ProxyRule]:
        """How the participants' aliases are resolved. Raises the api's."""

        async def run() -> list[ProxyRule]:
            async with self._connection(self._pools.ingest) as connection:
                return await api.proxy.list_proxy_rules(connection, participant_ids=participant_ids)

        return await self._limited(run())

    async def read_status(self, item: Item) -> tuple[Read, Status | None]:
        """The state of one instruction of the participant, and the attested decision to show it. Raises the api's."""

        async def run() -> tuple[Read, Status | None]:
            async with self._connection(self._pools.status) as connection:
                return await api.ingress.read_status(connection, item=item, proof=self._proof(item))

        read, status = await self._limited(run())
        self._count([read])
        return read, status

    async def read_evidence(self, item: Item) -> tuple[Read, list[dict[str, Any]] | None]:
        """What is recorded about one instruction of the participant, and the attested decision to show it."""

        async def run() -> tuple[Read, list[dict[str, Any]] | None]:
            async with self._connection(self._pools.evidence) as connection:
                return await api.ingress.read_evidence(connection, item=item, proof=self._proof(item))

        read, entries = await self._limited(run())
        self._count([read])
        return read, entries

    def _count(self, decisions: Sequence[Decision | Read]) -> None:
        counts = Counter((decision.decision, decision.reason_code) for decision in decisions)
        for (kind, reason), count in counts.items():
            self._metrics.ingress_decisions_total.labels(kind, reason or "").inc(count)

    def _proof(self, item: Item) -> Proof | None:
        return item.proof if self._proven and isinstance(item, ProvenItem) else None

    @asynccontextmanager
    async def _connection(self, pool: Pool) -> AsyncIterator[Connection]:
        started_at = time.perf_counter()
        async with acquire(pool) as connection:
            self._metrics.pool_wait_seconds.observe(time.perf_counter() - started_at)
            yield connection

    async def _limited[T](self, call: Awaitable[T]) -> T:
        task = asyncio.ensure_future(call)
        try:
            await asyncio.wait({task}, timeout=self._timeout_s)
            if not task.done():
                self._leave_behind(task)
                raise OutcomeUnknown(f"the database did not answer within {self._timeout_s:g} s")
            result = task.result()
        except Exception as error:
            self._report(error)
            raise
        self._breaker.record_success()
        return result

    def _leave_behind(self, task: asyncio.Future[Any]) -> None:
        self._left_behind.add(task)

        def ended(task: asyncio.Future[Any]) -> None:
            self._left_behind.discard(task)
            if not task.cancelled():
                task.exception()  # its caller was answered long ago

        task.add_done_callback(ended)

    def _report(self, error: Exception) -> None:
        if isinstance(error, DatabaseRefused):
            kind = "refused"
        elif isinstance(error, OutcomeUnknown):
            kind = "outcome_unknown"
        else:
            kind = "unavailable" if isinstance(error, SymphonyError) else "driver"
        self._metrics.database_errors_total.labels("ingest", kind).inc()
        contended = (sqlstate_of(error) or "").startswith("40")  # serialization, deadlock: the batcher retries
        if contended or is_caused_by_content(error) or isinstance(error, DatabaseRefused):
            self._breaker.record_success()
        else:
            self._breaker.record_failure()


def _answer(item: Item) -> AliasAnswer | None:
    return item.answer if isinstance(item, ProvenItem) and item.reject_reason is None else None
