"""Lanes: a participant's requests always take the same micro-batcher, so parallel flushes share no participant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zlib import crc32

from symphony.api.ingress import Decision, Item
from symphony.ingress.batcher import Batcher, Flush
from symphony.ingress.settings import IngressSettings


class Lanes:
    """One batcher per database connection.

    `ingress.accept` decides a participant's batches one after another, under the participant's lock. Two batches
    that both held every participant would wait for each other; batches of different lanes never do.
    """

    def __init__(self, batchers: Sequence[Batcher]) -> None:
        self._batchers = tuple(batchers)

    def _lane(self, item: Item) -> Batcher:
        return self._batchers[crc32((item.participant_id or "").encode()) % len(self._batchers)]

    @property
    def closing(self) -> bool:
        """Whether `close` was called."""
        return self._batchers[0].closing

    async def submit(self, item: Item) -> Decision:
        """As Batcher.submit, in the item's lane."""
        return await self._lane(item).submit(item)

    async def close(self) -> None:
        """Close every lane and wait for the answers."""
        await asyncio.gather(*(batcher.close() for batcher in self._batchers))


def open_lanes(flush: Flush, settings: IngressSettings) -> Lanes:
    """As many lanes as flushes may run side by side."""
    return Lanes(
        [
            Batcher(
                flush,
                max_batch=settings.max_batch,
                max_flush_s=settings.max_flush_ms / 1000,
                parallel=1,
                max_queued=settings.max_queued_items // settings.parallel_flushes,
                max_wait_s=settings.max_queue_wait_ms / 1000,
            )
            for _lane in range(settings.parallel_flushes)
        ]
    )
