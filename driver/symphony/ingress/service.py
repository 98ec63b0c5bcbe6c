"""A running ingress: everything put together, started in order and stopped in order."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from aiohttp.web import ServerRunner, TCPSite

from symphony import api
from symphony.api.connection import Pool
from symphony.ingress.app import Ingress
from symphony.ingress.batcher import Batcher
from symphony.ingress.breaker import Breaker
from symphony.ingress.identity import StartRefused, identifier_for
from symphony.ingress.lanes import Lanes
from symphony.ingress.recorder import Recorder
from symphony.ingress.server import IngressServer
from symphony.ingress.settings import IngressSettings
from symphony.ingress.waker import WakeConnection, Waker
from symphony.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A started ingress; `stop` ends it.

    Attributes:
        port: the port really bound.
        policy_version: the policy that was active at the start.
    """

    host: str
    port: int
    policy_version: int
    ingress: Ingress
    lanes: Lanes
    breaker: Breaker
    _runner: ServerRunner
    _waker: Waker
    _wake_connection: WakeConnection
    _pool: Pool

    def not_ready(self) -> str | None:
        """Why the ingress should get no traffic now, or None."""
        if self.ingress.stopping:
            return "stopping"
        return None if self.breaker.state.value == 0 else f"breaker {self.breaker.state.name}"

    async def stop(self) -> None:
        """Accept no more connections, answer what was received, flush what is queued, close the database."""
        for site in self._runner.sites:
            await site.stop()
        self.ingress.stopping = True
        await self._runner.cleanup()
        await self.lanes.close()
        await self._waker.close()
        await self._wake_connection.close()
        await self._pool.close()


async def start(
    dsn: str,
    *,
    host: str,
    port: int,
    dev: bool,
    settings: IngressSettings,
    metrics: Metrics,
) -> Service:
    """Start the ingress on host and port (0: any free port).

    Raises: StartRefused (no authentication, no ACTIVE policy, address in use), DatabaseUnavailable.
    """
    identifier = identifier_for(dev=dev, host=host)
    policy_version = await _boot_policy(dsn)
    breaker = _breaker(settings, metrics)
    pool = _pool(dsn, settings)
    wake_connection, waker = _waker(dsn, settings, metrics)
    timeout_s = settings.flush_timeout_ms / 1000
    recorder = Recorder(pool, breaker=breaker, metrics=metrics, timeout_s=timeout_s, on_accepted=waker.ask)
    lanes = _lanes(recorder, settings)
    ingress = Ingress(
        settings=settings,
        identifier=identifier,
        lanes=lanes,
        breaker=breaker,
        recorder=recorder,
        metrics=metrics,
    )
    await pool.open()
    try:
        runner, bound_port = await _listen(ingress, host=host, port=port, settings=settings, metrics=metrics)
    except BaseException:
        await pool.close()
        raise
    structlog.get_logger().info("ingress started", host=host, port=bound_port, policy_version=policy_version)
    return Service(
        host=host,
        port=bound_port,
        policy_version=policy_version,
        ingress=ingress,
        lanes=lanes,
        breaker=breaker,
        _runner=runner,
        _waker=waker,
        _wake_connection=wake_connection,
        _pool=pool,
    )


def _breaker(settings: IngressSettings, metrics: Metrics) -> Breaker:
    breaker = Breaker(
        failures=settings.breaker_failures,
        window_s=settings.breaker_window_ms / 1000,
        probe_after_s=settings.breaker_probe_after_ms / 1000,
        on_change=lambda state: metrics.set_breaker(state.name),
    )
    metrics.set_breaker(breaker.state.name)
    return breaker


def _waker(dsn: str, settings: IngressSettings, metrics: Metrics) -> tuple[WakeConnection, Waker]:
    wake_connection = WakeConnection(dsn, application_name="symphony-ingress-wake")
    wake_failures = metrics.database_errors_total.labels("wake", "unavailable")
    return wake_connection, Waker(
        wake_connection.wake,
        interval_s=settings.wake_interval_ms / 1000,
        on_failure=lambda error: wake_failures.inc(),
    )


def _lanes(recorder: Recorder, settings: IngressSettings) -> Lanes:
    return Lanes(
        [
            Batcher(
                recorder.record,
                max_batch=settings.max_batch,
                max_flush_s=settings.max_flush_ms / 1000,
                parallel=1,
                max_queued=settings.max_queued_items // settings.parallel_flushes,
                max_wait_s=settings.max_queue_wait_ms / 1000,
            )
            for _lane in range(settings.parallel_flushes)
        ]
    )


def _pool(dsn: str, settings: IngressSettings) -> api.Pool:
    return api.open_pool(
        dsn,
        application_name="symphony-ingress",
        min_size=settings.pool_size,
        max_size=settings.pool_size,
        acquire_timeout_s=settings.pool_acquire_ms / 1000,
        statement_timeout_ms=settings.statement_timeout_ms,
        transaction_timeout_ms=settings.transaction_timeout_ms,
    )


async def _boot_policy(dsn: str) -> int:
    connection = await api.connect(dsn, application_name="symphony-ingress-boot")
    try:
        policy = await api.policy.active(connection)
    finally:
        await connection.close()
    if policy is None:
        raise StartRefused(
            "no policy version is ACTIVE, so every instruction would be refused; propose and activate one"
            " (symphony policy), then start the ingress again"
        )
    return policy[0]


async def _listen(
    ingress: Ingress, *, host: str, port: int, settings: IngressSettings, metrics: Metrics
) -> tuple[ServerRunner, int]:
    server = IngressServer(
        ingress.handle,
        settings=settings,
        on_malformed=metrics.ingress_shed_total.labels("malformed").inc,
        on_connection_dropped=metrics.ingress_shed_total.labels("connections").inc,
    )
    runner = ServerRunner(server, shutdown_timeout=settings.shutdown_timeout_ms / 1000)
    await runner.setup()
    try:
        await TCPSite(runner, host, port, backlog=1_024).start()
    except OSError as error:
        await runner.cleanup()
        raise StartRefused(f"{host}:{port} cannot be bound (errno {error.errno}); choose another --port") from error
    return runner, int(runner.addresses[0][1])
