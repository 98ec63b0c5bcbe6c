"""core.canonical_json writes RFC 8785, compared with package rfc8785 and the published vectors."""

from __future__ import annotations

import json
import math
import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

REPOSITORY = Path(__file__).resolve().parents[2]
VECTORS = Path(os.environ.get("SYMPHONY_VECTORS", REPOSITORY.parent / "shared" / "vectors")) / "jcs"
needs_vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="no RFC 8785 vectors; point SYMPHONY_VECTORS at the directory that has jcs/"
)
DOCUMENTS = ("arrays", "french", "structures", "unicode", "values", "weird")

# jsonb holds no NUL, and surrogates are no text. U+E000 to U+FFFF and U+10000 onwards tell the orders apart.
characters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"]) | st.sampled_from(
    '\ud7ff\ue000\ue001\uffff\U00010000\U0001f602\U0010ffff\x7f\x1f\n"\\/\u2028a'
)
texts = st.text(characters, max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
safe_integers = st.integers(-(2**53) + 1, 2**53 - 1)
values = st.recursive(
    st.none() | st.booleans() | texts | finite | safe_integers,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=6),
    max_leaves=25,
)


@pytest.fixture(scope="module")
def session(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def canonical(session: psycopg.Connection[Any], text: str) -> bytes:
    row = session.execute("select core.canonical_json(%s::jsonb)", (text,)).fetchone()
    assert row is not None
    return str(row[0]).encode()


@needs_vectors
@pytest.mark.parametrize("document", DOCUMENTS)
def test_published_documents(session: psycopg.Connection[Any], document: str) -> None:
    wanted = (VECTORS / "output" / f"{document}.json").read_bytes()
    assert wanted == bytes.fromhex((VECTORS / "outhex" / f"{document}.txt").read_text())
    assert canonical(session, (VECTORS / "input" / f"{document}.json").read_text()) == wanted


@needs_vectors
def test_published_numbers(session: psycopg.Connection[Any]) -> None:
    samples = json.loads((VECTORS / "es6-numbers.json").read_text())["samples"]
    assert len(samples) >= 7
    for bits, wanted in samples.items():
        (number,) = struct.unpack(">d", bytes.fromhex(bits.rjust(16, "0")))
        assert canonical(session, repr(number)) == wanted.encode(), bits


@settings(max_examples=400, deadline=None)
@given(value=values)
def test_same_as_package_rfc8785(session: psycopg.Connection[Any], value: Any) -> None:
    assert canonical(session, json.dumps(value, ensure_ascii=False)) == rfc8785.dumps(value)


@settings(max_examples=200, deadline=None)
@given(members=st.dictionaries(st.text(characters, min_size=1, max_size=4), st.none(), min_size=2, max_size=8))
def test_members_are_ordered_by_utf_16_code_units(session: psycopg.Connection[Any], members: dict[str, None]) -> None:
    found = list(json.loads(canonical(session, json.dumps(members, ensure_ascii=False))))
    assert found == sorted(members, key=lambda key: key.encode("utf-16-be"))


def edge_doubles() -> list[float]:
    """Powers of two and ten with both neighbours, where shortest forms go wrong, and random bit patterns."""
    centres = [2.0**e for e in range(-1074, 1024)] + [float(f"1e{e}") for e in range(-323, 309)]
    near = [y for x in centres for y in (math.nextafter(x, 0.0), x, math.nextafter(x, math.inf))]
    generator = random.Random(8785)
    patterns = (struct.unpack(">d", generator.randbytes(8))[0] for _ in range(20_000))
    return [x for x in [*near, *patterns] if math.isfinite(x)]


def test_doubles_of_every_size(session: psycopg.Connection[Any]) -> None:
    numbers = edge_doubles()
    query = "select core.canonical_number(x::numeric) from unnest(%s::text[]) with ordinality u (x, n) order by n"
    rows = session.execute(query, ([repr(number) for number in numbers],)).fetchall()
    assert len(rows) == len(numbers) > 25_000
    wrong = [
        (number, row[0]) for number, row in zip(numbers, rows, strict=True) if row[0].encode() != rfc8785.dumps(number)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("9007199254740993", b"9007199254740992"),  # half-way: to even
        ("9007199254740993.0001", b"9007199254740994"),
        ("-9007199254740993", b"-9007199254740992"),
        ("0.1000000000000000055511151231257827", b"0.1"),
        ("1e23", b"1e+23"),
        ("9.999999999999999e22", b"1e+23"),  # the same double as 1e23
        ("1.0", b"1"),
        ("-0", b"0"),
        ("-0.0", b"0"),
        ("1e-400", b"0"),
        ("-1e-400", b"0"),
        ("5e-324", b"5e-324"),
        ("1.7976931348623157e308", b"1.7976931348623157e+308"),
        ("1.79769313486231580e308", b"1.7976931348623157e+308"),  # rounds down to the largest double
        ("100000000000000000000", b"100000000000000000000"),
        ("1000000000000000000000", b"1e+21"),
        ('{"a":1,"a":2}', b'{"a":2}'),
        ("{}", b"{}"),
        ("[]", b"[]"),
        ('""', b'""'),
        ('"\\u001f\\u007f\\/"', b'"\\u001f\x7f/"'),
    ],
)
def test_numbers_and_texts_at_the_edges(session: psycopg.Connection[Any], text: str, wanted: bytes) -> None:
    assert canonical(session, text) == wanted


@pytest.mark.parametrize("text", ["1e309", "-1e309", '{"a":[1.8e308]}', "1" + "0" * 400])
def test_numbers_beyond_the_largest_double_are_refused(session: psycopg.Connection[Any], text: str) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        canonical(session, text)
    assert refusal.value.sqlstate == "SV001"
    assert refusal.value.diag.message_detail == '{"function": "core.canonical_number"}'


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_numeric_values_that_json_cannot_hold_are_refused(session: psycopg.Connection[Any], text: str) -> None:
    with pytest.raises(psycopg.Error) as refusal:
        session.execute("select core.canonical_number(%s::numeric)", (text,))
    assert refusal.value.sqlstate == "SV001"


def test_the_session_cannot_change_the_form(session: psycopg.Connection[Any]) -> None:
    with session.transaction(force_rollback=True):
        session.execute("set local extra_float_digits = -15")
        session.execute("set local search_path = pg_temp")
        assert canonical(session, '{"b":0.30000000000000004,"a":"é"}') == '{"a":"é","b":0.30000000000000004}'.encode()


def test_null_gives_null_and_deep_nesting_works(session: psycopg.Connection[Any]) -> None:
    assert session.execute("select core.canonical_json(null)").fetchone() == (None,)
    deep = "[" * 200 + '{"a":1.50}' + "]" * 200
    assert canonical(session, deep) == deep.replace("1.50", "1.5").encode()
