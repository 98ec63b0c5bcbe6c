"""What the resolver asks of a proxy registry: the protocol, the answer, and the registry of adapters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Protocol, Self, cast

from symphony.errors import SymphonyError
from symphony.instruction import AGENT, PARTICIPANT, TEXT
from symphony.resolver.aliases import Alias

RESOLVED: Final = "RESOLVED"
NOT_FOUND: Final = "NOT_FOUND"
INVALID: Final = "INVALID"
REVOKED: Final = "REVOKED"
TEMP_UNAVAILABLE: Final = "TEMP_UNAVAILABLE"

PROXY_NOT_FOUND: Final = "PROXY_NOT_FOUND"
PROXY_INVALID: Final = "PROXY_INVALID"
PROXY_AMBIGUOUS: Final = "PROXY_AMBIGUOUS"
PROXY_REVOKED: Final = "PROXY_REVOKED"
PROXY_REGISTRY_UNAVAILABLE: Final = "PROXY_REGISTRY_UNAVAILABLE"
PROXY_REGISTRY_TIMEOUT: Final = "PROXY_REGISTRY_TIMEOUT"
PROXY_REGISTRY_ERROR: Final = "PROXY_REGISTRY_ERROR"
PROXY_ANSWER_UNUSABLE: Final = "PROXY_ANSWER_UNUSABLE"

_STATUS_OF: Final[Mapping[str, str]] = {
    PROXY_NOT_FOUND: NOT_FOUND,
    PROXY_INVALID: INVALID,
    PROXY_AMBIGUOUS: INVALID,
    PROXY_REVOKED: REVOKED,
    PROXY_REGISTRY_UNAVAILABLE: TEMP_UNAVAILABLE,
    PROXY_REGISTRY_TIMEOUT: TEMP_UNAVAILABLE,
    PROXY_REGISTRY_ERROR: TEMP_UNAVAILABLE,
    PROXY_ANSWER_UNUSABLE: TEMP_UNAVAILABLE,
}
_ACCOUNT: Final = re.compile(r"[ -~]{1,254}")  # an e-mail address is an account where the provider knows no other


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """One alias to be resolved; personal data, so it has no repr.

    Attributes:
        asked_by: the participant whose instruction it is.
        provider: the participant that holds the creditor's account, if the payer named it.
    """

    alias: Alias
    asked_by: str
    provider: str | None = None


class NotABeneficiary(SymphonyError):
    """What a registry gave is no beneficiary; holds nothing of it."""


@dataclass(frozen=True, slots=True, repr=False)
class Beneficiary:
    """Who stands behind an alias, in the form of an instruction's creditor; personal data, so it has no repr."""

    participant_id: str
    account: str
    agent: str | None = None
    name: str | None = None

    @classmethod
    def read(cls, *, participant_id: object, account: object, agent: object = None, name: object = None) -> Self:
        """Check what a registry says; raises NotABeneficiary."""
        if not isinstance(participant_id, str) or not PARTICIPANT.matches(participant_id):
            raise NotABeneficiary
        if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
            raise NotABeneficiary
        if agent is not None and (not isinstance(agent, str) or not AGENT.matches(agent)):
            raise NotABeneficiary
        if name is not None and (not isinstance(name, str) or not TEXT.matches(name)):
            raise NotABeneficiary
        return cls(participant_id, account, agent, name)

    def canonical(self) -> str:
        """RFC 8785 JSON of account, agent and name; the participant travels beside it.

        Strings without control characters are all there is, and of those json writes the same form.
        """
        members = {"account": self.account, "agent": self.agent, "name": self.name}
        present = {name: value for name, value in members.items() if value is not None}
        return json.dumps(present, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answer:
    """What is known after one question; personal data, so it has no repr.

    Attributes:
        status: RESOLVED, NOT_FOUND, INVALID, REVOKED or TEMP_UNAVAILABLE.
        reason_code: None if and only if RESOLVED; decides the status otherwise.
        beneficiary: RFC 8785 JSON {"account": ...[, "agent": ...][, "name": ...]}; only when RESOLVED.
        source_version: the registry's own version of its data or interface, printable ASCII.
        raw: the answer to this question as received, its bytes; None only when TEMP_UNAVAILABLE.
        latency_us: from the question to the complete answer (or its failure), microseconds, monotonic clock.
        reached: the registry is at work, whatever it said about this alias. False (no connection, time-out, 5xx, not
            the registry's answer at all) is what opens a breaker.
    """

    status: str
    reason_code: str | None = None
    beneficiary_participant_id: str | None = None
    beneficiary: str | None = None
    source_version: str | None = None
    raw: bytes | None = None
    latency_us: int
    reached: bool = True

    def __post_init__(self) -> None:
        """Raise ValueError for an answer that contradicts itself."""
        expected = RESOLVED if self.reason_code is None else _STATUS_OF.get(self.reason_code)
        whole = (self.status == RESOLVED) == (
            self.beneficiary is not None and self.beneficiary_participant_id is not None
        )
        unanswered = self.raw is None or not self.reached
        if self.status != expected or not whole or (unanswered and self.status != TEMP_UNAVAILABLE):
            raise ValueError("status, reason_code, beneficiary, raw and reached of an answer contradict each other")


def resolved(
    beneficiaries: Sequence[Beneficiary],
    question: Question,
    *,
    raw: bytes,
    source_version: str | None,
    latency_us: int,
) -> Answer:
    """The answer when a registry named beneficiaries: one, and at the provider the payer named, or none is taken.

    Several that fit are PROXY_AMBIGUOUS: nobody here chooses among them. None at the named provider is PROXY_NOT_FOUND.
    """
    fitting = [one for one in beneficiaries if question.provider in (None, one.participant_id)]
    if len(fitting) != 1:
        reason = PROXY_AMBIGUOUS if fitting else PROXY_NOT_FOUND
        return unresolved(reason, raw=raw, source_version=source_version, latency_us=latency_us)
    return Answer(
        status=RESOLVED,
        beneficiary_participant_id=fitting[0].participant_id,
        beneficiary=fitting[0].canonical(),
        source_version=source_version,
        raw=raw,
        latency_us=latency_us,
    )


def unresolved(
    reason_code: str,
    *,
    latency_us: int,
    raw: bytes | None = None,
    source_version: str | None = None,
    reached: bool = True,
) -> Answer:
    """The answer when there is no beneficiary, for one of the PROXY_... reasons."""
    return Answer(
        status=_STATUS_OF[reason_code],
        reason_code=reason_code,
        source_version=source_version,
        raw=raw,
        latency_us=latency_us,
        reached=reached,
    )


class Registry(Protocol):
    """A registry's client. Trouble of the registry or the network is an answer, never an exception.

    A question moves no money: asking twice is allowed.
    """

    @property
    def name(self) -> str: ...

    async def resolve(self, question: Question) -> Answer:
        """Ask who stands behind one alias."""
        ...

    async def resolve_many(self, questions: Sequence[Question]) -> list[Answer]:
        """Ask about many, with bounded concurrency; answers in the order of the questions."""
        ...

    async def aclose(self) -> None:
        """Close the connections. A later question is answered PROXY_REGISTRY_UNAVAILABLE."""
        ...


class RegistryMisconfigured(SymphonyError):
    """A registry cannot be opened as configured; the message names the registry, the reason and the next action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FspiopOptions:
    """What only a Mojaloop Account Lookup needs.

    Attributes:
        fsp_id: our own FSPIOP identifier, sent as FSPIOP-Source.
        callback_host: where our listener for PUT /parties binds; the operator's mTLS gateway stands before it.
        callback_port: 0 picks a free one.
        participants: FSPIOP identifier -> participant_id; an identifier not in it is taken in capitals.
    """

    fsp_id: str
    callback_host: str = "127.0.0.1"
    callback_port: int = 0
    participants: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise RegistryMisconfigured when a value is out of range."""
        if not re.fullmatch(r"[!-~]{1,32}", self.fsp_id):
            raise RegistryMisconfigured(
                "fsp_id is not 1 to 32 printable ASCII characters: give the one the scheme assigned"
            )
        if not 0 <= self.callback_port <= 65_535:
            raise RegistryMisconfigured("callback_port is not a port: give 0 to 65535")
        if not all(PARTICIPANT.matches(participant) for participant in self.participants.values()):
            raise RegistryMisconfigured("participants maps to something that is no participant_id: correct it")
        if len(set(self.participants.values())) != len(self.participants):
            raise RegistryMisconfigured("participants maps two FSPIOP identifiers to one participant: keep one")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """Where a registry is and how long to wait for it.

    Attributes:
        base_url: http or https, without user information, query or fragment.
        timeout_ms: for one whole exchange, a callback included; waiting for a free connection does not count.
        max_connections: exchanges at once; more wait their turn.
        keepalive_ms: idle connections older than this are not used again; keep it below the registry's own.
        max_answer_bytes: a longer answer to one question is PROXY_ANSWER_UNUSABLE.
        fspiop: for the registry "mojaloop" only.
    """

    base_url: str
    timeout_ms: int = 2_000
    max_connections: int = 64
    keepalive_ms: int = 15_000
    max_answer_bytes: int = 16_384
    fspiop: FspiopOptions | None = None

    def __post_init__(self) -> None:
        """Raise RegistryMisconfigured when a value is out of range."""
        for name in ("timeout_ms", "max_connections", "keepalive_ms", "max_answer_bytes"):
            if getattr(self, name) < 1:
                raise RegistryMisconfigured(f"{name} is below 1: give a positive whole number")


RegistryFactory = Callable[[RegistryOptions], Registry]

# Registry name -> module:callable, imported on first use so that a resolver loads only the adapters it runs.
FACTORIES: Mapping[str, str] = {
    "mojaloop": "symphony.registries.mojaloop:MojaloopRegistry",
    "sandbox": "symphony.registries.sandbox:SandboxRegistry",
}


def open_registry(name: str, options: RegistryOptions) -> Registry:
    """Open the adapter registered for `name`; call it inside a running event loop.

    Raises:
        RegistryMisconfigured: no adapter has that name, or its options cannot work.
    """
    target = FACTORIES.get(name)
    if target is None:
        known = ", ".join(sorted(FACTORIES))
        raise RegistryMisconfigured(
            f"no adapter for this registry; known registries: {known}. Check the registry's name"
        )
    module, _, attribute = target.partition(":")
    factory = cast(RegistryFactory, getattr(import_module(module), attribute))
    return factory(options)
