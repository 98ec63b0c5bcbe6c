"""A real sandbox rail process for tests, its ledger read from the file, and a measurement of its speed."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from symphony.rails.adapter import RailOptions, open_rail
from tests.sandbox_child import SandboxChild

PERSONAL = "Chanda-Mwape-0977123456"
PARTIES = json.dumps(
    {
        "creditor": {"account": f"{PERSONAL}-acc-c", "name": f"{PERSONAL} creditor"},
        "debtor": {"account": f"{PERSONAL}-acc-d", "name": f"{PERSONAL} debtor"},
        "remittance": f"{PERSONAL} rent",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentClaim:
    """What an adapter reads of a claim."""

    reference: str = field(default_factory=lambda: uuid.uuid4().hex)
    amount_minor: int = 12_550
    currency: str = "ZMW"
    creditor_participant_id: str | None = "ZM-BANK-B"
    end_to_end_id: str | None = "E2E-1"
    purpose: str | None = "SALA"
    parties: str | None = PARTIES
    salt: bytes | None = b"sixteen-bytes-ok"


class SandboxProcess(SandboxChild):
    """`symphony rail-sandbox` as a child process."""

    START = "from symphony.rail_sandbox.command import rail_sandbox; rail_sandbox()"
    FILE_OPTION = "--ledger"
    FAULTS = "/faults"

    def executions(self, reference: str) -> int:
        """How often a reference was really executed."""
        return len(self.rows("select 1 from executions where reference = ?", reference))

    def calls(self, reference: str) -> list[tuple[str, int | None, str, str | None]]:
        """(phase, http_status, answer, fault) of every HTTP call about a reference, in order."""
        query = "select phase, http_status, answer, fault from calls where reference = ? order by call_no"
        return [tuple(row) for row in self.rows(query, reference)]


def payment(**changes: Any) -> dict[str, Any]:
    """A body for POST /payments."""
    parties = json.loads(PARTIES)
    body = {"reference": uuid.uuid4().hex, "amount": "125.50", "currency": "ZMW", "end_to_end_id": "E2E-1"}
    return {**body, "creditor": parties["creditor"], "debtor": parties["debtor"], **changes}


def submit(sandbox: SandboxProcess, **changes: Any) -> tuple[int, Any]:
    """POST a new payment."""
    return sandbox.call("POST", "/payments", payment(**changes))


async def bench(payments: int, concurrency: int, *, base_url: str) -> float:
    """Payments per second through the adapter; nothing is asserted."""
    rail = open_rail("sandbox", RailOptions(base_url=base_url))
    remaining = iter(range(payments))

    async def client() -> None:
        for _ in remaining:
            reply = await rail.submit(PaymentClaim())
            if reply.rail_code != "ACCEPTED":
                raise AssertionError(reply.rail_code)

    started = time.monotonic()
    await asyncio.gather(*[client() for _ in range(concurrency)])
    elapsed = time.monotonic() - started
    await rail.aclose()
    return payments / elapsed


def main(arguments: Sequence[str]) -> None:
    """Print payments per second: [payments] [concurrency] [synchronous]."""
    payments, concurrency, synchronous = arguments
    with (
        tempfile.TemporaryDirectory() as folder,
        SandboxProcess(Path(folder) / "ledger.db", "--synchronous", synchronous) as sandbox,
    ):
        rate = asyncio.run(bench(int(payments), int(concurrency), base_url=sandbox.base_url))
        stats = sandbox.call("GET", "/stats")[1]
    answer = {"payments_per_s": round(rate), "concurrency": int(concurrency), "synchronous": synchronous}
    print(json.dumps(answer | {"executed": stats["executed"], "commits": stats["commits"]}))


if __name__ == "__main__":
    main([*sys.argv[1:], *["10000", "100", "full"][len(sys.argv) - 1 :]])
