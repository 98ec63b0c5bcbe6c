"""The worker put together: executors per rail around one completer, one lease table and one alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog

from symphony import api
from symphony.api import Dsn
from symphony.api.outbox import Claim
from symphony.api.rails import Outcome, RailAnswer
from symphony.errors import SymphonyError
from symphony.metrics import Metrics
from symphony.rails.adapter import Rail
from symphony.worker.completer import Completer
from symphony.worker.executor import ClaimSome, RailExecutor
from symphony.worker.leases import HeldLease, HeldLeases, LeaseRenewer, LeaseRepairer
from symphony.worker.pacing import Backoff
from symphony.worker.session import Session
from symphony.worker.settings import WorkerSettings
from symphony.worker.wake import WakeListener, WakeSignal

_log = structlog.get_logger(__name__)


class Worker:
    """One worker process's work; no lock and no transaction is held while a rail is called.

    Structure: renewal, repair, wake-up and recording run beside the executors and end after them.
    """

    def __init__(self, *, settings: WorkerSettings, database: Dsn, rails: Sequence[Rail], metrics: Metrics) -> None:
        self._settings = settings
        self._database = database
        self._rails = rails
        self._metrics = metrics
        self._stop = asyncio.Event()
        self._connected = False
        self._leases = HeldLeases(margin_ms=settings.lease_margin_ms)
        self._executors: dict[str, RailExecutor] = {}

    def stop(self) -> None:
        """Ask for a graceful stop: no more claims; give back, finish, record, return."""
        if not self._stop.is_set():
            _log.info("worker_stopping", held=len(self._leases))
        self._stop.set()
        for executor in self._executors.values():
            executor.interrupt()

    def not_ready(self) -> str | None:
        """Why this worker is not working, or None."""
        if self._stop.is_set():
            return "the worker is stopping"
        if not self._connected:
            return "no database connection yet"
        failing = sorted(rail for rail, executor in self._executors.items() if executor.claims_fail)
        return f"claims fail for rail {', '.join(failing)}; see the log" if failing else None

    async def run(self, *, announce_ready: Callable[[], None]) -> None:
        """Work until stop() is called, then leave in order; `announce_ready` once the database answered."""
        async with AsyncExitStack() as stack:
            completer = self._make_completer(self._session(stack, "completion"))
            listener = WakeListener(
                dsn=self._database,
                worker_id=self._settings.worker_id,
                debounce_ms=self._settings.debounce_ms,
                backoff=self._backoff("listen"),
            )
            for rail in self._rails:
                self._add_executor(rail, self._session(stack, f"claim {rail.name}"), completer, listener)
            async with asyncio.TaskGroup() as background:
                tasks = [
                    background.create_task(loop)
                    for loop in (completer.run(), self._renewer(stack).run(), self._repairer(stack).run())
                ]
                tasks.append(background.create_task(self._listen(stack, listener, announce_ready)))
                async with asyncio.TaskGroup() as executors:
                    for executor in self._executors.values():
                        executors.create_task(executor.run())
                await self._flush(completer)
                for task in tasks:
                    task.cancel()

    async def _listen(self, stack: AsyncExitStack, listener: WakeListener, announce_ready: Callable[[], None]) -> None:
        session = self._session(stack, "start")
        backoff = self._backoff("start", stop=self._stop)
        while not self._connected and not self._stop.is_set():
            try:
                async with session.connection():
                    self._connected = True
            except SymphonyError as error:
                await backoff.wait(error)
        backoff.succeeded()
        await session.aclose()
        if self._connected:
            announce_ready()
        await listener.run()

    async def _flush(self, completer: Completer) -> None:
        try:
            async with asyncio.timeout(self._settings.flush_grace_ms / 1000):
                await completer.drain()
        except TimeoutError:
            _log.error(
                "answers_not_recorded",
                count=completer.unrecorded,
                next="their leases expire and the items are resolved by enquiry",
            )

    def _make_completer(self, session: Session) -> Completer:
        async def record(answers: Sequence[RailAnswer]) -> list[Outcome]:
            async with session.connection() as connection:
                return await api.rails.record_answers(connection, worker=self._settings.worker_id, answers=answers)

        return Completer(
            record=record,
            settle=self._settle,
            settings=self._settings,
            leases=self._leases,
            metrics=self._metrics,
            backoff=self._backoff("completion"),
        )

    def _settle(self, lease: HeldLease) -> None:
        self._leases.release(lease)
        self._executors[lease.claim.rail].free_slot()

    def _add_executor(self, rail: Rail, session: Session, completer: Completer, listener: WakeListener) -> None:
        signal = WakeSignal(poll_ms=self._settings.poll_ms, metrics=self._metrics)
        listener.attach(signal)
        self._executors[rail.name] = RailExecutor(
            rail=rail,
            claim=self._claim_from(rail.name, session),
            completer=completer,
            leases=self._leases,
            signal=signal,
            settings=self._settings,
            metrics=self._metrics,
            backoff=self._backoff("claim", stop=self._stop),
            stop=self._stop,
        )

    def _claim_from(self, rail: str, session: Session) -> ClaimSome:
        async def claim(limit: int) -> list[Claim]:
            async with session.connection() as connection:
                return await api.outbox.claim_outbox_batch(
                    connection,
                    worker=self._settings.worker_id,
                    limit=limit,
                    rail=rail,
                    lease_ms=self._settings.lease_ms,
                )

        return claim

    def _renewer(self, stack: AsyncExitStack) -> LeaseRenewer:
        return LeaseRenewer(
            session=self._session(stack, "renewal"),
            settings=self._settings,
            leases=self._leases,
            backoff=self._backoff("renewal"),
        )

    def _repairer(self, stack: AsyncExitStack) -> LeaseRepairer:
        return LeaseRepairer(
            session=self._session(stack, "repair"),
            settings=self._settings,
            metrics=self._metrics,
            backoff=self._backoff("repair"),
        )

    def _session(self, stack: AsyncExitStack, purpose: str) -> Session:
        name = f"symphony-worker {purpose} {self._settings.worker_id}"
        session = Session(dsn=self._database, application_name=name)
        stack.push_async_callback(session.aclose)
        return session

    def _backoff(self, point: str, *, stop: asyncio.Event | None = None) -> Backoff:
        return Backoff(
            point=point,
            metrics=self._metrics,
            min_ms=self._settings.backoff_min_ms,
            max_ms=self._settings.backoff_max_ms,
            stop=stop,
        )
