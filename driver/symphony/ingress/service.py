"""A running ingress: everything put together, started in order and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from symphony import api
from symphony.api.connection import Dsn, Pool
from symphony.ingress.alias_rules import AliasRules
from symphony.ingress.aliases import AliasDesk, AliasSource
from symphony.ingress.app import Ingress
from symphony.ingress.breaker import Breaker
from symphony.ingress.connection import ConnectionRefusal
from symphony.ingress.identity import Identifier, StartRefused, development_identifier
from symphony.ingress.lanes import Lanes, open_lanes
from symphony.ingress.listener import Listener, ListenerSettings, ListenRefused
from symphony.ingress.recorder import Pools, Recorder
from symphony.ingress.refusal_counter import RefusalCounter
from symphony.ingress.rejections import Rejections
from symphony.ingress.server import IngressServer
from symphony.ingress.settings import IngressSettings
from symphony.ingress.waker import WakeConnection, Waker
from symphony.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Databases:
    """Where the database is and who we are there: a login per capability, or one that may become each of them."""

    ingest: Dsn
    status: Dsn
    evidence: Dsn


@dataclass(slots=True, kw_only=True)
class Engine:
    """What serves requests once a listener brings them."""

    ingress: Ingress
    aliases: AliasDesk
    lanes: Lanes
    breaker: Breaker
    pools: Pools
    waker: Waker
    wake_connection: WakeConnection

    async def close(self) -> None:
        """Flush what is queued and close the database, after the last request was answered."""
        await self.aliases.close()
        await self.lanes.close()
        await self.waker.close()
        await self.wake_connection.close()
        await self.pools.close()


@dataclass(slots=True, kw_only=True)
class Service:
    """A started ingress; `stop` ends it.

    Attributes:
        port: the port really bound; 0 on a Unix socket.
        policy_version: the policy that was active at the start.
        broken: something that must run for ever has ended; `on_broken` was called.
    """

    host: str
    port: int
    policy_version: int
    engine: Engine
    listener: Listener
    shutdown_timeout_s: float
    unready: Callable[[], str | None] = lambda: None
    before_close: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    after_close: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    broken: bool = False
    on_broken: Callable[[], None] = lambda: None
    _tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    @property
    def ingress(self) -> Ingress:
        """The application."""
        return self.engine.ingress

    @property
    def breaker(self) -> Breaker:
        """The breaker in front of the database."""
        return self.engine.breaker

    def not_ready(self) -> str | None:
        """Why the ingress should get no traffic now, or None."""
        if self.ingress.stopping:
            return "stopping"
        if self.broken:
            return "broken"
        return f"breaker {self.breaker.state.name}" if self.breaker.state.value else self.unready()

    def keep(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run this until the ingress stops; its end before that breaks the service."""
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Accept no more connections, answer what was received, flush what is queued, close the database."""
        await self.listener.stop_accepting()
        self.ingress.stopping = True
        await self.listener.close(timeout_s=self.shutdown_timeout_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for close in (*self.before_close, self.engine.close, *self.after_close):
            await close()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if self.ingress.stopping or task.cancelled():
            return
        structlog.get_logger().critical("ingress is broken", part=task.get_name(), exc_info=task.exception())
        self.broken = True
        self.on_broken()


async def start(
    database: Dsn,
    *,
    host: str,
    port: int,
    settings: IngressSettings,
    metrics: Metrics,
    aliases: AliasSource | None = None,
) -> Service:
    """Start the development ingress, which believes its clients, on a loopback address (port 0: any free).

    Raises: StartRefused (not loopback, no ACTIVE policy, a database that requires proof, address in use),
        DatabaseUnavailable.
    """
    identifier = development_identifier(host=host)
    policy_version, proof_required = await boot(database)
    if proof_required:
        raise StartRefused(
            "this database accepts only requests that prove who they are from, and --dev believes whoever connects;"
            " use a development database, or start without --dev"
        )
    databases = Databases(ingest=database, status=database, evidence=database)
    engine = build(databases, identifier=identifier, counter=None, aliases=aliases, settings=settings, metrics=metrics)
    try:
        await engine.pools.open()
        server = serve_with(engine.ingress, settings=settings, metrics=metrics)
        listener = await Listener.start_plain(
            server,
            host=host,
            port=port,
            settings=ListenerSettings(max_connections=settings.max_connections),
            on_refused=shed_by(metrics),
        )
    except BaseException as error:
        await engine.close()
        if isinstance(error, ListenRefused):
            raise StartRefused(str(error)) from error
        raise
    structlog.get_logger().info("ingress started", host=host, port=listener.port, policy_version=policy_version)
    return Service(
        host=host,
        port=listener.port,
        policy_version=policy_version,
        engine=engine,
        listener=listener,
        shutdown_timeout_s=settings.shutdown_timeout_ms / 1000,
    )


def build(
    databases: Databases,
    *,
    identifier: Identifier,
    counter: RefusalCounter | None,
    aliases: AliasSource | None,
    settings: IngressSettings,
    metrics: Metrics,
) -> Engine:
    """Put together what serves requests; its pools are not opened yet. Without a counter nothing needs proof."""
    breaker = _breaker(settings, metrics)
    wake_connection, waker = _waker(databases, settings, metrics)
    pools = Pools(
        ingest=_pool(databases.ingest, "symphony-ingress", settings, kept=settings.pool_size),
        status=_pool(databases.status, "symphony-ingress-status", settings),
        evidence=_pool(databases.evidence, "symphony-ingress-evidence", settings),
    )
    recorder = Recorder(
        pools,
        proven=counter is not None,
        breaker=breaker,
        metrics=metrics,
        timeout_s=settings.flush_timeout_ms / 1000,
        on_accepted=waker.ask,
    )
    lanes = open_lanes(recorder.record, settings)
    desk = AliasDesk(AliasRules(recorder.list_proxy_rules), aliases, metrics=metrics)
    ingress = Ingress(
        settings=settings,
        identifier=identifier,
        lanes=lanes,
        aliases=desk,
        breaker=breaker,
        recorder=recorder,
        rejections=Rejections(lanes=lanes, settings=settings, metrics=metrics, counter=counter),
        metrics=metrics,
    )
    return Engine(
        ingress=ingress,
        aliases=desk,
        lanes=lanes,
        breaker=breaker,
        pools=pools,
        waker=waker,
        wake_connection=wake_connection,
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


def _waker(databases: Databases, settings: IngressSettings, metrics: Metrics) -> tuple[WakeConnection, Waker]:
    connection = WakeConnection(databases.ingest, application_name="symphony-ingress-wake")
    failures = metrics.database_errors_total.labels("wake", "unavailable")
    waker = Waker(connection.wake, interval_s=settings.wake_interval_ms / 1000, on_failure=lambda error: failures.inc())
    return connection, waker


async def boot(database: Dsn) -> tuple[int, bool]:
    """The version of the ACTIVE policy and whether the database accepts only what is proven; raises StartRefused."""
    connection = await api.connect(database, application_name="symphony-ingress-boot")
    try:
        policy = await api.policy.active(connection)
        registry = await api.trust.registry_state(connection)
    finally:
        await connection.close()
    if policy is None:
        raise StartRefused(
            "no policy version is ACTIVE, so every instruction would be refused; propose and activate one"
            " (symphony policy), then start the ingress again"
        )
    return policy[0], registry.proof_required


def serve_with(
    ingress: Ingress,
    *,
    settings: IngressSettings,
    metrics: Metrics,
    on_refused: Callable[[ConnectionRefusal], None] = lambda refusal: None,
    behind_proxy: bool = False,
) -> IngressServer:
    """The HTTP server of an application."""
    return IngressServer(
        ingress.handle,
        settings=settings,
        on_malformed=metrics.ingress_shed_total.labels("malformed").inc,
        on_connection_dropped=metrics.ingress_shed_total.labels("connections").inc,
        on_refused=on_refused,
        behind_proxy=behind_proxy,
    )


def shed_by(metrics: Metrics) -> Callable[[ConnectionRefusal], None]:
    """What counts connections that the listener refused."""
    connections = metrics.ingress_shed_total.labels("connections")
    handshakes = metrics.ingress_shed_total.labels("handshake")

    def count(refusal: ConnectionRefusal) -> None:
        (connections if refusal.reason_code == "CONNECTION_LIMIT" else handshakes).inc()

    return count


def _pool(database: Dsn, name: str, settings: IngressSettings, *, kept: int = 0) -> Pool:
    """A pool of `kept` connections, or of as many as reads need at the moment."""
    return api.open_pool(
        database,
        application_name=name,
        min_size=kept,
        max_size=kept or settings.read_pool_size,
        acquire_timeout_s=settings.pool_acquire_ms / 1000,
        statement_timeout_ms=settings.statement_timeout_ms,
        transaction_timeout_ms=settings.transaction_timeout_ms,
    )
