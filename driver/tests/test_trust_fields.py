"""Structured fields (RFC 9651) against the published suite and any input; Content-Digest (RFC 9530), row B5."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.trust.content_digest import check_content_digest
from symphony.trust.field_text import dictionary_text, list_text, member_text
from symphony.trust.refusal import Reason, TrustRefused
from symphony.trust.structured_fields import (
    Date,
    DisplayString,
    InnerList,
    Item,
    Member,
    Token,
    parse_dictionary,
    parse_item,
    parse_list,
)
from tests.trust_material import VECTORS, refused, vectors

BAD = Reason.SIGNATURE_MALFORMED
SUITES = sorted(path.name for path in VECTORS.glob("sf-*.json"))


def bare(value: Any) -> Any:
    """Our value as the suite writes it."""
    match value:
        case Token(text):
            return {"__type": "token", "value": text}
        case bytes():
            return {"__type": "binary", "value": base64.b32encode(value).decode()}
        case Date(seconds):
            return {"__type": "date", "value": seconds}
        case DisplayString(text):
            return {"__type": "displaystring", "value": text}
        case Decimal():
            return float(value)
    return value


def member(value: Member) -> Any:
    parameters = [[name, bare(inner)] for name, inner in value.parameters.items()]
    if isinstance(value, InnerList):
        return [[member(item) for item in value.items], parameters]
    return [bare(value.value), parameters]


def read(lines: Sequence[str], kind: str) -> tuple[Any, str]:
    """Parse, and return the suite's form and our own spelling."""
    if kind == "item":
        item = parse_item(lines, refused_as=BAD)
        return member(item), member_text(item)
    if kind == "list":
        members = parse_list(lines, refused_as=BAD)
        return [member(one) for one in members], list_text(members)
    found = parse_dictionary(lines, refused_as=BAD)
    return [[name, member(one)] for name, one in found.items()], dictionary_text(found)


def exactly(one: Any, other: Any) -> bool:
    """Compare as JSON, so that True is not 1."""
    return json.dumps(one) == json.dumps(other) or (one == other and not isinstance(one, bool | int))


@pytest.mark.skipif(not SUITES, reason="SYMPHONY_VECTORS names no directory with ingress/sf-*.json")
@pytest.mark.parametrize("name", SUITES)
def test_the_published_suite(name: str) -> None:
    cases = vectors(name)
    for case in cases:
        if case.get("must_fail"):
            refused(BAD, lambda case=case: read(case["raw"], case["header_type"]))  # type: ignore[misc]
            continue
        try:
            found, text = read(case["raw"], case["header_type"])
        except TrustRefused:
            assert case.get("can_fail"), case["name"]
            continue
        assert exactly(found, case["expected"]), case["name"]
        assert text == ", ".join(case.get("canonical", case["raw"])), case["name"]
    assert cases


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("@1659578233", Date(1659578233)),
        ("@-1", Date(-1)),
        ("@0", Date(0)),
        ('%"This is intended for display to %c3%bcsers."', DisplayString("This is intended for display to üsers.")),
        ('%" ~%25 %22 \\%7f%1f"', DisplayString(' ~% " \\\x7f\x1f')),
        ('%""', DisplayString("")),
        ("-0.5", Decimal("-0.5")),
        ("999999999999.999", Decimal("999999999999.999")),
        ("*a:b/c", Token("*a:b/c")),
        ("?0", False),
        ('"\\"\\\\"', '"\\'),
    ],
)
def test_bare_items(text: str, value: object) -> None:
    item = parse_item([text], refused_as=BAD)
    assert item == Item(value)  # type: ignore[arg-type]
    assert type(item.value) is type(value)
    assert member_text(item) == text


@pytest.mark.parametrize(
    "text",
    [
        "@1.5", "@", "@a", "@ 1", "@1234567890123456", '%"', '%"%C3%BC"', '%"%c3"', '%"%zz"', '%"%f"', "%a", '%"ü"', '%"\x7f"', '%"%c3%28"',
        '"\x7f"', '"\n"', '"\\a"', '"', "?2", "?", "", " ", "1;", "1;A=1", "1;a=", "1 ;a", ":YQ:", ":YR==:", ":Y Q==:", ":", "()", "a,b", "é",
        "1.", "1.1234", "1234567890123456", "-", "--1", "-a", "+1", "\t1", "1\t", "1\n", "a" * 70_000, "\u0661", "1;a=1;", ";a=1",
    ],
)  # fmt: skip
def test_what_is_no_item(text: str) -> None:
    refused(BAD, lambda: parse_item([text], refused_as=BAD))


@pytest.mark.parametrize(
    "text", ["a=1,", ",a=1", "a=1,,b=2", "A=1", "a =1", "a= 1", "a=(1", "a=(1,2)", "a=(1(2))", "a=(1)x", "a 1", "a=1 b=2", "=1", "a;", "1a=1"]
)  # fmt: skip
def test_what_is_no_dictionary(text: str) -> None:
    refused(BAD, lambda: parse_dictionary([text], refused_as=BAD))


def test_lines_are_one_field() -> None:
    assert list(parse_dictionary(["a=1", "b;x=?0"], refused_as=BAD)) == ["a", "b"]
    assert parse_list([], refused_as=BAD) == ()
    refused(BAD, lambda: parse_item(["1", "2"], refused_as=BAD))


