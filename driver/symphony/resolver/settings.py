"""The resolver's settings: one frozen object, validated when it is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from symphony.errors import SymphonyError

_RESOLVER_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_BOUNDS: Mapping[str, tuple[int, int]] = {
    "batch_items": (1, 1_000),
    "batches_at_once": (1, 16),
    "chunk_items": (1, 100),
    "calls_at_once": (1, 256),
    "call_timeout_ms": (10, 60_000),
    "lease_ms": (1_000, 600_000),
    "poll_ms": (10, 60_000),
    "debounce_ms": (0, 1_000),
    "tend_interval_ms": (50, 600_000),
    "tend_batch_items": (1, 1_000),
    "breaker_failures": (1, 1_000),
    "breaker_pause_min_ms": (10, 600_000),
    "breaker_pause_max_ms": (10, 600_000),
    "grace_ms": (0, 600_000),
    "backoff_min_ms": (1, 60_000),
    "backoff_max_ms": (1, 600_000),
}


class InvalidSettings(SymphonyError):
    """A setting cannot work; the message names it, the reason and what to use instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverSettings:
    """How one resolver process behaves; raises InvalidSettings when it cannot work.

    How long answers live, how long an instruction waits and how many guesses are borne is policy in the database.

    Attributes:
        batch_items: most aliases of one claim; batches_at_once: claims under way side by side.
        chunk_items: most questions handed to the registry's adapter at once; calls_at_once: such chunks, all batches.
        call_timeout_ms: for one chunk's exchange; below half the lease, so that its answer can still be recorded.
        breaker_failures: exchanges in a row without an answer before the registry counts as away.
        grace_ms: after SIGTERM, how long batches under way may take; what is not recorded then is due again.
    """

    resolver_id: str
    batch_items: int = 200
    batches_at_once: int = 4
    chunk_items: int = 25
    calls_at_once: int = 16
    call_timeout_ms: int = 2_000
    lease_ms: int = 30_000
    poll_ms: int = 250
    debounce_ms: int = 5
    tend_interval_ms: int = 1_000
    tend_batch_items: int = 500
    breaker_failures: int = 5
    breaker_pause_min_ms: int = 1_000
    breaker_pause_max_ms: int = 60_000
    grace_ms: int = 5_000
    backoff_min_ms: int = 100
    backoff_max_ms: int = 5_000

    def __post_init__(self) -> None:
        """Check every bound; the first one broken is named."""
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidSettings(f"{name} is {value}; use a value from {low} to {high}")
        for low_name, high_name in (
            ("backoff_min_ms", "backoff_max_ms"),
            ("breaker_pause_min_ms", "breaker_pause_max_ms"),
        ):
            if getattr(self, low_name) > getattr(self, high_name):
                raise InvalidSettings(f"{low_name} is above {high_name}; lower it")
        if not _RESOLVER_ID.fullmatch(self.resolver_id):
            raise InvalidSettings("resolver id must be 1 to 64 characters of A-Z a-z 0-9 . _ : -; choose another")
        if self.call_timeout_ms * 2 > self.lease_ms:
            raise InvalidSettings("call_timeout_ms is above half of lease_ms; lower it")
