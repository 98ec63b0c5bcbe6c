"""The breaker of an alias registry: when it opens, who may probe, how long everybody else waits."""

from __future__ import annotations

from symphony.resolver.breaker import RegistryBreaker


class Clock:
    """Seconds, moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def opened(clock: Clock, changes: list[bool] | None = None) -> RegistryBreaker:
    """Open since now, for 1 to 60 seconds, without jitter."""
    seen: list[bool] = [] if changes is None else changes
    breaker = RegistryBreaker(clock=clock, jitter=lambda: 1.0, on_change=seen.append)
    for _ in range(5):
        assert breaker.may_ask()
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_and_an_answer_closes_it() -> None:
    clock, changes = Clock(), list[bool]()
    breaker = opened(clock, changes)
    assert (breaker.is_open, breaker.may_ask(), breaker.wait_s(), changes) == (True, False, 1.0, [True])
    breaker.answered()
    assert (breaker.is_open, breaker.may_ask(), breaker.wait_s(), changes) == (False, True, 0.0, [True, False])


def test_one_may_probe_and_nobody_is_sent_away_for_long_while_it_does() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 1.0
    assert [breaker.may_ask() for _ in range(3)] == [True, False, False]
    assert breaker.wait_s() == 0.0, "soon more is known: whoever waits now keeps its place in front"
    breaker.failed()
    assert breaker.wait_s() == 2.0


def test_each_failed_probe_doubles_the_pause_and_stragglers_do_not() -> None:
    clock = Clock()
    breaker = opened(clock)
    for _ in range(11):
        breaker.failed()  # calls that were under way when it opened
    pauses = []
    for _ in range(8):
        pauses.append(breaker.wait_s())
        clock.now += breaker.wait_s()
        assert breaker.may_ask()
        breaker.failed()
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_probe_that_is_abandoned_is_replaced_after_another_pause() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 1.0
    assert breaker.may_ask()
    clock.now = 1.9
    assert not breaker.may_ask()
    clock.now = 2.0
    assert breaker.may_ask()
