"""One rail's claims and calls: claim what fits, call the rail holding nothing of the database, hand over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from symphony.api.outbox import Claim
from symphony.api.rails import RailAnswer
from symphony.errors import SymphonyError
from symphony.metrics import Metrics
from symphony.rails.adapter import (
    CONNECTION_LOST,
    REFUSED_BEFORE_CALL,
    TIMEOUT,
    UNREADABLE_ANSWER,
    Rail,
    RailReply,
)
from symphony.worker.completer import Completer
from symphony.worker.leases import HeldLease, HeldLeases
from symphony.worker.pacing import Backoff, lease_clock
from symphony.worker.settings import WorkerSettings
from symphony.worker.wake import WakeSignal

_log = structlog.get_logger(__name__)
_RELEASED = "RELEASED"

type ClaimSome = Callable[[int], Awaitable[list[Claim]]]


class RailExecutor:
    """Claims due items of one rail while it has free slots, and calls the rail for each in a task of its own.

    A slot is one lease: taken by a claim, freed when the database has recorded the answer. So a slow rail,
    or a database that is away, stops the claims by itself.

    A claim that did not come back full may have met a cap of the policy that this process's own leases fill.
    So freed slots lead to another claim soon, less often while such claims find nothing.
    """

    def __init__(
        self,
        *,
        rail: Rail,
        claim: ClaimSome,
        completer: Completer,
        leases: HeldLeases,
        signal: WakeSignal,
        settings: WorkerSettings,
        metrics: Metrics,
        backoff: Backoff,
        stop: asyncio.Event,
    ) -> None:
        self._rail = rail
        self._claim = claim
        self._completer = completer
        self._leases = leases
        self._signal = signal
        self._settings = settings
        self._metrics = metrics
        self._backoff = backoff
        self._stop = stop
        self._taken = 0
        self._slot_freed = asyncio.Event()
        self._empty_claims = 0
        self._nudge: asyncio.TimerHandle | None = None
        self._in_flight = metrics.in_flight.labels(rail=rail.name)
        self._latency = metrics.dispatch_latency_seconds.labels(rail=rail.name)
        self._in_flight.set(0)

    async def run(self) -> None:
        """Claim until a stop is asked for, then give calls under way the grace time and abandon the rest.

        An abandoned call is recorded as CONNECTION_LOST: nobody knows what became of it, so it is enquired.
        """
        calls: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:
            while not self._stop.is_set():
                leases, claim_again = await self._claim_next()
                for lease in leases:
                    call = group.create_task(self._execute(lease))
                    calls.add(call)
                    call.add_done_callback(calls.discard)
                if not claim_again:
                    await self._signal.wait()
            if calls:
                await asyncio.wait(set(calls), timeout=self._settings.grace_ms / 1000)
            for call in set(calls):
                call.cancel()
        if self._nudge is not None:
            self._nudge.cancel()

    @property
    def claims_fail(self) -> bool:
        """Whether the last claim failed: the database is away, or refuses this rail."""
        return self._backoff.failing

    def interrupt(self) -> None:
        """Wake the claim loop, so that it sees a stop at once."""
        self._signal.nudge()
        self._slot_freed.set()

    def free_slot(self) -> None:
        """One lease of this rail is no longer held."""
        self._taken -= 1
        self._in_flight.set(self._taken)
        self._slot_freed.set()
        if self._nudge is None and not self._stop.is_set():
            delay_ms = max(1, self._settings.claim_gather_ms) * 2 ** min(self._empty_claims, 10)
            delay_s = min(delay_ms, self._settings.poll_ms) / 1000
            self._nudge = asyncio.get_running_loop().call_later(delay_s, self._nudge_claims)

    def _nudge_claims(self) -> None:
        self._nudge = None
        self._signal.nudge()

    async def _claim_next(self) -> tuple[list[HeldLease], bool]:
        """Claim once; True asks for the next claim at once: this one was full, or failed and waited."""
        limit = min(self._settings.claim_batch_items, await self._free_slots())
        if self._stop.is_set():
            return [], True
        asked_at_s = self._leases.now_s()
        try:
            claims = await self._claim(limit)
        except SymphonyError as error:
            await self._backoff.wait(error)
            return [], True
        self._backoff.succeeded()
        self._empty_claims = 0 if claims else self._empty_claims + 1
        if claims:
            self._observe(claims, seconds=self._leases.now_s() - asked_at_s)
            self._taken += len(claims)
            self._in_flight.set(self._taken)
        return [self._leases.hold(claim, asked_at_s=asked_at_s) for claim in claims], len(claims) == limit

    async def _free_slots(self) -> int:
        """Wait for a free slot, and a little longer for half a batch of them; returns how many are free."""
        wanted = max(1, min(self._settings.claim_batch_items, self._settings.slots_per_rail) // 2)
        await self._until_free(1, seconds=None)
        if self._settings.slots_per_rail - self._taken < wanted:
            await self._until_free(wanted, seconds=self._settings.claim_gather_ms / 1000)
        return self._settings.slots_per_rail - self._taken

    async def _until_free(self, wanted: int, *, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                while self._settings.slots_per_rail - self._taken < wanted and not self._stop.is_set():
                    self._slot_freed.clear()
                    await self._slot_freed.wait()
        except TimeoutError:
            return

    def _observe(self, claims: list[Claim], *, seconds: float) -> None:
        self._metrics.claim_batches_total.inc()
        self._metrics.batch_size.labels(point="claim").observe(len(claims))
        self._metrics.flush_latency_seconds.labels(point="claim").observe(seconds)
        for claim in claims:
            if claim.action == "DISPATCH" and claim.attempt_no == 1:
                waited_s = (claim.claimed_at - claim.due_at).total_seconds()
                self._metrics.wakeup_latency_seconds.observe(max(0.0, waited_s))

    async def _execute(self, lease: HeldLease) -> None:
        """Call the rail for one item and hand over its answer, whatever happens on the way."""
        claim = lease.claim
        submitting = claim.action == "DISPATCH"
        if self._stop.is_set() or not self._leases.may_call(lease):
            self._give_back(lease)
            return
        started_s = lease_clock()
        phase = "SUBMIT" if submitting else "QUERY"
        try:
            async with asyncio.timeout(self._settings.call_limit_ms / 1000):
                call = self._rail.submit if submitting else self._rail.query
                reply = await call(claim)
        except TimeoutError:
            answer = _without_reply(claim, phase=phase, rail_code=TIMEOUT, started_s=started_s)
        except asyncio.CancelledError:
            lost = _without_reply(claim, phase=phase, rail_code=CONNECTION_LOST, started_s=started_s)
            self._completer.put(lost, lease)
            raise
        except Exception as error:  # an adapter must not raise; if it does, nobody knows what left us
            _log.error("adapter_raised", rail=claim.rail, outbox_id=claim.outbox_id, exc_info=error)
            answer = _without_reply(claim, phase=phase, rail_code=UNREADABLE_ANSWER, started_s=started_s)
        else:
            answer = _with_reply(claim, phase=phase, reply=reply)
        self._latency.observe(lease_clock() - started_s)
        self._completer.put(answer, lease)

    def _give_back(self, lease: HeldLease) -> None:
        """The rail was not called: give the item back while the lease lasts, else leave it to the repair."""
        claim = lease.claim
        if self._leases.expired(lease) or lease.lost:
            _log.warning(
                "lease_ended_before_call",
                participant_id=claim.participant_id,
                outbox_id=claim.outbox_id,
                rail=claim.rail,
                next="nothing was sent; the expired lease is taken back by the repair",
            )
            self._leases.release(lease)
            self.free_slot()
            return
        answer = RailAnswer(
            participant_id=claim.participant_id,
            outbox_id=claim.outbox_id,
            lease_token=claim.lease_token,
            rail=claim.rail,
            phase="NONE",
            rail_code=_RELEASED,
        )
        self._completer.put(answer, lease)


def _with_reply(claim: Claim, *, phase: str, reply: RailReply) -> RailAnswer:
    return RailAnswer(
        participant_id=claim.participant_id,
        outbox_id=claim.outbox_id,
        lease_token=claim.lease_token,
        rail=claim.rail,
        phase="NONE" if reply.rail_code == REFUSED_BEFORE_CALL else phase,
        rail_code=reply.rail_code,
        rail_reference=reply.rail_reference,
        echoed_amount_minor=reply.echoed_amount_minor,
        echoed_currency=reply.echoed_currency,
        request_sha256=reply.request_sha256,
        response_sha256=reply.response_sha256,
        latency_us=reply.latency_us,
    )


def _without_reply(claim: Claim, *, phase: str, rail_code: str, started_s: float) -> RailAnswer:
    return RailAnswer(
        participant_id=claim.participant_id,
        outbox_id=claim.outbox_id,
        lease_token=claim.lease_token,
        rail=claim.rail,
        phase=phase,
        rail_code=rail_code,
        latency_us=int((lease_clock() - started_s) * 1_000_000),
    )
