"""JSON Lines files: one instruction a line, read as a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from typing import Any, BinaryIO, Final, NamedTuple

from symphony.instruction import (
    Instruction,
    InvalidInput,
    check_idempotency_key,
    parse_instruction,
    read_json,
)
from symphony.submission.entry import Entry, Ready, Refused

MAX_LINE_BYTES: Final = 64 * 1024
"""Longest line, without its line end."""


_content: Final = attrgetter(*(field.name for field in fields(Instruction)))


class _First(NamedTuple):
    line_no: int
    digest: bytes


def read_jsonl(stream: BinaryIO, *, default_rail: str | None = None) -> Iterator[Entry]:
    """Yield one entry for each line that is not blank; a bad line never ends the reading.

    A line is the wire form of an instruction and may add `idempotency_key`; without one the instruction id is
    the key, so a file read twice gives the same keys. A line without a rail takes default_rail.

    An instruction id met before is yielded again when content and key are the same (the ingress answers it as
    a replay); otherwise it is refused with DUPLICATE_INSTRUCTION_ID and the first line's number.
    Remembers about 400 bytes for each line.
    """
    reader = _Reader(default_rail)
    for line_no, line in _lines(stream):
        if line is None:
            said = f"the line is longer than {MAX_LINE_BYTES} bytes"
            yield Refused(line_no, "line", "LINE_TOO_LONG", said)
        elif line and not line.isspace():
            yield reader.entry(line_no, line)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield each line's number and its bytes, None for a line too long; never holds more than one line."""
    line_no = 0
    while piece := stream.readline(MAX_LINE_BYTES + 2):
        line_no += 1
        line: bytes | None = piece.removesuffix(b"\n").removesuffix(b"\r")
        while not piece.endswith(b"\n") and (piece := stream.readline(MAX_LINE_BYTES)):
            line = None
        yield line_no, None if line is None or len(line) > MAX_LINE_BYTES else line


class _Reader:
    """Remembers ids and keys met so far."""

    def __init__(self, default_rail: str | None) -> None:
        self._default_rail = default_rail
        self._first_by_id: dict[str, _First] = {}
        self._line_by_key: dict[str, int] = {}

    def entry(self, line_no: int, line: bytes) -> Entry:
        try:
            wire = read_json(line)
            key = self._complete(wire)
            instruction = parse_instruction(wire)
            return self._once(line_no, instruction, instruction.instruction_id if key is None else key, wire)
        except InvalidInput as refused:
            return Refused(line_no, "line", refused.reason_code, refused.message, refused.pointer)

    def _complete(self, wire: object) -> str | None:
        """Take the idempotency key out and put the default rail in."""
        if not isinstance(wire, dict):
            return None
        if self._default_rail is not None:
            wire.setdefault("rail", self._default_rail)
        return check_idempotency_key(wire.pop("idempotency_key")) if "idempotency_key" in wire else None

    def _once(self, line_no: int, instruction: Instruction, key: str, wire: Any) -> Entry:
        name = instruction.instruction_id
        this = _First(line_no, hashlib.sha256(repr((_content(instruction), key)).encode()).digest())
        first = self._first_by_id.get(name, this)
        if first.digest != this.digest:
            said = f"the instruction id is used on line {first.line_no} with other content or another key"
            raise InvalidInput("DUPLICATE_INSTRUCTION_ID", "/instruction_id", said)
        key_line = self._line_by_key.get(key, first.line_no)
        if key_line != first.line_no:
            said = f"the idempotency key is used on line {key_line} for another instruction"
            raise InvalidInput("DUPLICATE_IDEMPOTENCY_KEY", "/idempotency_key", said)
        self._first_by_id[name] = first
        self._line_by_key[key] = first.line_no
        return Ready(line_no, wire, key)
