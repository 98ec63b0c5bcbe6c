"""The elements of pain.001.001.03 to .13 that carry a payment: their order, number and text."""

from __future__ import annotations

import re
from typing import Any, Final

from lxml import etree

from symphony.errors import SymphonyError

VERSIONS: Final = tuple(range(3, 14))
NAMESPACES: Final = {f"urn:iso:std:iso:20022:tech:xsd:pain.001.001.{n:02d}": n for n in VERSIONS}
"""Namespace of each message version that is read."""

# Content models from the ISO 20022 schemas, all versions in one: `?` optional, `*` and `+` repeated,
# `@n` since version n, `@-n` up to version n. Elements not listed (addresses, tax) are not looked into.
_ACCOUNT: Final = "Id@-10 Id?@11 Tp? Ccy? Nm? Prxy?@9"
_PARTY: Final = "Nm? PstlAdr? Id? CtryOfRes? CtctDtls?"
_AGENT: Final = "FinInstnId BrnchId?"
_SEQUENCES: Final = {
    "Document": "CstmrCdtTrfInitn",
    "CstmrCdtTrfInitn": "GrpHdr PmtInf+ SplmtryData*@4",
    "GrpHdr": "MsgId CreDtTm Authstn* NbOfTxs CtrlSum? InitgPty FwdgAgt? InitnSrc?@10",
    "PmtInf": "PmtInfId PmtMtd ReqdAdvcTp?@10 BtchBookg? NbOfTxs? CtrlSum? PmtTpInf? ReqdExctnDt"
    " PoolgAdjstmntDt? Dbtr DbtrAcct DbtrAgt DbtrAgtAcct? InstrForDbtrAgt?@4 UltmtDbtr? ChrgBr? ChrgsAcct?"
    " ChrgsAcctAgt? CdtTrfTxInf+",
    "CdtTrfTxInf": "PmtId PmtTpInf? Amt XchgRateInf? ChrgBr? MndtRltdInf?@10 ChqInstr? UltmtDbtr? IntrmyAgt1?"
    " IntrmyAgt1Acct? IntrmyAgt2? IntrmyAgt2Acct? IntrmyAgt3? IntrmyAgt3Acct? CdtrAgt? CdtrAgtAcct? Cdtr?"
    " CdtrAcct? UltmtCdtr? InstrForCdtrAgt* InstrForDbtrAgt? Purp? RgltryRptg* Tax? RltdRmtInf* RmtInf?"
    " SplmtryData*@5",
    "PmtId": "InstrId? EndToEndId UETR?@9",
    "InitgPty": _PARTY,
    "Dbtr": _PARTY,
    "Cdtr": _PARTY,
    "DbtrAcct": _ACCOUNT,
    "CdtrAcct": _ACCOUNT,
    "Othr": "Id SchmeNm? Issr?",
    "Prxy": "Tp? Id",
    "DbtrAgt": _AGENT,
    "CdtrAgt": _AGENT,
    "FinInstnId": "BIC?@-3 BICFI?@4 ClrSysMmbId? LEI?@9 Nm? PstlAdr? Othr?",
    "ClrSysMmbId": "ClrSysId? MmbId",
    "RmtInf": "Ustrd* Strd*",
    "Strd": "RfrdDocInf* RfrdDocAmt? CdtrRefInf? Invcr? Invcee? TaxRmt?@6 GrnshmtRmt?@6 SctiesData*@13 AddtlRmtInf*",
    "CdtrRefInf": "Tp? Ref?",
}
_CHOICES: Final = {
    "ReqdExctnDt": ("Dt", "DtTm"),
    "Id": ("IBAN", "Othr"),
    "Amt": ("InstdAmt", "EqvtAmt"),
    "Purp": ("Cd", "Prtry"),
    "Tp": ("Cd", "Prtry"),
}
_PARTICLE: Final = re.compile(r"(\w+)([?*+]?)(?:@(-?)(\d+))?")

type Element = etree._Element
type Children = dict[str, list[Element]]


class ElementRefused(SymphonyError):
    """An element that is missing, misplaced, not supported or wrong; the message never holds its text.

    Attributes:
        reason_code: our reason, for example ELEMENT_MISSING.
        iso_code: ISO 20022 ExternalStatusReason1Code.
        path: the element's path below its transaction, block or group header.
        message: what is wrong.
        line_no: the line of the element, or of the one it is missing from.
    """

    def __init__(self, reason_code: str, iso_code: str, path: str, message: str, *, line_no: int) -> None:
        super().__init__(f"{reason_code} ({iso_code}) at {path}: {message}")
        self.reason_code = reason_code
        self.iso_code = iso_code
        self.path = path
        self.message = message
        self.line_no = line_no


