"""The controller: measures both colours, lets the database decide, applies the weights at HAProxy."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
import structlog

from symphony.api import Dsn, connect, routing
from symphony.api.connection import Connection
from symphony.api.routing import COLOURS, MODES, ColourSample, Evaluation, SampleRefused
from symphony.errors import DatabaseRefused, OutcomeUnknown, SymphonyError
from symphony.metrics import Metrics
from symphony.routing.haproxy import HaproxyUnavailable, RuntimeSocket, ServerStatus
from symphony.routing.measurement import ColourMeter, SharedMeter
from symphony.routing.read_back import ReadBack

_log = structlog.get_logger(__name__)
_STALE_AFTER_INTERVALS: Final = 10
_DATABASE_TIMEOUT_MS: Final = 2_000
_DATABASE_LIMIT_S: Final = 3.0  # for a server that neither answers nor closes


class InvalidSettings(SymphonyError):
    """A setting of the controller cannot work; the message names it, its value and the allowed range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSettings:
    """How often; raises InvalidSettings.

    Attributes:
        interval_ms: between measurements; at most the rules' heartbeat interval, or every colour looks stale.
        probe_timeout_ms: longest wait for an ingress; a heartbeat later than this is missed.
        read_back_interval_ms: between N-1 heartbeats, each of which is a payment.
    """

    interval_ms: int = 500
    probe_timeout_ms: int = 400
    read_back_interval_ms: int = 5_000

    def __post_init__(self) -> None:
        for name, high in (("interval_ms", 60_000), ("probe_timeout_ms", 60_000), ("read_back_interval_ms", 3_600_000)):
            value = getattr(self, name)
            if not 50 <= value <= high:
                raise InvalidSettings(f"{name} is {value}; use a value from 50 to {high}")


