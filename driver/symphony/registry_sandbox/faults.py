"""Scripted faults of the sandbox registry: which question or request they strike, and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from symphony.fault_rules import FaultRuleInvalid, check_members, given_members, is_count, is_turn, read_kind
from symphony.instruction import PARTICIPANT
from symphony.strict_json import InvalidInput, read_json

# Strike a whole HTTP request when one of its questions is selected.
OF_REQUESTS: Final = ("slow", "down", "flapping")
# Strike one question; its mates are answered in truth.
OF_QUESTIONS: Final = ("unavailable", "revoked", "moved", "several", "poisoned", "malformed", "oversize")
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "slow": ("ms",),
    "flapping": ("good", "bad"),
    "moved": ("participant_id",),
    "several": ("participant_id",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One rule: every selector given must hold, then the kind strikes.

    Attributes:
        kind: one of OF_REQUESTS or OF_QUESTIONS.
        type, value, asked_by: selectors; value is the alias in its one form.
        first: strikes only the first N that the other selectors pick.
        every_nth: strikes the Nth, 2Nth, ... of them.
        ms: how long a slow answer waits.
        answer: what a registry that is down does: "503", or "reset" of the connection.
        good, bad: a flapping registry serves `good` requests, then is down for `bad`, and so on.
        participant_id: where the alias has moved, or the second provider of several.
    """

    kind: str
    type: str | None = None
    value: str | None = None
    asked_by: str | None = None
    first: int | None = None
    every_nth: int | None = None
    ms: int = 0
    answer: str = "503"
    good: int = 1
    bad: int = 1
    participant_id: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """One question as the registry reads it."""

    type: str
    value: str
    asked_by: str
    provider: str | None


class FaultBook:
    """The rules in force, in order: the first that strikes decides. Counters live as long as the book."""

    def __init__(self, rules: Sequence[FaultRule] = ()) -> None:
        self._entries = [_Entry(rule) for rule in rules]

    def strikes_request(self, asked: Sequence[Asked]) -> FaultRule | None:
        """The rule of OF_REQUESTS that strikes this request, or None."""
        return next((e.rule for e in self._entries if e.rule.kind in OF_REQUESTS and e.strikes(asked)), None)

    def strikes_question(self, asked: Asked) -> FaultRule | None:
        """The rule of OF_QUESTIONS that strikes this question, or None."""
        return next((e.rule for e in self._entries if e.rule.kind in OF_QUESTIONS and e.strikes((asked,))), None)

    def describe(self) -> list[dict[str, Any]]:
        """The rules as given, each with how many it picked and how many it struck."""
        return [
            {**given_members(entry.rule, always=("kind",)), "picked": entry.picked, "struck": entry.struck}
            for entry in self._entries
        ]


class _Entry:
    """One rule with its counters."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self.picked = 0
        self.struck = 0

    def strikes(self, asked: Sequence[Asked]) -> bool:
        rule = self.rule
        if not any(
            rule.type in (None, one.type) and rule.value in (None, one.value) and rule.asked_by in (None, one.asked_by)
            for one in asked
        ):
            return False
        self.picked += 1
        struck = is_turn(rule, self.picked) and (
            rule.kind != "flapping" or (self.picked - 1) % (rule.good + rule.bad) >= rule.good
        )
        self.struck += struck
        return struck


def read_rules(raw: bytes) -> list[FaultRule]:
    """Read a JSON list of rules: {"kind": ..., selectors and parameters of FaultRule}.

    Raises:
        FaultRuleInvalid: names the first rule that cannot be used, and why.
    """
    try:
        document = read_json(raw)
    except InvalidInput:
        document = None
    if not isinstance(document, list):
        raise FaultRuleInvalid("not a JSON list: give a list of rules, [] for none")
    return [_read_rule(number, entry) for number, entry in enumerate(document, start=1)]


def _read_rule(number: int, given: object) -> FaultRule:
    entry, kind = read_kind(number, given, checks=_CHECKS, kinds=OF_REQUESTS + OF_QUESTIONS)
    check_members(number, entry, checks=_CHECKS, needed=_NEEDS.get(kind, ()))
    return FaultRule(**entry)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 320


_CHECKS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "kind": ("a kind", _is_text),
    "type": ("a string", _is_text),
    "value": ("a string of 1 to 320 characters", _is_text),
    "asked_by": ("a string", _is_text),
    "first": ("a whole number above 0", is_count),
    "every_nth": ("a whole number above 0", is_count),
    "ms": ("milliseconds from 0 to 600000", lambda value: type(value) is int and 0 <= value <= 600_000),
    "answer": ('"503" or "reset"', lambda value: value in ("503", "reset")),
    "good": ("a whole number above 0", is_count),
    "bad": ("a whole number above 0", is_count),
    "participant_id": (PARTICIPANT.says, lambda value: isinstance(value, str) and bool(PARTICIPANT.matches(value))),
}
