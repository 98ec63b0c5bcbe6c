"""The wire form: strict JSON, one reason and pointer for each refusal, canonical parties, and the schema."""

from __future__ import annotations

import copy
import json
import re
import traceback
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import jsonschema
import pytest
import rfc8785
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema.protocols import Validator

from symphony.errors import SymphonyError
from symphony.instruction import INSTRUCTION_ID, InvalidInput, check_idempotency_key, parse_instruction, read_json
from symphony.instruction_schema import ABOVE_THE_SCHEMA, instruction_json_schema
from symphony.resolver.aliases import Alias

UETR = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
FULL: dict[str, Any] = {
    "instruction_id": "INV-2026-0001",
    "rail": "sandbox",
    "amount": "125.50",
    "currency": "ZMW",
    "end_to_end_id": "E2E-1",
    "purpose": "SALA",
    "uetr": UETR,
    "debtor": {"name": "Fictional Payer", "account": "0010000000001", "agent": "XAAAZMLX"},
    "creditor": {
        "name": "Example Payee",
        "account": "0020000000002",
        "participant_id": "ZM-BANK-B",
        "agent": "X1",
    },
    "remittance": 'Invoice "7" \\ \u00e9\U0001f4b6 \u2013 October',
}
BARE: dict[str, Any] = {
    "instruction_id": "a",
    "rail": "0",
    "amount": "1",
    "currency": "UGX",
    "debtor": {"account": " "},
    "creditor": {"account": "~"},
}
MISSING = object()


def changed(path: str, value: object, base: dict[str, Any] = FULL) -> dict[str, Any]:
    """Return a copy with the member at a pointer set, or taken out."""
    document = copy.deepcopy(base)
    *parents, name = path.strip("/").split("/")
    inner = document
    for parent in parents:
        inner = inner.setdefault(parent, {})
    if value is MISSING:
        del inner[name]
    else:
        inner[name] = value
    return document


def refused(obj: object) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        parse_instruction(obj)
    return caught.value


@pytest.mark.parametrize("name", ["a" * 64, "." + "a" * 63, ".." + "." * 62, "...", ".-", "../a", "./"])
def test_an_instruction_id_may_begin_with_dots(name: str) -> None:
    assert parse_instruction(changed("/instruction_id", name)).instruction_id == name
    assert re.fullmatch(INSTRUCTION_ID.pattern, name)


