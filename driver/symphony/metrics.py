"""Prometheus metrics: the catalogue, the Metrics object that is passed in, and their own listener."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from symphony.api.ops import HealthSample
from symphony.errors import SymphonyError


class MetricSpec(NamedTuple):
    """One line of the catalogue: Prometheus type, label names, help text with the unit."""

    type: str
    labels: tuple[str, ...]
    help: str


# Kept by the processes themselves (ingress, worker, maintain, route).
_PROCESS: Final[dict[str, MetricSpec]] = {
    "batch_size": MetricSpec("histogram", ("point",), "Items in one flushed batch (count)."),
    "flush_latency_seconds": MetricSpec(
        "histogram", ("point",), "Time of one flush, from its call to its committed answer (seconds)."
    ),
    "ingress_decisions_total": MetricSpec(
        "counter", ("decision", "reason"), "Instructions decided and attested (count)."
    ),
    "ingress_shed_total": MetricSpec(
        "counter", ("cause",), "Requests refused before any decision was recorded (count)."
    ),
    "breaker_state": MetricSpec("gauge", (), "Circuit breaker of the ingress (code: 0 closed, 1 half open, 2 open)."),
    "pool_wait_seconds": MetricSpec("histogram", (), "Wait for a free database connection (seconds)."),
    "claim_batches_total": MetricSpec("counter", (), "Claims that returned at least one item (count)."),
    "notify_wakeups_total": MetricSpec("counter", (), "Claims started by a NOTIFY (count)."),
    "poll_wakeups_total": MetricSpec("counter", (), "Claims started by the poll interval (count)."),
    "wakeup_latency_seconds": MetricSpec("histogram", (), "Time an item waited from being due to its claim (seconds)."),
    "in_flight": MetricSpec("gauge", ("rail",), "Items this worker holds a lease for (count)."),
    "dispatch_latency_seconds": MetricSpec("histogram", ("rail",), "Time of one call to a rail (seconds)."),
    "attempts_total": MetricSpec(
        "counter", ("state", "rail"), "Attempts by the outcome the database recorded (count)."
    ),
    "reaper_requeues_total": MetricSpec("counter", (), "Expired leases taken back as enquiries (count)."),
    "database_errors_total": MetricSpec(
        "counter",
        ("point", "kind"),
        "Database calls without a result (count; kind: unavailable, outcome_unknown, refused, given_up).",
    ),
    "maintenance_runs_total": MetricSpec(
        "counter", ("task", "result"), "Maintenance tasks finished (count; result: ok, failed)."
    ),
    "partitions_added_total": MetricSpec("counter", (), "Partitions added ahead of time (count)."),
    "health_read_timestamp_seconds": MetricSpec(
        "gauge", (), "When ops.health last answered (Unix time in seconds; 0 means never)."
    ),
    "trust_material_age_seconds": MetricSpec(
        "gauge",
        ("kind",),
        "Time since what is trusted was last confirmed by its source, or since the start (seconds).",
    ),
    "clock_offset_seconds": MetricSpec(
        "gauge", (), "How far the database's clock is ahead of the machine's (seconds; negative: behind)."
    ),
    "overdue_logins": MetricSpec("gauge", (), "Leased database logins that should have ended and have not (count)."),
    "certificates_revoked_total": MetricSpec(
        "counter", ("source",), "Client certificates found revoked and recorded (count; source: CRL, OCSP)."
    ),
    "routing_weight": MetricSpec(
        "gauge", ("colour",), "Share of the traffic at HAProxy, as read back from it (count: percent of all requests)."
    ),
    "routing_mode": MetricSpec("gauge", (), "Mode of routing (code: 0 normal, 1 fallback active, 2 cooldown)."),
    "routing_applied_timestamp_seconds": MetricSpec(
        "gauge",
        (),
        "When HAProxy was last seen to have the weights decided (Unix time in seconds; 0 means never).",
    ),
    "proxy_resolutions_total": MetricSpec(
        "counter", ("type", "status", "source"), "Aliases answered for and recorded (count; source: cache or registry)."
    ),
    "proxy_resolution_latency_seconds": MetricSpec(
        "histogram", ("source",), "Time from a question to the registry's answer (seconds)."
    ),
    "proxy_cache_lookups_total": MetricSpec("counter", ("result",), "Aliases looked up (count; result: hit, miss)."),
    "proxy_registry_unavailable": MetricSpec(
        "gauge", ("source",), "Whether the alias registry counts as away (code: 0 no, 1 yes)."
    ),
    "haproxy_errors_total": MetricSpec("counter", (), "Exchanges with HAProxy's runtime socket that failed (count)."),
}
# What only the database knows: read by `symphony maintain` from ops.health().
_DATABASE: Final[dict[str, MetricSpec]] = {
    "outbox_pending_depth": MetricSpec(
        "gauge", ("rail", "action"), "Instructions waiting to be claimed (count; absent when none)."
    ),
    "oldest_pending_age_seconds": MetricSpec(
        "gauge", (), "How long the most overdue pending item has been due (seconds; 0 when none is due)."
    ),
    "proxy_pending_depth": MetricSpec("gauge", (), "Instructions that wait for their alias (count)."),
    "proxy_oldest_pending_age_seconds": MetricSpec(
        "gauge", (), "Age of the oldest instruction that waits for its alias (seconds; 0 when none)."
    ),
    "stuck_dispatching_count": MetricSpec("gauge", (), "Leases that expired and were not taken back (count)."),
    "uncertain_oldest_age_seconds": MetricSpec(
        "gauge", (), "Age of the oldest item whose rail outcome is uncertain (seconds; 0 when none)."
    ),
    "in_flight_leases": MetricSpec("gauge", ("rail",), "Leases held by all workers (count)."),
    "cases_open": MetricSpec("gauge", ("kind",), "Cases waiting for a person (count)."),
    "table_size_bytes": MetricSpec("gauge", ("table",), "Heap and TOAST size, partitions included (bytes)."),
    "index_size_bytes": MetricSpec("gauge", ("table",), "Size of all indexes, partitions included (bytes)."),
    "dead_tuples": MetricSpec("gauge", ("table",), "Estimated dead tuples of a hot table (count)."),
    "vacuum_age_seconds": MetricSpec(
        "gauge", ("table",), "Time since a hot table's last vacuum of either kind (seconds)."
    ),
    "partitions_ahead_months": MetricSpec(
        "gauge", ("table",), "Whole months for which partitions already exist (months)."
    ),
    "replay_horizon_age_seconds": MetricSpec(
        "gauge", (), "Time since the last closed slot of the replay store ended (seconds; absent before the first)."
    ),
    "drift_status": MetricSpec(
        "gauge", (), "The last drift check of the past two days (code: 0 as released, 1 drift, -1 none)."
    ),
}
CATALOGUE: Final[dict[str, MetricSpec]] = _PROCESS | _DATABASE

BREAKER_CODES: Final = {"CLOSED": 0, "HALF_OPEN": 1, "OPEN": 2}
_SIZE_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 350, 500)
_FAST_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW_BUCKETS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class _DatabaseCollector(Collector):
    """Exports the last health samples and nothing before the first: an unknown depth is not a depth of 0."""

    def __init__(self) -> None:
        self._samples: dict[str, list[HealthSample]] = {}

    def replace(self, samples: Iterable[HealthSample]) -> list[str]:
        accepted: dict[str, list[HealthSample]] = {}
        refused: list[str] = []
        for sample in samples:
            spec = _DATABASE.get(sample.name)
            if spec is None or set(sample.labels) != set(spec.labels):
                refused.append(sample.name)
            else:
                accepted.setdefault(sample.name, []).append(sample)
        self._samples = accepted
        return refused

    def collect(self) -> Iterator[Metric]:
        samples = self._samples
        for name, spec in _DATABASE.items():
            family = GaugeMetricFamily(name, spec.help, labels=spec.labels)
            for sample in samples.get(name, ()):
                family.add_metric([sample.labels[label] for label in spec.labels], sample.value)
            yield family


class Metrics:
    """Every metric of one process; made once at start and passed in.

    Attributes carry the exported names. The points of `batch_size`, `flush_latency_seconds` and
    `database_errors_total` are ingest, claim, completion, repair, resolver (and maintain, route for errors).
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left it unannotated
        self.registry = CollectorRegistry() if registry is None else registry
        self.batch_size = self._histogram("batch_size", _SIZE_BUCKETS)
        self.flush_latency_seconds = self._histogram("flush_latency_seconds", _FAST_BUCKETS)
        self.ingress_decisions_total = self._counter("ingress_decisions_total")
        self.ingress_shed_total = self._counter("ingress_shed_total")
        self.breaker_state = self._gauge("breaker_state")
        self.pool_wait_seconds = self._histogram("pool_wait_seconds", _FAST_BUCKETS)
        self.claim_batches_total = self._counter("claim_batches_total")
        self.notify_wakeups_total = self._counter("notify_wakeups_total")
        self.poll_wakeups_total = self._counter("poll_wakeups_total")
        self.wakeup_latency_seconds = self._histogram("wakeup_latency_seconds", _SLOW_BUCKETS)
        self.in_flight = self._gauge("in_flight")
        self.dispatch_latency_seconds = self._histogram("dispatch_latency_seconds", _SLOW_BUCKETS)
        self.attempts_total = self._counter("attempts_total")
        self.reaper_requeues_total = self._counter("reaper_requeues_total")
        self.database_errors_total = self._counter("database_errors_total")
        self.maintenance_runs_total = self._counter("maintenance_runs_total")
        self.partitions_added_total = self._counter("partitions_added_total")
        self.health_read_timestamp_seconds = self._gauge("health_read_timestamp_seconds")
        self.trust_material_age_seconds = self._gauge("trust_material_age_seconds")
        self.clock_offset_seconds = self._gauge("clock_offset_seconds")
        self.overdue_logins = self._gauge("overdue_logins")
        self.certificates_revoked_total = self._counter("certificates_revoked_total")
        self.routing_weight = self._gauge("routing_weight")
        self.routing_mode = self._gauge("routing_mode")
        self.routing_applied_timestamp_seconds = self._gauge("routing_applied_timestamp_seconds")
        self.haproxy_errors_total = self._counter("haproxy_errors_total")
        self.proxy_resolutions_total = self._counter("proxy_resolutions_total")
        self.proxy_resolution_latency_seconds = self._histogram("proxy_resolution_latency_seconds", _FAST_BUCKETS)
        self.proxy_cache_lookups_total = self._counter("proxy_cache_lookups_total")
        self.proxy_registry_unavailable = self._gauge("proxy_registry_unavailable")
        self._database = _DatabaseCollector()
        self.registry.register(self._database)
        ProcessCollector(registry=self.registry)

    def _counter(self, name: str) -> Counter:
        spec = CATALOGUE[name]
        return Counter(name, spec.help, spec.labels, registry=self.registry)

    def _gauge(self, name: str) -> Gauge:
        spec = CATALOGUE[name]
        return Gauge(name, spec.help, spec.labels, registry=self.registry)

    def _histogram(self, name: str, buckets: Sequence[float]) -> Histogram:
        spec = CATALOGUE[name]
        return Histogram(name, spec.help, spec.labels, registry=self.registry, buckets=buckets)

    def set_breaker(self, state: str) -> None:
        """Set `breaker_state` from CLOSED, HALF_OPEN or OPEN; any other state raises KeyError."""
        self.breaker_state.set(BREAKER_CODES[state])

    def watch_age(self, kind: str, age_s: Callable[[], float]) -> None:
        """Export `trust_material_age_seconds{kind}` from this function, asked at each scrape."""
        self.trust_material_age_seconds.labels(kind=kind).set_function(age_s)

    def update_from_health(self, samples: Iterable[HealthSample]) -> list[str]:
        """Replace all database gauges by these samples: a label that vanished is no longer exported.

        Returns the names left out because the catalogue has no such database gauge with these labels.
        """
        return self._database.replace(samples)


@dataclass(frozen=True, slots=True)
class Listener:
    """A running metrics listener; `port` is the real one when 0 was asked for."""

    host: str
    port: int
    _runner: web.AppRunner

    async def aclose(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()


async def serve(metrics: Metrics, host: str, port: int, *, ready: Callable[[], str | None] = lambda: None) -> Listener:
    """Listen for /metrics, /healthz and /readyz, apart from the service's own listener.

    `ready` answers None, or why the service is not ready (then /readyz says 503): at once, and no secrets.
    Raises SymphonyError when the address cannot be bound.
    """

    async def get_metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    async def get_health(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def get_ready(_: web.Request) -> web.Response:
        reason = ready()
        return web.Response(text=f"{reason or 'ready'}\n", status=503 if reason else 200)

    app = web.Application()
    app.router.add_get("/metrics", get_metrics)
    app.router.add_get("/healthz", get_health)
    app.router.add_get("/readyz", get_ready)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SymphonyError(
            f"metrics listener {host}:{port} cannot start: {os.strerror(error.errno or 0)};"
            " choose another --metrics-port"
        ) from error
    return Listener(host=host, port=int(runner.addresses[0][1]), _runner=runner)
