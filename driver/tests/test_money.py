"""Money: exact, by the exponent of ISO 4217, ASCII digits only."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.money import CURRENCIES, MAX_MINOR, InvalidMoney, exponent, from_minor, to_minor

MINOR = st.integers(min_value=1, max_value=MAX_MINOR)
CURRENCY = st.sampled_from(sorted(CURRENCIES))


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("125.50", "ZMW", 12550),
        ("125.5", "ZMW", 12550),
        ("125", "ZMW", 12500),
        ("0.01", "ZMW", 1),
        ("000000000000001", "ZMW", 100),
        ("90071992547409.91", "ZMW", MAX_MINOR),
        ("7", "UGX", 7),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("999999999999999", "JPY", 999999999999999),
    ],
)
def test_decimal_string_becomes_minor_units(amount: str, currency: str, minor: int) -> None:
    assert to_minor(amount, currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency", "reason"),
    [
        *((text, "ZMW", "AMOUNT_INVALID") for text in ("", ".", "1.", ".5", "+1.50", "-1", "1e2", "1_000", "0x10")),
        *((text, "ZMW", "AMOUNT_INVALID") for text in (" 1", "1\n", "1,50", "1.5.0", "NaN", "Infinity")),
        *(
            (text, "ZMW", "AMOUNT_INVALID")
            for text in ("\u0661\u0662", "\uff11\uff12", "\u00b2", "1.\u0665", "1\u0000")
        ),
        ("1.505", "ZMW", "AMOUNT_DECIMALS"),
        ("1.500", "ZMW", "AMOUNT_DECIMALS"),
        ("1.0", "UGX", "AMOUNT_DECIMALS"),
        ("1.2345", "KWD", "AMOUNT_DECIMALS"),
        ("1." + "0" * 60_000, "ZMW", "AMOUNT_DECIMALS"),
        ("0", "ZMW", "AMOUNT_ZERO"),
        ("0.00", "ZMW", "AMOUNT_ZERO"),
        ("000000000000000.00", "ZMW", "AMOUNT_ZERO"),
        ("90071992547409.92", "ZMW", "AMOUNT_TOO_LARGE"),
        ("999999999999999", "ZMW", "AMOUNT_TOO_LARGE"),
        ("1000000000000000", "JPY", "AMOUNT_TOO_LARGE"),
        ("9" * 60_000, "ZMW", "AMOUNT_TOO_LARGE"),
        *(
            ("1", code, "CURRENCY_INVALID")
            for code in ("ZMK", "XXX", "XTS", "XAU", "XDR", "zmw", "ZM", "", "ZMW ", "967")
        ),
    ],
)
def test_what_is_not_money_is_refused_by_name_and_not_repeated(amount: str, currency: str, reason: str) -> None:
    with pytest.raises(InvalidMoney) as caught:
        to_minor(amount, currency)
    assert caught.value.reason_code == reason
    assert len(str(caught.value)) < 200
    if len(amount) > 3:
        assert amount not in str(caught.value)


@given(MINOR, CURRENCY)
def test_minor_units_survive_the_round_trip(minor: int, currency: str) -> None:
    if minor >= 10 ** (15 + exponent(currency)):
        with pytest.raises(InvalidMoney, match="AMOUNT_TOO_LARGE"):
            from_minor(minor, currency)
        return
    text = from_minor(minor, currency)
    assert to_minor(text, currency) == minor
    assert Decimal(text) * 10 ** exponent(currency) == minor


@given(st.text(max_size=24) | st.from_regex(r"[0-9]{0,17}(\.[0-9]{0,5})?", fullmatch=True), CURRENCY)
def test_agrees_with_exact_decimal_arithmetic(text: str, currency: str) -> None:
    try:
        minor = to_minor(text, currency)
    except InvalidMoney:
        return
    assert text.isascii()
    assert Decimal(text).scaleb(exponent(currency)) == minor
    assert 0 < minor <= MAX_MINOR


@pytest.mark.parametrize(
    ("minor", "reason"),
    [(0, "AMOUNT_ZERO"), (-1, "AMOUNT_INVALID"), (MAX_MINOR + 1, "AMOUNT_TOO_LARGE")],
)
def test_impossible_minor_units_are_refused(minor: int, reason: str) -> None:
    with pytest.raises(InvalidMoney) as caught:
        from_minor(minor, "ZMW")
    assert caught.value.reason_code == reason


def test_every_current_currency_has_its_exponent() -> None:
    assert len(CURRENCIES) > 150
    assert {exponent(code) for code in CURRENCIES} == {0, 2, 3, 4}
    assert (exponent("ZMW"), exponent("UGX"), exponent("KWD"), exponent("CLF")) == (2, 0, 3, 4)
