"""What the sandbox rail does with a call: decide, execute at most once, say what the fault wants said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from symphony.rail_sandbox.faults import BEFORE_EFFECT, QUERY, SUBMIT, FaultBook, FaultRule, Subject
from symphony.rail_sandbox.ledger import Effect, Ledger, Payment

NO_ANSWER: Final = frozenset(
    {
        "timeout_after_success",
        "timeout_before_effect",
        "drop_connection_after_success",
        "drop_connection_before_effect",
    }
)
_GARBAGE: Final = b"<html>It works!</html>"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status and its JSON members, or raw bytes in their place."""

    http_status: int
    members: Mapping[str, str]
    garbage: bytes | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to put on the wire; the ledger already holds it. `fault` tells how to deliver it."""

    answer: Answer
    fault: FaultRule | None


class Desk:
    """Takes submits and queries, one at a time in the ledger's order."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        faults: FaultBook | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self.faults = faults or FaultBook()

    async def submit(self, payment: Payment) -> Decision:
        """Execute the payment unless its reference is known; what is returned is durable.

        A decision whose fault is late_effect has executed nothing yet: wait, then call `submit_late`.
        """
        return await self._ledger.transact(lambda: self._submit(payment))

    async def submit_late(self, payment: Payment) -> Decision:
        """The second half of a late_effect: execute now, whether or not anyone still waits for the answer."""
        return await self._ledger.transact(lambda: self._decide_and_record(payment, fault=None))

    async def query(self, reference: str) -> Decision:
        """Say what became of a reference."""
        return await self._ledger.transact(lambda: self._query(reference))

    async def note_invalid(self, *, phase: str) -> None:
        """Keep in the ledger that a call was refused for its form."""
        await self._ledger.transact(lambda: self._record(phase, None, 400, "INVALID", fault=None))

    def _submit(self, payment: Payment) -> Decision:
        fault = self.faults.choose(
            Subject(SUBMIT, payment.reference, payment.amount, payment.currency, payment.end_to_end_id)
        )
        if fault is None or fault.kind not in BEFORE_EFFECT:
            return self._decide_and_record(payment, fault=fault)
        answer = _error(fault, payment.reference)
        silent = fault.kind in NO_ANSWER or fault.kind == "late_effect"
        self._record(SUBMIT, payment.reference, None if silent else answer.http_status, _said(answer, fault), fault)
        return Decision(answer, fault)

    def _decide_and_record(self, payment: Payment, *, fault: FaultRule | None) -> Decision:
        answer = _distort(self._decide(payment, fault), fault)
        status = None if fault is not None and fault.kind in NO_ANSWER else answer.http_status
        self._record(SUBMIT, payment.reference, status, _said(answer, fault), fault)
        return Decision(answer, fault)

    def _decide(self, payment: Payment, fault: FaultRule | None) -> Answer:
        """The idempotent core: a known reference is not executed again unless a fault wants that wrong."""
        known = self._ledger.effect(payment.reference)
        if known is not None:
            if known.content_hash != payment.content_hash:
                return _reused(payment.reference)
            if fault is not None and fault.kind == "not_idempotent":
                return _accepted(self._ledger.execute(payment, at=self._now()))
            return _accepted(known)
        rejected = self._ledger.rejection(payment.reference)
        if rejected is not None:
            content_hash, code = rejected
            if content_hash != payment.content_hash:
                return _reused(payment.reference)
            return _rejected(payment.reference, code)
        if fault is not None and fault.kind == "reject":
            self._ledger.reject(payment.reference, content_hash=payment.content_hash, code=fault.code, at=self._now())
            return _rejected(payment.reference, fault.code)
        return _accepted(self._ledger.execute(payment, at=self._now()))

    def _query(self, reference: str) -> Decision:
        known = self._ledger.effect(reference)
        amount, currency = (known.amount, known.currency) if known else (None, None)
        fault = self.faults.choose(Subject(QUERY, reference, amount, currency))
        if fault is not None and fault.kind in BEFORE_EFFECT:
            answer = _error(fault, reference)
        else:
            answer = _distort(self._state(reference, known, fault), fault)
        silent = fault is not None and fault.kind in NO_ANSWER
        self._record(QUERY, reference, None if silent else answer.http_status, _said(answer, fault), fault)
        return Decision(answer, fault)

    def _state(self, reference: str, known: Effect | None, fault: FaultRule | None) -> Answer:
        rejected = None if known else self._ledger.rejection(reference)
        if rejected is not None:
            return _rejected(reference, rejected[1])
        if known is None:
            return _not_found(reference)
        if fault is not None and fault.kind in ("not_found_for", "pending_for"):
            hidden_until = datetime.fromisoformat(known.executed_at) + timedelta(milliseconds=fault.ms or 0)
            if self._clock() < hidden_until:
                if fault.kind == "pending_for":
                    return Answer(200, {"status": "PENDING", "reference": reference})
                return _not_found(reference)
        return _accepted(known)

    def _record(
        self, phase: str, reference: str | None, status: int | None, answer: str, fault: FaultRule | None
    ) -> None:
        self._ledger.record_call(
            at=self._now(),
            phase=phase,
            reference=reference,
            http_status=status,
            answer=answer,
            fault=None if fault is None else fault.kind,
        )

    def _now(self) -> str:
        return self._clock().isoformat(timespec="microseconds")


def _accepted(effect: Effect) -> Answer:
    return Answer(
        200,
        {
            "status": "ACCEPTED",
            "rail_reference": effect.rail_reference,
            "reference": effect.reference,
            "amount": effect.amount,
            "currency": effect.currency,
        },
    )


def _rejected(reference: str, code: str) -> Answer:
    return Answer(200, {"status": "REJECTED", "reference": reference, "code": code})


def _reused(reference: str) -> Answer:
    return Answer(409, {"status": "REFERENCE_REUSED", "reference": reference})


def _not_found(reference: str) -> Answer:
    return Answer(404, {"status": "NOT_FOUND", "reference": reference})


def _error(fault: FaultRule, reference: str) -> Answer:
    if fault.kind == "unavailable":
        return Answer(503, {"status": "UNAVAILABLE", "reference": reference})
    return Answer(fault.status, {"status": "ERROR", "reference": reference})


def _distort(answer: Answer, fault: FaultRule | None) -> Answer:
    """What the fault makes of an answer that was decided in truth."""
    match fault.kind if fault is not None else None:
        case "5xx_after_success" if fault is not None:
            return _error(fault, answer.members["reference"])
        case "garbage_answer":
            return replace(answer, http_status=200, garbage=_GARBAGE)
        case "wrong_amount_echo" if fault is not None and "amount" in answer.members:
            wrong = fault.echo_amount or str(Decimal(answer.members["amount"]) + 1)
            return replace(answer, members={**answer.members, "amount": wrong})
        case "wrong_reference_echo":
            other = "".join(reversed(answer.members["reference"]))
            return replace(answer, members={**answer.members, "reference": other})
    return answer


def _said(answer: Answer, fault: FaultRule | None) -> str:
    """The ledger's word for what the caller is told."""
    if fault is not None and (fault.kind in NO_ANSWER or fault.kind == "late_effect"):
        return "NO_ANSWER"
    return "GARBAGE" if answer.garbage is not None else answer.members["status"]
