"""Leases this process holds: until when each may be used, renewal, and repair of leases anybody lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from symphony import api
from symphony.api.outbox import Claim
from symphony.errors import SymphonyError
from symphony.metrics import Metrics
from symphony.worker.pacing import Backoff, lease_clock
from symphony.worker.session import Session
from symphony.worker.settings import WorkerSettings

_log = structlog.get_logger(__name__)
_MAX_RENEWALS = 500


@dataclass(slots=True, eq=False)
class HeldLease:
    """One claimed item; `usable_until_s` (local lease clock) is never later than the database's own end.

    It counts from before the claim was sent, so the time the claim travelled only shortens it. A clock
    step, a stopped process or a sleeping machine cannot lengthen it.
    """

    claim: Claim
    usable_until_s: float
    lost: bool = False
    answered_at_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Seconds the database granted, both times being its own."""
        return (self.claim.lease_expires_at - self.claim.claimed_at).total_seconds()


class HeldLeases:
    """Every lease of this process, over all rails."""

    def __init__(self, *, margin_ms: int, clock: Callable[[], float] = lease_clock) -> None:
        self._margin_s = margin_ms / 1000
        self._clock = clock
        self._held: set[HeldLease] = set()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[HeldLease]:
        return iter(self._held)

    def hold(self, claim: Claim, *, asked_at_s: float) -> HeldLease:
        """Start holding a claimed item; `asked_at_s` is the lease clock just before the claim was sent."""
        lease = HeldLease(claim=claim, usable_until_s=asked_at_s)
        lease.usable_until_s += lease.duration_s
        self._held.add(lease)
        return lease

    def release(self, lease: HeldLease) -> None:
        """Stop holding: the database has recorded the outcome, or the item is given up."""
        self._held.discard(lease)

    def may_call(self, lease: HeldLease) -> bool:
        """Whether a rail call may start now: held, with more left of the lease than the safety margin.

        The margin is at most half of a lease, should the database grant a shorter one than was asked for.
        """
        margin_s = min(self._margin_s, lease.duration_s / 2)
        return not lease.lost and self._clock() < lease.usable_until_s - margin_s

    def expired(self, lease: HeldLease, *, ago_s: float = 0.0) -> bool:
        """Whether the lease ended at least `ago_s` seconds ago by the local clock."""
        return self._clock() >= lease.usable_until_s + ago_s

    def due_for_renewal(self) -> list[HeldLease]:
        """Leases with less than half of their time left, most urgent first.

        One whose answer could not be recorded for a whole lease is left to end: an answer the database will
        not take becomes an enquiry.
        """
        now_s = self._clock()
        due = [
            lease
            for lease in self._held
            if not lease.lost
            and lease.usable_until_s - now_s < lease.duration_s / 2
            and (lease.answered_at_s is None or now_s - lease.answered_at_s < lease.duration_s)
        ]
        return sorted(due, key=lambda lease: lease.usable_until_s)[:_MAX_RENEWALS]

    def renewed(
        self,
        leases: Sequence[HeldLease],
        *,
        still_held: set[tuple[str, UUID]],
        asked_at_s: float,
        lease_ms: int,
    ) -> list[HeldLease]:
        """Note the database's answer to a renewal; returns the leases it says are lost."""
        lost = []
        for lease in leases:
            if (lease.claim.participant_id, lease.claim.outbox_id) in still_held:
                lease.usable_until_s = asked_at_s + min(lease_ms / 1000, lease.duration_s)
            elif lease in self._held:
                lease.lost = True
                lost.append(lease)
        return lost

    def now_s(self) -> float:
        """The lease clock, in seconds."""
        return self._clock()


class LeaseRenewer:
    """Extends leases past half their time, while their rail calls or recordings are still under way."""

    def __init__(self, *, session: Session, settings: WorkerSettings, leases: HeldLeases, backoff: Backoff) -> None:
        self._session = session
        self._settings = settings
        self._leases = leases
        self._backoff = backoff

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(self._settings.lease_ms / 10_000)
            try:
                while await self._renew_once() == _MAX_RENEWALS:
                    pass
            except SymphonyError as error:
                await self._backoff.wait(error)

    async def _renew_once(self) -> int:
        due = self._leases.due_for_renewal()
        if not due:
            return 0
        asked_at_s = self._leases.now_s()
        async with self._session.connection() as connection:
            held = await api.outbox.extend_leases(
                connection,
                worker=self._settings.worker_id,
                leases=[(x.claim.participant_id, x.claim.outbox_id, x.claim.lease_token) for x in due],
                lease_ms=self._settings.lease_ms,
            )
        self._backoff.succeeded()
        lost = self._leases.renewed(due, still_held=set(held), asked_at_s=asked_at_s, lease_ms=self._settings.lease_ms)
        for lease in lost:
            _log.warning(
                "lease_lost",
                participant_id=lease.claim.participant_id,
                outbox_id=lease.claim.outbox_id,
                rail=lease.claim.rail,
                action=lease.claim.action,
                next="its answer is kept as evidence; the item is resolved by enquiry",
            )
        return len(due)


class LeaseRepairer:
    """Takes back leases that expired, whoever held them: they come back as enquiries, never as resends."""

    def __init__(
        self,
        *,
        session: Session,
        settings: WorkerSettings,
        metrics: Metrics,
        backoff: Backoff,
        rng: random.Random | None = None,
    ) -> None:
        self._session = session
        self._settings = settings
        self._metrics = metrics
        self._backoff = backoff
        self._rng = rng or random.Random()  # noqa: S311 (jitter, not a secret)

    async def run(self) -> None:
        """Repair until cancelled, after 50 to 100 % of the interval each, so that workers spread out."""
        while True:
            await asyncio.sleep(self._settings.repair_interval_ms / 1000 * self._rng.uniform(0.5, 1.0))
            try:
                while await self._repair_once() == self._settings.repair_batch_items:
                    pass
            except SymphonyError as error:
                await self._backoff.wait(error)

    async def _repair_once(self) -> int:
        started_s = lease_clock()
        async with self._session.connection() as connection:
            repaired = await api.outbox.repair_expired_leases(connection, limit=self._settings.repair_batch_items)
        self._backoff.succeeded()
        if repaired:
            self._metrics.flush_latency_seconds.labels(point="repair").observe(lease_clock() - started_s)
            self._metrics.batch_size.labels(point="repair").observe(repaired)
            self._metrics.reaper_requeues_total.inc(repaired)
            _log.info("expired_leases_repaired", count=repaired)
        return repaired
