"""Benches for the worker's own logic: injected clock, record and claim functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from symphony.api.outbox import Claim
from symphony.api.rails import Outcome, RailAnswer
from symphony.metrics import Metrics
from symphony.rails.adapter import RailClaim, RailReply
from symphony.worker.completer import Completer
from symphony.worker.executor import RailExecutor
from symphony.worker.leases import HeldLease, HeldLeases
from symphony.worker.pacing import Backoff, lease_clock
from symphony.worker.settings import WorkerSettings
from symphony.worker.wake import WakeSignal

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def settings(**changes: int) -> WorkerSettings:
    return WorkerSettings(worker_id="w-1", rails={"sandbox": "http://127.0.0.1:1"}, **changes)


def claim(*, lease_s: float = 30.0, action: str = "DISPATCH") -> Claim:
    return Claim(
        participant_id="ZM-BANK-A",
        outbox_id=uuid4(),
        sequence_id=1,
        instruction_id="I-1",
        rail="sandbox",
        action=action,
        attempt_no=1,
        lease_token=uuid4(),
        lease_expires_at=NOW + timedelta(seconds=lease_s),
        claimed_at=NOW,
        accepted_at=NOW,
        due_at=NOW - timedelta(milliseconds=40),
        amount_minor=100,
        currency="ZMW",
        creditor_participant_id=None,
        end_to_end_id=None,
        purpose=None,
        uetr=None,
        parties="{}",
        salt=b"0123456789abcdef",
    )


def answer_for(lease: HeldLease, *, code: str = "ACCEPTED") -> RailAnswer:
    return RailAnswer(
        participant_id=lease.claim.participant_id,
        outbox_id=lease.claim.outbox_id,
        lease_token=lease.claim.lease_token,
        rail="sandbox",
        phase="SUBMIT",
        rail_code=code,
    )


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Recorder:
    """Stands where record_answers stands: notes each batch and does what it is told."""

    def __init__(self) -> None:
        self.batches: list[list[RailAnswer]] = []
        self.trouble: Callable[[Sequence[RailAnswer]], Exception | None] = lambda _: None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, answers: Sequence[RailAnswer]) -> list[Outcome]:
        self.batches.append(list(answers))
        await self.gate.wait()
        error = self.trouble(answers)
        if error is not None:
            raise error
        return [Outcome(a.participant_id, a.outbox_id, "DISPATCHED", None) for a in answers]

    @property
    def recorded(self) -> list[int]:
        return [len(batch) for batch in self.batches]


class Bench:
    """A completer with everything around it."""

    def __init__(self, config: WorkerSettings, *, clock: Callable[[], float] = lease_clock) -> None:
        self.metrics = Metrics()
        self.leases = HeldLeases(margin_ms=config.lease_margin_ms, clock=clock)
        self.record = Recorder()
        self.settled: list[HeldLease] = []
        self.backoff = Backoff(point="completion", metrics=self.metrics, min_ms=1, max_ms=5)
        self.completer = Completer(
            record=self.record,
            settle=self.settled.append,
            settings=config,
            leases=self.leases,
            metrics=self.metrics,
            backoff=self.backoff,
        )

    def put(self, number: int = 1, *, code: str = "ACCEPTED") -> list[HeldLease]:
        held = [self.leases.hold(claim(), asked_at_s=self.leases.now_s()) for _ in range(number)]
        for lease in held:
            self.completer.put(answer_for(lease, code=code), lease)
        return held

    async def drain(self) -> None:
        async with asyncio.timeout(30):
            await self.completer.drain()

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


async def running(bench: Bench, steps: Callable[[], object]) -> None:
    """Run the completer while `steps` (a coroutine function) runs."""
    task = asyncio.create_task(bench.completer.run())
    try:
        await steps()  # type: ignore[misc]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class ScriptedRail:
    """A rail in this process that answers what it is told (the real one is in test_worker.py)."""

    name = "sandbox"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.code = "ACCEPTED"

    async def submit(self, claim: RailClaim) -> RailReply:
        return await self._answer("submit")

    async def query(self, claim: RailClaim) -> RailReply:
        return await self._answer("query")

    async def _answer(self, verb: str) -> RailReply:
        self.calls.append(verb)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return RailReply(rail_code=self.code, request_sha256=b"\0" * 32, latency_us=1)

    async def aclose(self) -> None:
        return None


class ExecutorBench(Bench):
    """An executor whose claims come from a list of batches."""

    def __init__(self, config: WorkerSettings, *, clock: Callable[[], float] = lease_clock, poll_ms: int = 20) -> None:
        super().__init__(config, clock=clock)
        self.rail = ScriptedRail()
        self.batches: list[list[Claim]] = []
        self.limits: list[int] = []
        self.stop = asyncio.Event()
        self.completer._settle = self.settle
        self.before_return: Callable[[], None] = lambda: None
        self.executor = RailExecutor(
            rail=self.rail,
            claim=self.claim,
            completer=self.completer,
            leases=self.leases,
            signal=WakeSignal(poll_ms=poll_ms, metrics=self.metrics),
            settings=config,
            metrics=self.metrics,
            backoff=Backoff(point="claim", metrics=self.metrics, min_ms=1, max_ms=5, stop=self.stop),
            stop=self.stop,
        )

    def settle(self, lease: HeldLease) -> None:
        self.settled.append(lease)
        self.leases.release(lease)
        self.executor.free_slot()

    async def claim(self, limit: int) -> list[Claim]:
        self.limits.append(limit)
        batch = self.batches.pop(0)[:limit] if self.batches else []
        self.before_return()
        return batch

    def end(self) -> None:
        self.stop.set()
        self.executor.interrupt()

    async def run(self, steps: Callable[[], object]) -> None:
        async def both() -> None:
            task = asyncio.create_task(self.executor.run())
            try:
                async with asyncio.timeout(30):
                    await steps()  # type: ignore[misc]
            finally:
                self.end()
                await task
                await self.drain()

        await running(self, both)

    @property
    def answers(self) -> list[tuple[str, str]]:
        return [(a.phase, a.rail_code) for batch in self.record.batches for a in batch]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (watches plain attributes)
        await asyncio.sleep(0.002)
