"""The machine's clock is held to the database's: tokens, proofs and lists are judged here, leases and windows there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from symphony.api import core
from symphony.api.connection import Connection
from symphony.operator_error import OperatorError

MAX_APART_S: Final = 5.0


async def clock_offset_s(connection: Connection, *, wall: Callable[[], float] = time.time) -> float:
    """How many seconds the database's clock is ahead of this machine's; a slow answer counts for neither side.

    Raises DatabaseUnavailable.
    """
    asked = wall()
    there = (await core.now(connection)).timestamp()
    answered = wall()
    if asked <= there <= answered:
        return 0.0
    return there - answered if there > answered else there - asked


async def require_same_clock(connection: Connection, *, wall: Callable[[], float] = time.time) -> None:
    """Refuse to start with clocks more than MAX_APART_S seconds apart.

    Raises:
        OperatorError: CLOCKS_APART. DatabaseUnavailable.
    """
    offset_s = await clock_offset_s(connection, wall=wall)
    if abs(offset_s) > MAX_APART_S:
        raise OperatorError(
            "CLOCKS_APART",
            thing="the clock of this machine",
            reason=f"the database's is {abs(offset_s):.1f} s {'ahead' if offset_s > 0 else 'behind'}, and"
            f" {MAX_APART_S:.0f} s is the limit",
            next_action="synchronise both with the same source (chrony, NTP) and start again",
        )
