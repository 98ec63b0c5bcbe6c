"""A real sandbox registry process for tests, its store read from the file, and a measurement of its speed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from symphony.registries.registry import Question, Registry, RegistryOptions, open_registry
from symphony.resolver.aliases import normalise
from tests.sandbox_child import SandboxChild

ASKED_BY = "ZM-BANK-A"
PERSONAL = "Chanda-Mwape"


class RegistryProcess(SandboxChild):
    """`symphony registry sandbox` as a child process."""

    START = "from symphony.registry_sandbox.command import sandbox; sandbox()"
    FILE_OPTION = "--store"
    FAULTS = "/admin/faults"

    def put(self, *entries: dict[str, Any]) -> str:
        """Add, replace or forget entries; return the registry's new version."""
        status, answer = self.call("POST", "/admin/entries", list(entries))
        assert status == 200, answer
        return str(answer["registry_version"])

    def stats(self) -> dict[str, Any]:
        """Counts of what was asked and answered."""
        answer: dict[str, Any] = self.call("GET", "/admin/stats")[1]
        return answer

    def calls(self, alias: str) -> list[tuple[str, str, str | None]]:
        """(asked_by, answer, fault) of every question about «TYPE:value», in order, from the file itself."""
        self.stats()  # what is still in memory goes to the file
        digest = hashlib.sha256(alias.encode()).hexdigest()
        return [
            (asked_by, answer, fault)
            for asked_by, answer, fault in self.rows(
                "select asked_by, answer, fault from calls where alias_sha256 = ? order by call_no", digest
            )
        ]


def mobile(number: int) -> str:
    """A valid Zambian mobile number; 0 to 999999."""
    return f"+26097{number + 7_000_000:07d}"


def entry(value: str, participant_id: str = "ZM-BANK-B", **changes: Any) -> dict[str, Any]:
    """An entry of a mobile number."""
    known = {"type": "MBNO", "value": value, "participant_id": participant_id, "account": f"{PERSONAL}-{value}"}
    return {**known, "name": f"{PERSONAL} of {participant_id}", **changes}


def question(value: str, *, kind: str = "MBNO", asked_by: str = ASKED_BY, provider: str | None = None) -> Question:
    """A question about an alias, by default a mobile number."""
    return Question(normalise(kind, value), asked_by, provider)


@asynccontextmanager
async def client(base_url: str, **changes: Any) -> AsyncIterator[Registry]:
    """The sandbox registry's client."""
    registry = open_registry("sandbox", RegistryOptions(**{"base_url": base_url, "timeout_ms": 20_000, **changes}))
    try:
        yield registry
    finally:
        await registry.aclose()


async def bench(questions: int, *, base_url: str, known: int) -> float:
    """Resolutions per second through the client's resolve_many."""
    asked = [question(mobile(number % known)) for number in range(questions)]
    async with client(base_url, timeout_ms=20_000, max_connections=8) as registry:
        started = time.monotonic()
        answers = await registry.resolve_many(asked)
        elapsed = time.monotonic() - started
    if {answer.status for answer in answers} != {"RESOLVED"}:
        raise AssertionError({answer.reason_code for answer in answers})
    return questions / elapsed


def main(arguments: Sequence[str]) -> None:
    """Print resolutions per second: [questions] [latency_ms]."""
    questions, latency_ms = arguments
    with (
        tempfile.TemporaryDirectory() as folder,
        RegistryProcess(Path(folder) / "store.db", "--latency-ms", latency_ms) as sandbox,
    ):
        sandbox.put(*[entry(mobile(number)) for number in range(5_000)])
        rate = asyncio.run(bench(int(questions), base_url=sandbox.base_url, known=5_000))
        stats = sandbox.stats()
    print(json.dumps({"resolutions_per_s": round(rate), "latency_ms": int(latency_ms), **stats}))


if __name__ == "__main__":
    main([*sys.argv[1:], *["30000", "5"][len(sys.argv) - 1 :]])
