"""What the worker asks of a payment rail: the protocol, the reply, and the registry of adapters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from symphony.errors import SymphonyError

# Codes that mean the same on every rail. The database decides what a code leads to.
CONNECT_FAILED = "CONNECT_FAILED"  # SUBMIT only: no connection, so no byte of the request left
TIMEOUT = "TIMEOUT"
CONNECTION_LOST = "CONNECTION_LOST"
UNREADABLE_ANSWER = "UNREADABLE_ANSWER"
REFUSED_BEFORE_CALL = "REFUSED_BEFORE_CALL"  # the claim cannot be put on the wire; to be recorded with phase NONE


class RailClaim(Protocol):
    """What an adapter reads of a claimed instruction; `symphony.api.outbox.Claim` satisfies it.

    `parties` is personal data (RFC 8785 JSON of creditor, debtor, remittance), None once erased: an adapter
    sends it and keeps it out of every log line, exception text and reply.
    """

    @property
    def reference(self) -> str: ...
    @property
    def amount_minor(self) -> int: ...
    @property
    def currency(self) -> str: ...
    @property
    def creditor_participant_id(self) -> str | None: ...
    @property
    def end_to_end_id(self) -> str | None: ...
    @property
    def purpose(self) -> str | None: ...
    @property
    def parties(self) -> str | None: ...
    @property
    def salt(self) -> bytes | None: ...


def salted_sha256(claim: RailClaim, raw: bytes) -> bytes:
    """SHA-256(salt || raw bytes), with the salt that is erased together with the instruction's parties.

    A bare hash of a body that holds an account number would give the account away to guessing, for ever.
    """
    return hashlib.sha256((claim.salt or b"") + raw).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RailReply:
    """One exchange with a rail, as observed: a code, the echo, and hashes of the raw bytes. No personal data.

    Attributes:
        rail_code: the rail's own code, or one of the codes above for what the network did.
        echoed_amount_minor: the amount the rail says it took, in minor units of `echoed_currency`.
        request_sha256: salted_sha256 of the body's raw bytes; of `GET <path>` where the request has no body.
        response_sha256: salted_sha256 of the body's raw bytes; None when no complete answer came.
        latency_us: from the call to the complete answer (or the failure), microseconds, monotonic clock.
    """

    rail_code: str
    rail_reference: str | None = None
    echoed_amount_minor: int | None = None
    echoed_currency: str | None = None
    request_sha256: bytes
    response_sha256: bytes | None = None
    latency_us: int


class Rail(Protocol):
    """A rail's client adapter. Rail and network trouble is a reply with a code, never an exception.

    Only cancellation leaves a call without a reply: the caller then knows nothing and must enquire.
    """

    @property
    def name(self) -> str: ...

    async def submit(self, claim: RailClaim) -> RailReply:
        """Send the payment once under `claim.reference`; never sent again by the adapter itself."""
        ...

    async def query(self, claim: RailClaim) -> RailReply:
        """Ask what became of `claim.reference`."""
        ...

    async def aclose(self) -> None:
        """Close the connections. A later call replies CONNECT_FAILED (submit) or CONNECTION_LOST (query)."""
        ...


class RailMisconfigured(SymphonyError):
    """A rail cannot be opened as configured; the message names the rail, the reason and the next action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RailOptions:
    """Where a rail is and how long to wait for it.

    Attributes:
        base_url: http or https, without user information, query or fragment.
        connect_timeout_ms: for a free pooled connection or a new one; must be lower than `total_timeout_ms`.
        total_timeout_ms: for the whole exchange.
        max_connections: size of the pool; calls beyond it wait, within `connect_timeout_ms`.
        keepalive_ms: idle connections older than this are not used again; keep it below the rail's own.
        max_response_bytes: a longer answer is UNREADABLE_ANSWER.
    """

    base_url: str
    connect_timeout_ms: int = 2_000
    total_timeout_ms: int = 10_000
    max_connections: int = 128
    keepalive_ms: int = 15_000
    max_response_bytes: int = 65_536

    def __post_init__(self) -> None:
        """Raise RailMisconfigured when a value is out of range."""
        for name in ("connect_timeout_ms", "max_connections", "keepalive_ms", "max_response_bytes"):
            if getattr(self, name) < 1:
                raise RailMisconfigured(f"{name} is below 1: give a positive whole number")
        if self.total_timeout_ms <= self.connect_timeout_ms:
            raise RailMisconfigured("total_timeout_ms must exceed connect_timeout_ms: raise the first one")


RailFactory = Callable[[RailOptions], Rail]

# Rail name -> module:callable, imported on first use so that a worker loads only the adapters it runs.
FACTORIES: Mapping[str, str] = {"sandbox": "symphony.rails.sandbox:SandboxRail"}


def open_rail(name: str, options: RailOptions) -> Rail:
    """Open the adapter registered for `name`; call it inside a running event loop.

    Raises:
        RailMisconfigured: no adapter has that name, or its options cannot work.
    """
    target = FACTORIES.get(name)
    if target is None:
        known = ", ".join(sorted(FACTORIES))
        raise RailMisconfigured(f"no adapter for this rail; known rails: {known}. Check the rail's name")
    module, _, attribute = target.partition(":")
    factory = cast(RailFactory, getattr(import_module(module), attribute))
    return factory(options)
