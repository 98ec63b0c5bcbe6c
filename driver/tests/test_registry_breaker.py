"""The breaker of an alias registry: when it opens, who may probe, how long everybody else waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from symphony.api.proxy import Cached, Lease, LeasedAlias
from symphony.metrics import Metrics
from symphony.registries.registry import PROXY_NOT_FOUND, PROXY_REGISTRY_UNAVAILABLE, Answer, Question, unresolved
from symphony.resolver.batch import Asking, BatchResolver
from symphony.resolver.breaker import RegistryBreaker
from symphony.resolver.hashing import LocalHasher


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


class Recovering:
    """A registry that is away for its first question and back when the pause is over."""

    name = "sandbox"

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[int] = []

    async def resolve(self, question: Question) -> Answer:
        return (await self.resolve_many([question]))[0]

    async def resolve_many(self, questions: Sequence[Question]) -> list[Answer]:
        self.asked.append(len(questions))
        if len(self.asked) == 1:
            self.clock.now += 1.0  # a busy machine: the next one comes when the pause is over
            return [unresolved(PROXY_REGISTRY_UNAVAILABLE, latency_us=1, reached=False) for _ in questions]
        self.clock.now += 2.0
        return [unresolved(PROXY_NOT_FOUND, latency_us=1, raw=b"{}") for _ in questions]

    async def aclose(self) -> None:
        """Nothing to close."""


async def nothing_cached(keys: Sequence[tuple[str, str, bytes]]) -> list[Cached]:
    """An empty cache."""
    return []


def leased(*values: str) -> tuple[list[Lease], list[LeasedAlias]]:
    """Leases on aliases, oldest first."""
    at = datetime.now(UTC)
    leases = [Lease("ZM-BANK-A", UUID(int=n), "SHID", at, uuid4(), at, at) for n, _ in enumerate(values, start=1)]
    return leases, [
        LeasedAlias("ZM-BANK-A", lease.outbox_id, "SHID", value, None)
        for lease, value in zip(leases, values, strict=True)
    ]


def resolving(asking: Asking) -> BatchResolver:
    """A resolver of batches with a key of its own."""
    return BatchResolver(asking=asking, hasher=LocalHasher({1: bytes(range(32))}, environment="dev"), metrics=Metrics())


async def test_what_was_asked_while_the_registry_was_away_does_not_wait_for_itself() -> None:
    clock = Clock()
    breaker = RegistryBreaker(clock=clock, jitter=lambda: -1.0, failures=1, pause_min_s=1.0)  # pauses of no length
    breaker.failed()
    clock.now = 1.0
    registry = Recovering(clock)
    asking = Asking(registry=registry, breaker=breaker, chunk_items=1, calls_at_once=1, call_timeout_ms=1_000)
    outcome = await resolving(asking).resolve(*leased("payee-1", "payee-2", "payee-3"), nothing_cached)
    said = [answer.reason_code for answer in outcome.answers]
    assert said == ["PROXY_REGISTRY_UNAVAILABLE", "PROXY_NOT_FOUND", "PROXY_NOT_FOUND"], "the registry's, not its own"
    assert (registry.asked, breaker.is_open) == ([1, 1, 1], False)


async def test_a_batch_that_may_not_ask_is_given_back_whole_though_the_registry_is_there() -> None:
    clock = Clock()
    registry = Recovering(clock)
    asking = Asking(
        registry=registry, breaker=RegistryBreaker(clock=clock), chunk_items=1, calls_at_once=1, call_timeout_ms=1_000
    )
    resolver = resolving(asking)
    leases, aliases = leased("payee", "payee", "payee")
    outcome = await resolver.resolve(leases, aliases, nothing_cached, may_ask=False)
    assert (outcome.answers, outcome.unasked, registry.asked) == ([], leases, [])
    outcome = await resolver.resolve(leases, aliases, nothing_cached)
    assert (len(outcome.answers), outcome.unasked, registry.asked) == (3, [], [1]), "one question for the three"
