"""Client of the sandbox registry: one exchange for up to 100 questions, every outcome turned into an answer."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from typing import Final

from symphony.registries.exchange import Exchange, NoAnswer, TooLong
from symphony.registries.registry import (
    PROXY_ANSWER_UNUSABLE,
    PROXY_INVALID,
    PROXY_NOT_FOUND,
    PROXY_REGISTRY_UNAVAILABLE,
    PROXY_REVOKED,
    Answer,
    Beneficiary,
    NotABeneficiary,
    Question,
    RegistryOptions,
    resolved,
    unresolved,
)
from symphony.strict_json import InvalidInput, read_json

MAX_QUESTIONS: Final = 100
_MAX_BENEFICIARIES: Final = 16
_VERSION: Final = re.compile(r"[!-~]{1,64}")
# What the registry says -> the HTTP status it says it with, our reason.
_SAID: Final = {
    "RESOLVED": (200, None),
    "NOT_FOUND": (404, PROXY_NOT_FOUND),
    "REVOKED": (410, PROXY_REVOKED),
    "INVALID": (422, PROXY_INVALID),
    "UNAVAILABLE": (424, PROXY_REGISTRY_UNAVAILABLE),  # of this alias; the registry itself is at work
}


class _Unusable(Exception):
    """The answer cannot be trusted to be the answer to this question."""


class SandboxRegistry:
    """The sandbox registry over HTTP (see symphony.registry_sandbox); needs a running event loop."""

    name: Final = "sandbox"

    def __init__(self, options: RegistryOptions) -> None:
        """Open the pool; raises RegistryMisconfigured for a base URL that cannot work."""
        headers = {"Content-Type": "application/json", "Accept": "application/json, application/x-ndjson"}
        self._exchange = Exchange(self.name, options, headers=headers)
        self._one = self._exchange.base_url / "v1" / "resolve"
        self._many = self._exchange.base_url / "v1" / "resolve-many"
        self._max_answer_bytes = options.max_answer_bytes

    async def resolve(self, question: Question) -> Answer:
        """POST /v1/resolve."""
        async with self._exchange.turns:
            started_ns = time.monotonic_ns()
            try:
                body = json.dumps(_members(question)).encode()
                status, raw = await self._exchange.send("POST", self._one, body=body, max_bytes=self._max_answer_bytes)
            except NoAnswer as trouble:
                return unresolved(trouble.reason_code, latency_us=_since(started_ns), reached=False)
            except TooLong:
                return unresolved(PROXY_ANSWER_UNUSABLE, latency_us=_since(started_ns))
            return _read_answer(raw, question, http_status=status, latency_us=_since(started_ns))

    async def resolve_many(self, questions: Sequence[Question]) -> list[Answer]:
        """POST /v1/resolve-many, MAX_QUESTIONS a time; what is wrong with one answer is not wrong with its mates."""
        chunks = [questions[at : at + MAX_QUESTIONS] for at in range(0, len(questions), MAX_QUESTIONS)]
        answered = await asyncio.gather(*[self._resolve_chunk(chunk) for chunk in chunks])
        return [answer for answers in answered for answer in answers]

    async def aclose(self) -> None:
        """Close the pool."""
        await self._exchange.aclose()

    async def _resolve_chunk(self, questions: Sequence[Question]) -> list[Answer]:
        body = json.dumps({"questions": [_members(question) for question in questions]}).encode()
        async with self._exchange.turns:
            started_ns = time.monotonic_ns()
            try:
                status, raw = await self._exchange.send(
                    "POST", self._many, body=body, max_bytes=self._max_answer_bytes * MAX_QUESTIONS
                )
            except NoAnswer as trouble:
                answer = unresolved(trouble.reason_code, latency_us=_since(started_ns), reached=False)
                return [answer] * len(questions)
            except TooLong:
                status, raw = 200, b""
            latency_us = _since(started_ns)
        if status != 200:
            refusal = unresolved(PROXY_REGISTRY_UNAVAILABLE, raw=raw, latency_us=latency_us, reached=False)
            return [refusal] * len(questions)
        lines = raw.removesuffix(b"\n").split(b"\n") if raw else []
        if len(lines) != len(questions):  # whose answer is at fault cannot be told: ask one by one, so that one fails
            return list(await asyncio.gather(*[self.resolve(question) for question in questions]))
        return [self._read_line(*pair, latency_us=latency_us) for pair in zip(lines, questions, strict=True)]

    def _read_line(self, line: bytes, question: Question, *, latency_us: int) -> Answer:
        if len(line) > self._max_answer_bytes:
            return unresolved(PROXY_ANSWER_UNUSABLE, latency_us=latency_us)
        return _read_answer(line, question, http_status=None, latency_us=latency_us)


def _since(started_ns: int) -> int:
    return (time.monotonic_ns() - started_ns) // 1000


def _members(question: Question) -> dict[str, str]:
    members = {"type": question.alias.type, "value": question.alias.value, "asked_by": question.asked_by}
    return members if question.provider is None else {**members, "provider": question.provider}


def _read_answer(raw: bytes, question: Question, *, http_status: int | None, latency_us: int) -> Answer:
    """One answer; `http_status` is None for one of many, which has none of its own."""
    try:
        answer = _read_object(raw)
        said = answer.get("status")
        if not isinstance(said, str) or said not in _SAID or http_status not in (None, _SAID[said][0]):
            if http_status in (None, 200):
                raise _Unusable
            return unresolved(PROXY_REGISTRY_UNAVAILABLE, raw=raw, latency_us=latency_us, reached=False)
        # The echo: an answer about another alias would pay a stranger.
        if (answer.get("type"), answer.get("value")) != (question.alias.type, question.alias.value):
            raise _Unusable
        version = answer.get("registry_version")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise _Unusable
        reason = _SAID[said][1]
        if reason is not None:
            return unresolved(reason, raw=raw, source_version=version, latency_us=latency_us)
        beneficiaries = _read_beneficiaries(answer.get("beneficiaries"))
        return resolved(beneficiaries, question, raw=raw, source_version=version, latency_us=latency_us)
    except (_Unusable, NotABeneficiary):
        return unresolved(PROXY_ANSWER_UNUSABLE, raw=raw, latency_us=latency_us)


def _read_object(raw: bytes) -> dict[str, object]:
    """The answer's members; none when it is not one strict JSON object."""
    try:
        answer = read_json(raw)
    except InvalidInput:
        return {}
    return answer if isinstance(answer, dict) else {}


def _read_beneficiaries(listed: object) -> list[Beneficiary]:
    if not isinstance(listed, list) or not 1 <= len(listed) <= _MAX_BENEFICIARIES:
        raise _Unusable
    found = []
    for one in listed:
        if not isinstance(one, dict):
            raise _Unusable
        found.append(
            Beneficiary.read(
                participant_id=one.get("participant_id"),
                account=one.get("account"),
                agent=one.get("agent"),
                name=one.get("name"),
            )
        )
    return found
