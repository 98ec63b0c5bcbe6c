"""Aliases of participants whose policy is SYNC: the registry is asked inside the request, within its time budget.

Nothing here decides: what the registry said goes to the database with the instruction, which records or refuses it.
Whatever cannot be had in time is TEMP_UNAVAILABLE, and never a reason to wait on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import batched
from typing import Final

import structlog

from symphony.api.proxy import AliasAnswer
from symphony.ingress.alias_rules import AliasRules
from symphony.ingress.settings import InvalidSettings
from symphony.ingress.visit import ProvenItem
from symphony.metrics import Metrics
from symphony.registries.registry import PROXY_REGISTRY_UNAVAILABLE, TEMP_UNAVAILABLE, Question, Registry
from symphony.resolver.aliases import Alias
from symphony.resolver.batch import sealed_answer
from symphony.resolver.breaker import RegistryBreaker
from symphony.resolver.hashing import AliasHasher, HashingUnavailable

_CHUNK: Final = 50  # questions of one request that are asked, and may come too late, together
type _Key = tuple[Alias, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSettings:
    """How far the ingress goes for aliases. Raises: InvalidSettings.

    Attributes:
        registry_timeout_ms: for one exchange. The registry is judged by it, and not by a participant's budget.
        max_connections: to the registry; exchanges above it wait their turn.
        max_asking: exchanges at once, those included that nobody waits for any more; above it the answer is at once.
        breaker_failures: exchanges in a row without an answer that open the breaker.
        breaker_pause_min_ms, breaker_pause_max_ms: how long it stays open before one request may try.
    """

    registry_timeout_ms: int = 2_000
    max_connections: int = 64
    max_asking: int = 256
    breaker_failures: int = 5
    breaker_pause_min_ms: int = 1_000
    breaker_pause_max_ms: int = 10_000

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 1 <= value <= 100_000:
                raise InvalidSettings(f"{field.name} is {value!r}; give a number from 1 to 100000")


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasSource:
    """Who answers: an open registry, and who can hash."""

    registry: Registry
    hasher: AliasHasher
    settings: AliasSettings = AliasSettings()


class AliasDesk:
    """Gives the items of SYNC participants their answers; without a source each of them is TEMP_UNAVAILABLE.

    An exchange that is slower than a request's budget is not broken off: it ends by the registry's own time-out, which
    is what the breaker is told. So one participant's short budget closes the registry to nobody else.
    """

    def __init__(self, rules: AliasRules, source: AliasSource | None, *, metrics: Metrics) -> None:
        self._rules = rules
        self._source = source
        self._metrics = metrics
        self._log = structlog.get_logger()
        self._asking: set[asyncio.Task[dict[_Key, AliasAnswer]]] = set()
        self._name = "none" if source is None else source.registry.name
        self._settings = AliasSettings() if source is None else source.settings
        self._breaker = RegistryBreaker(
            failures=self._settings.breaker_failures,
            pause_min_s=self._settings.breaker_pause_min_ms / 1000,
            pause_max_s=self._settings.breaker_pause_max_ms / 1000,
            on_change=self._changed,
        )
        if source is not None:
            self._changed(False)

    async def answered(self, items: Sequence[ProvenItem]) -> list[ProvenItem]:
        """The items of one request, all with aliases, each with its answer where its participant's policy is SYNC.

        Raises what the database raises when it does not say what the policy is.
        """
        participant_id = items[0].participant_id or ""
        rule = await self._rules.rule(participant_id)
        if rule.mode != "SYNC":
            return list(items)
        keys = [_key(item) for item in items]
        questions = {key: Question(alias=key[0], asked_by=participant_id, provider=key[1]) for key in keys}
        answers = await self._within(rule.sync_budget_ms / 1000, questions)
        given = [answers.get(key) or self._unavailable(participant_id) for key in keys]
        for (alias, _), answer in zip(keys, given, strict=True):
            self._metrics.proxy_resolutions_total.labels(alias.type, answer.status, answer.source).inc()
        return [replace(item, answer=answer) for item, answer in zip(items, given, strict=True)]

    async def close(self) -> None:
        """Break off what nobody waits for any more, and close the registry's connections."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        if self._source is not None:
            await self._source.registry.aclose()

    async def _within(self, budget_s: float, questions: Mapping[_Key, Question]) -> dict[_Key, AliasAnswer]:
        """What could be answered in time."""
        begun = []
        for chunk in batched(questions.values(), _CHUNK):
            if self._source is None or len(self._asking) >= self._settings.max_asking:
                break
            if not self._breaker.may_ask():
                break
            task = asyncio.create_task(self._ask(self._source, chunk), name="alias registry")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            begun.append(task)
        if not begun:
            return {}
        done, _ = await asyncio.wait(begun, timeout=budget_s)
        return {key: answer for task in done for key, answer in task.result().items()}

    async def _ask(self, source: AliasSource, questions: Sequence[Question]) -> dict[_Key, AliasAnswer]:
        """Hash, ask and seal; empty when that cannot be done now. Raises nothing: the request may be gone by then."""
        found: dict[_Key, AliasAnswer] = {}
        reached = False
        try:
            hashed = await source.hasher.hash([question.alias for question in questions])
            if len(questions) == 1:
                answers = [await source.registry.resolve(questions[0])]
            else:
                answers = await source.registry.resolve_many(questions)
            for question, versions, answer in zip(questions, hashed, answers, strict=True):
                found[question.alias, question.provider] = sealed_answer(
                    question.asked_by, versions[0], answer, source=self._name
                )
            self._metrics.proxy_resolution_latency_seconds.labels(self._name).observe(answers[0].latency_us / 1e6)
            reached = any(answer.reached for answer in answers)
        except HashingUnavailable as error:
            self._log.warning("aliases not hashed", error=error)
        except Exception as error:  # its text and its trace may hold the alias: only its name is told
            self._log.error("aliases not resolved", error_class=type(error).__name__)
        if reached:
            self._breaker.answered()
        else:
            self._breaker.failed()
        return found

    def _unavailable(self, participant_id: str) -> AliasAnswer:
        """No answer: the database refuses a new instruction for it and keeps nothing of it, so it needs no hash."""
        return AliasAnswer(
            participant_id=participant_id,
            proxy_hash=b"",
            hash_key_id="",
            status=TEMP_UNAVAILABLE,
            reason_code=PROXY_REGISTRY_UNAVAILABLE,
            source=self._name,
        )

    def _changed(self, is_open: bool) -> None:
        self._metrics.proxy_registry_unavailable.labels(self._name).set(int(is_open))
        if is_open:
            self._log.warning("registry_away", source=self._name, next="aliases of SYNC participants are refused")


def _key(item: ProvenItem) -> _Key:
    if item.alias is None:
        raise ValueError("only items with an alias are asked about")
    return item.alias, item.creditor_participant_id
