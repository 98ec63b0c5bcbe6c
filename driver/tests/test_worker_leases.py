"""Until when a lease may be used, on an injected clock."""

from __future__ import annotations

from symphony.worker.leases import HeldLeases
from tests.worker_bench import Clock, claim


def test_a_lease_may_be_used_until_the_margin_before_its_end() -> None:
    clock = Clock()
    leases = HeldLeases(margin_ms=3_000, clock=clock)
    lease = leases.hold(claim(lease_s=30), asked_at_s=clock())
    clock.now_s += 26.9
    assert leases.may_call(lease)
    clock.now_s += 0.2
    assert not leases.may_call(lease)
    assert not leases.expired(lease)
    clock.now_s += 3.0
    assert leases.expired(lease)


def test_time_the_claim_travelled_shortens_the_lease() -> None:
    clock = Clock()
    leases = HeldLeases(margin_ms=1_000, clock=clock)
    asked_at_s = clock()
    clock.now_s += 29.5  # the process was stopped between asking and reading the answer
    lease = leases.hold(claim(lease_s=30), asked_at_s=asked_at_s)
    assert not leases.may_call(lease)


def test_a_shorter_lease_than_asked_for_is_respected() -> None:
    clock = Clock()
    leases = HeldLeases(margin_ms=3_000, clock=clock)
    lease = leases.hold(claim(lease_s=2), asked_at_s=clock())
    assert leases.may_call(lease)
    clock.now_s += 1.1
    assert not leases.may_call(lease)


def test_leases_past_half_their_time_are_renewed_and_lost_ones_are_not_used_again() -> None:
    clock = Clock()
    leases = HeldLeases(margin_ms=1_000, clock=clock)
    old, other = (leases.hold(claim(), asked_at_s=clock()) for _ in range(2))
    clock.now_s += 16.0
    young = leases.hold(claim(), asked_at_s=clock())
    due = leases.due_for_renewal()
    assert set(due) == {old, other}
    held = {(old.claim.participant_id, old.claim.outbox_id)}
    assert leases.renewed(due, still_held=held, asked_at_s=clock(), lease_ms=30_000) == [other]
    assert leases.due_for_renewal() == []
    clock.now_s += 20.0
    assert leases.may_call(old)
    assert leases.may_call(young)
    assert not leases.may_call(other)


def test_a_lease_whose_answer_is_not_taken_is_not_renewed_for_ever() -> None:
    clock = Clock()
    leases = HeldLeases(margin_ms=1_000, clock=clock)
    lease = leases.hold(claim(), asked_at_s=clock())
    lease.answered_at_s = clock()
    clock.now_s += 16.0
    assert leases.due_for_renewal() == [lease]
    clock.now_s += 15.0
    assert leases.due_for_renewal() == []


def test_a_lease_settled_during_its_renewal_is_not_called_lost() -> None:
    clock = Clock()
    leases = HeldLeases(margin_ms=1_000, clock=clock)
    lease = leases.hold(claim(), asked_at_s=clock())
    leases.release(lease)
    assert leases.renewed([lease], still_held=set(), asked_at_s=clock(), lease_ms=30_000) == []
