"""The worker's settings: one frozen object, validated when it is made."""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from symphony.errors import SymphonyError

_WORKER_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_RAIL_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_BOUNDS: Mapping[str, tuple[int, int]] = {
    "claim_batch_items": (1, 500),
    "claim_gather_ms": (0, 1_000),
    "completion_batch_items": (1, 500),
    "completion_flush_ms": (0, 1_000),
    "lease_ms": (1_000, 600_000),
    "poll_ms": (10, 60_000),
    "debounce_ms": (0, 1_000),
    "in_flight_items": (1, 10_000),
    "call_timeout_ms": (100, 600_000),
    "repair_interval_ms": (50, 600_000),
    "repair_batch_items": (1, 500),
    "grace_ms": (0, 600_000),
    "flush_grace_ms": (0, 600_000),
    "backoff_min_ms": (1, 60_000),
    "backoff_max_ms": (1, 600_000),
}


class InvalidSettings(SymphonyError):
    """A setting cannot work; the message names it, the reason and what to use instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How one worker process behaves; raises InvalidSettings when it cannot work.

    Retries, the enquiry ladder and the caps of rails and participants are policy in the database, not here.

    Attributes:
        rails: rail name to the rail's base URL; the worker's slots are shared out equally between the rails,
            so that a slow rail cannot take the slots of another.
        in_flight_items: most leases this process holds at once, over all rails.
        claim_gather_ms: how long a claim may wait for more free slots, when less than half a batch is free.
        lease_ms: lease asked for; longer than a database failover plus clock skew (DESIGN section 13).
        call_timeout_ms: for one whole exchange with a rail; kept by the adapter, backstop in the worker.
        grace_ms: after SIGTERM, how long calls under way may take; flush_grace_ms: how long recording may.
    """

    worker_id: str
    rails: Mapping[str, str]
    claim_batch_items: int = 100
    claim_gather_ms: int = 20
    completion_batch_items: int = 100
    completion_flush_ms: int = 20
    lease_ms: int = 30_000
    poll_ms: int = 250
    debounce_ms: int = 5
    in_flight_items: int = 200
    call_timeout_ms: int = 10_000
    repair_interval_ms: int = 2_000
    repair_batch_items: int = 100
    grace_ms: int = 15_000
    flush_grace_ms: int = 5_000
    backoff_min_ms: int = 100
    backoff_max_ms: int = 5_000

    def __post_init__(self) -> None:
        """Check every bound; the first one broken is named."""
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidSettings(f"{name} is {value}; use a value from {low} to {high}")
        if self.backoff_min_ms > self.backoff_max_ms:
            raise InvalidSettings("backoff_min_ms is above backoff_max_ms; lower it")
        if not _WORKER_ID.fullmatch(self.worker_id):
            raise InvalidSettings("worker id must be 1 to 64 characters of A-Z a-z 0-9 . _ : -; choose another")
        if not self.rails:
            raise InvalidSettings("no rail is given; pass --rail NAME=URL at least once")
        if self.call_timeout_ms <= self.connect_timeout_ms:
            raise InvalidSettings(
                f"call_timeout_ms {self.call_timeout_ms} does not exceed the time to connect to a rail"
                f" ({self.connect_timeout_ms} ms, from lease_ms); raise it"
            )
        if len(self.rails) > self.in_flight_items:
            raise InvalidSettings(
                f"in_flight_items {self.in_flight_items} is below one per rail; use {len(self.rails)} or more"
            )

    @property
    def slots_per_rail(self) -> int:
        """Leases one rail may hold in this process."""
        return self.in_flight_items // len(self.rails)

    @property
    def lease_margin_ms(self) -> int:
        """No call starts in the last part of a lease: a fifth of it, at most 3 s."""
        return min(3_000, self.lease_ms // 5)

    @property
    def call_limit_ms(self) -> int:
        """When the worker itself abandons a call as TIMEOUT: the adapter's own time-out has failed."""
        return self.call_timeout_ms + 5_000

    @property
    def connect_timeout_ms(self) -> int:
        """Longest wait to connect to a rail: below the margin, so no request leaves after its lease."""
        return self.lease_margin_ms * 2 // 3


def new_worker_id() -> str:
    """A worker id no other process has: host, process id and 32 random bits."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:40] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"


def parse_rail(text: str) -> tuple[str, str]:
    """Split NAME=URL; raises InvalidSettings. The adapter judges the URL (RailMisconfigured)."""
    name, separator, url = text.partition("=")
    if not separator or not url or not _RAIL_NAME.fullmatch(name):
        raise InvalidSettings(
            "a rail must be NAME=URL with a name like sandbox; for example --rail sandbox=http://127.0.0.1:9090"
        )
    return name, url
