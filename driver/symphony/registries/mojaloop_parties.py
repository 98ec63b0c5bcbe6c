"""What travels between us and a Mojaloop Account Lookup: parties, and errors (FSPIOP API 1.1, 6.3 and 7.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote_to_bytes

from symphony.errors import SymphonyError
from symphony.registries.registry import (
    PROXY_ANSWER_UNUSABLE,
    PROXY_INVALID,
    PROXY_NOT_FOUND,
    PROXY_REGISTRY_TIMEOUT,
    PROXY_REGISTRY_UNAVAILABLE,
    Beneficiary,
    NotABeneficiary,
)
from symphony.resolver.aliases import Alias
from symphony.strict_json import InvalidInput, read_json

# ISO 20022 proxy type -> PartyIdType, and the PartySubIdOrType that tells two kinds of PERSONAL_ID apart.
PARTY_ID_TYPES: Final[Mapping[str, tuple[str, str | None]]] = {
    "MBNO": ("MSISDN", None),
    "EMAL": ("EMAIL", None),
    "PVTX": ("PERSONAL_ID", "TAX_ID_NUMBER"),
    "NIDN": ("PERSONAL_ID", "NATIONAL_REGISTRATION"),
    "COTX": ("BUSINESS", None),
    "SHID": ("ALIAS", None),
    "EWAL": ("ACCOUNT_ID", None),
}
_PATH: Final = re.compile(r"/parties/([A-Z_]+)/([^/]+)(?:/((?!error$)[^/]+))?(/error)?")
_ERROR_CODE: Final = re.compile(r"[1-9][0-9]{3}")
# Only these two can be about the alias; the others of 31xx are about our request (its signature, its headers).
_REASON_OF_CODE: Final[Mapping[str, str]] = {
    "3204": PROXY_NOT_FOUND,
    "3100": PROXY_INVALID,
    "3101": PROXY_INVALID,
    "2004": PROXY_REGISTRY_TIMEOUT,
}
_OF_THE_SCHEME: Final = ("1", "2", "30", "31", "32")


class Unusable(SymphonyError):
    """What came is not the answer to this question; holds nothing of it."""


@dataclass(frozen=True, slots=True, repr=False)
class PartyId:
    """How FSPIOP names a party; personal data, so it has no repr. An MSISDN is kept and sent without its "+"."""

    type: str
    identifier: str
    sub_id: str | None

    @classmethod
    def of(cls, alias: Alias) -> Self:
        """The party an alias names; raises Unusable for a type the scheme has no word for."""
        if alias.type not in PARTY_ID_TYPES:
            raise Unusable
        type_, sub_id = PARTY_ID_TYPES[alias.type]
        return cls(type_, _identifier(type_, alias.value), sub_id)

    @classmethod
    def of_path(cls, raw_path: str) -> tuple[Self, bool]:
        """The party of a callback's path, still percent-encoded, and whether it ends in /error; raises Unusable."""
        match = _PATH.fullmatch(raw_path)
        if match is None:
            raise Unusable
        type_, identifier, sub_id, error = match.groups()
        party = cls(type_, _identifier(type_, _decoded(identifier)), None if sub_id is None else _decoded(sub_id))
        return party, error is not None

    @property
    def path(self) -> str:
        """The path of GET /parties, percent-encoded: an NRC has slashes of its own."""
        return "/parties/" + "/".join(
            quote(part, safe="") for part in (self.type, self.identifier, self.sub_id) if part
        )


def read_party(raw: bytes, party: PartyId, *, participants: Mapping[str, str]) -> Beneficiary:
    """The beneficiary in the body of PUT /parties.

    FSPIOP tells no account: the provider pays whom it knows by this identifier, so the identifier is the account.

    Raises:
        Unusable: not that body, without or with an unknown fspId, or about another party than `party`.
    """
    body = _read_object(raw)
    said = _object(body, "party")
    about = _object(said, "partyIdInfo")
    type_, identifier, sub_id = (about.get(name) for name in ("partyIdType", "partyIdentifier", "partySubIdOrType"))
    if not isinstance(identifier, str) or not isinstance(type_, str):
        raise Unusable
    # The echo: an answer about another party would pay a stranger.
    if (type_, _identifier(type_, identifier), sub_id) != (party.type, party.identifier, party.sub_id):
        raise Unusable
    fsp_id = about.get("fspId")
    if not isinstance(fsp_id, str):
        raise Unusable
    try:
        return Beneficiary.read(
            participant_id=participants.get(fsp_id, fsp_id.upper()), account=party.identifier, name=_name(said)
        )
    except NotABeneficiary:
        raise Unusable from None


def read_error(raw: bytes) -> str:
    """Our reason for the errorCode in an ErrorInformation body; raises Unusable.

    4xxx and 5xxx are about a payment, and say nothing about a look-up.
    """
    code = _object(_read_object(raw), "errorInformation").get("errorCode")
    if not isinstance(code, str) or not _ERROR_CODE.fullmatch(code):
        raise Unusable
    if code in _REASON_OF_CODE:
        return _REASON_OF_CODE[code]
    return PROXY_REGISTRY_UNAVAILABLE if code.startswith(_OF_THE_SCHEME) else PROXY_ANSWER_UNUSABLE


def _identifier(type_: str, identifier: str) -> str:
    return identifier.removeprefix("+") if type_ == "MSISDN" else identifier


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise Unusable from None


def _name(party: Mapping[str, object]) -> object:
    """The display name, or the parts of the name in their order, or None."""
    if "name" in party:
        return party["name"]
    personal = party.get("personalInfo")
    parts = personal.get("complexName") if isinstance(personal, dict) else None
    if not isinstance(parts, dict):
        return None
    named = [parts.get(part) for part in ("firstName", "middleName", "lastName")]
    return " ".join(part for part in named if isinstance(part, str)) or None


def _read_object(raw: bytes) -> dict[str, object]:
    try:
        body = read_json(raw)
    except InvalidInput:
        raise Unusable from None
    if not isinstance(body, dict):
        raise Unusable
    return body


def _object(body: Mapping[str, object], name: str) -> dict[str, object]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise Unusable
    return value
