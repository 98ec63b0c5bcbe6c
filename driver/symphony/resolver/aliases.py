"""Aliases of account holders: one form per alias, so that one alias has one hash.

Types are codes of ISO 20022 ExternalProxyAccountType1Code. Not taken, until a registry here serves them: TELE (a
telephone is MBNO), DNAM, CINC, COID, CUST, DRLC, EIDN, LEIC, CCPT, SOSE, TOKN, UBIL, VIPN, BIID.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import idna
import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from symphony.errors import SymphonyError

_MAX_LENGTH: Final = 320
_TELEPHONE: Final = re.compile(
    r"\+?[0-9 ().-]{5,32}"
)  # no letters, extensions or foreign digits, which the library reads
_MOBILE: Final = frozenset((PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE))
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_LOCAL_PART: Final = re.compile(r"(?=.{1,64}$)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TPIN: Final = re.compile(r"[0-9]{10}")
_NRC: Final = re.compile(r"([0-9]{6})[/ -]?([0-9]{2})[/ -]?([0-9])")
_OPAQUE: Final = re.compile(r"[!-~]{1,128}")


class InvalidAlias(SymphonyError):
    """An alias that no registry can know; the message holds the allowed form and nothing of the value.

    Attributes:
        reason_code: PROXY_INVALID_FORMAT or PROXY_TYPE_UNSUPPORTED.
    """

    def __init__(self, reason_code: str, message: str) -> None:
        super().__init__(f"{reason_code}: {message}")
        self.reason_code = reason_code


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias in its one form, made by `normalise`; its value is personal data and is in no repr."""

    type: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Form:
    """How aliases of one type are brought to their one form; `read` returns None for what is no such alias."""

    read: Callable[[str, str], str | None]
    allowed: str
    national: bool = False


def recorded(type_: str, value: str) -> Alias:
    """The alias of a recorded instruction, in its one form.

    The ingress normalised it before it was recorded. A telephone number that has the form of E.164 is not judged by the
    whole numbering plan once more, which would cost more than all the rest; the registry knows whether it is one.

    Raises:
        InvalidAlias: as `normalise`.
    """
    return Alias(type_, value) if type_ == "MBNO" and _E164.fullmatch(value) else normalise(type_, value)


def normalise(type_: str, value: str, *, region: str = "ZM") -> Alias:
    """Return the alias in its one form; normalising that again changes nothing.

    Args:
        type_: ISO 20022 proxy type, for example MBNO.
        value: as the payer wrote it; spaces around it do not count.
        region: ISO 3166 country in which a national telephone number is read; PVTX, COTX and NIDN are Zambia's only.

    Raises:
        InvalidAlias: PROXY_TYPE_UNSUPPORTED or PROXY_INVALID_FORMAT.
    """
    form = _FORMS.get(type_)
    if form is None or (form.national and region != "ZM"):
        raise InvalidAlias(
            "PROXY_TYPE_UNSUPPORTED", f"no registry here knows this type; supported: {', '.join(_FORMS)}"
        )
    read = form.read(value.strip(" "), region) if len(value) <= _MAX_LENGTH else None
    if read is None:
        raise InvalidAlias("PROXY_INVALID_FORMAT", f"an alias of type {type_} is {form.allowed}")
    return Alias(type_, read)


def _mobile_number(value: str, region: str) -> str | None:
    """E.164 with "+". Valid is not enough: a landline is a valid number, and no registry of mobiles knows it.

    Some countries (+1) do not tell mobile from fixed by the number; there the registry decides.
    """
    if not _TELEPHONE.fullmatch(value):
        return None
    try:
        number = phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in _MOBILE:
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def _email_address(value: str, _region: str) -> str | None:
    """Lower case, the domain as A-labels (IDNA 2008). A local part beyond ASCII or in quotes is refused."""
    local, at, domain = value.rpartition("@")
    local = local.lower() if local.isascii() else ""
    if not at or not _LOCAL_PART.fullmatch(local) or "." not in domain or domain.endswith("."):
        return None
    try:
        address = f"{local}@{idna.encode(domain, uts46=True).decode('ascii')}"
    except (idna.IDNAError, UnicodeError):
        return None
    return address if len(address) <= 254 else None


def _tpin(value: str, _region: str) -> str | None:
    return value if _TPIN.fullmatch(value) else None


def _nrc(value: str, _region: str) -> str | None:
    parts = _NRC.fullmatch(value)
    return None if parts is None else "/".join(parts.groups())


def _opaque(value: str, _region: str) -> str | None:
    """An identifier whose form only its issuer knows: kept as it is, capitals too."""
    return value if _OPAQUE.fullmatch(value) else None


_OPAQUE_FORM: Final = _Form(_opaque, "1 to 128 printable ASCII characters without a space")
_FORMS: Final[Mapping[str, _Form]] = {
    "MBNO": _Form(_mobile_number, "a mobile number, national or international (E.164)"),
    "EMAL": _Form(_email_address, "an e-mail address of at most 254 characters"),
    "PVTX": _Form(_tpin, "a TPIN: ten digits", national=True),
    "COTX": _Form(_tpin, "a TPIN: ten digits", national=True),
    "NIDN": _Form(_nrc, "an NRC: six digits, two digits, one digit, with or without slashes", national=True),
    "EWAL": _OPAQUE_FORM,
    "SHID": _OPAQUE_FORM,
}
SUPPORTED_TYPES: Final = frozenset(_FORMS)
