"""The wire form of one instruction as JSON Schema 2020-12, from the same rules the parser uses."""

from __future__ import annotations

from typing import Any, Final

from symphony.instruction import (
    ACCOUNT,
    AGENT,
    ALIAS_TYPE,
    ALIAS_VALUE,
    INSTRUCTION_ID,
    PARTICIPANT,
    PURPOSE,
    RAIL,
    REFERENCE,
    TEXT,
    UETR,
    Rule,
)
from symphony.money import AMOUNT_PATTERN, CURRENCIES
from symphony.resolver.aliases import SUPPORTED_TYPES

ABOVE_THE_SCHEMA: Final = frozenset(
    ("AMOUNT_ZERO", "AMOUNT_DECIMALS", "AMOUNT_TOO_LARGE", "PROXY_TYPE_UNSUPPORTED", "PROXY_INVALID_FORMAT")
)
"""Reasons for which the parser refuses an instruction that the schema lets pass."""


def instruction_json_schema() -> dict[str, Any]:
    """Return the schema of one instruction, for the OpenAPI 3.1 document and for clients.

    Whatever the parser accepts is valid under it. What is valid under it is accepted, or refused for one of
    ABOVE_THE_SCHEMA: JSON Schema cannot know how many decimal places a currency has, nor what a mobile number is.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Payment instruction",
        "type": "object",
        "additionalProperties": False,
        "required": ["instruction_id", "rail", "amount", "currency", "debtor", "creditor"],
        "properties": {
            "instruction_id": _string(INSTRUCTION_ID, "Unique for ever within the sending participant."),
            "rail": _string(RAIL, "The rail that executes the payment."),
            "amount": {
                "type": "string",
                "pattern": f"^{AMOUNT_PATTERN}$",
                "description": "Decimal string above zero with no more places than the currency has.",
                "examples": ["125.50"],
            },
            "currency": {
                "type": "string",
                "enum": sorted(CURRENCIES),
                "description": "ISO 4217 alphabetic code that has minor units.",
            },
            "end_to_end_id": _string(REFERENCE, "The payer's own reference, passed on unchanged."),
            "purpose": _string(PURPOSE, "ISO 20022 ExternalPurpose1Code."),
            "uetr": _string(UETR, "Unique end-to-end transaction reference: UUID version 4 in lower case."),
            "debtor": _debtor(),
            "creditor": _creditor(),
            "remittance": _string(TEXT, "Free text for the creditor."),
        },
    }


def _string(rule: Rule, description: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{rule.pattern}$", "description": description}


def _party() -> dict[str, Any]:
    return {
        "name": _string(TEXT, "Name of the party."),
        "account": _string(ACCOUNT, "Account number, IBAN or wallet number."),
        "agent": _string(AGENT, "BIC or clearing member id of the party's bank."),
    }


def _debtor() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["account"],
        "properties": _party(),
        "description": "The party that pays.",
    }


def _creditor() -> dict[str, Any]:
    alias = {
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "value"],
        "properties": {
            "type": _string(
                ALIAS_TYPE,
                f"ISO 20022 ExternalProxyAccountType1Code; resolved here: {', '.join(sorted(SUPPORTED_TYPES))}.",
            ),
            "value": _string(ALIAS_VALUE, "The alias itself; brought to its one form, a mobile number to E.164."),
        },
        "description": "Resolved by the alias registry before anything is sent. An account beside it must be the one"
        " that the alias stands for; NOTPROVIDED is none.",
    }
    participant = _string(PARTICIPANT, "The creditor's participant, when the sender knows it.")
    return {
        "type": "object",
        "additionalProperties": False,
        "anyOf": [{"required": ["account"]}, {"required": ["alias"]}],
        "properties": {**_party(), "participant_id": participant, "alias": alias},
        "description": "The party that is paid, given by its account, by an alias, or by both.",
    }
