"""The resolver put together: batches side by side over one registry, and the tending of what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final
from uuid import UUID

import structlog

from symphony import api
from symphony.api import Dsn
from symphony.api.proxy import AliasAnswer, Cached, Lease, Recorded
from symphony.errors import SymphonyError
from symphony.metrics import Metrics
from symphony.registries.registry import Registry
from symphony.resolver.batch import Asking, BatchResolver
from symphony.resolver.breaker import RegistryBreaker
from symphony.resolver.hashing import AliasHasher, HashingUnavailable
from symphony.resolver.settings import ResolverSettings
from symphony.worker.pacing import Backoff, lease_clock, pause
from symphony.worker.session import Session
from symphony.worker.wake import WakeListener, WakeSignal

_log = structlog.get_logger(__name__)
_BEFORE_PROBE_MS: Final = 250
_SLOWEST_WALK: Final = 4  # polls from one look into the cache to the next while the registry is away


class Resolver:
    """One resolver process's work. No lock and no transaction is held while a registry is asked.

    A process that dies leaves leases behind; when they end, the aliases are due again.
    """

    def __init__(
        self,
        *,
        settings: ResolverSettings,
        database: Dsn,
        registry: Registry,
        hasher: AliasHasher,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._database = database
        self._metrics = metrics
        self._stop = asyncio.Event()
        self._back = asyncio.Event()  # the registry answers again
        self._backoffs: list[Backoff] = []
        self._connected = False
        self._breaker = RegistryBreaker(
            failures=settings.breaker_failures,
            pause_min_s=settings.breaker_pause_min_ms / 1000,
            pause_max_s=settings.breaker_pause_max_ms / 1000,
            on_change=self._registry_changed,
        )
        asking = Asking(
            registry=registry,
            breaker=self._breaker,
            chunk_items=settings.chunk_items,
            calls_at_once=settings.calls_at_once,
            call_timeout_ms=settings.call_timeout_ms,
        )
        self._registry = registry
        self._resolver = BatchResolver(asking=asking, hasher=hasher, metrics=metrics)
        metrics.proxy_registry_unavailable.labels(source=registry.name).set(0)

    def stop(self) -> None:
        """Ask for a graceful stop: no more claims; finish and record the batches under way, return."""
        self._stop.set()
        self._back.set()

    def not_ready(self) -> str | None:
        """Why this resolver is not working, or None. A registry that is away is no reason: it is waited for."""
        if self._stop.is_set():
            return "the resolver is stopping"
        if not self._connected:
            return "no database connection yet"
        return "claims fail; see the log" if any(backoff.failing for backoff in self._backoffs) else None

    async def run(self, *, announce_ready: Callable[[], None]) -> None:
        """Work until stop() is called; `announce_ready` once the database answered."""
        async with AsyncExitStack() as stack:
            listener = WakeListener(
                dsn=self._database,
                worker_id=self._settings.resolver_id,
                debounce_ms=self._settings.debounce_ms,
                backoff=self._backoff("listen"),
            )
            await self._connect(stack)
            if self._connected:
                announce_ready()
            async with asyncio.TaskGroup() as background:
                tasks = [background.create_task(listener.run()), background.create_task(self._tend(stack))]
                async with asyncio.TaskGroup() as batches:
                    running = [
                        batches.create_task(self._claim(stack, n, listener))
                        for n in range(self._settings.batches_at_once)
                    ]
                    await self._stop.wait()
                    await asyncio.wait(running, timeout=self._settings.grace_ms / 1000)
                    for task in running:
                        task.cancel()
                for task in tasks:
                    task.cancel()

    async def _connect(self, stack: AsyncExitStack) -> None:
        session = self._session(stack, "start")
        backoff = self._backoff("start")
        while not self._connected and not self._stop.is_set():
            try:
                async with session.connection():
                    self._connected = True
            except SymphonyError as error:
                await backoff.wait(error)
        backoff.succeeded()
        await session.aclose()

    async def _claim(self, stack: AsyncExitStack, number: int, listener: WakeListener) -> None:
        session = self._session(stack, f"batch {number}")
        backoff = self._backoff("resolve")
        self._backoffs.append(backoff)
        signal = WakeSignal(poll_ms=self._settings.poll_ms, metrics=self._metrics)
        listener.attach(signal)
        walk_s = poll_s = self._settings.poll_ms / 1000
        while not self._stop.is_set():
            try:
                claimed, known = await self._resolve_once(session)
                backoff.succeeded()
            except SymphonyError as error:
                await backoff.wait(error)
                continue
            if self._breaker.is_open and not self._stop.is_set():
                # What the cache knows goes on at a walk, which slows down while it knows nothing: what waits for a
                # registry must not cost direct payments their processor. For the next probe everybody is there.
                walk_s = poll_s if known else min(walk_s * 2, poll_s * _SLOWEST_WALK)
                probe_s = walk_s if self._breaker.is_probing else max(poll_s, self._breaker.wait_s())
                await pause(self._back, min(walk_s, probe_s))
                continue
            walk_s = poll_s
            if claimed < self._settings.batch_items and not self._stop.is_set():
                await self._wait(signal)

    async def _wait(self, signal: WakeSignal) -> None:
        stopping = asyncio.ensure_future(self._stop.wait())
        waiting = asyncio.ensure_future(signal.wait())
        try:
            await asyncio.wait({stopping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            waiting.cancel()

    async def _resolve_once(self, session: Session) -> tuple[int, int]:
        """Claim, resolve and record one batch; returns how many were claimed, and how many the cache knew."""
        settings = self._settings
        started_s = lease_clock()
        # What is claimed during a pause comes from further back, for the oldest are due with the probe. So it asks
        # nothing, not even if the registry comes back meanwhile, and overtakes nobody.
        may_ask = self._breaker.wait_s() == 0
        async with session.connection() as connection:
            leases = await api.proxy.claim_resolutions(
                connection, worker=settings.resolver_id, limit=settings.batch_items, lease_ms=settings.lease_ms
            )
            if not leases:
                return 0, 0
            aliases = await api.proxy.read_leased_aliases(connection, worker=settings.resolver_id, leases=leases)

        async def lookup(keys: Sequence[tuple[str, str, bytes]]) -> list[Cached]:
            async with session.connection() as connection:
                return await api.proxy.lookup(connection, keys=keys)

        try:
            outcome = await self._resolver.resolve(leases, aliases, lookup, may_ask=may_ask)
        except HashingUnavailable:
            await self._release(session, leases, wait_ms=settings.breaker_pause_min_ms)
            raise
        if outcome.unasked:
            # Due a moment before the probe, all of them, so that the oldest are claimed first when it may be made.
            wait_ms = max(0, min(60_000, int(self._breaker.wait_s() * 1000)) - _BEFORE_PROBE_MS)
            await self._release(session, outcome.unasked, wait_ms=wait_ms)
        if outcome.answers:
            await self._record(session, outcome.answers, {lease.outbox_id: lease.proxy_type for lease in leases})
        self._metrics.batch_size.labels(point="resolver").observe(len(leases))
        self._metrics.flush_latency_seconds.labels(point="resolver").observe(lease_clock() - started_s)
        return len(leases), sum(answer.cached_hash is not None for answer in outcome.answers)

    async def _record(self, session: Session, answers: Sequence[AliasAnswer], types: Mapping[UUID | None, str]) -> None:
        async with session.connection() as connection:
            recorded = await api.proxy.record_resolutions(
                connection, worker=self._settings.resolver_id, answers=answers
            )
            if any(one.outcome == "RESOLVED" for one in recorded):
                await api.proxy.wake_executors(connection)
        kept: dict[UUID | None, Recorded] = {one.outbox_id: one for one in recorded}
        for answer in answers:
            one = kept.get(answer.outbox_id)
            if one is None:
                _log.warning("resolution_lease_lost", participant_id=answer.participant_id, outbox_id=answer.outbox_id)
                continue
            source = "cache" if answer.cached_hash is not None else answer.source
            self._metrics.proxy_resolutions_total.labels(
                type=types[answer.outbox_id], status=answer.status, source=source
            ).inc()
            if one.outcome == "VOIDED":
                _log.info(
                    "alias_unresolved",
                    participant_id=one.participant_id,
                    outbox_id=one.outbox_id,
                    reason_code=one.reason_code,
                )

    async def _release(self, session: Session, leases: Sequence[Lease], *, wait_ms: int) -> None:
        async with session.connection() as connection:
            await api.proxy.release_resolutions(
                connection, worker=self._settings.resolver_id, leases=leases, wait_ms=wait_ms
            )

    async def _tend(self, stack: AsyncExitStack) -> None:
        session = self._session(stack, "tend")
        backoff = self._backoff("tend")
        limit = self._settings.tend_batch_items
        while True:
            try:
                async with session.connection() as connection:
                    returned, voided = await api.proxy.tend_resolutions(
                        connection, worker=self._settings.resolver_id, limit=limit
                    )
                backoff.succeeded()
            except SymphonyError as error:
                await backoff.wait(error)
                continue
            if returned or voided:
                _log.info("resolutions_tended", expired=returned, voided=voided)
            if max(returned, voided) < limit:
                await pause(self._stop, self._settings.tend_interval_ms / 1000)
            if self._stop.is_set():
                return

    def _registry_changed(self, is_open: bool) -> None:
        self._metrics.proxy_registry_unavailable.labels(source=self._registry.name).set(int(is_open))
        if is_open:
            self._back.clear()
            _log.warning("registry_away", source=self._registry.name, next="aliases wait; it is asked once in a while")
        else:
            self._back.set()  # whoever walks goes on at once, with the oldest
            _log.info("registry_back", source=self._registry.name)

    def _session(self, stack: AsyncExitStack, purpose: str) -> Session:
        session = Session(
            dsn=self._database, application_name=f"symphony-resolver {purpose} {self._settings.resolver_id}"
        )
        stack.push_async_callback(session.aclose)
        return session

    def _backoff(self, point: str) -> Backoff:
        return Backoff(
            point=point,
            metrics=self._metrics,
            min_ms=self._settings.backoff_min_ms,
            max_ms=self._settings.backoff_max_ms,
            stop=self._stop,
        )
