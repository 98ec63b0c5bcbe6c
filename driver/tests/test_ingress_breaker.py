"""The circuit breaker: when it opens, its one probe, and a Retry-After without a herd."""

from __future__ import annotations

import pytest

from symphony.ingress.breaker import Breaker, BreakerOpen, BreakerState


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=5, window_s=10.0, probe_after_s=5.0, clock=clock, jitter=lambda: 0.0)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.record_failure()


def test_opens_at_the_fifth_failure_within_the_window(breaker: Breaker) -> None:
    fail(breaker, 4)
    assert breaker.enter() is False
    fail(breaker, 1)
    assert breaker.state is BreakerState.OPEN
    with pytest.raises(BreakerOpen) as caught:
        breaker.enter()
    assert caught.value.retry_after_s == 5


def test_failures_further_apart_than_the_window_do_not_open_it(breaker: Breaker, clock: Clock) -> None:
    for _ in range(50):
        breaker.record_failure()
        clock.now += 2.6
    assert breaker.state is BreakerState.CLOSED


def test_successes_between_failures_do_not_hide_a_failing_database(breaker: Breaker) -> None:
    for _ in range(5):
        breaker.record_success()
        breaker.record_failure()
    assert breaker.state is BreakerState.OPEN


def test_lets_exactly_one_probe_through(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 4.99
    with pytest.raises(BreakerOpen):
        breaker.enter()
    clock.now += 0.02
    assert breaker.enter() is True
    assert breaker.state is BreakerState.HALF_OPEN
    for _ in range(3):
        with pytest.raises(BreakerOpen):
            breaker.enter()


def test_a_good_probe_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 6
    probe = breaker.enter()
    breaker.record_success()
    breaker.leave(probe)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.enter() is False
    fail(breaker, 4)
    assert breaker.state is BreakerState.CLOSED, "the old failures are forgotten"


def test_a_bad_probe_opens_it_again_for_the_whole_time(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 6
    probe = breaker.enter()
    breaker.record_failure()
    breaker.leave(probe)
    assert breaker.state is BreakerState.OPEN
    clock.now += 4.9
    with pytest.raises(BreakerOpen):
        breaker.enter()
    clock.now += 0.2
    assert breaker.enter() is True


def test_a_probe_without_a_verdict_gives_its_place_to_the_next(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 5)
    clock.now += 6
    probe = breaker.enter()
    breaker.leave(probe)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.enter() is True
    with pytest.raises(BreakerOpen):
        breaker.enter()


def test_a_late_success_does_not_close_an_open_breaker(breaker: Breaker) -> None:
    fail(breaker, 5)
    breaker.record_success()
    assert breaker.state is BreakerState.OPEN


def test_retry_after_is_spread_over_one_probe_interval(clock: Clock) -> None:
    waits: list[int] = []
    for jitter in (0.0, 0.3, 0.6, 0.999):
        breaker = Breaker(probe_after_s=5.0, clock=clock, jitter=lambda jitter=jitter: jitter)  # type: ignore[misc]
        fail(breaker, 5)
        with pytest.raises(BreakerOpen) as caught:
            breaker.enter()
        waits.append(caught.value.retry_after_s)
    assert waits == [5, 7, 8, 10]


def test_every_change_is_announced_once(clock: Clock) -> None:
    seen: list[BreakerState] = []
    breaker = Breaker(failures=1, probe_after_s=1.0, clock=clock, on_change=seen.append)
    breaker.record_failure()
    breaker.record_failure()
    clock.now += 2
    breaker.enter()
    breaker.record_success()
    assert seen == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