def test_given_twice() -> None:
    """The last one counts (RFC 9651), unless a rule of ours wants each once."""
    twice = ["a=1, b=2, a=3"]
    assert parse_dictionary(twice, refused_as=BAD) == {"a": Item(3), "b": Item(2)}
    refused(BAD, lambda: parse_dictionary(twice, refused_as=BAD, unique=True))
    refused(BAD, lambda: parse_dictionary(["a;x=1;x=1"], refused_as=BAD, unique=True))
    refused(BAD, lambda: parse_dictionary(['a=("b";x;x)'], refused_as=BAD, unique=True))


FIELD = st.one_of(
    st.text(max_size=40),
    st.text(alphabet='ab=1.,;"()?@%:-* \t', max_size=30),
    st.text(alphabet="aZ01+/=", max_size=12).map(lambda text: f":{text}:"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FIELD, max_size=3), st.sampled_from(["item", "list", "dictionary"]))
def test_any_field_is_refused_or_has_one_spelling(lines: list[str], kind: str) -> None:
    try:
        found, text = read(lines, kind)
    except TrustRefused:
        return
    again, spelled = read([text] if text else [], kind)
    assert exactly(found, again)
    assert spelled == text


BODY = b'{"hello": "world"}'
SHA256 = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
SHA512 = base64.b64encode(hashlib.sha512(BODY).digest()).decode()
OTHER256 = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
EMPTY256 = base64.b64encode(hashlib.sha256(b"").digest()).decode()


@pytest.mark.parametrize(
    ("values", "body"),
    [
        ([f"sha-256=:{SHA256}:"], BODY),
        ([f"sha-512=:{SHA512}:"], BODY),
        ([f"sha-256=:{SHA256}:, sha-512=:{SHA512}:"], BODY),
        ([f"sha-256=:{SHA256}:, sha3-256=:AAAA:"], BODY),
        ([f"sha-256=:{EMPTY256}:"], b""),
        ([], b""),
    ],
)
def test_a_digest_that_holds(values: list[str], body: bytes) -> None:
    check_content_digest(values, body)


DIGESTS = {
    "B5 body flip": ([f"sha-256=:{SHA256}:"], BODY[:-1] + b"]", Reason.DIGEST_MISMATCH),
    "B5 one right one wrong": ([f"sha-512=:{SHA512}:, sha-256=:{OTHER256}:"], BODY, Reason.DIGEST_MISMATCH),
    "B5 one wrong one right": ([f"sha-256=:{SHA256}:, sha-512=:{SHA256}:"], BODY, Reason.DIGEST_MISMATCH),
    "B5 cut short": ([f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()[:16]).decode()}:"], BODY, Reason.DIGEST_MISMATCH),
    "B5 empty digest": (["sha-256=::"], BODY, Reason.DIGEST_MISMATCH),
    "B5 missing with body": ([], BODY, Reason.DIGEST_MISSING),
    "B5 empty body, digest of another": ([f"sha-256=:{SHA256}:"], b"", Reason.DIGEST_MISMATCH),
    "B5 body, digest of nothing": ([f"sha-256=:{EMPTY256}:"], BODY, Reason.DIGEST_MISMATCH),
    "B5 empty field": ([""], BODY, Reason.DIGEST_ALGORITHM_REFUSED),
    "B5 unknown only": (["sha3-256=:AAAA:"], BODY, Reason.DIGEST_ALGORITHM_REFUSED),
    "B5 weak beside strong": ([f"sha-256=:{SHA256}:, md5=:Sd/dVLAcvNLSq16eXua5uQ==:"], BODY, Reason.DIGEST_ALGORITHM_REFUSED),
    "B11 two fields": ([f"sha-256=:{SHA256}:", f"sha-512=:{SHA512}:"], BODY, Reason.DIGEST_MALFORMED),
    "B5 given twice": ([f"sha-256=:{OTHER256}:, sha-256=:{SHA256}:"], BODY, Reason.DIGEST_MALFORMED),
    "B5 string": ([f'sha-256="{SHA256}"'], BODY, Reason.DIGEST_MALFORMED),
    "B5 inner list": ([f"sha-256=(:{SHA256}:)"], BODY, Reason.DIGEST_MALFORMED),
    "B5 parameter": ([f"sha-256=:{SHA256}:;a=1"], BODY, Reason.DIGEST_MALFORMED),
    "B5 token": (["sha-256"], BODY, Reason.DIGEST_MALFORMED),
    "B5 upper case": ([f"SHA-256=:{SHA256}:"], BODY, Reason.DIGEST_MALFORMED),
    "B5 unpadded": ([f"sha-256=:{SHA256.rstrip('=')}:"], BODY, Reason.DIGEST_MALFORMED),
    "B5 old Digest form": ([f"sha-256={SHA256}"], BODY, Reason.DIGEST_MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize("row", DIGESTS)
def test_a_digest_that_does_not_hold(row: str) -> None:
    values, body, reason = DIGESTS[row]
    refused(reason, lambda: check_content_digest(values, body))


def test_rfc_9530_samples() -> None:
    suite = vectors("rfc9530-sample-digests.json")
    body = suite["input_utf8"].encode()
    for name in suite["must_accept"]:
        check_content_digest([f"{name}={suite['digests'][name]}"], body)
    for name in suite["must_refuse_as_sole"]:
        value = [f"{name}={suite['digests'][name]}"]
        refused(Reason.DIGEST_ALGORITHM_REFUSED, lambda value=value: check_content_digest(value, body))  # type: ignore[misc]
