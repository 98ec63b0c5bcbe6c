"""One batch of leased aliases: hashed, looked up, asked about once each, and turned into answers to record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import batched
from typing import Any

from symphony.api.proxy import AliasAnswer, Cached, Lease, LeasedAlias
from symphony.metrics import Metrics
from symphony.registries.registry import (
    PROXY_REGISTRY_ERROR,
    PROXY_REGISTRY_UNAVAILABLE,
    TEMP_UNAVAILABLE,
    Answer,
    Question,
    Registry,
)
from symphony.resolver.aliases import Alias, InvalidAlias, recorded
from symphony.resolver.breaker import RegistryBreaker
from symphony.resolver.hashing import AliasHasher, Hashed
from symphony.resolver.sealing import Unsealable, open_sealed, response_sha256, seal

type _Key = tuple[str, Alias, str | None]  # asked_by, alias, provider
type Lookup = Callable[[Sequence[tuple[str, str, bytes]]], Awaitable[list[Cached]]]
_REFUSED_HERE = "symphony"


@dataclass(slots=True)
class _Item:
    lease: Lease
    alias: Alias
    provider: str | None
    invalid: str | None = None
    hashed: list[Hashed] = field(default_factory=list)

    @property
    def question(self) -> _Key:
        return self.lease.participant_id, self.alias, self.provider


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to record, and the leases to give back because the registry is away."""

    answers: list[AliasAnswer]
    unasked: list[Lease]


class Asking:
    """The registry behind its breaker and its bound of calls at once; shared by all batches of a process."""

    def __init__(
        self,
        *,
        registry: Registry,
        breaker: RegistryBreaker,
        chunk_items: int,
        calls_at_once: int,
        call_timeout_ms: int,
    ) -> None:
        self.registry = registry
        self.breaker = breaker
        self._chunk_items = chunk_items
        self._slots = asyncio.Semaphore(calls_at_once)
        self._call_timeout_s = call_timeout_ms / 1000

    async def ask(self, questions: Iterable[Question]) -> dict[_Key, tuple[Answer, bool]]:
        """Answers by question; what the breaker kept from being asked is missing."""
        answers: dict[_Key, tuple[Answer, bool]] = {}
        waiting = list(questions)
        if self.breaker.is_open and waiting:
            # One probe, the oldest; the rest follows if it is answered.
            await self._ask_chunk(waiting[:1], answers)
            waiting = waiting[1:]
        async with asyncio.TaskGroup() as group:
            for chunk in batched(waiting, self._chunk_items):
                group.create_task(self._ask_chunk(chunk, answers))
        return answers

    async def _ask_chunk(self, chunk: Sequence[Question], answers: dict[_Key, tuple[Answer, bool]]) -> None:
        async with self._slots:
            if not self.breaker.may_ask():
                return
            try:
                async with asyncio.timeout(self._call_timeout_s * 1.5):  # backstop: the adapter has its own
                    said = await self.registry.resolve_many(chunk)
            except TimeoutError:
                self.breaker.failed()
                return
        if any(answer.reached for answer in said):
            self.breaker.answered()
        else:
            self.breaker.failed()
        away = self.breaker.is_open
        for question, answer in zip(chunk, said, strict=True):
            answers[question.asked_by, question.alias, question.provider] = answer, away