def unreadable(raw: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read_json(raw)
    return caught.value


def test_full_instruction() -> None:
    found = parse_instruction(read_json(json.dumps(FULL).encode()))
    assert (found.instruction_id, found.rail, found.currency, found.amount_minor) == (
        "INV-2026-0001",
        "sandbox",
        "ZMW",
        12550,
    )
    assert (found.creditor_participant_id, found.end_to_end_id, found.purpose) == (
        "ZM-BANK-B",
        "E2E-1",
        "SALA",
    )
    assert found.uetr == UUID(UETR)
    assert found.requires_proxy is False
    creditor = {name: value for name, value in FULL["creditor"].items() if name != "participant_id"}
    parties = {"creditor": creditor, "debtor": FULL["debtor"], "remittance": FULL["remittance"]}
    assert found.parties.encode() == rfc8785.dumps(parties)


def test_bare_instruction() -> None:
    found = parse_instruction(BARE)
    assert found.parties == '{"creditor":{"account":"~"},"debtor":{"account":" "}}'
    optional = (found.creditor_participant_id, found.end_to_end_id, found.purpose, found.uetr)
    assert optional == (None, None, None, None)


def test_reordered_and_respaced_is_the_same_instruction() -> None:
    backwards = json.dumps(dict(reversed(FULL.items())), indent=3, ensure_ascii=False).encode()
    assert parse_instruction(read_json(backwards)) == parse_instruction(FULL)


def test_repr_shows_no_personal_data() -> None:
    text = repr(parse_instruction(FULL))
    assert "INV-2026-0001" in text
    for secret in ("Payer", "Payee", "0010000000001", "XAAAZMLX", "Invoice", "parties"):
        assert secret not in text


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        *((f"/{name}", MISSING, "SCHEMA_INVALID") for name in BARE),
        *((f"/{name}", None, "SCHEMA_INVALID") for name in FULL),
        *((f"/{name}", 1.5, "SCHEMA_INVALID") for name in FULL),
        *((f"/{name}", "", "SCHEMA_INVALID") for name in FULL if name not in ("amount", "currency")),
        *((f"/{name}", [], "SCHEMA_INVALID") for name in FULL),
        ("/debtor/account", MISSING, "SCHEMA_INVALID"),
        ("/creditor/account", MISSING, "SCHEMA_INVALID"),
        ("/instruction_id", "a" * 65, "SCHEMA_INVALID"),
        ("/instruction_id", ".", "SCHEMA_INVALID"),
        ("/instruction_id", "..", "SCHEMA_INVALID"),
        ("/instruction_id", "." * 65, "SCHEMA_INVALID"),
        ("/instruction_id", "." + "a" * 64, "SCHEMA_INVALID"),
        ("/instruction_id", "INV-1\n", "SCHEMA_INVALID"),
        ("/instruction_id", "INV 1", "SCHEMA_INVALID"),
        ("/instruction_id", "\u0410BC", "SCHEMA_INVALID"),
        ("/instruction_id", "\uff11", "SCHEMA_INVALID"),
        ("/instruction_id", "\u0661", "SCHEMA_INVALID"),
        ("/rail", "Sandbox", "SCHEMA_INVALID"),
        ("/rail", "-sandbox", "SCHEMA_INVALID"),
        ("/rail", "s" * 33, "SCHEMA_INVALID"),
        ("/end_to_end_id", "e" * 36, "SCHEMA_INVALID"),
        ("/end_to_end_id", "caf\u00e9", "SCHEMA_INVALID"),
        ("/end_to_end_id", "a\tb", "SCHEMA_INVALID"),
        ("/purpose", "sala", "SCHEMA_INVALID"),
        ("/purpose", "SALAR", "SCHEMA_INVALID"),
        ("/uetr", UETR.upper(), "SCHEMA_INVALID"),
        ("/uetr", UETR.replace("-", ""), "SCHEMA_INVALID"),
        ("/uetr", "eb6305c9-1f7f-19de-aed0-16487c27b42d", "SCHEMA_INVALID"),
        ("/uetr", "{" + UETR + "}", "SCHEMA_INVALID"),
        ("/creditor/participant_id", "zm-bank-b", "SCHEMA_INVALID"),
        ("/creditor/participant_id", "Z" * 33, "SCHEMA_INVALID"),
        ("/creditor/account", "1" * 65, "SCHEMA_INVALID"),
        ("/creditor/account", "12\u00e9", "SCHEMA_INVALID"),
        ("/creditor/agent", "A" * 36, "SCHEMA_INVALID"),
        ("/debtor/name", "n" * 141, "SCHEMA_INVALID"),
        ("/debtor/name", "a\nb", "SCHEMA_INVALID"),
        ("/debtor/name", "a\u0085b", "SCHEMA_INVALID"),
        ("/debtor/name", "a\u202eb", "SCHEMA_INVALID"),
        ("/debtor/name", "a\ud800b", "SCHEMA_INVALID"),
        ("/debtor/name", "a\x00b", "SCHEMA_INVALID"),
        ("/remittance", "r" * 141, "SCHEMA_INVALID"),
        ("/remittance", "a\u2028b", "SCHEMA_INVALID"),
        ("/unknown", "x", "SCHEMA_INVALID"),
        ("/idempotency_key", "x", "SCHEMA_INVALID"),
        ("/debtor/participant_id", "ZM-BANK-A", "SCHEMA_INVALID"),
        ("/creditor/phone", "x", "SCHEMA_INVALID"),
        ("/creditor/alias/type", "mbno", "SCHEMA_INVALID"),
        ("/amount", "125.505", "AMOUNT_DECIMALS"),
        ("/amount", "0.00", "AMOUNT_ZERO"),
        ("/amount", "+1", "AMOUNT_INVALID"),
        ("/amount", "", "AMOUNT_INVALID"),
        ("/amount", "999999999999999", "AMOUNT_TOO_LARGE"),
        ("/currency", "ZMK", "CURRENCY_INVALID"),
        ("/currency", "zmw", "CURRENCY_INVALID"),
    ],
)
def test_refusal_names_the_member(path: str, value: object, reason: str) -> None:
    error = refused(changed(path, value))
    assert (error.reason_code, error.pointer) == (reason, path)
    assert isinstance(error, SymphonyError)


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_an_instruction_is_an_object(value: object) -> None:
    assert (refused(value).reason_code, refused(value).pointer) == ("SCHEMA_INVALID", "")


