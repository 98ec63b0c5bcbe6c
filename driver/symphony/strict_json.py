"""A JSON reader that refuses everything two readers could understand differently (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json
import math
import re
from typing import Final, NoReturn

from symphony.errors import SymphonyError

MAX_DEPTH: Final = 8
"""Deepest nesting of objects and arrays; the outermost counts one."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}").fullmatch
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]").search


class InvalidInput(SymphonyError):
    """Input that is refused; no part of it holds a value of the input.

    Attributes:
        reason_code: our reason, for example SCHEMA_INVALID or AMOUNT_DECIMALS.
        pointer: RFC 6901 pointer to the member at fault, "" for the whole document.
        message: what is wrong and what is allowed.
    """

    def __init__(self, reason_code: str, pointer: str, message: str) -> None:
        super().__init__(f"{reason_code} at {pointer or 'the document'}: {message}")
        self.reason_code = reason_code
        self.pointer = pointer
        self.message = message


def point(parent: str, name: str) -> str:
    """Return the RFC 6901 pointer of a member, or its parent's when the name is not plain.

    A member's name is shown only when it looks like a name: a telephone number used as one is not repeated.
    """
    return f"{parent}/{name}" if _PLAIN_NAME(name) else parent


def shown(name: str) -> str:
    """Return a member's name for a message, or words for a name that is not plain."""
    return f'"{name}"' if _PLAIN_NAME(name) else "whose name is not plain ASCII"


class _DuplicateMember(ValueError):
    pass


class _NotInJson(ValueError):
    pass


class _Members(list[tuple[str, object]]):
    """An object's members in their order, duplicates kept."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateMember
    return members


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _NotInJson
    return number


def _constant(_: str) -> NoReturn:
    raise _NotInJson


_decode: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant).decode
_decode_members: Final = json.JSONDecoder(object_pairs_hook=_Members).decode


def read_json(raw: bytes, *, max_depth: int = MAX_DEPTH) -> object:
    """Return the value of one JSON text in UTF-8.

    Raises:
        InvalidInput: JSON_INVALID (byte order mark, not UTF-8, not JSON, NaN, Infinity, a number out
            of range, nested deeper than max_depth, NUL or half a surrogate pair) or JSON_DUPLICATE_MEMBER.
    """
    if raw[:3] == b"\xef\xbb\xbf":
        raise InvalidInput("JSON_INVALID", "", "the text starts with a byte order mark; send UTF-8 without one")
    value, problem = _decoded(raw)
    if problem is not None:  # raised out here so that the decoder's error, which holds the text, is not chained
        raise problem
    if raw.count(b"{") + raw.count(b"[") > max_depth and _is_deeper(value, max_depth):
        raise InvalidInput("JSON_INVALID", "", f"objects and arrays are nested deeper than {max_depth}")
    if b"\\u" in raw:  # the only way to write NUL or half of a pair: a raw one is no JSON and no UTF-8
        _check_strings(value)
    return value


def _decoded(raw: bytes) -> tuple[object, InvalidInput | None]:
    """Decode, and turn every decoder error into ours."""
    try:
        text = raw.decode("utf-8")
        return _decode(text), None
    except UnicodeDecodeError as error:
        said = f"byte {error.start + 1} is not UTF-8"
    except _DuplicateMember:
        return None, _duplicate(text)
    except _NotInJson:
        said = "NaN, Infinity and numbers beyond a double are not JSON"
    except RecursionError:
        said = f"objects and arrays are nested deeper than {MAX_DEPTH}"
    except json.JSONDecodeError as error:
        said = f"not one JSON text: character {error.pos + 1} is unexpected"
    except ValueError:
        said = "an integer has too many digits"
    return None, InvalidInput("JSON_INVALID", "", said)


def _duplicate(text: str) -> InvalidInput:
    """Find the first member given twice, to name it."""
    unnamed = InvalidInput("JSON_DUPLICATE_MEMBER", "", "a member is given twice")
    try:
        stack: list[tuple[object, str]] = [(_decode_members(text), "")]
    except (ValueError, RecursionError):  # something else is wrong further on
        return unnamed
    while stack:
        value, at = stack.pop()
        if isinstance(value, _Members):
            seen: set[str] = set()
            for name, inner in value:
                if name in seen:
                    said = f"the member {shown(name)} is given twice"
                    return InvalidInput("JSON_DUPLICATE_MEMBER", point(at, name), said)
                seen.add(name)
                stack.append((inner, point(at, name)))
        elif isinstance(value, list):
            stack.extend((inner, f"{at}/{index}") for index, inner in enumerate(value))
    return unnamed


def _is_deeper(root: object, max_depth: int) -> bool:
    """Tell whether containers nest deeper than max_depth, level by level, without recursion."""
    level: list[dict[str, object] | list[object]] = [root] if isinstance(root, dict | list) else []
    for _ in range(max_depth):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _check_strings(root: object) -> None:
    """Refuse strings and names that PostgreSQL cannot store."""
    stack: list[tuple[object, str]] = [(root, "")]
    while stack:
        value, at = stack.pop()
        if isinstance(value, str):
            if _UNSTORABLE(value):
                raise InvalidInput("JSON_INVALID", at, "the string holds NUL or half of a surrogate pair")
        elif isinstance(value, list):
            stack.extend((inner, f"{at}/{index}") for index, inner in enumerate(value))
        elif isinstance(value, dict):
            for name, inner in value.items():
                if _UNSTORABLE(name):
                    raise InvalidInput("JSON_INVALID", at, "a name holds NUL or half of a surrogate pair")
                stack.append((inner, point(at, name)))
