"""From the elements of a pain.001 block and transaction to the wire form of an instruction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from symphony.instruction import InvalidInput, parse_instruction
from symphony.submission.bank_identifiers import is_bic, is_iban
from symphony.submission.entry import Ready
from symphony.submission.pain001_dates import check_execution_date
from symphony.submission.pain001_elements import (
    Children,
    Element,
    ElementRefused,
    Reader,
    line_of,
    optional_text,
    reference,
    text,
)

# What would change who is paid, how or when, and has no place in the wire form: refused rather than dropped.
_NOT_SUPPORTED: Final = (
    *("XchgRateInf", "ChqInstr", "IntrmyAgt1", "IntrmyAgt2", "IntrmyAgt3"),
    *("InstrForCdtrAgt", "InstrForDbtrAgt"),
)

_REASON_CODES: Final = {
    "AMOUNT_INVALID": "AM12",
    "AMOUNT_ZERO": "AM01",
    "AMOUNT_DECIMALS": "CH20",
    "AMOUNT_TOO_LARGE": "AM02",
    "CURRENCY_INVALID": "AM11",
    "PROXY_TYPE_UNSUPPORTED": "BE23",
}
_ELEMENTS: Final = {
    "/instruction_id": ("PmtId/InstrId", "CH16"),
    "/end_to_end_id": ("PmtId/EndToEndId", "FF08"),
    "/uetr": ("PmtId/UETR", "CH16"),
    "/amount": ("Amt/InstdAmt", "AM12"),
    "/currency": ("Amt/InstdAmt/@Ccy", "AM11"),
    "/purpose": ("Purp/Cd", "FF07"),
    "/remittance": ("RmtInf", "CH16"),
    "/debtor/name": ("Dbtr/Nm", "CH16"),
    "/debtor/account": ("DbtrAcct/Id", "AC02"),
    "/debtor/agent": ("DbtrAgt/FinInstnId", "RC03"),
    "/creditor/name": ("Cdtr/Nm", "CH16"),
    "/creditor/account": ("CdtrAcct/Id", "AC03"),
    "/creditor/agent": ("CdtrAgt/FinInstnId", "RC04"),
    "/creditor/alias": ("CdtrAcct/Prxy", "AG03"),
    "/creditor/alias/type": ("CdtrAcct/Prxy/Tp", "CH16"),
    "/creditor/alias/value": ("CdtrAcct/Prxy/Id", "BE23"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """What all transactions of one file share.

    Attributes:
        participants: participant id by agent (BIC or clearing member id), only as the caller mapped it.
    """

    reader: Reader
    message_id: str
    rail: str
    participants: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """What all transactions of one PmtInf share."""

    payment_information_id: str
    debtor: dict[str, str]


def read_block(reader: Reader, found: Children, *, now: datetime) -> Block:
    """Return a block from the children of its PmtInf.

    Raises:
        ElementRefused: PAYMENT_METHOD_NOT_SUPPORTED (AG03), EXECUTION_DATE_INVALID (DT01),
            EXECUTION_DATE_IN_FUTURE (DT04), and what the debtor's elements give rise to.
    """
    name = reference(found["PmtInfId"][0], "/PmtInfId")
    if text(found["PmtMtd"][0], "/PmtMtd") != "TRF":
        raise _refused(
            found, "PmtMtd", "PAYMENT_METHOD_NOT_SUPPORTED", "AG03", "only TRF (credit transfer) is executed"
        )
    if "InstrForDbtrAgt" in found:
        raise _not_supported(found, "InstrForDbtrAgt")
    check_execution_date(reader, found["ReqdExctnDt"][0], now)
    debtor = _party(reader, found, role="Dbtr", codes=("AC02", "RC06"))
    if "account" not in debtor:
        raise _refused(found, "DbtrAcct", "ELEMENT_MISSING", "CH21", "the account has no Id")
    return Block(name, debtor)


def read_transaction(message: Message, block: Block, element: Element) -> Ready:
    """Return one CdtTrfTxInf in the wire form.

    Not carried, since they inform and do not change the payment: addresses, contacts, ultimate parties,
    charge bearer, payment type, Purp/Prtry, regulatory reporting, tax, related remittance, and of structured
    remittance all but the creditor's reference.

    Raises:
        ElementRefused: with our reason and the ISO code of the first thing found wrong.
    """
    reader = message.reader
    found = reader.children(element)
    for name in _NOT_SUPPORTED:
        if name in found:
            raise _not_supported(found, name)
    ids = reader.children(found["PmtId"][0], "/PmtId")
    end_to_end_id = text(ids["EndToEndId"][0], "/PmtId/EndToEndId")
    instruction_id = reference(ids["InstrId"][0], "/PmtId/InstrId") if "InstrId" in ids else None
    place = (message.message_id, block.payment_information_id)
    amount, currency = _amount(reader, found["Amt"][0])
    wire: dict[str, Any] = {
        "instruction_id": instruction_id or derived_id(*place, end_to_end_id),
        "rail": message.rail,
        "amount": amount,
        "currency": currency,
        "end_to_end_id": end_to_end_id,
        "uetr": optional_text(ids, "UETR", "/PmtId"),
        "purpose": _purpose(reader, found),
        "debtor": block.debtor,
        "creditor": _creditor(message, found, line_of(element)),
        "remittance": _remittance(reader, found),
    }
    wire = {name: value for name, value in wire.items() if value is not None}
    _check(wire, line_of(element))
    key = derived_id(*place, instruction_id or "", end_to_end_id)
    return Ready(line_of(element), wire, key, block.payment_information_id, end_to_end_id)


def derived_id(*parts: str) -> str:
    """Return `PAIN-` and 40 hex digits of SHA-256 over the parts, each as a netstring (`length:text,`)."""
    encoded = (part.encode() for part in parts)
    joined = b"".join(b"%d:%b," % (len(part), part) for part in encoded)
    return f"PAIN-{hashlib.sha256(joined).hexdigest()[:40]}"


def _check(wire: dict[str, Any], line_no: int) -> None:
    try:
        parse_instruction(wire)
        return
    except InvalidInput as error:
        refused = error
    path, iso_code = _ELEMENTS.get(refused.pointer, (refused.pointer.removeprefix("/"), "CH16"))
    iso_code = _REASON_CODES.get(refused.reason_code, iso_code)
    reason = "ELEMENT_INVALID" if refused.reason_code == "SCHEMA_INVALID" else refused.reason_code
    raise ElementRefused(reason, iso_code, f"/{path}", refused.message, line_no=line_no)


def _amount(reader: Reader, element: Element) -> tuple[str, str]:
    name, amount = reader.choice(element, "/Amt")
    if name == "EqvtAmt":
        said = "an equivalent amount needs an exchange; give Amt/InstdAmt"
        raise ElementRefused("ELEMENT_NOT_SUPPORTED", "AG03", "/Amt/EqvtAmt", said, line_no=line_of(amount))
    currency = amount.get("Ccy")
    if currency is None:
        said = "the attribute is missing"
        raise ElementRefused("ELEMENT_MISSING", "CH21", "/Amt/InstdAmt/@Ccy", said, line_no=line_of(amount))
    return text(amount, "/Amt/InstdAmt"), currency


def _party(reader: Reader, found: Children, *, role: str, codes: tuple[str, str]) -> dict[str, str]:
    """Return name, account and agent of a party as far as given; codes are for the account and the BIC."""
    party: dict[str, str | None] = {}
    if role in found:
        party["name"] = optional_text(reader.children(found[role][0], f"/{role}"), "Nm", f"/{role}")
    if f"{role}Acct" in found:
        inside = reader.children(found[f"{role}Acct"][0], f"/{role}Acct")
        party["account"] = _account(reader, inside, f"/{role}Acct/Id", codes[0])
    if f"{role}Agt" in found:
        party["agent"] = _agent(reader, found[f"{role}Agt"][0], f"/{role}Agt", codes[1])
    return {name: value for name, value in party.items() if value is not None}


def _account(reader: Reader, inside: Children, path: str, iso_code: str) -> str | None:
    if "Id" not in inside:
        return None
    name, element = reader.choice(inside["Id"][0], path)
    if name == "Othr":
        return text(reader.children(element, f"{path}/Othr")["Id"][0], f"{path}/Othr/Id")
    iban = text(element, f"{path}/IBAN")
    if not is_iban(iban):
        said = "it is not an IBAN, or its check digits are wrong"
        raise ElementRefused("ACCOUNT_INVALID", iso_code, f"{path}/IBAN", said, line_no=line_of(element))
    return iban


def _agent(reader: Reader, element: Element, path: str, iso_code: str) -> str | None:
    """Return the BIC, else the clearing member id, else another id of a bank; NOTPROVIDED is none."""
    inside = reader.children(element, path)
    path = f"{path}/FinInstnId"
    institution = reader.children(inside["FinInstnId"][0], path)
    for name in ("BICFI", "BIC"):
        bic = optional_text(institution, name, path)
        if bic is not None:
            if not is_bic(bic):
                said = "it is not a BIC (ISO 9362: 8 or 11 capital letters and digits)"
                raise ElementRefused("AGENT_INVALID", iso_code, f"{path}/{name}", said, line_no=line_of(element))
            return bic
    for name, inner in (("ClrSysMmbId", "MmbId"), ("Othr", "Id")):
        if name in institution:
            identification = reader.children(institution[name][0], f"{path}/{name}")
            value = text(identification[inner][0], f"{path}/{name}/{inner}")
            return None if value == "NOTPROVIDED" else value
    return None


def _creditor(message: Message, found: Children, line_no: int) -> dict[str, Any]:
    reader = message.reader
    if "CdtrAcct" not in found:
        said = "the element is missing"
        raise ElementRefused("ELEMENT_MISSING", "CH21", "/CdtrAcct", said, line_no=line_no)
    creditor: dict[str, Any] = dict(_party(reader, found, role="Cdtr", codes=("AC03", "RC07")))
    account = reader.children(found["CdtrAcct"][0], "/CdtrAcct")
    if "Prxy" in account:
        creditor["alias"] = _alias(reader, account["Prxy"][0])
    elif "account" not in creditor:
        raise _refused(found, "CdtrAcct", "ELEMENT_MISSING", "CH21", "the account has neither Id nor Prxy")
    participant = message.participants.get(creditor.get("agent", ""))
    if participant is not None:
        creditor["participant_id"] = participant
    return creditor


def _alias(reader: Reader, element: Element) -> dict[str, str]:
    """Return the proxy of an account; only the ISO code of its type says which registry would know it."""
    path = "/CdtrAcct/Prxy"
    proxy = reader.children(element, path)
    if "Tp" not in proxy:
        said = "without its type nobody can tell what the proxy is"
        raise ElementRefused("ELEMENT_MISSING", "CH21", f"{path}/Tp", said, line_no=line_of(element))
    name, kind = reader.choice(proxy["Tp"][0], f"{path}/Tp")
    if name == "Prtry":
        said = "a proprietary type is not resolved here; give Tp/Cd (ExternalProxyAccountType1Code)"
        code = "PROXY_TYPE_UNSUPPORTED"
        raise ElementRefused(code, _REASON_CODES[code], f"{path}/Tp/Prtry", said, line_no=line_of(kind))
    return {"type": text(kind, f"{path}/Tp/Cd"), "value": text(proxy["Id"][0], f"{path}/Id")}


def _purpose(reader: Reader, found: Children) -> str | None:
    if "Purp" not in found:
        return None
    name, element = reader.choice(found["Purp"][0], "/Purp")
    return text(element, "/Purp/Cd") if name == "Cd" else None


def _remittance(reader: Reader, found: Children) -> str | None:
    """Return the unstructured lines and the structured ones' creditor references, joined by one space."""
    if "RmtInf" not in found:
        return None
    inside = reader.children(found["RmtInf"][0], "/RmtInf")
    parts = [text(line, "/RmtInf/Ustrd") for line in inside.get("Ustrd", [])]
    for structured in inside.get("Strd", []):
        for info in reader.children(structured, "/RmtInf/Strd").get("CdtrRefInf", []):
            path = "/RmtInf/Strd/CdtrRefInf"
            reference = optional_text(reader.children(info, path), "Ref", path)
            parts.extend([reference] if reference is not None else [])
    return " ".join(parts) or None


def _refused(found: Children, name: str, reason_code: str, iso_code: str, said: str) -> ElementRefused:
    return ElementRefused(reason_code, iso_code, f"/{name}", said, line_no=line_of(found[name][0]))


def _not_supported(found: Children, name: str) -> ElementRefused:
    said = "it would change how the payment is made and no rail here can honour it; take it out"
    return _refused(found, name, "ELEMENT_NOT_SUPPORTED", "CH17", said)
