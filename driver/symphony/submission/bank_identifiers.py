"""Check digits and forms of account and bank identifiers: IBAN (ISO 13616) and BIC (ISO 9362)."""

from __future__ import annotations

import re
from typing import Final

_looks_like_iban: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Za-z0-9]{1,30}").fullmatch
_looks_like_bic: Final = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?").fullmatch


def is_iban(value: str) -> bool:
    """Tell whether a text is an IBAN with right check digits (ISO 7064 MOD 97-10 leaves 1)."""
    if not _looks_like_iban(value):
        return False
    moved = (value[4:] + value[:4]).upper()
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def is_bic(value: str) -> bool:
    """Tell whether a text has the form of a BIC; whether it is registered is not known here."""
    return _looks_like_bic(value) is not None
