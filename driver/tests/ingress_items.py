"""Items, decisions and a flush that a test holds, for tests of the batcher alone."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from symphony.api.ingress import Decision, Item

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def item(
    number: int,
    *,
    participant_id: str = "ZM-BANK-A",
    key: str | None = None,
    instruction_id: str | None = None,
    reject_reason: str | None = None,
) -> Item:
    """An item with its own key and id unless they are given."""
    return Item(
        participant_id=participant_id,
        tenant_id=None,
        instruction_id=instruction_id or f"I-{number}",
        idempotency_key=key or f"K-{number}",
        rail="sandbox",
        currency="ZMW",
        amount_minor=100 + number,
        creditor_participant_id=None,
        end_to_end_id=None,
        purpose=None,
        uetr=None,
        requires_proxy=False,
        parties="{}",
        client_id=None,
        cert_sha256=None,
        token_iss=None,
        token_aud=None,
        token_kid=None,
        token_jti_sha256=None,
        cnf=None,
        pop_mode="DEV_HEADER",
        body_sha256=bytes(32),
        signature_key_id=None,
        signature_alg=None,
        db_role="symphony_ingest",
        correlation_id=uuid.UUID(int=number),
        received_at=NOW,
        verified_at=NOW,
        reject_reason=reject_reason,
    )


def accepted(item: Item) -> Decision:
    """An ACCEPT whose attestation id is the item's correlation id, to see whose answer a waiter got."""
    return Decision("ACCEPT", None, item.correlation_id, uuid.uuid4(), 1, "PENDING", NOW, 1, bytes(32))


class Recording:
    """Stands for the flush: remembers every batch, and can be held, so that a test decides when it ends."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[list[Item]] = []
        self.open = asyncio.Event()
        self.begun = asyncio.Condition()
        self.at_once = 0
        self.most_at_once = 0
        if not held:
            self.open.set()

    async def __call__(self, items: Sequence[Item]) -> list[Decision]:
        async with self.begun:
            self.batches.append(list(items))
            self.begun.notify_all()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
            return [accepted(one) for one in items]
        finally:
            self.at_once -= 1

    async def reached(self, number: int) -> None:
        """Wait until that many flushes have begun."""
        async with self.begun:
            await self.begun.wait_for(lambda: len(self.batches) >= number)

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


async def settle() -> None:
    """Let everything that can run now run."""
    for _ in range(10):
        await asyncio.sleep(0)
