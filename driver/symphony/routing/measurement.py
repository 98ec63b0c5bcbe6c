"""What a controller measures of a colour: heartbeat and latency at the ingress, requests and errors at HAProxy."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from symphony.api.routing import ColourSample
from symphony.routing.haproxy import ServerStatus

REJECTED: Final = "FAILED"
_MOST: Final = 2.0**40
"""More than any counter of ours reaches; what is beyond it, negative or no number at all is nonsense and left out."""


@dataclass(frozen=True, slots=True)
class Series:
    """Prometheus samples of one process: name and labels to value."""

    values: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    @classmethod
    def parse(cls, text: str) -> Series:
        """Read the text format; raises ValueError."""
        return cls(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if 0 <= sample.value < _MOST
            }
        )

    def total(self, name: str, **labels: str) -> float:
        """The sum over every series of that name with at least these labels."""
        wanted = labels.items()
        found = (value for (found, given), value in self.values.items() if found == name and wanted <= given)
        return min(sum(found), _MOST)


async def fetch(session: aiohttp.ClientSession, url: str) -> tuple[int, str] | None:
    """Status and text, or None when there was no answer in the session's time."""
    try:
        async with session.get(url) as answer:
            return answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError, LookupError):  # a charset that nobody knows
        return None


async def scrape(session: aiohttp.ClientSession, url: str) -> Series | None:
    """A process's metrics, or None."""
    answer = await fetch(session, f"{url}/metrics")
    if answer is None or answer[0] != 200:
        return None
    try:
        return Series.parse(answer[1])
    except Exception:  # whatever a stranger's text does to the parser: there are no metrics in it
        return None


@dataclass(slots=True)
class _Counter:
    """A counter that may start again at 0 with its process; the first reading only marks the beginning."""

    last: float | None = None

    def since_last(self, value: float) -> float:
        last, self.last = self.last, value
        return 0.0 if last is None else value - last if value >= last else value


@dataclass(slots=True)
class _Traffic:
    """Requests and errors at HAProxy since the last reading.

    Counted from the highest value seen: an answer may be counted a moment before its request has ended.
    """

    process: str = ""
    requests: int = 0
    errors: int = 0
    known: bool = False

    def since_last(self, server: ServerStatus) -> tuple[int, int]:
        if server.process != self.process:  # HAProxy began again
            self.requests = self.errors = 0
        requests, errors = max(server.requests - self.requests, 0), max(server.errors - self.errors, 0)
        self.process = server.process
        self.requests, self.errors = self.requests + requests, self.errors + errors
        known, self.known = self.known, True
        return (requests, min(errors, requests)) if known else (0, 0)


@dataclass(slots=True)
class ColourMeter:
    """Measures one colour, reading after reading.

    Latency is the ingress' own: sum and count of `flush_latency_seconds` (one flush: from the call to its committed
    answer) since the last reading. It reacts with the first slow commit. HAProxy's rtime would not: it is an average
    over the last 1,024 requests of the server, which at a canary's five percent is minutes.

    Attributes:
        url: base URL of the ingress' metrics listener, which serves /readyz too.
    """

    colour: str
    url: str
    _traffic: _Traffic = field(default_factory=_Traffic)
    _flushes: _Counter = field(default_factory=_Counter)
    _flush_seconds: _Counter = field(default_factory=_Counter)

    async def read(
        self,
        session: aiohttp.ClientSession,
        *,
        server: ServerStatus | None,
        read_back_ok: bool | None = None,
        read_back_owed: bool = False,
    ) -> ColourSample:
        """One sample; `server` is None when HAProxy did not answer."""
        ready, series = await asyncio.gather(fetch(session, f"{self.url}/readyz"), scrape(session, self.url))
        requests, errors = (0, 0) if server is None else self._traffic.since_last(server)
        count = seconds = 0.0
        if series is not None:
            count = self._flushes.since_last(series.total("flush_latency_seconds_count", point="ingest"))
            seconds = self._flush_seconds.since_last(series.total("flush_latency_seconds_sum", point="ingest"))
        return ColourSample(
            colour=self.colour,
            requests=requests,
            errors=errors,
            latency_count=round(count),
            latency_total_ms=round(seconds * 1_000),
            heartbeat_ok=ready is not None and ready[0] == 200,
            read_back_ok=read_back_ok,
            read_back_owed=read_back_owed,
        )


@dataclass(slots=True)
class SharedMeter:
    """What the colours share: the age of the queue (of `symphony maintain`), a worker's rejects. Both are optional."""

    queue_url: str | None = None
    worker_url: str | None = None
    _answers: _Counter = field(default_factory=_Counter)
    _rejects: _Counter = field(default_factory=_Counter)

    async def read(self, session: aiohttp.ClientSession) -> tuple[int | None, int, int]:
        """Queue age (milliseconds, None when unknown), rail answers and rejects since the last reading."""
        age_ms: int | None = None
        answers = rejects = 0.0
        if self.queue_url is not None and (series := await scrape(session, self.queue_url)) is not None:
            age_ms = round(series.total("oldest_pending_age_seconds") * 1_000)
        if self.worker_url is not None and (series := await scrape(session, self.worker_url)) is not None:
            answers = self._answers.since_last(series.total("attempts_total"))
            rejects = self._rejects.since_last(series.total("attempts_total", state=REJECTED))
        return age_ms, round(answers), min(round(rejects), round(answers))