ALIAS = {"type": "MBNO", "value": "097 700-0000"}


def test_an_alias_is_recorded_in_its_one_form() -> None:
    found = parse_instruction(changed("/creditor", {"alias": ALIAS}))
    assert found.requires_proxy
    assert found.alias == Alias("MBNO", "+260977000000")
    creditor = {"alias": {"type": "MBNO", "value": "+260977000000"}}
    parties = {"creditor": creditor, "debtor": FULL["debtor"], "remittance": FULL["remittance"]}
    assert found.parties.encode() == rfc8785.dumps(parties)
    assert "977000000" not in repr(found)
    international = parse_instruction(changed("/creditor", {"alias": {**ALIAS, "value": "00260977000000 "}}))
    assert (international.alias, international.parties) == (found.alias, found.parties), "the same content"


def test_an_alias_may_stand_beside_an_account() -> None:
    found = parse_instruction(changed("/creditor/alias", ALIAS))
    assert found.requires_proxy
    creditor = json.loads(found.parties)["creditor"]
    assert creditor == {
        "account": FULL["creditor"]["account"],
        "agent": FULL["creditor"]["agent"],
        "alias": {"type": "MBNO", "value": "+260977000000"},
        "name": FULL["creditor"]["name"],
    }
    assert list(creditor) == sorted(creditor)


@pytest.mark.parametrize(
    ("alias", "reason", "member"),
    [
        ({"type": "MBNO", "value": "+260211222333"}, "PROXY_INVALID_FORMAT", "value"),
        ({"type": "EMAL", "value": "nobody"}, "PROXY_INVALID_FORMAT", "value"),
        ({"type": "TELE", "value": "+260977000000"}, "PROXY_TYPE_UNSUPPORTED", "type"),
        ({"type": "MBNO"}, "SCHEMA_INVALID", "value"),
        ({"value": "+260977000000"}, "SCHEMA_INVALID", "type"),
        ({"type": "MBNO", "value": 260977000000}, "SCHEMA_INVALID", "value"),
        ({"type": "EMAL", "value": "a" * 309 + "@example.com"}, "SCHEMA_INVALID", "value"),
        ({"type": "EWAL", "value": "a\u202eb"}, "SCHEMA_INVALID", "value"),
        ({**ALIAS, "x": ""}, "SCHEMA_INVALID", "x"),
    ],
)
def test_an_alias_that_no_registry_can_know_is_refused(alias: dict[str, object], reason: str, member: str) -> None:
    error = refused(changed("/creditor", {"alias": alias}))
    assert (error.reason_code, error.pointer) == (reason, f"/creditor/alias/{member}")
    assert not error.message.startswith(reason)
    value = alias.get("value")
    assert not isinstance(value, str) or value not in str(error)
    assert refused(changed("/creditor/alias", alias)).reason_code == reason, "an account beside it mends nothing"


@pytest.mark.parametrize("name", ["+260970000000", "Jane Doe", "a/b", "a~b", "\u0440ail", "x" * 65, "", "a\nb"])
def test_unknown_name_that_is_not_plain_is_not_repeated(name: str) -> None:
    error = refused(changed("/creditor", {"account": "1", name: "v"}))
    assert error.pointer == "/creditor"
    assert not name or name not in str(error)


SECRET = "S3cret-Value"


