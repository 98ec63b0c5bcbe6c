"""pain.001: totals, structure, mapping, refusals by place and code, safe XML, published samples."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.instruction import parse_instruction
from symphony.submission import pain001_payments
from symphony.submission.bank_identifiers import is_bic, is_iban
from symphony.submission.entry import Entry, Ready, Refused
from symphony.submission.pain001 import Pain001, read_pain001
from symphony.submission.pain001_payments import derived_id
from symphony.submission.pain001_xml import MAX_FILE_BYTES

VECTORS = Path(os.environ.get("SYMPHONY_VECTORS", Path(__file__).parents[3] / "shared" / "vectors"))
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
UETR = "eb6305c9-1f7f-49de-aed0-16487c27b42d"
PROXY = "<Prxy><Tp><Cd>MBNO</Cd></Tp><Id>0977 000 000</Id></Prxy>"
PROXY_ONLY = f"<CdtrAcct><Id><Othr><Id>NOTPROVIDED</Id></Othr></Id>{PROXY}</CdtrAcct>"


def payment(number: int = 1, **changes: str) -> str:
    """Return one transaction; changes replace whole elements, "" takes one out."""
    parts = {
        "PmtId": f"<PmtId><InstrId>I-{number}</InstrId><EndToEndId>E-{number}</EndToEndId></PmtId>",
        "Amt": '<Amt><InstdAmt Ccy="ZMW">10.50</InstdAmt></Amt>',
        "CdtrAgt": "<CdtrAgt><FinInstnId><BICFI>XBBBZMLX</BICFI></FinInstnId></CdtrAgt>",
        "Cdtr": "<Cdtr><Nm>Example Payee</Nm></Cdtr>",
        "CdtrAcct": "<CdtrAcct><Id><Othr><Id>0020000000002</Id></Othr></Id></CdtrAcct>",
        "Purp": "<Purp><Cd>SALA</Cd></Purp>",
        "RmtInf": "<RmtInf><Ustrd>Invoice 7</Ustrd></RmtInf>",
        **changes,
    }
    return f"<CdtTrfTxInf>{''.join(parts.values())}</CdtTrfTxInf>\n"


def block(*payments: str, **changes: str) -> str:
    parts = {
        "PmtInfId": "<PmtInfId>BLOCK-1</PmtInfId>",
        "PmtMtd": "<PmtMtd>TRF</PmtMtd>",
        "NbOfTxs": "",
        "CtrlSum": "",
        "ReqdExctnDt": "<ReqdExctnDt><Dt>2026-11-21</Dt></ReqdExctnDt>",
        "Dbtr": "<Dbtr><Nm>Fictional Payer</Nm></Dbtr>",
        "DbtrAcct": "<DbtrAcct><Id><IBAN>GB29NWBK60161331926819</IBAN></Id></DbtrAcct>",
        "DbtrAgt": "<DbtrAgt><FinInstnId><BICFI>XAAAZMLX</BICFI></FinInstnId></DbtrAgt>",
        **changes,
    }
    return f"<PmtInf>{''.join(parts.values())}\n{''.join(payments)}</PmtInf>\n"


def message(*blocks: str, count: object = None, total: object = None, version: str = "09") -> bytes:
    """Return a file; count and total are right unless given, total "" leaves CtrlSum out."""
    text = "".join(blocks)
    count = text.count("<CdtTrfTxInf>") if count is None else count
    if total is None:
        total = sum(map(Decimal, re.findall(r"Ccy=\"...\">([0-9.]+)<", text)), Decimal(0))
    ctrl_sum = "" if total == "" else f"<CtrlSum>{total}</CtrlSum>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.{version}">\n<CstmrCdtTrfInitn>\n'
        f"<GrpHdr><MsgId>MSG-1</MsgId><CreDtTm>2026-11-21T10:00:00Z</CreDtTm><NbOfTxs>{count}</NbOfTxs>{ctrl_sum}"
        f"<InitgPty><Nm>Fictional Payer</Nm></InitgPty></GrpHdr>\n{text}</CstmrCdtTrfInitn>\n</Document>\n"
    ).encode()


def read(raw: bytes, **options: Any) -> list[Entry]:
    return list(Pain001(raw, **{"rail": "sandbox", "now": NOW, **options}))


def only(raw: bytes, **options: Any) -> Refused:
    (entry,) = read(raw, **options)
    assert isinstance(entry, Refused)
    assert "Payee" not in repr(entry)
    assert "0020000000002" not in repr(entry)
    return entry


def ready(raw: bytes, **options: Any) -> Ready:
    (entry,) = read(raw, **options)
    assert isinstance(entry, Ready)
    return entry


def test_a_payment_in_the_wire_form() -> None:
    uetr = f"<PmtId><InstrId>I-1</InstrId><EndToEndId> E-1\n</EndToEndId><UETR>{UETR}</UETR></PmtId>"
    remittance = (
        "<RmtInf><Ustrd>Part 1</Ustrd><Ustrd>Part 2</Ustrd><Strd><CdtrRefInf><Ref>RF18539007547034</Ref>"
        "</CdtrRefInf></Strd></RmtInf>"
    )
    found = ready(message(block(payment(PmtId=uetr, RmtInf=remittance))))
    assert found.wire == {
        "instruction_id": "I-1",
        "rail": "sandbox",
        "amount": "10.50",
        "currency": "ZMW",
        "end_to_end_id": "E-1",
        "uetr": UETR,
        "purpose": "SALA",
        "debtor": {"name": "Fictional Payer", "account": "GB29NWBK60161331926819", "agent": "XAAAZMLX"},
        "creditor": {"name": "Example Payee", "account": "0020000000002", "agent": "XBBBZMLX"},
        "remittance": "Part 1 Part 2 RF18539007547034",
    }
    assert (found.line_no, found.payment_information_id, found.end_to_end_id) == (6, "BLOCK-1", "E-1")
    assert parse_instruction(found.wire).amount_minor == 1050


def test_participant_comes_only_from_the_mapping() -> None:
    raw = message(block(payment()))
    assert "participant_id" not in ready(raw).wire["creditor"]
    assert "participant_id" not in ready(raw, participants={"XCCCZMLX": "ZM-BANK-C"}).wire["creditor"]
    assert ready(raw, participants={"XBBBZMLX": "ZM-BANK-B"}).wire["creditor"]["participant_id"] == "ZM-BANK-B"
    with pytest.raises(ValueError, match="participant id"):
        read(raw, participants={"XBBBZMLX": "zm bank"})


def test_agent_by_clearing_member_or_other_id() -> None:
    def agent(inside: str) -> object:
        raw = message(block(payment(CdtrAgt=f"<CdtrAgt><FinInstnId>{inside}</FinInstnId></CdtrAgt>")))
        return ready(raw).wire["creditor"].get("agent")

    assert agent("<ClrSysMmbId><ClrSysId><Cd>ZMZIP</Cd></ClrSysId><MmbId>000123</MmbId></ClrSysMmbId>") == "000123"
    assert agent("<BICFI>XBBBZMLXXXX</BICFI><ClrSysMmbId><MmbId>000123</MmbId></ClrSysMmbId>") == "XBBBZMLXXXX"
    assert agent("<Othr><Id>BRANCH-7</Id></Othr>") == "BRANCH-7"
    assert agent("<Othr><Id>NOTPROVIDED</Id></Othr>") is None
    assert agent("<Nm>Some bank</Nm>") is None


def test_a_creditor_by_proxy_with_and_without_an_account() -> None:
    """CdtrAcct/Id may be left out since pain.001.001.11; before, NOTPROVIDED stands in its place."""
    alias = {"type": "MBNO", "value": "0977 000 000"}
    without = ready(message(block(payment(CdtrAcct=f"<CdtrAcct>{PROXY}</CdtrAcct>")), version="11"))
    assert without.wire["creditor"] == {"name": "Example Payee", "agent": "XBBBZMLX", "alias": alias}
    assert json.loads(parse_instruction(without.wire).parties)["creditor"]["alias"]["value"] == "+260977000000"
    assert "977" not in repr(without)
    placeholder = ready(message(block(payment(CdtrAcct=PROXY_ONLY))))
    assert placeholder.wire["creditor"] == {**without.wire["creditor"], "account": "NOTPROVIDED"}
    both = PROXY_ONLY.replace("NOTPROVIDED", "0020000000002")
    found = ready(message(block(payment(CdtrAcct=both))))
    assert found.wire["creditor"] == {**without.wire["creditor"], "account": "0020000000002"}
    assert parse_instruction(found.wire).requires_proxy
    missing = only(message(block(payment(CdtrAcct=f"<CdtrAcct>{PROXY}</CdtrAcct>"))))
    assert (missing.reason_code, missing.iso_code, missing.pointer) == ("ELEMENT_MISSING", "CH21", "/CdtrAcct/Id")


def test_several_blocks_each_with_its_debtor() -> None:
    second = block(
        payment(3),
        PmtInfId="<PmtInfId>BLOCK-2</PmtInfId>",
        DbtrAcct="<DbtrAcct><Id><Othr><Id>777</Id></Othr></Id></DbtrAcct>",
        NbOfTxs="<NbOfTxs>1</NbOfTxs>",
        CtrlSum="<CtrlSum>10.5</CtrlSum>",
    )
    found = read(message(block(payment(1), payment(2), CtrlSum="<CtrlSum>21.00</CtrlSum>"), second))
    assert all(isinstance(entry, Ready) for entry in found)
    accounts = [entry.wire["debtor"]["account"] for entry in found if isinstance(entry, Ready)]
    assert accounts == ["GB29NWBK60161331926819", "GB29NWBK60161331926819", "777"]


def test_derived_id_and_keys_are_the_same_at_every_reading() -> None:
    raw = message(block(payment(PmtId="<PmtId><EndToEndId>E-1</EndToEndId></PmtId>"), payment(2)))
    first, second = read(raw), read(raw)
    assert first == second
    ids = [entry.wire["instruction_id"] for entry in first if isinstance(entry, Ready)]
    # sha256sum of "5:MSG-1,7:BLOCK-1,3:E-1,"
    assert ids == ["PAIN-6b07d06e31e062345ed7f9ed212941ceeaeeccc1", "I-2"]
    keys = [entry.idempotency_key for entry in first if isinstance(entry, Ready)]
    assert keys == [derived_id("MSG-1", "BLOCK-1", "", "E-1"), derived_id("MSG-1", "BLOCK-1", "I-2", "E-2")]
    assert all(re.fullmatch(r"PAIN-[0-9a-f]{40}", key) for key in keys)


@given(st.lists(st.text(max_size=6), max_size=4), st.lists(st.text(max_size=6), max_size=4))
def test_derived_ids_join_unambiguously(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("count", "total", "reason", "iso_code"),
    [
        (3, None, "NUMBER_OF_TRANSACTIONS", "AM18"),
        ("2.0", None, "NUMBER_OF_TRANSACTIONS", "AM18"),
        ("\u0662", None, "NUMBER_OF_TRANSACTIONS", "AM18"),
        (None, "21.01", "CONTROL_SUM", "AM10"),
        (None, "20.99999999999999999", "CONTROL_SUM", "AM10"),
        (None, "2.1e1", "CONTROL_SUM", "AM10"),
        (None, "NaN", "CONTROL_SUM", "AM10"),
    ],
)
def test_wrong_totals_of_the_group_refuse_the_whole_file(
    count: object, total: object, reason: str, iso_code: str
) -> None:
    error = only(message(block(payment(1), payment(2)), count=count, total=total))
    assert (error.scope, error.reason_code, error.iso_code, error.transactions) == (
        "file",
        reason,
        iso_code,
        2,
    )
    assert error.line_no == 4


@pytest.mark.parametrize("total", ["21", "21.00", "+21.0", "21.", "", "0000021.000000000"])
def test_equal_totals_in_any_writing_pass(total: str) -> None:
    assert len(read(message(block(payment(1), payment(2)), total=total))) == 2


@pytest.mark.parametrize(
    ("element", "value", "reason", "iso_code"),
    [
        ("NbOfTxs", "2", "NUMBER_OF_TRANSACTIONS", "AM20"),
        ("CtrlSum", "10.51", "CONTROL_SUM", "AM17"),
        ("CtrlSum", "ten", "CONTROL_SUM", "AM17"),
    ],
)
def test_wrong_totals_of_a_block_refuse_only_the_block(element: str, value: str, reason: str, iso_code: str) -> None:
    bad = block(payment(1), **{element: f"<{element}>{value}</{element}>"})
    good = block(payment(2), PmtInfId="<PmtInfId>BLOCK-2</PmtInfId>")
    refused, sent = read(message(bad, good))
    assert isinstance(sent, Ready)
    assert isinstance(refused, Refused)
    assert (refused.scope, refused.reason_code, refused.iso_code) == ("block", reason, iso_code)
    assert refused.payment_information_id == "BLOCK-1"


def test_totals_are_exact_where_floating_point_is_not() -> None:
    payments = [
        payment(n, Amt=f'<Amt><InstdAmt Ccy="ZMW">{amount}</InstdAmt></Amt>')
        for n, amount in enumerate(("0.10", "0.20", "90071992547409.91"))
    ]
    assert len(read(message(block(*payments), total="90071992547410.21"))) == 3
    assert only(message(block(*payments), total="90071992547410.20")).reason_code == "CONTROL_SUM"


@pytest.mark.parametrize(
    ("changes", "reason", "iso_code", "path"),
    [
        ({"PmtMtd": "<PmtMtd>CHK</PmtMtd>"}, "PAYMENT_METHOD_NOT_SUPPORTED", "AG03", "/PmtMtd"),
        ({"PmtMtd": ""}, "ELEMENT_MISSING", "CH21", "/PmtMtd"),
        ({"Dbtr": ""}, "ELEMENT_MISSING", "CH21", "/Dbtr"),
        ({"DbtrAcct": ""}, "ELEMENT_MISSING", "CH21", "/DbtrAcct"),
        ({"DbtrAcct": "<DbtrAcct><Id/></DbtrAcct>"}, "ELEMENT_MISSING", "CH21", "/DbtrAcct/Id/IBAN or Othr"),
        (
            {"DbtrAcct": "<DbtrAcct><Id><IBAN>GB28NWBK60161331926819</IBAN></Id></DbtrAcct>"},
            "ACCOUNT_INVALID",
            "AC02",
            "/DbtrAcct/Id/IBAN",
        ),
        (
            {"DbtrAgt": "<DbtrAgt><FinInstnId><BICFI>SAPSSSGSG</BICFI></FinInstnId></DbtrAgt>"},
            "AGENT_INVALID",
            "RC06",
            "/DbtrAgt/FinInstnId/BICFI",
        ),
        ({"DbtrAgt": "<DbtrAgt/>"}, "ELEMENT_MISSING", "CH21", "/DbtrAgt/FinInstnId"),
        ({"ReqdExctnDt": "<ReqdExctnDt/>"}, "ELEMENT_MISSING", "CH21", "/ReqdExctnDt/Dt or DtTm"),
        ({"ReqdExctnDt": ""}, "ELEMENT_MISSING", "CH21", "/ReqdExctnDt"),
        ({"Dbtr": "<Nm>x</Nm>"}, "ELEMENT_UNEXPECTED", "CH17", "/Nm"),
        ({"Dbtr": "<Dbtr/><Dbtr/>"}, "ELEMENT_UNEXPECTED", "CH17", "/Dbtr"),
        ({"Dbtr": "<Dbtr/>loose text"}, "ELEMENT_UNEXPECTED", "CH17", ""),
        ({"PmtInfId": '<PmtInfId xmlns="urn:other">B</PmtInfId>'}, "ELEMENT_UNEXPECTED", "CH17", ""),
        ({"PmtInfId": "<PmtInfId> </PmtInfId>"}, "ELEMENT_MISSING", "CH21", "/PmtInfId"),
        (
            {"DbtrAgt": "<DbtrAgt><FinInstnId/></DbtrAgt><InstrForDbtrAgt>hold</InstrForDbtrAgt>"},
            "ELEMENT_NOT_SUPPORTED",
            "CH17",
            "/InstrForDbtrAgt",
        ),
    ],
)
def test_a_bad_block_is_refused_and_the_next_goes_on(
    changes: dict[str, str], reason: str, iso_code: str, path: str
) -> None:
    good = block(payment(2), PmtInfId="<PmtInfId>BLOCK-2</PmtInfId>")
    refused, sent = read(message(block(payment(1), **changes), good))
    assert isinstance(sent, Ready)
    assert isinstance(refused, Refused)
    found = (refused.scope, refused.reason_code, refused.iso_code, refused.pointer)
    assert found == ("block", reason, iso_code, path)


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        ("<Dt>2026-11-21</Dt>", None),
        ("<Dt>2026-11-20Z</Dt>", None),
        ("<DtTm>2026-11-21T12:00:00Z</DtTm>", None),
        ("<DtTm>2026-11-21T13:59:59.999999999+02:00</DtTm>", None),
        ("<DtTm>2026-11-21T11:00:00</DtTm>", None),
        ("<Dt>2026-11-22</Dt>", "EXECUTION_DATE_IN_FUTURE"),
        ("<DtTm>2026-11-21T12:00:01Z</DtTm>", "EXECUTION_DATE_IN_FUTURE"),
        ("<DtTm>2026-11-21T12:30:00</DtTm>", "EXECUTION_DATE_IN_FUTURE"),
        ("<Dt>2026-02-30</Dt>", "EXECUTION_DATE_INVALID"),
        ("<Dt>20261121</Dt>", "EXECUTION_DATE_INVALID"),
        ("<Dt>2026-W47-6</Dt>", "EXECUTION_DATE_INVALID"),
        ("<Dt>2026-11-21T12:00:00Z</Dt>", "EXECUTION_DATE_INVALID"),
        ("<DtTm>tomorrow</DtTm>", "EXECUTION_DATE_INVALID"),
        ("<Dt>2026-11-\uff12\uff11</Dt>", "EXECUTION_DATE_INVALID"),
    ],
)
def test_execution_date(date: str, reason: str | None) -> None:
    raw = message(block(payment(), ReqdExctnDt=f"<ReqdExctnDt>{date}</ReqdExctnDt>"))
    if reason is None:
        assert ready(raw)
    else:
        error = only(raw)
        assert (error.scope, error.reason_code) == ("block", reason)
        assert error.iso_code == ("DT04" if "FUTURE" in reason else "DT01")


def amount(text: str, currency: str = "ZMW") -> dict[str, str]:
    return {"Amt": f'<Amt><InstdAmt Ccy="{currency}">{text}</InstdAmt></Amt>'}


@pytest.mark.parametrize(
    ("changes", "reason", "iso_code", "path"),
    [
        ({"PmtId": ""}, "ELEMENT_MISSING", "CH21", "/PmtId"),
        ({"PmtId": "<PmtId><InstrId>I</InstrId></PmtId>"}, "ELEMENT_MISSING", "CH21", "/PmtId/EndToEndId"),
        ({"PmtId": "<PmtId><EndToEndId/></PmtId>"}, "ELEMENT_MISSING", "CH21", "/PmtId/EndToEndId"),
        ({"Amt": ""}, "ELEMENT_MISSING", "CH21", "/Amt"),
        ({"Amt": "<Amt/>"}, "ELEMENT_MISSING", "CH21", "/Amt/InstdAmt or EqvtAmt"),
        ({"Amt": "<Amt><InstdAmt>1</InstdAmt></Amt>"}, "ELEMENT_MISSING", "CH21", "/Amt/InstdAmt/@Ccy"),
        ({"CdtrAcct": ""}, "ELEMENT_MISSING", "CH21", "/CdtrAcct"),
        ({"CdtrAcct": "<CdtrAcct/>"}, "ELEMENT_MISSING", "CH21", "/CdtrAcct/Id"),
        (amount("1.505"), "AMOUNT_DECIMALS", "CH20", "/Amt/InstdAmt"),
        (amount("1.5", "UGX"), "AMOUNT_DECIMALS", "CH20", "/Amt/InstdAmt"),
        (amount("0"), "AMOUNT_ZERO", "AM01", "/Amt/InstdAmt"),
        (amount("+1.50"), "AMOUNT_INVALID", "AM12", "/Amt/InstdAmt"),
        (amount("1."), "AMOUNT_INVALID", "AM12", "/Amt/InstdAmt"),
        (amount(".5"), "AMOUNT_INVALID", "AM12", "/Amt/InstdAmt"),
        (amount("-1"), "AMOUNT_INVALID", "AM12", "/Amt/InstdAmt"),
        (amount("1e3"), "AMOUNT_INVALID", "AM12", "/Amt/InstdAmt"),
        (amount("\u0661"), "AMOUNT_INVALID", "AM12", "/Amt/InstdAmt"),
        (amount("999999999999999.99"), "AMOUNT_TOO_LARGE", "AM02", "/Amt/InstdAmt"),
        (amount("1", "ZMK"), "CURRENCY_INVALID", "AM11", "/Amt/InstdAmt/@Ccy"),
        (amount("1", "XXX"), "CURRENCY_INVALID", "AM11", "/Amt/InstdAmt/@Ccy"),
        (
            {"Amt": '<Amt><EqvtAmt><Amt Ccy="ZMW">1</Amt><CcyOfTrf>USD</CcyOfTrf></EqvtAmt></Amt>'},
            "ELEMENT_NOT_SUPPORTED",
            "AG03",
            "/Amt/EqvtAmt",
        ),
        (
            {"PmtId": "<PmtId><InstrId>no spaces</InstrId><EndToEndId>E</EndToEndId></PmtId>"},
            "ELEMENT_INVALID",
            "CH16",
            "/PmtId/InstrId",
        ),
        (
            {"PmtId": f"<PmtId><EndToEndId>{'E' * 36}</EndToEndId></PmtId>"},
            "ELEMENT_INVALID",
            "FF08",
            "/PmtId/EndToEndId",
        ),
        (
            {"PmtId": f"<PmtId><EndToEndId>E</EndToEndId><UETR>{UETR.upper()}</UETR></PmtId>"},
            "ELEMENT_INVALID",
            "CH16",
            "/PmtId/UETR",
        ),
        (
            {"PmtId": "<PmtId><EndToEndId>E<b/></EndToEndId></PmtId>"},
            "ELEMENT_UNEXPECTED",
            "CH17",
            "/PmtId/EndToEndId",
        ),
        (
            {"PmtId": "<PmtId><EndToEndId>E</EndToEndId><InstrId>I</InstrId></PmtId>"},
            "ELEMENT_UNEXPECTED",
            "CH17",
            "/PmtId/InstrId",
        ),
        (
            {"PmtId": "<PmtId><EndToEndId>E</EndToEndId><EndToEndId>F</EndToEndId></PmtId>"},
            "ELEMENT_UNEXPECTED",
            "CH17",
            "/PmtId/EndToEndId",
        ),
        ({"Cdtr": f"<Cdtr><Nm>{'n' * 141}</Nm></Cdtr>"}, "ELEMENT_INVALID", "CH16", "/Cdtr/Nm"),
        (
            {"CdtrAgt": "<CdtrAgt><FinInstnId><BICFI>bad</BICFI></FinInstnId></CdtrAgt>"},
            "AGENT_INVALID",
            "RC07",
            "/CdtrAgt/FinInstnId/BICFI",
        ),
        (
            {"CdtrAcct": "<CdtrAcct><Id><IBAN>ZM00</IBAN></Id></CdtrAcct>"},
            "ACCOUNT_INVALID",
            "AC03",
            "/CdtrAcct/Id/IBAN",
        ),
        (
            {"CdtrAcct": f"<CdtrAcct><Id><Othr><Id>{'1' * 65}</Id></Othr></Id></CdtrAcct>"},
            "ELEMENT_INVALID",
            "AC03",
            "/CdtrAcct/Id",
        ),
        ({"Purp": "<Purp><Cd>salary</Cd></Purp>"}, "ELEMENT_INVALID", "FF07", "/Purp/Cd"),
        (
            {"RmtInf": f"<RmtInf><Ustrd>{'r' * 100}</Ustrd><Ustrd>{'s' * 100}</Ustrd></RmtInf>"},
            "ELEMENT_INVALID",
            "CH16",
            "/RmtInf",
        ),
        ({"Cdtr": "<IntrmyAgt1/><Cdtr/>", "CdtrAgt": ""}, "ELEMENT_NOT_SUPPORTED", "CH17", "/IntrmyAgt1"),
        ({"Cdtr": "<Cdtr/><Surprise/>"}, "ELEMENT_UNEXPECTED", "CH17", "/Surprise"),
        ({"Cdtr": "<CdtTrfTxInf/>"}, "ELEMENT_UNEXPECTED", "CH17", "/CdtTrfTxInf"),
        (
            {
                "CdtrAcct": "<CdtrAcct><Id><Othr><Id>1</Id></Othr></Id>"
                "<Prxy><Tp><Cd>MBNO</Cd></Tp><Id>+260</Id></Prxy></CdtrAcct>"
            },
            "PROXY_INVALID_FORMAT",
            "BE23",
            "/CdtrAcct/Prxy/Id",
        ),
        (
            {"CdtrAcct": PROXY_ONLY.replace("MBNO", "TELE")},
            "PROXY_TYPE_UNSUPPORTED",
            "BE23",
            "/CdtrAcct/Prxy/Tp",
        ),
        (
            {"CdtrAcct": PROXY_ONLY.replace("Cd>", "Prtry>")},
            "PROXY_TYPE_UNSUPPORTED",
            "BE23",
            "/CdtrAcct/Prxy/Tp/Prtry",
        ),
        (
            {"CdtrAcct": PROXY_ONLY.replace("<Tp><Cd>MBNO</Cd></Tp>", "")},
            "ELEMENT_MISSING",
            "CH21",
            "/CdtrAcct/Prxy/Tp",
        ),
    ],
)
def test_a_bad_payment_is_refused_with_its_place_and_the_others_go_on(
    changes: dict[str, str], reason: str, iso_code: str, path: str
) -> None:
    raw = message(block(payment(1), payment(2, **changes), payment(3)), count=3, total="")
    first, refused, last = read(raw)
    assert isinstance(first, Ready)
    assert isinstance(last, Ready)
    assert isinstance(refused, Refused)
    assert (refused.reason_code, refused.iso_code, refused.pointer) == (reason, iso_code, path)
    assert (refused.scope, refused.payment_information_id, refused.line_no) == ("transaction", "BLOCK-1", 7)


def test_ids_given_twice_are_refused_also_when_all_is_on_one_line() -> None:
    same = "<PmtId><EndToEndId>NOTPROVIDED</EndToEndId></PmtId>"
    inside = (payment(1), payment(1), payment(2, PmtId=same), payment(3, PmtId=same))
    again = block(payment(9))
    for raw in (message(block(*inside), again), message(block(*inside), again).replace(b"\n", b"")):
        entries = read(raw)
        codes = [entry.iso_code if isinstance(entry, Refused) else "" for entry in entries]
        assert codes == ["", "DU05", "", "DU04", "DU02"]
        assert [entry.scope for entry in entries if isinstance(entry, Refused)][-1] == "block"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "XML_INVALID"),
        (b"<a></b>", "XML_INVALID"),
        (message(block(payment()))[:-20], "XML_INVALID"),
        (b"<a>" * 300 + b"</a>" * 300, "XML_INVALID"),
        (message(block(payment(Cdtr="<Cdtr><Nm>&who;</Nm></Cdtr>"))), "XML_INVALID"),
        (b"<x/>", "MESSAGE_NOT_SUPPORTED"),
        (message(block(payment()), version="02"), "MESSAGE_NOT_SUPPORTED"),
        (message(block(payment()), version="14"), "MESSAGE_NOT_SUPPORTED"),
        (message(), "ELEMENT_MISSING"),
        (message(block()), "ELEMENT_MISSING"),
        (b'<!DOCTYPE Document [<!ENTITY who "x">]>' + message(block(payment()))[39:], "XML_DTD"),
        (
            b'<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">' + message(block(payment()))[39:],
            "XML_DTD",
        ),
        (message(block(payment())).decode().encode("utf-16"), "ENCODING_INVALID"),
        (message(block(payment())).replace(b"UTF-8", b"ISO-8859-1"), "ENCODING_INVALID"),
        (message(block(payment())).replace(b"Payee", b"Pay\xe9e"), "ENCODING_INVALID"),
        (b"<E>" + message(block(payment()))[39:] * 2 + b"</E>", "MESSAGE_NOT_SUPPORTED"),
        (b"<E><E>" + message(block(payment()))[39:] + b"</E></E>", "MESSAGE_NOT_SUPPORTED"),
        (message(block(payment())).replace(b"<MsgId>MSG-1</MsgId>", b""), "ELEMENT_MISSING"),
        (message(block(payment())).replace(b"10:00:00Z", b""), "CREATION_TIME_INVALID"),
        (message(block(payment())).replace(b"10:00:00Z", b"25:00:00Z"), "CREATION_TIME_INVALID"),
        (message(block(payment())).replace(b"MSG-1", b"M" * 36), "ELEMENT_INVALID"),
        (message(block(payment())).replace(b"<InitgPty>", b"<InitgPty>loose"), "ELEMENT_UNEXPECTED"),
        (message(block(payment())).replace(b"<GrpHdr>", b"<GrpHdr/><GrpHdr>"), "ELEMENT_MISSING"),
        (message(block(payment())).replace(b"<NbOfTxs>1</NbOfTxs>", b""), "ELEMENT_MISSING"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[:20]),
)
def test_a_file_that_cannot_be_read_is_refused_whole(raw: bytes, reason: str) -> None:
    entries = read(raw)
    assert {entry.reason_code for entry in entries if isinstance(entry, Refused)} == {reason}
    assert not any(isinstance(entry, Ready) for entry in entries)


def test_unsupported_version_names_the_supported_ones() -> None:
    assert "pain.001.001.03 to pain.001.001.13" in only(message(block(payment()), version="99")).message


def test_file_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    with path.open("wb") as stream:
        stream.truncate(MAX_FILE_BYTES + 1)
    (entry,) = read_pain001(path, rail="sandbox", now=NOW)
    assert isinstance(entry, Refused)
    assert entry.reason_code == "FILE_TOO_LARGE"


def test_payments_inside_supplementary_data_are_not_payments() -> None:
    hidden = f"<SplmtryData><Envlp>{payment(9)}</Envlp></SplmtryData>"
    raw = message(block(payment(1, RmtInf=hidden)), count=1, total="")
    assert ready(raw).wire["instruction_id"] == "I-1"


def test_byte_order_mark_comments_and_envelope_are_fine() -> None:
    text = message(block(payment())).replace(b">10.50<", b">10<!-- x -->.50<")
    assert ready(b"\xef\xbb\xbf" + text).wire["amount"] == "10.50"
    wrapped = b"<Env><AppHdr><MsgDefIdr>pain.001.001.09</MsgDefIdr></AppHdr>" + text[39:] + b"</Env>"
    assert ready(wrapped).wire["amount"] == "10.50"


def test_version_03_has_its_own_date_and_bic() -> None:
    agent = {"DbtrAgt": "<DbtrAgt><FinInstnId><BIC>XAAAZMLX</BIC></FinInstnId></DbtrAgt>"}
    date = {"ReqdExctnDt": "<ReqdExctnDt>2026-11-21</ReqdExctnDt>"}
    creditor: Any = {"CdtrAgt": "<CdtrAgt><FinInstnId><BIC>XBBBZMLX</BIC></FinInstnId></CdtrAgt>"}
    found = ready(message(block(payment(**creditor), **agent, **date), version="03"))
    assert (found.wire["debtor"]["agent"], found.wire["creditor"]["agent"]) == ("XAAAZMLX", "XBBBZMLX")
    uetr = f"<PmtId><EndToEndId>E</EndToEndId><UETR>{UETR}</UETR></PmtId>"
    late = message(block(payment(PmtId=uetr, **creditor), **agent, **date), version="03")
    assert only(late).pointer == "/PmtId/UETR"
    assert only(message(block(payment(**creditor), **agent), version="03")).pointer == "/ReqdExctnDt"
    assert only(message(block(payment()), version="04")).pointer == "/ReqdExctnDt"


@pytest.mark.parametrize("version", ["08", "09", "10", "11", "12", "13"])
def test_versions_with_a_choice_of_dates(version: str) -> None:
    assert ready(message(block(payment()), version=version)).wire["amount"] == "10.50"


def test_wrong_caller_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="rail"):
        read(b"", rail="No Rail")
    with pytest.raises(ValueError, match="aware"):
        read(b"", now=datetime(2026, 11, 21))


def test_iban_and_bic() -> None:
    assert is_iban("GB29NWBK60161331926819")
    assert is_iban("MU17BOMM0101101030300200000MUR")
    assert not is_iban("GB30NWBK60161331926819")
    assert not is_iban("GB2\u0669NWBK60161331926819")
    assert not is_iban("gb29NWBK60161331926819")
    assert is_bic("XAAAZMLX")
    assert not is_bic("XAAAZMLX\n")
    assert not is_bic("SAPSSSGSG")


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_never_raises_and_never_sends_a_broken_payment(data: st.DataObject) -> None:
    raw = bytearray(message(block(payment(1), payment(2)), block(payment(3), PmtInfId="<PmtInfId>B</PmtInfId>")))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(39, len(raw) - 1))
        raw[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=6))
    entries = read(bytes(raw))
    assert entries
    for entry in entries:
        if isinstance(entry, Ready):
            parse_instruction(entry.wire)


needs_vectors = pytest.mark.skipif(
    not (VECTORS / "iso20022").is_dir(), reason="SYMPHONY_VECTORS names no directory with iso20022/"
)


@needs_vectors
@pytest.mark.parametrize(
    ("name", "scope", "reason"),
    [
        ("pain.001.001.03.ch.02_six_musterfile.xml", "file", "MESSAGE_NOT_SUPPORTED"),  # a national dialect
        ("pain.001.001.03_sepa.xml", "block", "ACCOUNT_INVALID"),  # its IBAN has check digits 00
        ("pain.001.001.09_cbpr2026_min.xml", "block", "PAYMENT_METHOD_NOT_SUPPORTED"),  # a cheque
        (
            "pain.001.001.09_cbpr2026_sample.xml",
            "transaction",
            "ELEMENT_NOT_SUPPORTED",
        ),  # an equivalent amount
        ("pain.001.001.12_nexus_INVALID_bic.xml", "block", "AGENT_INVALID"),
    ],
)
def test_published_samples(name: str, scope: str, reason: str) -> None:
    path = VECTORS / "iso20022" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in SYMPHONY_VECTORS")
    (entry,) = read_pain001(path, rail="sandbox", now=NOW)
    assert isinstance(entry, Refused)
    assert (entry.scope, entry.reason_code) == (scope, reason)


@needs_vectors
def test_published_samples_made_executable_are_read() -> None:
    """The same files with the one thing we do not execute put right."""
    folder = VECTORS / "iso20022"
    sepa = (folder / "pain.001.001.03_sepa.xml").read_bytes()
    sepa = sepa.replace(b"LT007180000000000000", b"LT327180000000000000")
    sepa = sepa.replace(b"LT007400000000000000", b"LT467400000000000000")
    assert ready(sepa).wire["remittance"] == "Apmokama saskaita-faktura Nr. 1"
    sample = (folder / "pain.001.001.09_cbpr2026_sample.xml").read_bytes()
    sample = re.sub(
        rb"<pain:EqvtAmt>.*</pain:EqvtAmt>", b'<pain:InstdAmt Ccy="AUD">1</pain:InstdAmt>', sample, flags=re.S
    )
    assert ready(sample).wire["uetr"] == "e5f6a7b8-c9d0-4234-ab12-345678901234"


@needs_vectors
def test_every_other_published_message_is_refused_whole() -> None:
    seen = 0
    for path in sorted((VECTORS / "iso20022").glob("*.xml")):
        if not path.name.startswith("pain.001"):
            (entry,) = read_pain001(path, rail="sandbox", now=NOW)
            assert isinstance(entry, Refused), path.name
            assert entry.reason_code == "MESSAGE_NOT_SUPPORTED", path.name
            seen += 1
    assert seen > 0


@pytest.mark.skipif(not (VECTORS / "iso_external_codes.csv").is_file(), reason="SYMPHONY_VECTORS has no code list")
def test_every_iso_code_used_is_in_the_published_set() -> None:
    with (VECTORS / "iso_external_codes.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    known = {row["code"] for row in rows if row["code_set"] == "ExternalStatusReason1Code"}
    folder = Path(pain001_payments.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("pain001*.py"))
    used = set(re.findall(r'"([A-Z]{2}[0-9]{2})"', source))
    assert len(used) > 15
    assert used <= known


def test_entries_can_be_reported_as_json() -> None:
    json.dumps(
        [
            asdict(entry)
            for entry in read(
                message(block(payment(1), payment(2, Amt=""))),
            )
        ]
    )