def _model(version: int, sequence: str) -> tuple[dict[str, tuple[int, bool]], tuple[str, ...]]:
    """Return each element's place and whether it repeats, and the names of those that must be there."""
    places: dict[str, tuple[int, bool]] = {}
    needed: list[str] = []
    for name, mark, until, bound in _PARTICLE.findall(sequence):
        if bound and not (version <= int(bound) if until else version >= int(bound)):
            continue
        places[name] = (len(places), mark in ("*", "+"))
        if mark in ("", "+"):
            needed.append(name)
    return places, tuple(needed)


_MODELS: Final = {
    (version, kind): _model(version, sequence) for version in VERSIONS for kind, sequence in _SEQUENCES.items()
}


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _is_text(value: str | None) -> bool:
    return value is not None and not value.isspace() and value != ""


def line_of(element: Element) -> int:
    """Return an element's line; the first line is 1."""
    line_no: Any = element.sourceline
    return int(line_no or 1)


class Reader:
    """Reads elements of one message version.

    Attributes:
        version: 3 for pain.001.001.03, 9 for pain.001.001.09.
    """

    def __init__(self, namespace: str) -> None:
        self.version = NAMESPACES[namespace]
        self._prefix = f"{{{namespace}}}"

    def tag(self, name: str) -> str:
        """Return a name with this message's namespace."""
        return self._prefix + name

    def children(self, element: Element, path: str = "") -> Children:
        """Return the children by name after checking their order and number.

        Raises:
            ElementRefused: ELEMENT_MISSING (CH21) or ELEMENT_UNEXPECTED (CH17: unknown, out of order, given
                twice, or text between elements).
        """
        places, needed = _MODELS[self.version, local(element)]
        found: Children = {}
        last = -1
        _refuse_text(element, path)
        for child in element:
            name = self._name(child, path)
            place, repeats = places.get(name, (-1, False))
            if place < last or (place == last and not repeats):
                raise _unexpected(child, f"{path}/{name}", "it is unknown, out of order or given twice")
            found.setdefault(name, []).append(child)
            last = place
        for name in needed:
            if name not in found:
                raise _missing(element, f"{path}/{name}")
        return found

    def choice(self, element: Element, path: str) -> tuple[str, Element]:
        """Return the one child of a choice and its name.

        Raises:
            ElementRefused: ELEMENT_MISSING (CH21) or ELEMENT_UNEXPECTED (CH17).
        """
        names = _CHOICES[local(element)]
        _refuse_text(element, path)
        if len(element) == 0:
            raise _missing(element, f"{path}/{' or '.join(names)}")
        for position, child in enumerate(element):
            if self._name(child, path) not in names or position:
                raise _unexpected(child, f"{path}/{local(child)}", "it is unknown or one too many")
        return local(element[0]), element[0]

    def _name(self, child: Element, path: str) -> str:
        if not str(child.tag).startswith(self._prefix):
            raise _unexpected(child, path, "an element of another namespace is inside it")
        return local(child)


def text(element: Element, path: str) -> str:
    """Return the text of an element that has only text, without white space around it.

    Raises:
        ElementRefused: ELEMENT_MISSING (CH21: empty) or ELEMENT_UNEXPECTED (CH17: elements inside).
    """
    if len(element):
        raise _unexpected(element[0], path, "it must hold text only")
    value = (element.text or "").strip(" \t\r\n")
    if not value:
        raise ElementRefused("ELEMENT_MISSING", "CH21", path, "the element is empty", line_no=line_of(element))
    return value


def reference(element: Element, path: str) -> str:
    """Return the text of an identification (Max35Text).

    Raises:
        ElementRefused: as text, or ELEMENT_INVALID (CH16).
    """
    value = text(element, path)
    if len(value) > 35:
        said = "the text is longer than 35 characters"
        raise ElementRefused("ELEMENT_INVALID", "CH16", path, said, line_no=line_of(element))
    return value


def optional_text(found: Children, name: str, path: str) -> str | None:
    """Return the text of a child that may be absent."""
    return text(found[name][0], f"{path}/{name}") if name in found else None


def _refuse_text(element: Element, path: str) -> None:
    if _is_text(element.text) or any(_is_text(child.tail) for child in element):
        raise _unexpected(element, path, "there is text between elements")


def _missing(parent: Element, path: str) -> ElementRefused:
    said = "the element is missing"
    return ElementRefused("ELEMENT_MISSING", "CH21", path, said, line_no=line_of(parent))


def _unexpected(element: Element, path: str, why: str) -> ElementRefused:
    said = f"the element is not allowed here: {why}"
    return ElementRefused("ELEMENT_UNEXPECTED", "CH17", path, said, line_no=line_of(element))
