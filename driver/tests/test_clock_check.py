"""E6: a machine whose clock is far from the database's is not started on."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from symphony.api import connect, core
from symphony.api.connection import Connection
from symphony.clock_check import clock_offset_s, require_same_clock
from symphony.maintenance import Maintenance, MaintenanceSettings
from symphony.metrics import Metrics
from symphony.operator_error import OperatorError


@pytest.mark.parametrize(("wrong_by_s", "said"), [(-6.0, "6.0 s ahead"), (6.0, "6.0 s behind"), (86_400.0, "behind")])
async def test_clocks_too_far_apart_are_refused(
    database_url: str, monkeypatch: pytest.MonkeyPatch, wrong_by_s: float, said: str
) -> None:
    async with await connect(database_url, application_name="test") as connection:
        there = await core.now(connection)

        async def at_once(_: Connection) -> datetime:
            return there  # how long the answer takes is not what is looked at here

        monkeypatch.setattr(core, "now", at_once)
        with pytest.raises(OperatorError, match="CLOCKS_APART") as refused:
            await require_same_clock(connection, wall=lambda: there.timestamp() + wrong_by_s)
    assert said in str(refused.value)


async def test_what_is_near_enough_is_taken_and_a_slow_answer_is_no_difference(database_url: str) -> None:
    async with await connect(database_url, application_name="test") as connection:
        for wrong_by_s in (0.0, 4.5, -4.5):
            await require_same_clock(connection, wall=lambda by=wrong_by_s: time.time() + by)  # type: ignore[misc]
        asked = iter([time.time(), time.time() + 60])
        assert await clock_offset_s(connection, wall=lambda: next(asked)) == 0


async def test_maintenance_does_not_start_and_says_the_difference_later(database_url: str) -> None:
    metrics = Metrics()
    work = Maintenance(
        database=database_url, metrics=metrics, settings=MaintenanceSettings(), wall=lambda: time.time() - 30
    )
    with pytest.raises(OperatorError, match="CLOCKS_APART"):
        await work.run()
    async with await connect(database_url, application_name="test") as connection:
        began = time.monotonic()
        await work._read_health(connection)
        took_s = time.monotonic() - began
    offset_s = metrics.registry.get_sample_value("clock_offset_seconds")
    assert offset_s is not None
    assert 30 - took_s - 0.1 <= offset_s <= 30.1, "what the answer took counts for neither side"