@pytest.mark.parametrize("path", [f"/{name}" for name in FULL] + ["/debtor/name", "/debtor/account", "/creditor/agent"])
def test_values_never_reach_a_message(path: str) -> None:
    for value in (SECRET + "\n" + SECRET * 20, [SECRET], {SECRET: SECRET}):
        error = refused(changed(path, value))
        said = "".join(traceback.format_exception(error)) + repr(vars(error))
        assert f"{SECRET}\n" not in said
        assert SECRET not in error.message.replace(f'"{SECRET}"', "")
        assert error.__cause__ is None
        assert error.__context__ is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b'{"a":1}{"a":1}',
        b'{"a":1} x',
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e400}',
        b'{"a":-1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\n"}',
        b'{"a":"\\x41"}',
        b'{"a":"\x00"}',
        b'{"a":"\\u0000"}',
        b'{"a\\u0000":"b"}',
        b'{"a":"\\ud800"}',
        b'{"a":["\\udc00\\ud800"]}',
        b'{"\\ud83d":"b"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        "{}".encode("utf-32"),
        b"[" * 9 + b"]" * 9,
        b'{"a":' * 9 + b"1" + b"}" * 9,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"// c\n{}",
        b"\xc2\xa0{}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_what_is_not_strict_json_is_refused(raw: bytes) -> None:
    error = unreadable(raw)
    assert error.reason_code == "JSON_INVALID"
    assert error.__context__ is None
    assert len(str(error)) < 200


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"a":1,"a":1}', "/a"),
        (b'{"a":1,"\\u0061":1}', "/a"),
        (b'{"x":[{"y":{"b":1,"c":2,"b":1}}]}', "/x/0/y/b"),
        (b'{"creditor":{"+260970000000":1,"+260970000000":2}}', "/creditor"),
        (b'{"a":1,"a":1,"z":' + b"[" * 100_000, ""),
    ],
)
def test_a_member_given_twice_is_refused(raw: bytes, pointer: str) -> None:
    error = unreadable(raw)
    assert (error.reason_code, error.pointer) in {
        ("JSON_DUPLICATE_MEMBER", pointer),
        *({("JSON_INVALID", "")} if len(raw) > 1000 else set()),
    }
    assert "2609" not in str(error)


def test_depth_and_escapes_at_the_limit_are_read() -> None:
    assert read_json(b"[" * 8 + b"]" * 8) == [[[[[[[[]]]]]]]]
    assert read_json(b'["{{{{{{{{{[[[["]') == ["{{{{{{{{{[[[["]
    assert read_json(b'["\\ud83d\\ude00","\\\\u0000"]') == ["\U0001f600", "\\u0000"]
    wide = b"[" + b",".join([b'{"a":[{}]}'] * 1000) + b"]"
    assert len(read_json(wide)) == 1000  # type: ignore[arg-type]


@given(st.binary(max_size=64) | st.text(max_size=40).map(str.encode))
def test_reader_accepts_no_more_than_the_standard_library(raw: bytes) -> None:
    try:
        value = read_json(raw)
    except InvalidInput:
        return
    assert value == json.loads(raw.decode())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(JSON_VALUES, st.booleans())
def test_reader_reads_what_others_write(value: object, ascii_only: bool) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    depth = max_depth(value)
    if depth > 8 or "\x00" in texts(value):
        assert unreadable(raw).reason_code == "JSON_INVALID"
    else:
        assert read_json(raw) == value


def max_depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(max_depth, value.values()), default=0)
    return 1 + max(map(max_depth, value), default=0) if isinstance(value, list) else 0


