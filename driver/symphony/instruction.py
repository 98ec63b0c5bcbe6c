"""One payment instruction: from its wire form to what `ingress.accept` records."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quote
from typing import Final
from uuid import UUID

from symphony.money import InvalidMoney, to_minor
from symphony.resolver.aliases import Alias, InvalidAlias, normalise
from symphony.strict_json import InvalidInput, point, read_json, shown

__all__ = [
    "Instruction",
    "InvalidInput",
    "check_idempotency_key",
    "parse_instruction",
    "read_json",
]


@dataclass(frozen=True, slots=True)
class Instruction:
    """A checked instruction; `parties` holds all its personal data and stays out of repr().

    Attributes:
        amount_minor: integer minor units of `currency`, 1 to 2**53 - 1.
        alias: what the creditor is given by, in its one form, where a proxy registry must resolve it.
        parties: RFC 8785 canonical JSON of creditor (without participant_id), debtor and remittance; an alias
            stands in it in its one form, so that the same alias written in two ways is the same content.
    """

    instruction_id: str
    rail: str
    currency: str
    amount_minor: int
    creditor_participant_id: str | None
    end_to_end_id: str | None
    purpose: str | None
    uetr: UUID | None
    alias: Alias | None = field(repr=False)
    parties: str = field(repr=False)

    @property
    def requires_proxy(self) -> bool:
        """The creditor is given by an alias, with or without an account."""
        return self.alias is not None


class Rule:
    """A pattern a string must match as a whole, and the words for it.

    Attributes:
        pattern: a regular expression that Python and ECMA 262 (JSON Schema) read alike.
        says: what is allowed, to end the sentence "the member must be ...".
        matches: tests a whole string.
    """

    __slots__ = ("matches", "pattern", "says")

    def __init__(self, pattern: str, says: str) -> None:
        self.pattern = pattern
        self.says = says
        self.matches: Callable[[str], object] = re.compile(pattern).fullmatch


# No control characters, line separators, bidirectional controls (they disguise a name), half surrogates.
_TEXT: Final = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"

IDENTIFIER: Final = Rule(r"[A-Za-z0-9._:/+-]{1,64}", "1 to 64 ASCII letters, digits and . _ : / + -")
# Nor "." and "..": in a URL they are no names but steps (RFC 3986 section 5.2.4), also when percent-encoded.
INSTRUCTION_ID: Final = Rule(
    r"(?:[A-Za-z0-9_:/+-][A-Za-z0-9._:/+-]{0,63}|\.[A-Za-z0-9_:/+-][A-Za-z0-9._:/+-]{0,62}|\.\.[A-Za-z0-9._:/+-]{1,62})",
    "1 to 64 ASCII letters, digits and . _ : / + -, and neither . nor ..",
)
RAIL: Final = Rule(r"[a-z0-9][a-z0-9_-]{0,31}", "1 to 32 lower-case letters, digits, _ and -")
PARTICIPANT: Final = Rule(r"[A-Z0-9][A-Z0-9._-]{0,31}", "1 to 32 capital letters, digits and . _ -")
REFERENCE: Final = Rule(r"[ -~]{1,35}", "1 to 35 printable ASCII characters")
PURPOSE: Final = Rule(r"[A-Z0-9]{1,4}", "1 to 4 capital letters and digits (ISO 20022 ExternalPurpose1Code)")
ACCOUNT: Final = Rule(r"[ -~]{1,64}", "1 to 64 printable ASCII characters")
AGENT: Final = Rule(r"[ -~]{1,35}", "1 to 35 printable ASCII characters (a BIC or a clearing member id)")
TEXT: Final = Rule(_TEXT + "{1,140}", "1 to 140 characters without control characters")
ALIAS_TYPE: Final = Rule(r"[A-Z0-9]{1,4}", "1 to 4 capital letters and digits (ISO 20022 proxy type)")
ALIAS_VALUE: Final = Rule(_TEXT + "{1,320}", "1 to 320 characters without control characters")
UETR: Final = Rule(
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "a UUID version 4 in lower case"
)

PARTIES: Final = frozenset(("debtor", "creditor", "remittance"))
MEMBERS: Final = PARTIES | {
    "instruction_id",
    "rail",
    "amount",
    "currency",
    "end_to_end_id",
    "purpose",
    "uetr",
}
DEBTOR_MEMBERS: Final = frozenset(("name", "account", "agent"))
CREDITOR_MEMBERS: Final = DEBTOR_MEMBERS | {"participant_id", "alias"}
ALIAS_MEMBERS: Final = frozenset(("type", "value"))


def parse_instruction(obj: object) -> Instruction:
    """Check the wire form of one instruction and return what is recorded of it.

    The first failing rule is reported, in this order: unknown members, instruction_id, rail, currency,
    amount, end_to_end_id, purpose, uetr, debtor, creditor (its alias included), remittance.

    Raises:
        InvalidInput: SCHEMA_INVALID, CURRENCY_INVALID, AMOUNT_INVALID, AMOUNT_ZERO, AMOUNT_DECIMALS,
            AMOUNT_TOO_LARGE, PROXY_TYPE_UNSUPPORTED or PROXY_INVALID_FORMAT.
    """
    members = _members(obj, "", MEMBERS)
    instruction_id = _required(members, "", "instruction_id", INSTRUCTION_ID)
    rail = _required(members, "", "rail", RAIL)
    currency, amount_minor = _money(members)
    end_to_end_id = _optional(members, "", "end_to_end_id", REFERENCE)
    purpose = _optional(members, "", "purpose", PURPOSE)
    uetr = _optional(members, "", "uetr", UETR)
    debtor = _debtor(members)
    creditor, participant_id, alias = _creditor(members)
    remittance = _optional(members, "", "remittance", TEXT)
    tail = "}" if remittance is None else f',"remittance":{_quote(remittance)}}}'
    return Instruction(
        instruction_id,
        rail,
        currency,
        amount_minor,
        participant_id,
        end_to_end_id,
        purpose,
        None if uetr is None else UUID(uetr),
        alias,
        f'{{"creditor":{creditor},"debtor":{debtor}{tail}',
    )


def check_idempotency_key(value: object, pointer: str = "/idempotency_key") -> str:
    """Return an idempotency key that has the right form.

    Raises:
        InvalidInput: SCHEMA_INVALID.
    """
    if isinstance(value, str) and IDENTIFIER.matches(value):
        return value
    raise InvalidInput("SCHEMA_INVALID", pointer, f"the idempotency key must be {IDENTIFIER.says}")


def _members(obj: object, at: str, known: frozenset[str]) -> dict[str, object]:
    if not isinstance(obj, dict):
        raise InvalidInput("SCHEMA_INVALID", at, f"{at.rpartition('/')[2] or 'an instruction'} must be a JSON object")
    if not obj.keys() <= known:
        name = next(name for name in obj if name not in known)
        allowed = ", ".join(sorted(known))
        raise InvalidInput(
            "SCHEMA_INVALID",
            point(at, name),
            f"the member {shown(name)} is not known here; known are {allowed}",
        )
    return obj


def _object(members: dict[str, object], at: str, name: str, known: frozenset[str]) -> dict[str, object]:
    if name not in members:
        raise InvalidInput("SCHEMA_INVALID", f"{at}/{name}", f"{name} is missing")
    return _members(members[name], f"{at}/{name}", known)


def _required(members: dict[str, object], at: str, name: str, rule: Rule) -> str:
    value = members.get(name)
    if isinstance(value, str) and rule.matches(value):
        return value
    if name not in members:
        raise InvalidInput("SCHEMA_INVALID", f"{at}/{name}", f"{name} is missing")
    raise InvalidInput("SCHEMA_INVALID", f"{at}/{name}", f"{name} must be a string of {rule.says}")


def _optional(members: dict[str, object], at: str, name: str, rule: Rule) -> str | None:
    return _required(members, at, name, rule) if name in members else None


def _money(members: dict[str, object]) -> tuple[str, int]:
    currency = _string(members, "currency")
    amount = _string(members, "amount")
    try:
        return currency, to_minor(amount, currency)
    except InvalidMoney as error:
        refused = error
    at = "/currency" if refused.reason_code == "CURRENCY_INVALID" else "/amount"
    raise InvalidInput(refused.reason_code, at, refused.message)


def _string(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if isinstance(value, str):
        return value
    said = "must be a string, never a JSON number" if name in members else "is missing"
    raise InvalidInput("SCHEMA_INVALID", f"/{name}", f"{name} {said}")


def _debtor(members: dict[str, object]) -> str:
    """Return the debtor in canonical JSON; names of members in code unit order (RFC 8785 section 3.2.3)."""
    debtor = _object(members, "", "debtor", DEBTOR_MEMBERS)
    text = f'{{"account":{_quote(_required(debtor, "/debtor", "account", ACCOUNT))}'
    if "agent" in debtor:
        text += f',"agent":{_quote(_required(debtor, "/debtor", "agent", AGENT))}'
    if "name" in debtor:
        text += f',"name":{_quote(_required(debtor, "/debtor", "name", TEXT))}'
    return text + "}"


def _creditor(members: dict[str, object]) -> tuple[str, str | None, Alias | None]:
    """Return the creditor in canonical JSON (its participant apart), its participant, its alias."""
    creditor = _object(members, "", "creditor", CREDITOR_MEMBERS)
    participant_id = _optional(creditor, "/creditor", "participant_id", PARTICIPANT)
    parts: list[str] = []
    if "account" in creditor or "alias" not in creditor:
        parts.append(f'"account":{_quote(_required(creditor, "/creditor", "account", ACCOUNT))}')
    if "agent" in creditor:
        parts.append(f'"agent":{_quote(_required(creditor, "/creditor", "agent", AGENT))}')
    alias = _alias(creditor) if "alias" in creditor else None
    if alias is not None:
        parts.append(f'"alias":{{"type":{_quote(alias.type)},"value":{_quote(alias.value)}}}')
    if "name" in creditor:
        parts.append(f'"name":{_quote(_required(creditor, "/creditor", "name", TEXT))}')
    return "{" + ",".join(parts) + "}", participant_id, alias


def _alias(creditor: dict[str, object]) -> Alias:
    alias = _object(creditor, "/creditor", "alias", ALIAS_MEMBERS)
    kind = _required(alias, "/creditor/alias", "type", ALIAS_TYPE)
    value = _required(alias, "/creditor/alias", "value", ALIAS_VALUE)
    try:
        return normalise(kind, value)
    except InvalidAlias as error:
        reason_code, said = error.reason_code, str(error)
    name = "type" if reason_code == "PROXY_TYPE_UNSUPPORTED" else "value"
    raise InvalidInput(reason_code, f"/creditor/alias/{name}", said.removeprefix(f"{reason_code}: "))
