"""Sample files for demonstrations and tests: fictional parties, Zambian shape, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from xml.sax.saxutils import escape

PARTICIPANT_BY_AGENT: Final = {
    "XAAAZMLX": "ZM-BANK-A",
    "XBBBZMLX": "ZM-BANK-B",
    "XCCCZMLX": "ZM-MOMO-C",
}
"""Fictional BICs of the participants of scripts/demo.policy.json; what `symphony submit --participants` takes."""

_AGENTS: Final = tuple(PARTICIPANT_BY_AGENT)
_GIVEN: Final = ("Fictional", "Sample", "Invented", "Example", "Imaginary", "Pretend")
_TRADES: Final = (
    "Copper Supplies",
    "Maize Growers",
    "Lake Fisheries",
    "Bus Lines",
    "School",
    "Clinic",
    "Hardware",
)
_PURPOSES: Final = ("SALA", "SUPP", "TAXS", "PENS", "GOVT", "SSBE", "INTC", "BEXP", "COMM")


@dataclass(frozen=True, slots=True)
class _Payment:
    number: int
    amount: Decimal
    purpose: str
    uetr: UUID | None
    creditor_name: str
    creditor_account: str
    creditor_agent: str
    remittance: str


def write_jsonl(path: Path, *, count: int, seed: int, rail: str = "sandbox", aliases: Sequence[str] = ()) -> None:
    """Write count valid instructions in ZMW, one JSON object a line; ids start with `SAMPLE-J<seed>-`.

    Args:
        aliases: mobile numbers; where there is one for a line, it is all that is said of the creditor.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for payment in _payments(count, random.Random(f"jsonl {seed}")):  # noqa: S311
            wire = {
                "instruction_id": f"SAMPLE-J{seed}-{payment.number:06d}",
                "rail": rail,
                **_wire(payment, seed),
            }
            if payment.number <= len(aliases):
                wire["creditor"] = {"alias": {"type": "MBNO", "value": aliases[payment.number - 1]}}
            stream.write(json.dumps(wire, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_pain001(path: Path, *, count: int, blocks: int, seed: int, now: datetime) -> None:
    """Write a valid pain.001.001.09 file of count payments in ZMW, in payment blocks to be executed today.

    Every second payment has an InstrId; the others leave the id to be derived.

    Raises:
        OSError: the file cannot be written.
        ValueError: blocks is below 1 or above count.
    """
    if not 1 <= blocks <= count:
        raise ValueError("blocks must be between 1 and count")
    payments = list(_payments(count, random.Random(f"pain001 {seed}")))  # noqa: S311
    total = sum((payment.amount for payment in payments), Decimal(0))
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">\n<CstmrCdtTrfInitn>\n'
            f"<GrpHdr><MsgId>SAMPLE-P{seed}-{now:%Y%m%d}</MsgId><CreDtTm>{now:%Y-%m-%dT%H:%M:%S}</CreDtTm>"
            f"<NbOfTxs>{count}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
            "<InitgPty><Nm>Fictional Ministry of Samples</Nm></InitgPty></GrpHdr>\n"
        )
        for block in range(blocks):
            _write_block(stream.write, payments[block::blocks], block + 1, seed=seed, now=now)
        stream.write("</CstmrCdtTrfInitn>\n</Document>\n")


def _payments(count: int, randomness: random.Random) -> Iterator[_Payment]:
    for number in range(1, count + 1):
        name = f"{randomness.choice(_GIVEN)} {randomness.choice(_TRADES)} {number}"
        with_uetr = randomness.random() < 0.5
        uetr = UUID(int=randomness.getrandbits(128), version=4)
        yield _Payment(
            number=number,
            amount=Decimal(randomness.randint(5_00, 25_000_00)).scaleb(-2),
            purpose=randomness.choice(_PURPOSES),
            uetr=uetr if with_uetr else None,
            creditor_name=name,
            creditor_account=f"00{randomness.randrange(10**11):011d}",
            creditor_agent=randomness.choice(_AGENTS[1:]),
            remittance=f"Sample invoice {number}",
        )


def _wire(payment: _Payment, seed: int) -> dict[str, Any]:
    return {
        "amount": str(payment.amount),
        "currency": "ZMW",
        "end_to_end_id": f"SAMPLE-E2E-{seed}-{payment.number:06d}",
        "purpose": payment.purpose,
        **({"uetr": str(payment.uetr)} if payment.uetr else {}),
        "debtor": {"name": "Fictional Payer Limited", "account": "0010000000001", "agent": _AGENTS[0]},
        "creditor": {
            "name": payment.creditor_name,
            "account": payment.creditor_account,
            "agent": payment.creditor_agent,
            "participant_id": PARTICIPANT_BY_AGENT[payment.creditor_agent],
        },
        "remittance": payment.remittance,
    }


def _write_block(write: Any, payments: list[_Payment], number: int, *, seed: int, now: datetime) -> None:
    total = sum((payment.amount for payment in payments), Decimal(0))
    write(
        f"<PmtInf><PmtInfId>SAMPLE-{seed}-BLOCK-{number}</PmtInfId><PmtMtd>TRF</PmtMtd>"
        f"<NbOfTxs>{len(payments)}</NbOfTxs><CtrlSum>{total}</CtrlSum>"
        f"<ReqdExctnDt><Dt>{now:%Y-%m-%d}</Dt></ReqdExctnDt>"
        f"<Dbtr><Nm>Fictional Department {number}</Nm></Dbtr>"
        f"<DbtrAcct><Id><Othr><Id>{10**12 + number:013d}</Id></Othr></Id><Ccy>ZMW</Ccy></DbtrAcct>"
        f"<DbtrAgt><FinInstnId><BICFI>{_AGENTS[0]}</BICFI></FinInstnId></DbtrAgt>\n"
    )
    for payment in payments:
        write(_transaction(payment, seed))
    write("</PmtInf>\n")


def _transaction(payment: _Payment, seed: int) -> str:
    instr_id = f"<InstrId>SAMPLE-P{seed}-{payment.number:06d}</InstrId>" if payment.number % 2 else ""
    uetr = f"<UETR>{payment.uetr}</UETR>" if payment.uetr else ""
    return (
        f"<CdtTrfTxInf><PmtId>{instr_id}<EndToEndId>SAMPLE-P{seed}-E{payment.number:06d}</EndToEndId>{uetr}"
        f'</PmtId><Amt><InstdAmt Ccy="ZMW">{payment.amount}</InstdAmt></Amt>'
        f"<CdtrAgt><FinInstnId><BICFI>{payment.creditor_agent}</BICFI></FinInstnId></CdtrAgt>"
        f"<Cdtr><Nm>{escape(payment.creditor_name)}</Nm></Cdtr>"
        f"<CdtrAcct><Id><Othr><Id>{payment.creditor_account}</Id></Othr></Id></CdtrAcct>"
        f"<Purp><Cd>{payment.purpose}</Cd></Purp>"
        f"<RmtInf><Ustrd>{payment.remittance}</Ustrd></RmtInf></CdtTrfTxInf>\n"
    )
