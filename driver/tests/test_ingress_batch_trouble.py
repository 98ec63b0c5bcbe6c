"""When a batch fails: nobody gets a wrong answer, and one poisoned item fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import psycopg
import pytest

from symphony.api.ingress import Decision, Item
from symphony.errors import DatabaseUnavailable, Invalid, OutcomeUnknown, RetryLater
from symphony.ingress.batcher import Batcher, Unrecordable, is_caused_by_content
from tests.ingress_items import accepted, item


def sql_error(state: str) -> DatabaseUnavailable:
    """The api's error for a SQLSTATE, with the driver's exception as its cause."""
    error = DatabaseUnavailable(f"refused with {state}")
    error.__cause__ = psycopg.errors.lookup(state)("database text")
    return error


@pytest.mark.parametrize("error", [DatabaseUnavailable("down"), OutcomeUnknown("?"), sql_error("57014")])
async def test_a_database_failure_reaches_every_waiter_and_is_not_repeated(error: Exception) -> None:
    calls = 0

    async def flush(items: Sequence[Item]) -> list[Decision]:
        nonlocal calls
        calls += 1
        raise error

    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [type(error)] * 5
    assert calls == 1


def failing_on(poisoned: set[int], error: Exception) -> tuple[list[int], Callable[..., Awaitable[list[Decision]]]]:
    sizes: list[int] = []

    async def flush(items: Sequence[Item]) -> list[Decision]:
        sizes.append(len(items))
        if any(one.correlation_id.int in poisoned for one in items):
            raise error
        return [accepted(one) for one in items]

    return sizes, flush


@pytest.mark.parametrize(
    "error",
    [
        sql_error("22021"),
        sql_error("23503"),
        Invalid(sqlstate="SV501", message="item_missing"),
        UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates not allowed"),
    ],
    ids=["data", "integrity", "registered", "driver"],
)
async def test_a_poisoned_item_alone_is_refused(error: Exception) -> None:
    sizes, flush = failing_on({13}, error)
    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(32)), return_exceptions=True)
    refused = [n for n, result in enumerate(results) if isinstance(result, BaseException)]
    assert refused == [13]
    assert isinstance(results[13], Unrecordable)
    assert sizes[0] == 32
    assert len(sizes) <= 1 + 2 * 5, "halving, not one by one"


async def test_registered_retry_later_is_not_the_content() -> None:
    sizes, flush = failing_on({1}, RetryLater(sqlstate="SR201", message="no_active_policy"))
    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(4)), return_exceptions=True)
    assert all(isinstance(result, RetryLater) for result in results)
    assert sizes == [4]


@pytest.mark.parametrize("state", ["40P01", "40001"])
@pytest.mark.parametrize("failures", [1, 2])
async def test_deadlock_and_serialization_failure_are_retried_once(state: str, failures: int) -> None:
    sizes: list[int] = []

    async def flush(items: Sequence[Item]) -> list[Decision]:
        sizes.append(len(items))
        if len(sizes) <= failures:
            raise sql_error(state)
        return [accepted(one) for one in items]

    batcher = Batcher(flush)
    results = await asyncio.gather(*(batcher.submit(item(n)) for n in range(3)), return_exceptions=True)
    assert sizes == [3, 3]
    expected = Decision if failures == 1 else DatabaseUnavailable
    assert all(isinstance(result, expected) for result in results)


async def test_a_short_answer_is_an_unknown_outcome() -> None:
    async def flush(items: Sequence[Item]) -> list[Decision]:
        return []

    with pytest.raises(OutcomeUnknown):
        await Batcher(flush).submit(item(1))


@pytest.mark.parametrize(
    ("state", "expected"),
    [("22001", True), ("23503", True), ("40001", False), ("57014", False), ("53100", False)],
)
def test_what_counts_as_content(state: str, expected: bool) -> None:
    assert is_caused_by_content(sql_error(state)) is expected
