"""Client of a Mojaloop Account Lookup (FSPIOP API 1.1): GET /parties/{Type}/{ID}, answered later by a callback.

Not built: the JWS of FSPIOP-Signature, in either direction. Both directions are to run through the operator's gateway,
which ends mTLS with the switch and lets nobody else reach the listener; without it anyone could answer for the switch.

One process per `fsp_id`: the switch knows one callback address, and only the party tells whose answer a callback is.
A callback that comes after its time-out may therefore answer the next question about the same party; it is an answer of
this registry about this party, later than the first question and before the second one's end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from yarl import URL

from symphony.registries.exchange import Exchange, NoAnswer, TooLong
from symphony.registries.mojaloop_callbacks import CONTENT_TYPE, Callback, CallbackListener
from symphony.registries.mojaloop_parties import PartyId, Unusable, read_error, read_party
from symphony.registries.registry import (
    PROXY_ANSWER_UNUSABLE,
    PROXY_REGISTRY_TIMEOUT,
    PROXY_REGISTRY_UNAVAILABLE,
    Answer,
    Question,
    RegistryMisconfigured,
    RegistryOptions,
    resolved,
    unresolved,
)


@dataclass(frozen=True, slots=True, repr=False)
class _Waiting:
    """A question on its way: its callback, and the end of it, for the next one about the same party."""

    callback: asyncio.Future[Callback]
    over: asyncio.Event


class MojaloopRegistry:
    """A Mojaloop Account Lookup with our callback listener; needs a running event loop."""

    name: Final = "mojaloop"

    def __init__(self, options: RegistryOptions) -> None:
        """Open the pool and bind the listener; raises RegistryMisconfigured."""
        if options.fspiop is None:
            raise RegistryMisconfigured(
                "registry mojaloop: fspiop is missing; give our fsp_id and the callback address"
            )
        self._options = options
        self._fspiop = options.fspiop
        self._fsp_of = {participant: fsp_id for fsp_id, participant in options.fspiop.participants.items()}
        self._listener = CallbackListener(
            options.fspiop, max_body_bytes=options.max_answer_bytes, deliver=self._deliver
        )
        headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE, "FSPIOP-Source": options.fspiop.fsp_id}
        try:
            self._exchange = Exchange(self.name, options, headers=headers)
        except RegistryMisconfigured:
            self._listener.release()
            raise
        self._waiting: dict[PartyId, _Waiting] = {}
        self._delivered = 0

    @property
    def callback_port(self) -> int:
        """Where the listener is bound."""
        return self._listener.port

    async def resolve(self, question: Question) -> Answer:
        """GET /parties and wait for the callback. Two questions about one party go one after the other."""
        try:
            party = PartyId.of(question.alias)
        except Unusable:
            return unresolved(PROXY_ANSWER_UNUSABLE, latency_us=0)
        await self._listener.start()
        while party in self._waiting:
            await self._waiting[party].over.wait()
        waiting = _Waiting(asyncio.get_running_loop().create_future(), asyncio.Event())
        self._waiting[party] = waiting
        try:
            async with self._exchange.turns:
                return await self._ask(party, question, waiting.callback)
        finally:
            del self._waiting[party]
            waiting.over.set()

    async def resolve_many(self, questions: Sequence[Question]) -> list[Answer]:
        """One exchange a question: FSPIOP knows no other way."""
        return list(await asyncio.gather(*[self.resolve(question) for question in questions]))

    async def aclose(self) -> None:
        """Close the pool and the listener."""
        await self._exchange.aclose()
        await self._listener.aclose()

    async def _ask(self, party: PartyId, question: Question, callback: asyncio.Future[Callback]) -> Answer:
        started_ns = time.monotonic_ns()
        delivered = self._delivered
        headers = {"Date": formatdate(usegmt=True)}
        if question.provider in self._fsp_of:
            headers["FSPIOP-Destination"] = self._fsp_of[question.provider]
        try:
            async with asyncio.timeout(self._options.timeout_ms / 1000):
                base = self._exchange.base_url
                url = URL(f"{base.origin()}{base.raw_path.rstrip('/')}{party.path}", encoded=True)
                status, raw = await self._exchange.send(
                    "GET", url, headers=headers, max_bytes=self._options.max_answer_bytes
                )
                if status != 202:
                    return _refused(status, raw, latency_us=_since(started_ns))
                called_back = await callback
        except NoAnswer as trouble:
            return unresolved(trouble.reason_code, latency_us=_since(started_ns), reached=False)
        except TooLong:
            return unresolved(PROXY_ANSWER_UNUSABLE, latency_us=_since(started_ns), reached=False)
        except TimeoutError:
            # One provider that does not answer is not the registry's end: others' callbacks came meanwhile.
            reached = self._delivered > delivered
            return unresolved(PROXY_REGISTRY_TIMEOUT, latency_us=_since(started_ns), reached=reached)
        return self._read(called_back, party, question, latency_us=_since(started_ns))

    def _read(self, said: Callback, party: PartyId, question: Question, *, latency_us: int) -> Answer:
        if said.raw is None:
            return unresolved(PROXY_ANSWER_UNUSABLE, latency_us=latency_us)
        try:
            if said.error:
                reason = read_error(said.raw)
                return unresolved(reason, raw=said.raw, source_version=said.version, latency_us=latency_us)
            beneficiary = read_party(said.raw, party, participants=self._fspiop.participants)
        except Unusable:
            return unresolved(PROXY_ANSWER_UNUSABLE, raw=said.raw, source_version=said.version, latency_us=latency_us)
        return resolved([beneficiary], question, raw=said.raw, source_version=said.version, latency_us=latency_us)

    def _deliver(self, party: PartyId, callback: Callback) -> None:
        self._delivered += 1
        waiting = self._waiting.get(party)
        if waiting is not None and not waiting.callback.done():
            waiting.callback.set_result(callback)


def _refused(status: int, raw: bytes, *, latency_us: int) -> Answer:
    """The answer to a GET that was not accepted: at once, and in the words of an error callback if it has any."""
    try:
        reason = read_error(raw)
    except Unusable:
        reason = PROXY_ANSWER_UNUSABLE
    # Whoever answers 5xx, or refuses us (401, 403), or does not speak FSPIOP at all, does so for every question.
    reached = 400 <= status < 500 and status not in (401, 403, 429) and reason != PROXY_ANSWER_UNUSABLE
    if not reached:
        reason = PROXY_ANSWER_UNUSABLE if status < 500 else PROXY_REGISTRY_UNAVAILABLE
    return unresolved(reason, raw=raw, latency_us=latency_us, reached=reached)


def _since(started_ns: int) -> int:
    return (time.monotonic_ns() - started_ns) // 1000
