"""What a file reader yields: an instruction ready to be sent, or a refusal with its place and reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

type Scope = Literal["line", "transaction", "block", "file"]


@dataclass(frozen=True, slots=True)
class Ready:
    """A checked instruction in its wire form.

    Attributes:
        line_no: where it starts in the file; the first line is 1.
        wire: the wire form without idempotency key; personal data, so it stays out of repr().
        idempotency_key: the same at every reading of the same file.
        payment_information_id: PmtInfId of its block, for pain.001.
        end_to_end_id: EndToEndId, for pain.001.
    """

    line_no: int
    wire: dict[str, Any] = field(repr=False)
    idempotency_key: str
    payment_information_id: str | None = None
    end_to_end_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A part of the file that is not sent; never holds a name, an account or a remittance text.

    Attributes:
        line_no: where the refused part starts in the file; the first line is 1.
        scope: what is refused: a line, a transaction, a block (PmtInf) or the whole file.
        reason_code: our reason, for example AMOUNT_DECIMALS.
        message: what is wrong and what to do.
        pointer: RFC 6901 pointer into the line, or the element's path inside the transaction, block or file.
        iso_code: ISO 20022 ExternalStatusReason1Code, for pain.001.
        payment_information_id: PmtInfId of the block, when it could be read.
        end_to_end_id: EndToEndId of the transaction, when it could be read.
        transactions: how many payments the refusal covers.
    """

    line_no: int
    scope: Scope
    reason_code: str
    message: str
    pointer: str = ""
    iso_code: str | None = None
    payment_information_id: str | None = None
    end_to_end_id: str | None = None
    transactions: int = 1


type Entry = Ready | Refused
