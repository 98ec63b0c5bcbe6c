"""JSON Lines: good lines go on, bad lines are refused by number and reason."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from symphony.submission.entry import Entry, Ready, Refused
from symphony.submission.jsonl import MAX_LINE_BYTES, read_jsonl


def line(number: int, **changes: object) -> dict[str, Any]:
    return {
        "instruction_id": f"INV-{number}",
        "rail": "sandbox",
        "amount": "1.00",
        "currency": "ZMW",
        "debtor": {"account": "1"},
        "creditor": {"account": "2"},
        **changes,
    }


def read(*lines: object, rail: str | None = None, end: bytes = b"\n") -> list[Entry]:
    raw = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in lines]
    return list(read_jsonl(io.BytesIO(end.join(raw)), default_rail=rail))


def outcomes(entries: list[Entry]) -> list[tuple[int, str]]:
    return [(entry.line_no, entry.reason_code if isinstance(entry, Refused) else "ready") for entry in entries]


def test_bad_lines_are_refused_by_number_and_the_good_ones_go_on() -> None:
    entries = read(
        line(1),
        b"not json",
        b"",
        b"   \t",
        line(2, amount="1.005"),
        line(3, currency="ZMK"),
        b'{"a":1,"a":2}',
        b"[]",
        line(4, colour="red"),
        line(5, idempotency_key="spaces are wrong"),
        b"\xff",
        line(6),
    )
    assert outcomes(entries) == [
        (1, "ready"),
        (2, "JSON_INVALID"),
        (5, "AMOUNT_DECIMALS"),
        (6, "CURRENCY_INVALID"),
        (7, "JSON_DUPLICATE_MEMBER"),
        (8, "SCHEMA_INVALID"),
        (9, "SCHEMA_INVALID"),
        (10, "SCHEMA_INVALID"),
        (11, "JSON_INVALID"),
        (12, "ready"),
    ]
    assert [entry.pointer for entry in entries if isinstance(entry, Refused)][-3:] == [
        "/colour",
        "/idempotency_key",
        "",
    ]


def test_wire_form_and_key() -> None:
    own, default = read(line(1, idempotency_key="K-1"), line(2))
    assert isinstance(own, Ready)
    assert isinstance(default, Ready)
    assert (own.idempotency_key, default.idempotency_key) == ("K-1", "INV-2")
    assert own.wire == line(1)
    assert "account" not in repr(own)


def test_default_rail_fills_only_a_missing_one() -> None:
    without = line(1)
    del without["rail"]
    assert outcomes(read(without)) == [(1, "SCHEMA_INVALID")]
    entries = read(without, line(2, rail="other"), rail="sandbox")
    assert [entry.wire["rail"] for entry in entries if isinstance(entry, Ready)] == ["sandbox", "other"]


def test_line_ends_and_a_last_line_without_one() -> None:
    assert outcomes(read(line(1), line(2), b"", line(3), end=b"\r\n")) == [
        (1, "ready"),
        (2, "ready"),
        (4, "ready"),
    ]
    assert read() == []


def test_byte_order_mark_refuses_only_its_line() -> None:
    entries = read(b"\xef\xbb\xbf" + json.dumps(line(1)).encode(), line(2))
    assert outcomes(entries) == [(1, "JSON_INVALID"), (2, "ready")]
    assert isinstance(entries[0], Refused)
    assert "byte order mark" in entries[0].message


def test_too_long_lines_are_skipped_without_being_held() -> None:
    exact = json.dumps(line(2)).encode().ljust(MAX_LINE_BYTES)
    long = b"x" * (MAX_LINE_BYTES + 1)
    entries = read(long, exact, long * 20, line(3), b" " + exact, long + b"\r", b"y" * (MAX_LINE_BYTES + 2))
    assert outcomes(entries) == [
        (1, "LINE_TOO_LONG"),
        (2, "ready"),
        (3, "LINE_TOO_LONG"),
        (4, "ready"),
        (5, "LINE_TOO_LONG"),
        (6, "LINE_TOO_LONG"),
        (7, "LINE_TOO_LONG"),
    ]


def test_same_id_same_content_goes_on_and_other_content_is_refused() -> None:
    again = dict(reversed(line(1).items()))
    entries = read(line(1), line(2), again, line(1, amount="1"), line(1, amount="2"), line(1, idempotency_key="K"))
    assert outcomes(entries)[2:] == [
        (3, "ready"),
        (4, "ready"),
        (5, "DUPLICATE_INSTRUCTION_ID"),
        (6, "DUPLICATE_INSTRUCTION_ID"),
    ]
    assert isinstance(entries[4], Refused)
    assert "line 1" in entries[4].message


def test_same_key_for_another_instruction_is_refused() -> None:
    entries = read(line(1, idempotency_key="INV-2"), line(2), line(3, idempotency_key="INV-2"), line(2, amount="9"))
    assert outcomes(entries) == [
        (1, "ready"),
        (2, "DUPLICATE_IDEMPOTENCY_KEY"),
        (3, "DUPLICATE_IDEMPOTENCY_KEY"),
        (4, "DUPLICATE_IDEMPOTENCY_KEY"),
    ]


def test_a_refused_line_does_not_take_its_id() -> None:
    assert outcomes(read(line(1, amount="0"), line(1))) == [(1, "AMOUNT_ZERO"), (2, "ready")]


def test_reading_twice_gives_the_same_keys() -> None:
    lines = [line(number) for number in range(20)]
    assert read(*lines) == read(*lines)


@given(st.lists(st.binary(max_size=40) | st.just(json.dumps(line(1)).encode()), max_size=8))
def test_whatever_the_bytes_every_filled_line_gives_one_entry_at_most(lines: list[bytes]) -> None:
    raw = b"\n".join(lines)
    entries = list(read_jsonl(io.BytesIO(raw)))
    numbers = [entry.line_no for entry in entries]
    filled = [number for number, text in enumerate(raw.split(b"\n"), start=1) if text.strip(b" \t\r\n\x0b\x0c")]
    assert numbers == filled
