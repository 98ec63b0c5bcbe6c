"""The start of the zero-trust ingress: it refuses to serve without anything it must believe or be believed for."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog

from symphony import __version__, api
from symphony.api.connection import Dsn
from symphony.clock_check import require_same_clock
from symphony.errors import SymphonyError
from symphony.ingress.believed import Believed, Trust, authority_of, believe, instance
from symphony.ingress.connection import ConnectionRefusal
from symphony.ingress.identity import StartRefused
from symphony.ingress.listener import Listener, ListenerSettings, ListenRefused, MaterialRefused
from symphony.ingress.refusal_counter import RefusalCounter
from symphony.ingress.service import Engine, Service, boot, build, serve_with, shed_by
from symphony.ingress.settings import IngressSettings
from symphony.ingress.tls import TlsMaterial
from symphony.ingress.trust_settings import configuration_sha256
from symphony.metrics import Metrics


async def start_zero_trust(
    trust: Trust, *, host: str, port: int, settings: IngressSettings, metrics: Metrics
) -> Service:
    """Start the ingress on host and port (0: any free port), or on its Unix socket.

    Raises: StartRefused (no ACTIVE policy, a database that does not require proof, revocations not freshly known,
        no keys of the issuer, unusable certificate, address or journal), OperatorError (CLOCKS_APART),
        DatabaseUnavailable.
    """
    async with AsyncExitStack() as closing, AsyncExitStack() as undo:
        policy_version = await _boot(trust.databases.ingest)
        believed = await believe(trust, closing)
        engine = build(
            trust.databases,
            identifier=believed.identifier,
            counter=believed.counter,
            aliases=trust.aliases,
            settings=settings,
            metrics=metrics,
        )
        undo.push_async_callback(engine.close)
        await engine.pools.open()
        listener = await _listen(
            trust, engine, believed.counter, host=host, port=port, settings=settings, metrics=metrics
        )
        undo.push_async_callback(listener.close)
        facts = _facts(trust, settings, policy_version)
        await _record(trust.databases.ingest, "INGRESS_STARTED", facts)
        service = Service(
            host=host,
            port=listener.port,
            policy_version=policy_version,
            engine=engine,
            listener=listener,
            shutdown_timeout_s=settings.shutdown_timeout_ms / 1000,
            unready=lambda: None if believed.registry.is_fresh else "registry stale",
            before_close=[lambda: _stopped(trust.databases.ingest, facts, believed.counter)],
            after_close=[closing.pop_all().aclose],
        )
        undo.pop_all()
    _keep_fresh(service, trust, believed, listener, metrics)
    structlog.get_logger().info("ingress started", **facts)
    return service


async def _boot(database: Dsn) -> int:
    policy_version, proof_required = await boot(database)
    if not proof_required:
        raise StartRefused(
            "this database does not require proof, so another ingress could let anybody in beside this one;"
            " publish a proof rule first (api.trust.publish_proof_rule), then start again"
        )
    connection = await api.connect(database, application_name="symphony-ingress-clock")
    async with connection:
        await require_same_clock(connection)
    return policy_version


def _keep_fresh(service: Service, trust: Trust, believed: Believed, listener: Listener, metrics: Metrics) -> None:
    """Keep all of it current for as long as the service runs."""

    def renewed(material: TlsMaterial) -> None:
        if trust.unix_socket is None:
            listener.replace(material)  # refuses what is bad, and then nothing changes
        believed.identifier.trust_authority(authority_of(material))

    def jwks_age_s() -> float:
        return float("inf") if believed.jwks.age_s is None else believed.jwks.age_s

    metrics.watch_age("registry", lambda: believed.registry.age_s)
    metrics.watch_age("jwks", jwks_age_s)
    metrics.watch_age("revocation", lambda: believed.registry.revocation_age_s)
    pools = service.engine.pools
    trust.on_replaced("symphony_ingest", pools.ingest.drain)
    trust.on_replaced("symphony_status_reader", pools.status.drain)
    trust.on_replaced("symphony_evidence_reader", pools.evidence.drain)
    service.keep(believed.registry.run(), "registry")
    service.keep(believed.keys.run(), "signature keys")
    service.keep(trust.certificate.run(renewed), "server certificate")


async def _listen(
    trust: Trust,
    engine: Engine,
    counter: RefusalCounter,
    *,
    host: str,
    port: int,
    settings: IngressSettings,
    metrics: Metrics,
) -> Listener:
    shed = shed_by(metrics)

    def count(refusal: ConnectionRefusal) -> None:
        counter.note(
            refusal.reason_code,
            verify_code=refusal.verify_code,
            peer_address=refusal.peer_address,
            cert_sha256=refusal.cert_sha256,
        )

    def refused(refusal: ConnectionRefusal) -> None:
        shed(refusal)
        count(refusal)

    server = serve_with(
        engine.ingress,
        settings=settings,
        metrics=metrics,
        on_refused=count,  # malformed requests, which it sheds itself
        behind_proxy=trust.unix_socket is not None,
    )
    bounds = ListenerSettings(max_connections=settings.max_connections)
    try:
        if trust.unix_socket is not None:
            return await Listener.start_unix(server, path=trust.unix_socket, settings=bounds, on_refused=refused)
        material = trust.certificate.material()
        return await Listener.start(
            server, host=host, port=port, material=material, settings=bounds, on_refused=refused
        )
    except (ListenRefused, MaterialRefused) as error:
        raise StartRefused(str(error)) from error


def _facts(trust: Trust, settings: IngressSettings, policy_version: int) -> dict[str, object]:
    return {
        "configuration_sha256": configuration_sha256(settings, trust.settings),
        "build": __version__,
        "instance": instance(),
        "environment": trust.environment,
        "origin": trust.settings.origin,
        "policy_version": policy_version,
        "alias_registry": None if trust.aliases is None else trust.aliases.registry.name,
    }


async def _record(database: Dsn, kind: str, facts: dict[str, object]) -> None:
    connection = await api.connect(database, application_name="symphony-ingress-event")
    async with connection:
        await api.trust.record_service_event(connection, kind=kind, facts=facts)


async def _stopped(database: Dsn, facts: dict[str, object], counter: RefusalCounter) -> None:
    await counter.flush()
    counts = {"refusals_lost": counter.unkept, "refusals_unrecordable": counter.unrecordable}
    try:
        await _record(database, "INGRESS_STOPPED", facts | counts)
    except SymphonyError as error:  # the database may be why we stop
        structlog.get_logger().error("the end of this ingress is not recorded", error=error)
