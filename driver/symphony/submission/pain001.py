"""pain.001 files (customer credit transfer initiation): totals first, then one entry for each payment.

Source: ISO 20022 message definitions pain.001.001.03 to .13. The file is read twice from the same bytes: the
first pass checks the totals of the file and of each block, the second yields payments. So nothing of a file
or block with wrong totals is ever sent, and memory grows little with the number of payments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal, Inexact
from pathlib import Path
from typing import Final

from lxml import etree

from symphony.instruction import PARTICIPANT, RAIL
from symphony.submission.entry import Entry, Refused, Scope
from symphony.submission.pain001_dates import check_creation_time
from symphony.submission.pain001_elements import (
    Children,
    Element,
    ElementRefused,
    Reader,
    line_of,
    local,
    optional_text,
    reference,
)
from symphony.submission.pain001_payments import (
    Block,
    Message,
    read_block,
    read_transaction,
)
from symphony.submission.pain001_xml import MAX_FILE_BYTES, namespace_of, parts_of

_EXACT: Final = Context(prec=200, traps=[Inexact])
_is_decimal: Final = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})").fullmatch
_is_count: Final = re.compile(r"[0-9]{1,15}").fullmatch


@dataclass(slots=True)
class _Totals:
    """Payments and the sum of their amounts, whatever their currency (ISO 20022 ControlSum)."""

    transactions: int = 0
    amounts: Decimal = Decimal(0)

    def add(self, amount: Decimal) -> None:
        self.transactions += 1
        self.amounts = _EXACT.add(self.amounts, amount)

    def check(self, found: Children, *, codes: tuple[str, str], path: str) -> None:
        """Compare with NbOfTxs and CtrlSum as far as they are given; codes are the ISO codes of the two."""
        count = optional_text(found, "NbOfTxs", path)
        if count is not None and not (_is_count(count) and int(count) == self.transactions):
            said = f"it does not equal the {self.transactions} payments found"
            line_no = line_of(found["NbOfTxs"][0])
            raise ElementRefused("NUMBER_OF_TRANSACTIONS", codes[0], f"{path}/NbOfTxs", said, line_no=line_no)
        total = optional_text(found, "CtrlSum", path)
        if total is not None and not (_is_decimal(total) and Decimal(total) == self.amounts):
            said = "it does not equal the sum of the amounts found (a text that is no number counts as nothing)"
            line_no = line_of(found["CtrlSum"][0])
            raise ElementRefused("CONTROL_SUM", codes[1], f"{path}/CtrlSum", said, line_no=line_no)


@dataclass(slots=True)
class _Survey:
    """What the first pass found: each block or why it is refused, and the totals."""

    message_id: str = ""
    blocks: list[Block | Refused] = field(default_factory=list)
    file: _Totals = field(default_factory=_Totals)
    block: _Totals = field(default_factory=_Totals)
    header: Children = field(default_factory=dict)
    line_by_block_id: dict[str, int] = field(default_factory=dict)


class Pain001:
    """One pain.001 file; iterate over it to get its payments and refusals in file order.

    A file that cannot be used yields one Refused of scope "file"; a block, one of scope "block".

    Attributes:
        transactions: how many payments the file holds; 0 when it could not be read.
    """

    def __init__(self, raw: bytes, *, rail: str, now: datetime, participants: Mapping[str, str] | None = None) -> None:
        """Survey the file.

        Args:
            raw: the bytes of the file.
            rail: the rail of every instruction; pain.001 has no place for it.
            now: aware time; an execution date after it refuses the block.
            participants: participant id by creditor agent (BIC or clearing member id); without it no
                instruction names the creditor's participant.

        Raises:
            ValueError: rail, now or participants are wrong.
        """
        if not RAIL.matches(rail):
            raise ValueError(f"rail must be {RAIL.says}")
        if now.tzinfo is None:
            raise ValueError("now must be an aware datetime")
        self._participants = dict(participants or {})
        if not all(PARTICIPANT.matches(value) for value in self._participants.values()):
            raise ValueError(f"each participant id must be {PARTICIPANT.says}")
        self._raw = raw
        self._rail = rail
        self._refused: Refused | None = None
        self._reader: Reader | None = None
        self._found = _Survey()
        try:
            self._reader = Reader(namespace_of(raw))
            self._survey(self._reader, now)
        except ElementRefused as error:
            self._refused = _refusal(error, "file", transactions=self._found.file.transactions)
        except etree.XMLSyntaxError as error:
            said = "the file is not well-formed XML, or nested too deep"
            self._refused = Refused(error.lineno or 1, "file", "XML_INVALID", said, iso_code="FF02")
        self.transactions = self._found.file.transactions

    def __iter__(self) -> Iterator[Entry]:
        if self._refused is not None:
            yield self._refused
        if self._refused is not None or self._reader is None:
            return
        message = Message(self._reader, self._found.message_id, self._rail, self._participants)
        line_by_id: dict[str, int] = {}
        blocks = iter(self._found.blocks)
        block = next(blocks, None)
        for element in parts_of(self._raw, self._reader):
            if local(element) == "PmtInf":
                if isinstance(block, Refused):
                    yield block
                block = next(blocks, None)
            elif local(element) == "CdtTrfTxInf" and isinstance(block, Block):
                yield _payment(message, block, element, line_by_id)

    def _survey(self, reader: Reader, now: datetime) -> None:
        found = self._found
        for element in parts_of(self._raw, reader):
            match local(element):
                case "CdtTrfTxInf":
                    amount = _amount(reader, element)
                    found.file.add(amount)
                    found.block.add(amount)
                case "PmtInf":
                    found.blocks.append(self._block(reader, element, now))
                    found.block = _Totals()
                case "GrpHdr":
                    found.header = reader.children(element, "/GrpHdr")
                    found.message_id = reference(found.header["MsgId"][0], "/GrpHdr/MsgId")
                    check_creation_time(found.header["CreDtTm"][0])
                    reader.children(found.header["InitgPty"][0], "/GrpHdr/InitgPty")
                    for name in ("NbOfTxs", "CtrlSum"):
                        optional_text(found.header, name, "/GrpHdr")
                case _:
                    reader.children(element)
        found.file.check(found.header, codes=("AM18", "AM10"), path="/GrpHdr")

    def _block(self, reader: Reader, element: Element, now: datetime) -> Block | Refused:
        totals = self._found.block
        name = element.findtext(reader.tag("PmtInfId"))
        try:
            found = reader.children(element)
            totals.check(found, codes=("AM20", "AM17"), path="")
            block = read_block(reader, found, now=now)
            first = self._found.line_by_block_id.get(block.payment_information_id)
            if first is not None:
                said = f"the block on line {first} has the same id; give each block its own"
                raise ElementRefused("DUPLICATE_BLOCK", "DU02", "/PmtInfId", said, line_no=line_of(element))
            self._found.line_by_block_id[block.payment_information_id] = line_of(element)
        except ElementRefused as error:
            return _refusal(error, "block", block=name, transactions=totals.transactions)
        return block


def read_pain001(path: Path, *, rail: str, now: datetime, participants: Mapping[str, str] | None = None) -> Pain001:
    """Read a pain.001 file of at most MAX_FILE_BYTES.

    Raises:
        OSError: the file cannot be read.
        ValueError: as Pain001.
    """
    with path.open("rb") as stream:
        raw = stream.read(MAX_FILE_BYTES + 1)
    return Pain001(raw, rail=rail, now=now, participants=participants)


def _payment(message: Message, block: Block, element: Element, line_by_id: dict[str, int]) -> Entry:
    """Return one payment or its refusal; an id already used in the file is refused."""
    line_no = line_of(element)
    try:
        ready = read_transaction(message, block, element)
        first = line_by_id.get(ready.wire["instruction_id"])
        if first is not None:
            given = element.find(f"{message.reader.tag('PmtId')}/{message.reader.tag('InstrId')}") is not None
            iso_code, path = ("DU05", "/PmtId/InstrId") if given else ("DU04", "/PmtId/EndToEndId")
            said = f"the payment on line {first} has the same id; give each payment its own"
            raise ElementRefused("DUPLICATE_INSTRUCTION_ID", iso_code, path, said, line_no=line_no)
    except ElementRefused as error:
        tag = message.reader.tag
        end_to_end_id = element.findtext(f"{tag('PmtId')}/{tag('EndToEndId')}")
        return _refusal(error, "transaction", block=block.payment_information_id, end_to_end_id=end_to_end_id)
    line_by_id[ready.wire["instruction_id"]] = line_no
    return ready


def _amount(reader: Reader, element: Element) -> Decimal:
    """Return the amount of a payment for the control sum; what is no number counts as nothing."""
    amount = element.find(reader.tag("Amt"))
    if amount is not None:
        for path in (reader.tag("InstdAmt"), f"{reader.tag('EqvtAmt')}/{reader.tag('Amt')}"):
            value = (amount.findtext(path) or "").strip(" \t\r\n")
            if _is_decimal(value):
                return Decimal(value)
    return Decimal(0)


def _refusal(
    error: ElementRefused,
    scope: Scope,
    *,
    block: str | None = None,
    end_to_end_id: str | None = None,
    transactions: int = 1,
) -> Refused:
    return Refused(
        error.line_no,
        scope,
        error.reason_code,
        error.message,
        pointer=error.path,
        iso_code=error.iso_code,
        payment_information_id=block,
        end_to_end_id=end_to_end_id,
        transactions=transactions,
    )