class BatchResolver:
    """Resolves batches: cache first, each question once, everything the registry said recorded."""

    def __init__(self, *, asking: Asking, hasher: AliasHasher, metrics: Metrics) -> None:
        self._asking = asking
        self._hasher = hasher
        self._metrics = metrics

    async def resolve(
        self, leases: Sequence[Lease], aliases: Sequence[LeasedAlias], lookup: Lookup, *, may_ask: bool = True
    ) -> Outcome:
        """Without `may_ask` only the cache answers. Raises HashingUnavailable (nothing was asked) and as `lookup`."""
        items = _items(leases, aliases)
        await self._hash(items)
        cached = await self._look_up([item for item in items if item.invalid is None], lookup)
        misses = [item for item in items if item.invalid is None and item.question not in cached]
        questions = {item.question: Question(item.alias, item.lease.participant_id, item.provider) for item in misses}
        asked = await self._asking.ask(questions.values()) if may_ask else {}
        self._metrics.proxy_cache_lookups_total.labels(result="miss").inc(len(misses))
        self._metrics.proxy_cache_lookups_total.labels(result="hit").inc(len(cached))
        answers: list[AliasAnswer] = []
        unasked: list[Lease] = []
        for item in items:
            if item.invalid is not None:
                answers.append(_refused(item))
            elif item.question in cached:
                answers.append(_from_cache(item, *cached[item.question], source=self._asking.registry.name))
            elif (found := asked.get(item.question)) is not None:
                answers.append(self._answered(item, *found))
            else:
                unasked.append(item.lease)
        return Outcome(answers, unasked)

    async def _hash(self, items: Sequence[_Item]) -> None:
        unique = list({item.alias: None for item in items})
        hashed = dict(zip(unique, await self._hasher.hash(unique), strict=True))
        for item in items:
            item.hashed = hashed[item.alias]

    async def _look_up(self, items: Sequence[_Item], lookup: Lookup) -> dict[_Key, tuple[Cached, str]]:
        """By question, the cache row and the opened beneficiary; under the latest key version, else the one before."""
        keys = {
            (item.lease.participant_id, item.alias.type, hashed.hash): None for item in items for hashed in item.hashed
        }
        rows = {(row.participant_id, row.proxy_type, row.proxy_hash): row for row in await lookup(list(keys))}
        found: dict[_Key, tuple[Cached, str]] = {}
        for item in items:
            for hashed in item.hashed:
                row = rows.get((item.lease.participant_id, item.alias.type, hashed.hash))
                if row is None or item.provider not in (None, row.beneficiary_participant_id):
                    continue
                try:
                    found[item.question] = row, open_sealed(hashed.secret, row.sealed_beneficiary).decode()
                except Unsealable:
                    continue
                break
        return found

    def _answered(self, item: _Item, answer: Answer, away: bool) -> AliasAnswer:
        latest = item.hashed[0]
        reason = answer.reason_code
        if answer.status == TEMP_UNAVAILABLE:
            # Which reason it is decides who waits: the registry's breaker for all, or this alias for itself. That a
            # registry which was away when this was asked has come back meanwhile is not the alias' fault.
            reason = PROXY_REGISTRY_UNAVAILABLE if away or self._asking.breaker.is_open else _alone(answer)
        self._metrics.proxy_resolution_latency_seconds.labels(source=self._asking.registry.name).observe(
            answer.latency_us / 1e6
        )
        said = sealed_answer(item.lease.participant_id, latest, answer, source=self._asking.registry.name)
        return replace(said, reason_code=reason, outbox_id=item.lease.outbox_id, lease_token=item.lease.lease_token)


def sealed_answer(asked_by: str, hashed: Hashed, answer: Answer, *, source: str) -> AliasAnswer:
    """A registry's answer as the database may have it: the alias by its hash, the beneficiary sealed for the cache."""
    beneficiary = answer.beneficiary
    return AliasAnswer(
        participant_id=asked_by,
        proxy_hash=hashed.hash,
        hash_key_id=hashed.key_id,
        status=answer.status,
        reason_code=answer.reason_code,
        beneficiary_participant_id=answer.beneficiary_participant_id,
        beneficiary=beneficiary,
        sealed_beneficiary=None if beneficiary is None else seal(hashed.secret, beneficiary.encode()),
        source=source,
        source_version=answer.source_version,
        response_sha256=None if answer.raw is None else response_sha256(hashed.secret, answer.raw),
        latency_us=answer.latency_us,
    )


def _alone(answer: Answer) -> str:
    """The reason of one alias that got no answer from a registry that is at work."""
    return PROXY_REGISTRY_ERROR if answer.reason_code in (None, PROXY_REGISTRY_UNAVAILABLE) else answer.reason_code


def _items(leases: Sequence[Lease], aliases: Sequence[LeasedAlias]) -> list[_Item]:
    by_key = {(alias.participant_id, alias.outbox_id): alias for alias in aliases}
    items = []
    for lease in sorted(leases, key=lambda lease: lease.outbox_id):
        leased = by_key.get((lease.participant_id, lease.outbox_id))
        if leased is None:  # the lease was lost meanwhile
            continue
        try:
            item = _Item(lease, recorded(leased.type, leased.value), leased.creditor_participant_id)
        except InvalidAlias as error:
            item = _Item(lease, Alias(leased.type, leased.value), None, invalid=error.reason_code)
        items.append(item)
    return items


def _refused(item: _Item) -> AliasAnswer:
    """An alias that has no form the registries know: refused here, nobody was asked."""
    reason = item.invalid or ""
    said = response_sha256(item.hashed[0].secret, reason.encode())
    return _about(item, status="INVALID", reason_code=reason, source=_REFUSED_HERE, response_sha256=said)


def _from_cache(item: _Item, row: Cached, beneficiary: str, *, source: str) -> AliasAnswer:
    latest = item.hashed[0]
    return _about(
        item,
        cached_hash=row.proxy_hash,
        status="RESOLVED",
        beneficiary_participant_id=row.beneficiary_participant_id,
        beneficiary=beneficiary,
        sealed_beneficiary=(
            row.sealed_beneficiary if row.proxy_hash == latest.hash else seal(latest.secret, beneficiary.encode())
        ),
        source=source,
        response_sha256=sha256(row.sealed_beneficiary).digest(),
    )


def _about(item: _Item, **said: Any) -> AliasAnswer:
    """An answer under the item's lease and the latest version of its hash."""
    return AliasAnswer(
        participant_id=item.lease.participant_id,
        outbox_id=item.lease.outbox_id,
        lease_token=item.lease.lease_token,
        proxy_hash=item.hashed[0].hash,
        hash_key_id=item.hashed[0].key_id,
        **said,
    )
