"""Aliases: one form for one alias, refusals that say nothing of it."""

from __future__ import annotations

import logging
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.resolver.aliases import SUPPORTED_TYPES, Alias, InvalidAlias, normalise, recorded

SAME: list[tuple[str, str, list[str]]] = [
    (
        "MBNO",
        "+260977123456",
        [
            "0977123456",
            "977123456",
            "260977123456",
            "260 97 712 3456",
            "+260 97 712-3456",
            "00260977123456",
            "(097) 712.3456",
            " 0977123456 ",
        ],
    ),
    ("MBNO", "+260955123456", ["0955123456", "00260 955 123 456"]),
    ("MBNO", "+46701234567", ["+46 70 123 45 67", "0046701234567"]),
    ("MBNO", "+12015550123", ["+1 201 555 0123"]),  # fixed or mobile: its country does not tell
    ("EMAL", "chanda.mwape@example.com", ["Chanda.Mwape@Example.COM", " chanda.mwape@example.com"]),
    ("EMAL", "x@xn--bcher-kva.example", ["x@bücher.example", "X@BÜCHER.example", "x@XN--BCHER-KVA.EXAMPLE"]),
    ("EMAL", f"{'a' * 64}@b.zm", ["A" * 64 + "@b.zm"]),
    ("PVTX", "1002345678", ["1002345678", " 1002345678"]),
    ("COTX", "0000000001", ["0000000001"]),
    ("NIDN", "123456/78/1", ["123456/78/1", "123456781", "123456 78 1", "123456-78-1", "123456/781"]),
    ("EWAL", "Wallet:77-A", ["Wallet:77-A", " Wallet:77-A "]),
    ("SHID", "$Chanda", ["$Chanda"]),
]
REFUSED: list[tuple[str, str]] = [
    *[
        ("MBNO", value)
        for value in (
            "",
            "+",
            "0211123456",  # a landline in Lusaka: valid, and no mobile
            "+260211123456",
            "+260501234567",
            "097712345",
            "09771234567",
            "0977123456 ext. 7",
            "tel:+260977123456",
            "0977-FLOWER",
            "\u0660\u0669\u0667\u0667\u0661\u0662\u0663\u0664\u0665\u0666",
            "+260977123456" + " " * 400,
            "++260977123456",
            "0977123456\n",
            "116",
        )
    ],
    *[
        ("EMAL", value)
        for value in (
            "",
            "@",
            "a@",
            "@b.zm",
            "a@b",
            "a@@b.zm",
            "a@b@c.zm",
            "a@b.zm.",
            "a@.zm",
            "a@b..zm",
            "a b@c.zm",
            ".a@b.zm",
            "a.@b.zm",
            '"a"@b.zm',
            "a@[192.0.2.1]",
            "ä@b.zm",
            "a@-b.zm",
            "a@b_c.zm",
            "a" * 65 + "@b.zm",
            "a@" + ".".join(["b" * 60] * 5),
            "a@xn--a.zm",
            "a@b.zm\n",
            "\u212a@b.zm",  # Kelvin sign: lower case of it is k
        )
    ],
    *[
        (kind, value)
        for kind in ("PVTX", "COTX")
        for value in ("", "100234567", "10023456789", "100234567x", "\u0661" * 10)
    ],
    *[
        ("NIDN", value)
        for value in ("", "12345678", "1234567812", "123456//78/1", "123456/7/81", "123456/78/1/", "x23456/78/1")
    ],
    *[(kind, value) for kind in ("EWAL", "SHID") for value in ("", "a b", "x" * 129, "ä", "a\tb", "a\x00")],
]


@pytest.mark.parametrize(("kind", "form", "spellings"), SAME)
def test_every_spelling_has_one_form(kind: str, form: str, spellings: list[str]) -> None:
    assert {normalise(kind, spelling) for spelling in [form, *spellings]} == {Alias(kind, form)}


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_what_is_no_such_alias_is_refused_without_repeating_it(kind: str, value: str) -> None:
    with pytest.raises(InvalidAlias) as refusal:
        normalise(kind, value)
    assert refusal.value.reason_code == "PROXY_INVALID_FORMAT"
    said = "".join(traceback.format_exception(refusal.value))
    assert f"an alias of type {kind} is " in said
    if len(value.strip()) > 4:
        assert value.strip() not in str(refusal.value)
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None  # the library's error may quote the number


@pytest.mark.parametrize("kind", ["TELE", "DNAM", "TOKN", "LEIC", "ZZZZ", "mbno", "", "0977123456"])
def test_a_type_nobody_serves_is_refused_whatever_the_value(kind: str) -> None:
    with pytest.raises(InvalidAlias) as refusal:
        normalise(kind, "0977123456")
    assert refusal.value.reason_code == "PROXY_TYPE_UNSUPPORTED"
    assert "0977123456" not in str(refusal.value)
    assert all(supported in str(refusal.value) for supported in SUPPORTED_TYPES)


@pytest.mark.parametrize("kind", ["PVTX", "COTX", "NIDN"])
def test_zambian_numbers_are_not_read_in_another_country(kind: str) -> None:
    with pytest.raises(InvalidAlias, match="PROXY_TYPE_UNSUPPORTED"):
        normalise(kind, "123456/78/1" if kind == "NIDN" else "1002345678", region="SE")


def test_the_region_decides_what_a_national_number_is() -> None:
    assert normalise("MBNO", "070 123 45 67", region="SE").value == "+46701234567"
    with pytest.raises(InvalidAlias, match="PROXY_INVALID_FORMAT"):
        normalise("MBNO", "0977123456", region="SE")


def test_types_do_not_mix_and_no_repr_shows_a_value(caplog: pytest.LogCaptureFixture) -> None:
    person, company = normalise("PVTX", "1002345678"), normalise("COTX", "1002345678")
    assert person != company
    logging.getLogger(__name__).warning("%s %r", person, [company])
    assert "1002345678" not in caplog.text
    assert "PVTX" in caplog.text


@given(
    kind=st.sampled_from(sorted(SUPPORTED_TYPES)),
    value=st.text(max_size=40) | st.from_regex(r"\+?[0-9]{7,13}|[a-z.]+@[a-z.]+", fullmatch=True),
)
def test_normalising_twice_changes_nothing(kind: str, value: str) -> None:
    try:
        once = normalise(kind, value)
    except InvalidAlias:
        return
    assert normalise(kind, once.value) == once


def test_a_recorded_number_in_its_one_form_is_taken_as_it_is_and_anything_else_is_read() -> None:
    assert recorded("MBNO", "+260971234567") == Alias("MBNO", "+260971234567")
    assert recorded("MBNO", "0971234567") == Alias("MBNO", "+260971234567")
    for kind, value in (
        ("MBNO", "+0260971234567"),
        ("MBNO", "\N{ARABIC-INDIC DIGIT ONE}" * 9),
        ("XXXX", "+260971234567"),
    ):
        with pytest.raises(InvalidAlias):
            recorded(kind, value)
