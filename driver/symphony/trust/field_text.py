"""How structured field values are written (RFC 9651 section 4.1): one spelling for each value."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from decimal import Decimal

from symphony.trust.structured_fields import BareItem, Date, DisplayString, InnerList, Item, Member, Parameters, Token


def list_text(members: Iterable[Member]) -> str:
    """Write a list."""
    return ", ".join(member_text(member) for member in members)


def dictionary_text(members: Mapping[str, Member]) -> str:
    """Write a dictionary; a member that is true is written as its key alone."""
    return ", ".join(
        f"{key}{parameters_text(member.parameters)}"
        if isinstance(member, Item) and member.value is True
        else f"{key}={member_text(member)}"
        for key, member in members.items()
    )


def member_text(member: Member) -> str:
    """Write an item or an inner list with its parameters."""
    if isinstance(member, InnerList):
        inner = " ".join(member_text(item) for item in member.items)
        return f"({inner}){parameters_text(member.parameters)}"
    return bare_text(member.value) + parameters_text(member.parameters)


def parameters_text(parameters: Parameters) -> str:
    """Write parameters, each with its semicolon."""
    return "".join(f";{key}" if value is True else f";{key}={bare_text(value)}" for key, value in parameters.items())


def bare_text(value: BareItem) -> str:
    """Write a bare item that `structured_fields` has read."""
    match value:
        case bool():
            return "?1" if value else "?0"
        case int():
            return str(value)
        case Decimal():
            whole, _, fraction = f"{value:.3f}".partition(".")
            return f"{whole}.{fraction.rstrip('0') or '0'}"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case bytes():
            return f":{base64.b64encode(value).decode('ascii')}:"
        case Token():
            return value.text
        case Date():
            return f"@{value.seconds}"
        case DisplayString():
            return '%"' + "".join(_display_byte(byte) for byte in value.text.encode()) + '"'


def _display_byte(byte: int) -> str:
    return chr(byte) if 0x20 <= byte <= 0x7E and byte not in b'%"' else f"%{byte:02x}"