class Controller:
    """One controller for one HAProxy.

    The database out of reach: the last weights stay (fail static), also at an HAProxy that starts again. Where they
    were confirmed they are not set again meanwhile: another controller may know better.
    HAProxy out of reach: the heartbeats are still recorded and judged, the weights follow when it is back.
    """

    def __init__(
        self,
        *,
        database: Dsn,
        actor: str,
        haproxy: RuntimeSocket,
        meters: Mapping[str, ColourMeter],
        shared: SharedMeter,
        read_back: ReadBack | None,
        metrics: Metrics,
        settings: RouteSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._actor = actor
        self._haproxy = haproxy
        self._meters = meters
        self._shared = shared
        self._read_back = read_back
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._stop = asyncio.Event()
        self._connection: Connection | None = None
        self._connected_as = ""
        self._wanted: Evaluation | None = None
        self._applied_at: float | None = None
        self._applied_to: str | None = None
        self._troubles: dict[str, str] = {}
        self._impossible: set[str] = set()  # colours whose last measurement the database refused

    def stop(self) -> None:
        """Ask for the end; the weights stay as they are."""
        self._stop.set()

    def not_ready(self) -> str | None:
        """Why nobody steers now, or None."""
        if self._troubles:
            return ", ".join(sorted(self._troubles.values()))
        limit_s = _STALE_AFTER_INTERVALS * self._settings.interval_ms / 1_000
        if self._applied_at is None or self._clock() - self._applied_at > limit_s:
            return "the weights have not been confirmed lately"
        return None

    async def run(self, *, announce_ready: Callable[[], None] = lambda: None) -> None:
        """Work until stop(); `announce_ready` once the database's weights stand at HAProxy."""
        timeout = aiohttp.ClientTimeout(total=self._settings.probe_timeout_ms / 1_000)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            beats = asyncio.create_task(self._beat_forever())
            try:
                while not self._stop.is_set():
                    if beats.done():
                        beats.result()  # it never ends by itself, so this raises why
                    began = self._clock()
                    await self._turn(session)
                    if self._applied_at is not None:
                        announce_ready()
                        announce_ready = _nothing
                    await self._wait(self._settings.interval_ms / 1_000 - (self._clock() - began))
            finally:
                beats.cancel()
                try:
                    with contextlib.suppress(asyncio.CancelledError):
                        await beats
                finally:
                    await self._disconnect()

    async def _turn(self, session: aiohttp.ClientSession) -> None:
        servers: dict[str, ServerStatus] | None = None
        with self._survived("haproxy"):
            servers = await self._haproxy.status()
            self._show(servers)
        if self._wanted is None:  # what is in force comes first: nothing is measured before it stands
            with self._survived("database"):
                async with asyncio.timeout(_DATABASE_LIMIT_S):
                    self._wanted = await routing.current(await self._connected())
        else:
            samples = await self._measure(session, servers)
            with self._survived("database"):
                async with asyncio.timeout(_DATABASE_LIMIT_S):
                    connection = await self._connected()
                    for sample in samples:
                        await self._record(connection, sample)
                    self._decided(await routing.evaluate(connection, actor=self._actor))
        if self._wanted is not None and servers is not None and not self._must_leave(servers):
            with self._survived("haproxy"):
                await self._apply(self._wanted.weights, servers)
        if "database" in self._troubles:
            await self._disconnect()

    def _must_leave(self, servers: Mapping[str, ServerStatus]) -> bool:
        """Whether what is wanted is old news, and stood at this very HAProxy process when it was new."""
        return "database" in self._troubles and self._applied_to == servers[COLOURS[0]].process

    async def _record(self, connection: Connection, sample: ColourSample) -> None:
        """Record one sample by itself: nonsense about one colour must hide neither the other nor its heartbeat."""
        try:
            await routing.record_health(connection, samples=[sample])
            self._impossible.discard(sample.colour)
        except SampleRefused as error:
            self._metrics.database_errors_total.labels(point="route", kind="refused").inc()
            if sample.colour not in self._impossible:  # told once, and again after a possible one
                self._impossible.add(sample.colour)
                _log.warning(
                    "a measurement is impossible", colour=sample.colour, exc_info=error, next="its heartbeat counts"
                )
            beat = replace(sample, requests=0, errors=0, latency_count=0, latency_total_ms=0, queue_age_ms=None,
                           rail_answers=0, rail_rejects=0)  # fmt: skip
            await routing.record_health(connection, samples=[beat])

    async def _measure(
        self, session: aiohttp.ClientSession, servers: dict[str, ServerStatus] | None
    ) -> list[ColourSample]:
        candidate = self._wanted.candidate if self._wanted is not None else None
        read_back_ok = self._read_back.take() if self._read_back is not None else None
        owed = self._read_back is not None and self._read_back.owed(candidate)
        readings = asyncio.gather(
            *(
                self._meters[colour].read(
                    session,
                    server=None if servers is None else servers[colour],
                    read_back_ok=read_back_ok if colour == candidate else None,
                    read_back_owed=owed and colour == candidate,
                )
                for colour in COLOURS
            )
        )
        (age_ms, answers, rejects), samples = await asyncio.gather(self._shared.read(session), readings)
        return [replace(s, queue_age_ms=age_ms, rail_answers=answers, rail_rejects=rejects) for s in samples]

    def _decided(self, evaluation: Evaluation) -> None:
        self._wanted = evaluation
        self._metrics.routing_mode.set(MODES.index(evaluation.mode))
        if evaluation.changed:
            _log.info("routing decided", mode=evaluation.mode, weights=evaluation.weights,
                      decision_id=str(evaluation.decision_id))  # fmt: skip

    async def _apply(self, weights: dict[str, int], servers: Mapping[str, ServerStatus]) -> None:
        if {colour: servers[colour].weight_pct for colour in COLOURS} != weights:
            await self._haproxy.set_weights(weights)
            servers = await self._haproxy.status()  # believed only when read back
            _log.info("weights applied", weights={colour: servers[colour].weight_pct for colour in COLOURS})
            self._show(servers)
        if {colour: servers[colour].weight_pct for colour in COLOURS} != weights:
            raise HaproxyUnavailable("HAPROXY_UNREACHABLE: the weights read back are not those that were set")
        self._applied_at, self._applied_to = self._clock(), servers[COLOURS[0]].process
        self._metrics.routing_applied_timestamp_seconds.set_to_current_time()

    def _show(self, servers: Mapping[str, ServerStatus]) -> None:
        for colour in COLOURS:
            self._metrics.routing_weight.labels(colour=colour).set(servers[colour].weight_pct)

    @contextlib.contextmanager
    def _survived(self, what: str) -> Iterator[None]:
        """Count and log trouble with one of the two partners; the next turn tries again."""
        try:
            yield
        except (SymphonyError, TimeoutError) as error:
            if isinstance(error, HaproxyUnavailable):
                self._metrics.haproxy_errors_total.inc()
            else:
                self._metrics.database_errors_total.labels(point="route", kind=_kind(error)).inc()
            if what not in self._troubles:
                _log.warning("the last weights stay", partner=what, exc_info=error, next="it is tried again")
            self._troubles[what] = f"{what} out of reach"
        else:
            if self._troubles.pop(what, None) is not None:
                _log.info("back in reach", partner=what)

    async def _beat_forever(self) -> None:
        """The N-1 heartbeats, beside the measuring: a slow payment must not hold up the steering."""
        interval_s = self._settings.read_back_interval_ms / 1_000
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=interval_s)) as session:
            while True:
                wanted = self._wanted
                if self._read_back is not None and wanted is not None and wanted.candidate is not None:
                    await self._read_back.beat(session, candidate=wanted.candidate, stable=wanted.stable)
                await asyncio.sleep(interval_s)

    async def _connected(self) -> Connection:
        dsn = self._database() if callable(self._database) else self._database
        if dsn != self._connected_as:  # another login was leased: the old one ends soon
            await self._disconnect()
        if self._connection is None:
            self._connection = await connect(
                dsn,
                application_name="symphony-route",
                statement_timeout_ms=_DATABASE_TIMEOUT_MS,
                transaction_timeout_ms=_DATABASE_TIMEOUT_MS,
            )
            self._connected_as = dsn
        return self._connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._stop.wait()


def _kind(error: Exception) -> str:
    if isinstance(error, OutcomeUnknown):
        return "outcome_unknown"
    return "refused" if isinstance(error, DatabaseRefused) else "unavailable"


def _nothing() -> None:
    """Ready is announced once."""
