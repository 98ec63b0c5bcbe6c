"""The alias registry of the demonstration: filled, taken down, healed, and its own ledger read."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from symphony.demo.alias_script import AliasScript
from symphony.demo.processes import DemoFailed
from symphony.demo.stage import Services, Stage
from symphony.demo.verdict import read_books

IN_A_ROW: Final = 5
"""Exchanges without an answer before the resolver counts a registry as away (its default)."""
_PROBES: Final = 2
_PAGE: Final = 1_000
_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.1
_SENDING_S: Final = 120.0


class AliasRegistry:
    """The sandbox registry from its administrator's side."""

    def __init__(self, url: str) -> None:
        self._url = url

    def put(self, entries: Iterable[dict[str, Any]]) -> None:
        """Add entries."""
        self._call("/admin/entries", list(entries))

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Replace the faults in force."""
        self._call("/admin/faults", rules)

    def calls(self) -> list[dict[str, Any]]:
        """Every question it was asked, in order, with its answer."""
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self._call(f"/admin/calls?after={after}&limit={_PAGE}")
            found += page["calls"]
            after = page["next_after"]
        return found

    def _call(self, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data)  # noqa: S310 - our own, on loopback
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)
        return answer


def down_requests(calls: Sequence[dict[str, Any]]) -> list[datetime]:
    """When requests came that found the registry down."""
    came = {call["request_no"]: datetime.fromisoformat(call["called_at"]) for call in calls if call["answer"] == "DOWN"}
    return sorted(came.values())


def outage(stage: Stage, services: Services, script: AliasScript, *, seconds: float) -> tuple[datetime, int]:
    """Take the registry down, send aliases and direct payments, heal it when the direct ones have their outcome.

    Returns when it was healed, and how many instructions were recorded. Raises DemoFailed.
    """
    deadline = time.monotonic() + seconds
    registry = AliasRegistry(services.registry_url)
    registry.set_faults({"kind": "down"})
    sending = [
        stage.children.start(f"submit-{path.stem}", *stage.submission(services, str(path)))
        for path in (script.while_down_file, script.direct_file)
    ]
    recorded = sum(json.loads(child.wait_done(seconds=_SENDING_S))["recorded"] for child in sending)
    while not _long_enough(stage, registry, script):
        stage.children.check(services.children)
        if time.monotonic() > deadline:
            raise DemoFailed(
                f"{len(script.direct)} instructions have no outcome after {seconds:.0f} s, or the registry that is down"
                " is not asked once in a while"
            )
        time.sleep(_POLL_S)
    healed_at = datetime.now(UTC)
    registry.set_faults()
    return healed_at, recorded


def _long_enough(stage: Stage, registry: AliasRegistry, script: AliasScript) -> bool:
    """The resolver found it down and probed it in vain, and all direct payments have their outcome."""
    if len(down_requests(registry.calls())) < IN_A_ROW + _PROBES:
        return False
    books = asyncio.run(read_books(stage.urls["symphony_auditor"]))
    ended = {outcome.instruction_id for outcome in books.outcomes if outcome.state is not None}
    return ended.issuperset(script.direct)
