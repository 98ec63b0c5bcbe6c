"""Scripted faults: which call they strike, and how often."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from symphony.fault_rules import FaultRuleInvalid, check_members, given_members, is_count, is_turn, read_kind, refusal

_AMOUNT: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,5})?", re.ASCII)
_CODE: Final = re.compile(r"[A-Z0-9]{1,8}")

SUBMIT: Final = "SUBMIT"
QUERY: Final = "QUERY"
ANY: Final = "ANY"

# kind -> the phases it can strike, its default phase first
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "timeout_after_success": (SUBMIT, QUERY, ANY),
    "timeout_before_effect": (SUBMIT, QUERY, ANY),
    "5xx_after_success": (SUBMIT, QUERY, ANY),
    "5xx_before_effect": (SUBMIT, QUERY, ANY),
    "drop_connection_after_success": (SUBMIT, QUERY, ANY),
    "drop_connection_before_effect": (SUBMIT, QUERY, ANY),
    "garbage_answer": (SUBMIT, QUERY, ANY),
    "duplicate_answer": (SUBMIT, QUERY, ANY),
    "wrong_amount_echo": (SUBMIT, QUERY, ANY),
    "wrong_reference_echo": (SUBMIT, QUERY, ANY),
    "slow": (SUBMIT, QUERY, ANY),
    "unavailable": (SUBMIT, QUERY, ANY),
    "reject": (SUBMIT,),
    "late_effect": (SUBMIT,),
    "not_idempotent": (SUBMIT,),
    "not_found_for": (QUERY,),
    "pending_for": (QUERY,),
}
NEEDS_MS: Final = frozenset({"slow", "late_effect", "not_found_for", "pending_for"})
BEFORE_EFFECT: Final = frozenset(
    {
        "unavailable",
        "timeout_before_effect",
        "5xx_before_effect",
        "drop_connection_before_effect",
        "late_effect",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One rule: every selector given must hold, then the kind strikes. See KINDS and `read_rules`.

    Attributes:
        first: strikes only the first N calls that the other selectors pick.
        every_nth: strikes the Nth, 2Nth, ... of them.
        probability: strikes each of them with this chance, drawn from a generator seeded with `seed`.
        ms: how long (slow, late_effect, not_found_for, pending_for; for a time-out: how long it is held).
        status: the HTTP status of a 5xx, 500 unless told.
        code: the reason of a reject, AC04 unless told.
        echo_amount: what wrong_amount_echo says; 1 more than the amount unless told.
    """

    kind: str
    phase: str
    reference: str | None = None
    end_to_end_id: str | None = None
    amount: str | None = None
    currency: str | None = None
    first: int | None = None
    every_nth: int | None = None
    probability: float | None = None
    seed: int = 0
    ms: int | None = None
    status: int = 500
    code: str = "AC04"
    echo_amount: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about, as far as the rail knows: a query of an unknown reference has no amount."""

    phase: str
    reference: str
    amount: str | None = None
    currency: str | None = None
    end_to_end_id: str | None = None


class FaultBook:
    """The rules in force, in order: the first that strikes decides. Counters live as long as the book."""

    def __init__(self, rules: Sequence[FaultRule] = ()) -> None:
        self._entries = [_Entry(rule) for rule in rules]

    def choose(self, subject: Subject) -> FaultRule | None:
        """The rule that strikes this call, or None; counts the call for every rule it was tried on."""
        for entry in self._entries:
            if entry.strikes(subject):
                return entry.rule
        return None

    def describe(self) -> list[dict[str, Any]]:
        """The rules as given, each with how many calls it picked and how many it struck."""
        return [
            {**given_members(entry.rule, always=("kind", "phase")), "picked": entry.picked, "struck": entry.struck}
            for entry in self._entries
        ]


class _Entry:
    """One rule with its counters and its generator."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.picked = 0
        self.struck = 0
        self._amount = None if rule.amount is None else Decimal(rule.amount)
        self._random = random.Random(rule.seed)  # noqa: S311 - repeatable, not secret

    def strikes(self, subject: Subject) -> bool:
        rule = self.rule
        picked = (
            rule.phase in (ANY, subject.phase)
            and rule.reference in (None, subject.reference)
            and rule.end_to_end_id in (None, subject.end_to_end_id)
            and rule.currency in (None, subject.currency)
            and (self._amount is None or (subject.amount is not None and Decimal(subject.amount) == self._amount))
        )
        if not picked:
            return False
        self.picked += 1
        struck = is_turn(rule, self.picked) and (rule.probability is None or self._random.random() < rule.probability)
        self.struck += struck
        return struck


def read_rules(raw: bytes | str) -> list[FaultRule]:
    """Read a JSON list of rules: {"kind": ..., selectors and parameters of FaultRule}.

    Raises:
        FaultRuleInvalid: names the first rule that cannot be used, and why.
    """
    try:
        document = json.loads(raw)
    except ValueError:
        raise FaultRuleInvalid("not JSON: give a list of rules, [] for none") from None
    if not isinstance(document, list):
        raise FaultRuleInvalid("not a list: give a JSON list of rules, [] for none")
    return [_read_rule(number, entry) for number, entry in enumerate(document, start=1)]


def _read_rule(number: int, given: object) -> FaultRule:
    entry, kind = read_kind(number, given, checks=_CHECKS, kinds=KINDS)
    phases = KINDS[kind]
    if entry.setdefault("phase", phases[0]) not in phases:
        raise refusal(number, f"phase of {kind} must be one of {', '.join(phases)}")
    check_members(number, entry, checks=_CHECKS, needed=("ms",) if kind in NEEDS_MS else ())
    return FaultRule(**entry)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 64


def _is_amount(value: object) -> bool:
    return isinstance(value, str) and _AMOUNT.fullmatch(value) is not None


_CHECKS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "kind": ("a kind", _is_text),
    "phase": ("a phase", _is_text),
    "reference": ("a string of 1 to 64 characters", _is_text),
    "end_to_end_id": ("a string of 1 to 64 characters", _is_text),
    "amount": ("a decimal string", _is_amount),
    "currency": ("a string of 1 to 64 characters", _is_text),
    "first": ("a whole number above 0", is_count),
    "every_nth": ("a whole number above 0", is_count),
    "probability": ("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1),
    "seed": ("a whole number", lambda value: type(value) is int),
    "ms": ("milliseconds from 0 to 600000", lambda value: type(value) is int and 0 <= value <= 600_000),
    "status": ("from 500 to 599", lambda value: type(value) is int and 500 <= value <= 599),
    "code": (
        "1 to 8 capitals and digits",
        lambda value: isinstance(value, str) and bool(_CODE.fullmatch(value)),
    ),
    "echo_amount": ("a decimal string", _is_amount),
}