def texts(value: object) -> str:
    if isinstance(value, dict):
        return "".join(value) + "".join(map(texts, value.values()))
    return "".join(map(texts, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=140)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=35)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw instructions that mostly hold: wide texts in every place."""

    def party() -> dict[str, Any]:
        found = {"account": draw(PRINTABLE)}
        if draw(st.booleans()):
            found["name"] = draw(TEXTS)
        if draw(st.booleans()):
            found["agent"] = draw(PRINTABLE)
        return found

    document = {**BARE, "debtor": party(), "creditor": party()}
    if draw(st.booleans()):
        document["remittance"] = draw(TEXTS)
    return document


@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(documents())
def test_parties_are_rfc_8785_for_every_accepted_text(document: dict[str, Any]) -> None:
    try:
        found = parse_instruction(document)
    except InvalidInput:
        assume(False)
    parties: dict[str, Any] = {
        name: document[name] for name in ("creditor", "debtor", "remittance") if name in document
    }
    assert found.parties.encode() == rfc8785.dumps(parties)


def ecma_pattern(_: Validator, pattern: str, value: object, __: object) -> Iterator[jsonschema.ValidationError]:
    """Match as ECMA 262 does: there `$` is the end, and not also before a last line feed."""
    if isinstance(value, str) and not re.search(pattern.removesuffix("$") + r"\Z", value):
        yield jsonschema.ValidationError("pattern")


_Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": ecma_pattern}
)
VALIDATOR: Validator = _Validator(instruction_json_schema())


def agree(document: Any) -> bool:
    """Check that schema and parser agree; tell whether the parser accepts."""
    reason = None
    try:
        parse_instruction(document)
    except InvalidInput as error:
        reason = error.reason_code
    if VALIDATOR.is_valid(document):
        assert reason is None or reason in ABOVE_THE_SCHEMA
    else:
        assert reason is not None
    return reason is None


def test_schema_is_a_schema_and_holds_for_the_examples() -> None:
    jsonschema.Draft202012Validator.check_schema(instruction_json_schema())
    assert agree(FULL)
    assert agree(BARE)
    assert agree(changed("/creditor", {"alias": ALIAS}))
    assert agree(changed("/creditor", {"alias": {"type": "EMAL", "value": "n" * 64 + "@" + "d" * 60 + ".example.com"}}))
    assert not agree(changed("/creditor", {"alias": {"type": "MBNO", "value": "x"}}))


ODD_VALUES: list[object] = [
    *(
        None,
        1,
        1.5,
        True,
        [],
        {},
        MISSING,
        "",
        " ",
        "a",
        "A",
        "0",
        "-",
        "a\n",
        "A" * 4,
        "A" * 5,
        "a" * 32,
        "A" * 33,
    ),
    *(
        "a" * 35,
        "a" * 36,
        "1" * 64,
        "1" * 65,
        "n" * 140,
        "n" * 141,
        "\u00e9",
        "\u0660",
        "\x7f",
        "\u0085",
        "\u202e",
    ),
    *(
        "\u2028",
        "\ud800",
        "\x00",
        "\U0001f600" * 140,
        "\U0001f600" * 141,
        UETR,
        UETR.upper(),
        "ZMW",
        "ZMK",
        "XAU",
    ),
    *("1.5", "1.", ".5", "+1", "0", "0.0", "1" * 15, "1" * 16, "1.555", "1.5\n", "\uff11"),
]
PLACES = [
    *(f"/{name}" for name in FULL),
    *(
        "/debtor/name",
        "/debtor/account",
        "/debtor/agent",
        "/creditor/name",
        "/creditor/account",
        "/creditor/agent",
    ),
    *(
        "/creditor/participant_id",
        "/creditor/alias",
        "/creditor/alias/type",
        "/creditor/alias/value",
        "/creditor/x",
    ),
    *("/unknown", "/debtor/alias"),
]


@pytest.mark.parametrize("place", PLACES)
def test_schema_and_parser_agree_on_every_odd_value_in_every_place(place: str) -> None:
    for value in ODD_VALUES:
        try:
            document = changed(place, value)
        except KeyError:  # nothing there to take out
            continue
        agree(document)


@settings(max_examples=200)
@given(documents(), st.sampled_from(PLACES), st.sampled_from(ODD_VALUES[7:]) | st.text(max_size=150))
def test_schema_and_parser_agree_on_drawn_documents(document: dict[str, Any], place: str, value: object) -> None:
    agree(document)
    agree(changed(place, value, document))


def test_idempotency_key_has_the_form_of_an_identifier() -> None:
    assert check_idempotency_key("K-1") == "K-1"
    for wrong in ("", "a b", "a" * 65, "k\n", 1, None):
        with pytest.raises(InvalidInput, match="SCHEMA_INVALID at /idempotency_key"):
            check_idempotency_key(wrong)
