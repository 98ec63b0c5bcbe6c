"""Delivers entries of a file to an ingress in batches, under keys that make a second delivery harmless."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import aiohttp

from symphony.client import Credentials, TokenUnavailable
from symphony.submission.answers import TRY_AGAIN, Answer, problem_of, read_answer
from symphony.submission.entry import Entry, Ready, Refused

MAX_BODY_BYTES: Final = 512 * 1024
"""Largest request body; a batch is closed early before it grows beyond."""

_PATH: Final = "/v1/instructions/batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How to deliver.

    Attributes:
        url: base URL of the ingress, without path.
        credentials: what proves who sends; None: the development header names `participant`.
        batch: most instructions in one request.
        tries: how often one batch is sent before its rest counts as failed.
        backoff_base_ms, backoff_cap_ms: the random wait before try n+1 is below base * 2**(n-1) and the cap.
        retry_after_cap_ms: longest Retry-After that is honoured in full.
    """

    url: str
    participant: str | None = None
    credentials: Credentials | None = None
    concurrency: int = 8
    batch: int = 100
    tries: int = 8
    timeout_ms: int = 30_000
    backoff_base_ms: int = 250
    backoff_cap_ms: int = 10_000
    retry_after_cap_ms: int = 60_000


@dataclass(slots=True)
class Report:
    """What became of a file.

    Attributes:
        sent: instructions handed to the ingress at least once.
        recorded: instructions recorded by this run.
        replayed: instructions that were recorded before.
        refused: what the reader or the ingress refused, with line and reason.
        failed: what could not be delivered, with line and reason; it may be recorded: run again to know.
    """

    sent: int = 0
    recorded: int = 0
    replayed: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    elapsed_s: float = 0.0

    @property
    def exit_code(self) -> int:
        """0: all recorded or replayed. 1: something could not be delivered. 2: something was refused."""
        return 1 if self.failed else 2 if self.refused else 0


async def submit(
    entries: Iterable[Entry],
    delivery: Delivery,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
    randomness: random.Random | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Report:
    """Send what is ready, batch by batch, and report on every entry.

    A request without an answer is sent again under the same keys: the ingress answers a replay when the first
    one was recorded. Nothing is raised for network or ingress trouble; it ends in Report.failed.

    Args:
        on_progress: called with the number of payments just settled.
        randomness: source of the jitter.
        sleep: waits a number of seconds.
    """
    report = Report()
    started = time.monotonic()
    credentials = delivery.credentials
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=delivery.concurrency, ssl=True if credentials is None else credentials.ssl_context()
        ),
        timeout=aiohttp.ClientTimeout(total=delivery.timeout_ms / 1000),
    ) as session:
        jitter = randomness or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        sender = _Sender(session, delivery, report, on_progress, jitter, sleep)
        queue: asyncio.Queue[list[Ready] | None] = asyncio.Queue(maxsize=delivery.concurrency)
        async with asyncio.TaskGroup() as group:
            for _ in range(delivery.concurrency):
                group.create_task(sender.drain(queue))
            for batch in _batches(entries, delivery.batch, report, on_progress):
                await queue.put(batch)
            for _ in range(delivery.concurrency):
                await queue.put(None)
    report.elapsed_s = round(time.monotonic() - started, 3)
    report.refused.sort(key=lambda item: item["line_no"])
    report.failed.sort(key=lambda item: item["line_no"])
    return report


