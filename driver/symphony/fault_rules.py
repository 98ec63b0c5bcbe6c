"""What the scripted faults of the sandboxes share: reading a rule, when its turn is, telling it again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

from symphony.errors import SymphonyError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

type Checks = Mapping[str, tuple[str, Callable[[Any], bool]]]


class FaultRuleInvalid(SymphonyError):
    """A fault rule cannot be used; the message names the rule by number, the reason and what is allowed."""


class Turn(Protocol):
    """The part of a rule that says which of the calls it picks it strikes."""

    @property
    def first(self) -> int | None: ...
    @property
    def every_nth(self) -> int | None: ...


def is_count(value: object) -> bool:
    """A whole number above 0."""
    return type(value) is int and value >= 1


def is_turn(rule: Turn, picked: int) -> bool:
    """Whether the rule strikes the call that it picked as its `picked`th."""
    return (rule.first is None or picked <= rule.first) and (rule.every_nth is None or picked % rule.every_nth == 0)


def refusal(number: int, reason: str) -> FaultRuleInvalid:
    """The error about the rule of this number."""
    return FaultRuleInvalid(f"rule {number}: {reason}")


def read_kind(number: int, entry: object, *, checks: Checks, kinds: Collection[str]) -> tuple[dict[str, Any], str]:
    """A rule as an object of known members, and its kind. Raises FaultRuleInvalid."""
    if not isinstance(entry, dict):
        raise refusal(number, "not an object")
    unknown = sorted(set(entry) - checks.keys())
    if unknown:
        raise refusal(number, f"unknown member {unknown[0]!r}; known: {', '.join(checks)}")
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise refusal(number, f"kind must be one of {', '.join(kinds)}")
    return entry, kind


def check_members(number: int, entry: Mapping[str, Any], *, checks: Checks, needed: Iterable[str]) -> None:
    """Raise FaultRuleInvalid unless every member is as allowed, and what the kind needs is there."""
    for name, value in entry.items():
        allowed, holds = checks[name]
        if not holds(value):
            raise refusal(number, f"{name} must be {allowed}")
    missing = [name for name in needed if name not in entry]
    if missing:
        raise refusal(number, f"{entry['kind']} needs {missing[0]}")


def given_members(rule: DataclassInstance, *, always: Collection[str]) -> dict[str, Any]:
    """The rule's members that differ from their defaults, and those always told."""
    return {
        field.name: getattr(rule, field.name)
        for field in fields(rule)
        if field.name in always or getattr(rule, field.name) != field.default
    }
