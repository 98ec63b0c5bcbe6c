"""Money: the decimal string of the wire to integer minor units and back, by the exponent of ISO 4217."""

from __future__ import annotations

import re
from typing import Final

import iso4217

from symphony.errors import SymphonyError

MAX_MINOR: Final = 2**53 - 1
"""Largest amount in minor units: the largest integer every JSON reader keeps exact (RFC 7493 section 2.2)."""

AMOUNT_PATTERN: Final = r"[0-9]{1,15}(?:\.[0-9]+)?"
"""An amount on the wire: ASCII digits, a point, no sign, no exponent, no grouping."""


class InvalidMoney(SymphonyError):
    """An amount or a currency that cannot be used; the message never holds the value.

    Attributes:
        reason_code: AMOUNT_INVALID, AMOUNT_ZERO, AMOUNT_DECIMALS, AMOUNT_TOO_LARGE or CURRENCY_INVALID.
        message: what is wrong and what is allowed.
    """

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(f"{reason_code}: {message}")
        self.reason_code = reason_code
        self.message = message


def _exponents() -> dict[str, int]:
    """Read the currencies that have minor units; metals, test codes and XXX have none and are left out."""
    found: dict[str, int] = {}
    for code, entry in iso4217.raw_table.items():
        units = entry["CcyMnrUnts"]
        if code is not None and isinstance(units, str) and units.isdigit():
            found[code] = int(units)
    return found


_EXPONENTS: Final = _exponents()
_POWERS: Final[tuple[int, ...]] = tuple(10**n for n in range(max(_EXPONENTS.values()) + 1))
_read_amount: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]+))?").fullmatch
_read_long_amount: Final = re.compile(r"[0-9]{16,}(?:\.[0-9]+)?").fullmatch

CURRENCIES: Final = frozenset(_EXPONENTS)
"""Alphabetic ISO 4217 codes an amount may be in."""


def exponent(currency: str) -> int:
    """Return how many decimal places the currency has (ISO 4217 table A.1).

    Raises:
        InvalidMoney: CURRENCY_INVALID.
    """
    places = _EXPONENTS.get(currency)
    if places is None:
        raise InvalidMoney("CURRENCY_INVALID", "the currency is not an ISO 4217 code of three capital letters")
    return places


def to_minor(amount: str, currency: str) -> int:
    """Return a decimal string as integer minor units, exactly: "125.50" ZMW is 12550.

    Raises:
        InvalidMoney: CURRENCY_INVALID, AMOUNT_INVALID (not AMOUNT_PATTERN), AMOUNT_DECIMALS (more places than
            the currency has; never rounded), AMOUNT_ZERO, AMOUNT_TOO_LARGE (above MAX_MINOR).
    """
    places_allowed = exponent(currency)
    match = _read_amount(amount)
    if match is None:
        if _read_long_amount(amount):
            raise InvalidMoney("AMOUNT_TOO_LARGE", "the amount has more than 15 digits before the point")
        raise InvalidMoney("AMOUNT_INVALID", 'the amount must be ASCII digits with an optional point, like "125.50"')
    whole, places = match.groups()
    if places is None:
        minor = int(whole) * _POWERS[places_allowed]
    elif len(places) > places_allowed:
        raise InvalidMoney(
            "AMOUNT_DECIMALS", f"the amount has more decimal places than the {places_allowed} of its currency"
        )
    else:
        minor = int(whole + places) * _POWERS[places_allowed - len(places)]
    if minor == 0:
        raise InvalidMoney("AMOUNT_ZERO", "the amount must be above zero")
    if minor > MAX_MINOR:
        raise InvalidMoney("AMOUNT_TOO_LARGE", f"the amount is above {MAX_MINOR} minor units")
    return minor


def from_minor(minor: int, currency: str) -> str:
    """Return integer minor units as the decimal string of the wire, with every place: 12550 ZMW is "125.50".

    Raises:
        InvalidMoney: CURRENCY_INVALID, AMOUNT_ZERO, AMOUNT_INVALID (negative), AMOUNT_TOO_LARGE.
    """
    places = exponent(currency)
    if minor == 0:
        raise InvalidMoney("AMOUNT_ZERO", "the amount must be above zero")
    if minor < 0:
        raise InvalidMoney("AMOUNT_INVALID", "the amount must not be negative")
    whole, part = divmod(minor, _POWERS[places])
    if minor > MAX_MINOR or whole >= 10**15:
        raise InvalidMoney("AMOUNT_TOO_LARGE", "the amount is above 2**53 - 1 minor units or 15 whole digits")
    if places == 0:
        return str(whole)
    return f"{whole}.{part:0{places}d}"