def _batches(
    entries: Iterable[Entry], limit: int, report: Report, on_progress: Callable[[int], None]
) -> Iterator[list[Ready]]:
    """Group what is ready by number and size; note what the reader refused."""
    batch: list[Ready] = []
    size = 0
    for entry in entries:
        if isinstance(entry, Refused):
            report.refused.append(_described(entry))
            on_progress(entry.transactions)
            continue
        length = len(_item(entry))
        if batch and (len(batch) == limit or size + length > MAX_BODY_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += length
    if batch:
        yield batch


def _described(refused: Refused) -> dict[str, Any]:
    found = {name: value for name, value in asdict(refused).items() if value not in (None, "")}
    return {**found, "by": "reader"}


def _item(entry: Ready) -> bytes:
    return json.dumps({**entry.wire, "idempotency_key": entry.idempotency_key}, separators=(",", ":")).encode()


def _place(entry: Ready) -> dict[str, Any]:
    place = {
        "line_no": entry.line_no,
        "instruction_id": entry.wire["instruction_id"],
        "payment_information_id": entry.payment_information_id,
        "end_to_end_id": entry.end_to_end_id,
    }
    return {name: value for name, value in place.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Sender:
    session: aiohttp.ClientSession
    delivery: Delivery
    report: Report
    on_progress: Callable[[int], None]
    randomness: random.Random
    sleep: Callable[[float], Awaitable[None]]

    async def drain(self, queue: asyncio.Queue[list[Ready] | None]) -> None:
        while (batch := await queue.get()) is not None:
            self.report.sent += len(batch)
            await self._deliver(batch)

    async def _deliver(self, batch: list[Ready]) -> None:
        """Send a batch, then whatever of it is still unsettled, until nothing is or the tries are used up."""
        answer = Answer()
        for attempt in range(self.delivery.tries):
            if attempt:
                await self.sleep(answer.retry_after_s + self._wait_s(attempt))
            answer = await self._post(batch)
            if answer.results is not None:
                batch, answer = self._settle(batch, answer.results)
            if not batch or not answer.try_again:
                break
        for entry in batch:
            self.report.failed.append({**_place(entry), "reason_code": answer.reason_code, "message": answer.message})
        self.on_progress(len(batch))

    def _wait_s(self, attempt: int) -> float:
        bound_ms = min(self.delivery.backoff_cap_ms, self.delivery.backoff_base_ms * 2 ** (attempt - 1))
        return self.randomness.uniform(0, bound_ms / 1000)

    def _settle(self, batch: list[Ready], results: list[dict[str, Any]]) -> tuple[list[Ready], Answer]:
        """Count what is decided; return what is not, and why."""
        again: list[Ready] = []
        why = Answer()
        for entry, result in zip(batch, results, strict=True):
            if result["status"] in TRY_AGAIN:
                again.append(entry)
                why = problem_of(result, try_again=True)
            elif result["status"] == 202:
                self._count(result)
            else:
                problem = problem_of(result, try_again=False)
                refused = {"reason_code": problem.reason_code, "message": problem.message, "by": "ingress"}
                pointer = {"pointer": result["pointer"]} if isinstance(result.get("pointer"), str) else {}
                self.report.refused.append({**_place(entry), "scope": "line", **refused, **pointer})
        self.on_progress(len(batch) - len(again))
        return again, why

    def _count(self, result: dict[str, Any]) -> None:
        if result.get("idempotency_replayed") is True:
            self.report.replayed += 1
        else:
            self.report.recorded += 1

    async def _post(self, batch: list[Ready]) -> Answer:
        keys = "\n".join(entry.idempotency_key for entry in batch)
        body = b'{"instructions":[' + b",".join(_item(entry) for entry in batch) + b"]}"
        try:
            headers = await self._headers(body, hashlib.sha256(keys.encode()).hexdigest())
            url = self.delivery.url.rstrip("/") + _PATH
            async with self.session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                raw = await response.read()
        except TokenUnavailable as error:
            return Answer(reason_code="NO_TOKEN", message=str(error), try_again=not error.final)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            said = f"no answer from the ingress ({type(error).__name__}); run again when it is reachable"
            return Answer(reason_code="NO_ANSWER", message=said, try_again=True)
        credentials = self.delivery.credentials
        return read_answer(
            response.status,
            raw,
            expected=len(batch),
            retry_after=response.headers.get("Retry-After"),
            retry_after_cap_s=self.delivery.retry_after_cap_ms / 1000,
            # A proof lacked the nonce that the ingress gives with this very answer.
            asked_again=credentials is not None and credentials.heard(response.headers),
        )

    async def _headers(self, body: bytes, idempotency_key: str) -> dict[str, str]:
        """What proves this request: made anew for each try, for no proof is good twice."""
        media = {"Content-Type": "application/json"}
        credentials = self.delivery.credentials
        if credentials is not None:
            return media | await credentials.headers("POST", _PATH, body, idempotency_key)
        return media | {"Idempotency-Key": idempotency_key, "Symphony-Participant": self.delivery.participant or ""}
