"""Structured field values (RFC 9651): items, lists, dictionaries, inner lists, parameters, every bare type.

As strict as the RFC allows: where it lets a parser choose (base64 padding, non-zero pad bits) this one refuses.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, NoReturn

from symphony.trust.refusal import Reason, TrustRefused

MAX_CHARACTERS: Final = 65_536

_NUMBER: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]*))?").match
_STRING: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"').match
_DISPLAY: Final = re.compile(r'%"((?:[ !#-$&-~]|%[0-9a-f]{2})*)"').match
_TOKEN: Final = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*").match
_BYTES: Final = re.compile(r":([A-Za-z0-9+/=]*):").match
_BOOLEAN: Final = re.compile(r"\?([01])").match
_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*").match
_SP: Final = re.compile(r" *").match
_OWS: Final = re.compile(r"[ \t]*").match


@dataclass(frozen=True, slots=True)
class Token:
    """A short word, which is not the string of the same letters."""

    text: str


@dataclass(frozen=True, slots=True)
class Date:
    """Seconds since the epoch, possibly negative."""

    seconds: int


@dataclass(frozen=True, slots=True)
class DisplayString:
    """Text in Unicode, for people."""

    text: str


type BareItem = int | Decimal | str | bytes | bool | Token | Date | DisplayString
type Parameters = Mapping[str, BareItem]


@dataclass(frozen=True, slots=True)
class Item:
    """One bare item with its parameters."""

    value: BareItem
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InnerList:
    """Items in parentheses, with the list's own parameters."""

    items: tuple[Item, ...]
    parameters: Parameters = field(default_factory=dict)


type Member = Item | InnerList


def parse_item(lines: Sequence[str], *, refused_as: Reason) -> Item:
    """Return the field's one item; raises TrustRefused with `refused_as`."""
    reader = _Reader(lines, refused_as)
    item = reader.item()
    reader.end()
    return item


def parse_list(lines: Sequence[str], *, refused_as: Reason) -> tuple[Member, ...]:
    """Return the members of a list, which may be empty; raises TrustRefused with `refused_as`."""
    reader = _Reader(lines, refused_as)
    members: list[Member] = []
    reader.members(lambda: members.append(reader.member()))
    return tuple(members)


def parse_dictionary(lines: Sequence[str], *, refused_as: Reason, unique: bool = False) -> dict[str, Member]:
    """Return a dictionary's members in order; raises TrustRefused with `refused_as`.

    Args:
        unique: refuse a key or parameter that is given twice; else the last one counts (RFC 9651 4.2.2, 4.2.3.2).
    """
    reader = _Reader(lines, refused_as, unique=unique)
    members: dict[str, Member] = {}

    def one() -> None:
        key = reader.key()
        if unique and key in members:
            reader.refuse("a key is given twice")
        members[key] = reader.member() if reader.take("=") else Item(True, reader.parameters())

    reader.members(one)
    return members


class _Reader:
    """Reads one field from left to right."""

    def __init__(self, lines: Sequence[str], refused_as: Reason, *, unique: bool = False) -> None:
        self._text = ", ".join(lines)  # RFC 9110 5.2
        self._at = 0
        self._refused_as = refused_as
        self._unique = unique
        if len(self._text) > MAX_CHARACTERS or not self._text.isascii():
            self.refuse("longer than the limit, or not ASCII")
        self._skip(_SP)

    def refuse(self, detail: str) -> NoReturn:
        raise TrustRefused(self._refused_as, f"not a structured field at character {self._at + 1}: {detail}")

    def take(self, letter: str) -> bool:
        """Take this letter if it is next."""
        found = self._text.startswith(letter, self._at)
        self._at += found
        return found

    def end(self) -> None:
        """Refuse anything that is left but spaces."""
        self._skip(_SP)
        if self._at != len(self._text):
            self.refuse("something follows")

    def members(self, one: Callable[[], None]) -> None:
        """Read members with `one`, commas between, to the end."""
        while self._at < len(self._text):
            one()
            self._skip(_OWS)
            if self._at == len(self._text):
                return
            if not self.take(","):
                self.refuse("no comma")
            self._skip(_OWS)
            if self._at == len(self._text):
                self.refuse("a comma at the end")

    def member(self) -> Member:
        if not self.take("("):
            return self.item()
        items: list[Item] = []
        while True:
            self._skip(_SP)
            if self.take(")"):
                return InnerList(tuple(items), self.parameters())
            items.append(self.item())
            if not self._text.startswith((" ", ")"), self._at):
                self.refuse("no space between items")

    def item(self) -> Item:
        return Item(self._bare(), self.parameters())

    def parameters(self) -> dict[str, BareItem]:
        found: dict[str, BareItem] = {}
        while self.take(";"):
            self._skip(_SP)
            key = self.key()
            if self._unique and key in found:
                self.refuse("a parameter is given twice")
            found[key] = self._bare() if self.take("=") else True
        return found

    def key(self) -> str:
        return self._match(_KEY, "no key")[0]

    def _skip(self, pattern: Callable[[str, int], re.Match[str] | None]) -> None:
        self._match(pattern, "")

    def _match(self, pattern: Callable[[str, int], re.Match[str] | None], missing: str) -> re.Match[str]:
        match = pattern(self._text, self._at)
        if match is None:
            self.refuse(missing)
        self._at = match.end()
        return match

    def _bare(self) -> BareItem:
        match self._text[self._at : self._at + 1]:
            case '"':
                return re.sub(r"\\(.)", r"\1", self._match(_STRING, "no string")[1])
            case ":":
                return self._bytes()
            case "?":
                return self._match(_BOOLEAN, "no boolean")[1] == "1"
            case "@":
                self._at += 1
                seconds = self._number()
                if not isinstance(seconds, int):
                    self.refuse("a date with a fraction")
                return Date(seconds)
            case "%":
                return self._display_string()
            case first if first == "-" or "0" <= first <= "9":
                return self._number()
        return Token(self._match(_TOKEN, "no item")[0])

    def _number(self) -> int | Decimal:
        sign, whole, fraction = self._match(_NUMBER, "no number").groups()
        if fraction is None:
            if len(whole) > 15:
                self.refuse("an integer of more than 15 digits")
            return int(sign + whole)
        if len(whole) > 12 or not 1 <= len(fraction) <= 3:
            self.refuse("a decimal of more than 12 and 3 digits, or without fraction")
        return Decimal(f"{sign}{whole}.{fraction}")

    def _bytes(self) -> bytes:
        text = self._match(_BYTES, "no byte sequence")[1]
        try:
            raw = base64.b64decode(text, validate=True)
        except binascii.Error:
            self.refuse("a byte sequence that is no base64")
        if base64.b64encode(raw).decode("ascii") != text:
            self.refuse("a byte sequence that is not spelled canonically")
        return raw

    def _display_string(self) -> DisplayString:
        text = self._match(_DISPLAY, "no display string")[1]
        raw = re.sub(rb"%([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode("ascii")), text.encode("ascii"))
        try:
            return DisplayString(raw.decode("utf-8"))
        except UnicodeDecodeError:
            self.refuse("a display string that is not UTF-8")
