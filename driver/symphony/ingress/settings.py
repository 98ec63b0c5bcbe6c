"""Everything the ingress can be told, validated once at start; every value has its unit in its name."""

from __future__ import annotations

from dataclasses import dataclass, fields

from symphony.errors import SymphonyError

MAX_BATCH_ITEMS = 500


class InvalidSettings(SymphonyError):
    """A setting is out of its range; the message names it, its value and the allowed range."""


_RANGES: dict[str, tuple[float, float]] = {
    "max_batch": (1, MAX_BATCH_ITEMS),
    "max_flush_ms": (0, 1_000),
    "parallel_flushes": (1, 64),
    "max_queued_items": (1, 1_000_000),
    "max_queue_wait_ms": (10, 60_000),
    "flush_timeout_ms": (100, 120_000),
    "pool_size": (1, 128),
    "read_pool_size": (1, 128),
    "pool_acquire_ms": (10, 60_000),
    "statement_timeout_ms": (10, 60_000),
    "transaction_timeout_ms": (10, 120_000),
    "breaker_failures": (1, 1_000),
    "breaker_window_ms": (100, 600_000),
    "breaker_probe_after_ms": (10, 600_000),
    "max_body_bytes": (1_024, 1_048_576),
    "max_batch_body_bytes": (1_024, 16_777_216),
    "body_timeout_ms": (10, 60_000),
    "keepalive_timeout_ms": (100, 600_000),
    "lingering_timeout_ms": (0, 10_000),
    "max_in_flight_requests": (1, 100_000),
    "max_connections": (1, 100_000),
    "reject_attestations_per_s": (0.1, 100_000),
    "reject_attestations_burst": (1, 1_000_000),
    "refused_decisions_per_s": (0.1, 1_000_000),
    "refused_decisions_burst": (1, 10_000_000),
    "wake_interval_ms": (0, 10_000),
    "shutdown_timeout_ms": (100, 300_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressSettings:
    """The ingress's one configuration object. Defaults: DESIGN section 12.

    `flush_timeout_ms` is the client's own limit around one database batch, for a server that neither answers
    nor closes; it must be longer than the server's transaction time-out. `read_pool_size` is for reads of states, and
    again for reads of evidence. `reject_attestations_*` bound the
    refusals decided here that are written to the ledger, `refused_decisions_*` those decided by the database.

    Raises: InvalidSettings.
    """

    max_batch: int = 200
    max_flush_ms: int = 10
    parallel_flushes: int = 2
    max_queued_items: int = 10_000
    max_queue_wait_ms: int = 2_000
    flush_timeout_ms: int = 13_000
    pool_size: int = 4
    read_pool_size: int = 4
    pool_acquire_ms: int = 1_000
    statement_timeout_ms: int = 5_000
    transaction_timeout_ms: int = 10_000
    breaker_failures: int = 5
    breaker_window_ms: int = 10_000
    breaker_probe_after_ms: int = 5_000
    max_body_bytes: int = 65_536
    max_batch_body_bytes: int = 1_048_576
    body_timeout_ms: int = 5_000
    keepalive_timeout_ms: int = 75_000
    lingering_timeout_ms: int = 500
    max_in_flight_requests: int = 2_000
    max_connections: int = 4_096
    reject_attestations_per_s: float = 20.0
    reject_attestations_burst: int = 100
    refused_decisions_per_s: float = 200.0
    refused_decisions_burst: int = 2_000
    wake_interval_ms: int = 20
    shutdown_timeout_ms: int = 15_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _RANGES[field.name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise InvalidSettings(f"{field.name} is {value!r}; give a number from {low:g} to {high:g}")
        if self.pool_size <= self.parallel_flushes:
            raise InvalidSettings(
                f"pool_size is {self.pool_size}; it must exceed parallel_flushes ({self.parallel_flushes}),"
                " because a flush that the database does not answer keeps its connection"
            )
        if self.flush_timeout_ms <= self.transaction_timeout_ms + self.pool_acquire_ms:
            raise InvalidSettings(
                f"flush_timeout_ms is {self.flush_timeout_ms}; it must exceed transaction_timeout_ms plus"
                f" pool_acquire_ms ({self.transaction_timeout_ms} + {self.pool_acquire_ms})"
            )
