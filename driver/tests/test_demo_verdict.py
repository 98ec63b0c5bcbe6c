"""The demonstration's parts: its script, its verdict with planted violations, and a child that fails."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from symphony.api.core import Meaning
from symphony.api.evidence import AliasAnswer, InstructionOutcome, OpenCase
from symphony.demo import alias_verdict
from symphony.demo import script as demo_script
from symphony.demo.alias_verdict import AliasBooks
from symphony.demo.processes import Child, DemoFailed
from symphony.demo.script import MINIMUM, Script
from symphony.demo.trials import _Answer, _answered, _refused
from symphony.demo.verdict import Books, checks, numbers
from symphony.rail_sandbox.faults import read_rules
from symphony.submission.jsonl import read_jsonl

HASH_KEY = bytes(32)
NOW = datetime(2026, 3, 4, 10, 0, 0, tzinfo=UTC)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """The smallest script."""
    return demo_script.write(tmp_path, count=MINIMUM, now=NOW)


def good(script: Script) -> tuple[list[InstructionOutcome], list[OpenCase], list[dict[str, Any]]]:
    """Outcomes, cases and a ledger as they are after a run in which everything held."""
    by_alias = list(script.aliases.alias_of)
    others = script.total - len(script.kinds) - len(by_alias) - len(script.aliases.direct)
    ids = [*script.kinds, *(f"other-{number}" for number in range(others)), *by_alias, *script.aliases.direct]
    outcomes: list[InstructionOutcome] = []
    ledger: list[dict[str, Any]] = []
    cases: list[OpenCase] = []
    for number, instruction_id in enumerate(ids, start=1):
        kind = script.kinds.get(instruction_id)
        state = {"reject": "FAILED", "wrong_amount_echo": "PENDING_MANUAL"}.get(kind or "", "DISPATCHED")
        state = "VOIDED" if instruction_id == script.aliases.stranger else state
        outbox_id = UUID(int=number)
        outcomes.append(
            InstructionOutcome(
                instruction_id=instruction_id,
                outbox_id=outbox_id,
                sequence_id=number,
                currency="ZMW",
                amount_minor=12_550,
                recorded_at=NOW,
                state=state,
                reason_code="PROXY_NOT_FOUND" if state == "VOIDED" else None,
                rail_reference=f"R-{number}" if state == "DISPATCHED" else None,
                ended_at=NOW + timedelta(milliseconds=number),
            )
        )
        if state == "PENDING_MANUAL":
            cases.append(OpenCase(UUID(int=1000 + number), "RAIL_ECHO_MISMATCH", outbox_id, NOW, "compare"))
        if state == "VOIDED":
            cases.append(OpenCase(UUID(int=1000 + number), "PROXY_UNRESOLVED", outbox_id, NOW, "correct the alias"))
        if state not in ("FAILED", "VOIDED"):
            effect = {"reference": outbox_id.hex, "amount": "125.50", "currency": "ZMW"}
            effect |= creditor_of(instruction_id, script) | {"executed_at": at(120 + number)}
            ledger.append(effect | {"rail_reference": f"R-{number}", "execution_count": 1})
    return outcomes, cases, ledger


def at(seconds: float) -> str:
    """A moment as the rail and the registry write it."""
    return (NOW + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


def creditor_of(instruction_id: str, script: Script) -> dict[str, str]:
    """What the rail's ledger says of the creditor of a payment by alias."""
    payee = script.aliases.payees.get(script.aliases.alias_of.get(instruction_id, ""))
    if payee is None:
        return {}
    seen = {
        "account": payee["account"],
        "alias": {"type": "MBNO", "value": payee["value"]},
        "name": payee["name"],
        "participant_id": payee["participant_id"],
    }
    content = json.dumps(seen, sort_keys=True, separators=(",", ":")).encode()
    participant = {"creditor_participant_id": str(payee["participant_id"])}
    return participant | {"creditor_hash": hmac.digest(HASH_KEY, content, "sha256").hex()}


def good_aliases(script: Script, outcomes: list[InstructionOutcome]) -> AliasBooks:
    """What everybody knows of the aliases after a run in which everything held."""
    ids = {outcome.instruction_id: outcome.outbox_id for outcome in outcomes}
    sha256 = {
        number: hashlib.sha256(f"MBNO:{number}".encode()).hexdigest() for number in script.aliases.alias_of.values()
    }
    down = [0.0, 0.01, 0.02, 0.03, 0.04, 0.6, 1.2]
    calls = [
        {"request_no": n, "called_at": at(100 + s), "alias_sha256": "a" * 64, "answer": "DOWN"}
        for n, s in enumerate(down)
    ]
    for n, (number, digest) in enumerate(sha256.items()):
        answer = "RESOLVED" if number in script.aliases.payees else "NOT_FOUND"
        calls.append({"request_no": 100 + n, "called_at": at(105), "alias_sha256": digest, "answer": answer})
    answers = [
        AliasAnswer(
            outbox_id=ids[name],
            status="NOT_FOUND" if name == script.aliases.stranger else "RESOLVED",
            reason_code="PROXY_NOT_FOUND" if name == script.aliases.stranger else None,
            beneficiary_participant_id="ZM-BANK-B",
            source="sandbox",
            source_version="sandbox-2",
            from_cache=False,
            observed_at=NOW + timedelta(seconds=104, milliseconds=10 * n),
            expires_at=NOW + timedelta(seconds=3_700),
            recorded_at=NOW + timedelta(seconds=106),
            dispatched_at=None if name == script.aliases.stranger else NOW + timedelta(seconds=107),
        )
        for n, name in enumerate(script.aliases.alias_of)
    ]
    return AliasBooks(
        answers=answers,
        calls=calls,
        meanings=[Meaning(1, "PROXY_NOT_FOUND", "BE23", "AccountProxyInvalid", True, False, "correct the alias", "1")],
        hash_key=HASH_KEY,
        places=Counter({"outbox.instruction_parties_202603": len(answers)}),
        healed_at=NOW + timedelta(seconds=101.5),
    )


def broken(books: Books, ledger: list[dict[str, Any]], script: Script) -> list[str]:
    return [check.said for check in checks(books, ledger, script) if check.wrong]


def test_the_script_strikes_each_kind_and_its_files_are_good(script: Script) -> None:
    rules = read_rules(script.faults.read_bytes())
    assert len(rules) == len(script.kinds) == 18
    assert [rule.kind for rule in rules] == list(script.kinds.values())
    assert all(rule.end_to_end_id or rule.phase == "ANY" for rule in rules)
    wrong_echo = next(rule for rule in rules if rule.kind == "wrong_amount_echo")
    with script.jsonl.open("rb") as stream:
        wires = [entry.wire for entry in read_jsonl(stream) if not hasattr(entry, "reason_code")]
    assert len(wires) == MINIMUM
    assert [wire["instruction_id"] for wire in wires if wire["amount"] == wrong_echo.amount] == script.of_kind(
        "wrong_amount_echo"
    )
    assert script.kinds[script.told] == "timeout_after_success"


def test_the_aliases_come_in_files_of_their_own_and_one_is_nobodys(script: Script) -> None:
    aliases = script.aliases
    assert aliases.total == len(aliases.alias_of) + len(aliases.direct) == 105
    assert [name for name, number in aliases.alias_of.items() if number not in aliases.payees] == [aliases.stranger]
    assert max(Counter(aliases.alias_of.values()).values()) == 3, "some are paid again"
    assert len({payee["account"] for payee in aliases.payees.values()}) == len(aliases.payees) == 68
    for wire in aliases.wires:
        assert ("account" in wire["creditor"]) == (wire["instruction_id"] in aliases.direct)


def test_a_good_run_holds(script: Script) -> None:
    outcomes, cases, ledger = good(script)
    assert broken(Books(outcomes, cases), ledger, script) == []


def test_every_check_can_fail(script: Script) -> None:
    outcomes, cases, ledger = good(script)
    states = [outcome.state for outcome in outcomes]
    sent, failed, manual = (states.index(state) for state in ("DISPATCHED", "FAILED", "PENDING_MANUAL"))

    def with_outcome(at: int, **changes: Any) -> Books:
        return Books([*outcomes[:at], replace(outcomes[at], **changes), *outcomes[at + 1 :]], cases)

    def with_effect(**changes: Any) -> list[dict[str, Any]]:
        reference = outcomes[sent].outbox_id.hex
        return [{**row, **changes} if row["reference"] == reference else row for row in ledger]

    books = Books(outcomes, cases)
    extra = {"reference": outcomes[failed].outbox_id.hex, "execution_count": 1}
    stranger = {"reference": "f" * 32, "execution_count": 1}
    lost = [row for row in ledger if row["reference"] != outcomes[sent].outbox_id.hex]
    planted = [
        (Books(outcomes[:-1], cases), ledger, "sequence without a gap"),
        (with_outcome(0, sequence_id=2), ledger, "sequence without a gap"),
        (with_outcome(sent, state=None), ledger, "exactly one terminal"),
        (books, with_effect(execution_count=2), "no reference twice"),
        (books, [*ledger, stranger], "nothing that is not recorded"),
        (books, lost, "DISPATCHED was executed once"),
        (books, with_effect(amount="125.51"), "DISPATCHED was executed once"),
        (books, with_effect(currency="USD"), "DISPATCHED was executed once"),
        (books, with_effect(rail_reference="R-other"), "DISPATCHED was executed once"),
        (books, [*ledger, extra], "FAILED or VOIDED was executed"),
        (Books(outcomes, []), ledger, "has a case for a person"),
        (with_outcome(failed, state="DISPATCHED"), ledger, "rejected ones are FAILED"),
        (with_outcome(manual, state="DISPATCHED", rail_reference="R"), ledger, "wrong echo is PENDING_MANUAL"),
    ]
    for found, effects, said in planted:
        assert any(said in check for check in broken(found, effects, script)), said


def broken_aliases(books: Books, ledger: list[dict[str, Any]], known: AliasBooks, script: Script) -> list[str]:
    return [check.said for check in alias_verdict.checks(books, ledger, known, script.aliases) if check.wrong]


def test_a_good_run_with_aliases_holds(script: Script) -> None:
    outcomes, cases, ledger = good(script)
    known = good_aliases(script, outcomes)
    assert broken_aliases(Books(outcomes, cases), ledger, known, script) == []
    assert len(list(alias_verdict.checks(Books(outcomes, cases), ledger, known, script.aliases))) == 9


def test_every_check_of_the_aliases_can_fail(script: Script) -> None:
    outcomes, cases, ledger = good(script)
    known = good_aliases(script, outcomes)
    ids = {outcome.instruction_id: outcome.outbox_id for outcome in outcomes}
    first, second = (ids[name] for name in script.aliases.while_down[:2])
    stranger, direct = ids[script.aliases.stranger], ids[script.aliases.direct[0]]
    digest = hashlib.sha256(f"MBNO:{next(iter(script.aliases.payees))}".encode()).hexdigest()
    late = known.healed_at + timedelta(seconds=1)

    def outcome(of: UUID, **changes: Any) -> Books:
        return Books([replace(o, **changes) if o.outbox_id == of else o for o in outcomes], cases)

    def effect(of: UUID, **changes: Any) -> list[dict[str, Any]]:
        return [{**row, **changes} if row["reference"] == of.hex else row for row in ledger]

    def answer(of: UUID, **changes: Any) -> AliasBooks:
        return replace(known, answers=[replace(a, **changes) if a.outbox_id == of else a for a in known.answers])

    def call(when: Callable[[dict[str, Any]], bool], **changes: Any) -> AliasBooks:
        return replace(known, calls=[{**c, **changes} if when(c) else c for c in known.calls])

    books = Books(outcomes, cases)
    again = {"request_no": 999, "called_at": at(106), "alias_sha256": digest, "answer": "RESOLVED"}
    paid_stranger = {"reference": stranger.hex, "execution_count": 1}
    meaning, action = replace(known.meanings[0], iso_code="AC01"), replace(known.meanings[0], next_action="another")
    planted: list[tuple[Books, list[dict[str, Any]], AliasBooks, str]] = [
        (outcome(first, state="FAILED"), ledger, known, "had not expired"),
        (books, ledger, answer(first, dispatched_at=None), "had not expired"),
        (books, ledger, answer(first, expires_at=NOW + timedelta(seconds=107)), "had not expired"),
        (books, ledger, answer(first, dispatched_at=NOW + timedelta(seconds=105)), "had not expired"),
        (books, ledger, answer(first, status="TEMP_UNAVAILABLE"), "had not expired"),
        (books, ledger, replace(known, calls=[*known.calls, again]), "numbers once"),
        (books, ledger, call(lambda c: c["alias_sha256"] == digest, alias_sha256="b" * 64), "numbers once"),
        (books, effect(first, executed_at=at(104)), known, "nobody was paid before"),
        (books, effect(first, creditor_hash="0" * 64), known, "at the account"),
        (books, effect(first, creditor_participant_id="ZM-BANK-X"), known, "at the account"),
        (outcome(stranger, state="FAILED"), ledger, known, "nobody's number"),
        (books, [*ledger, paid_stranger], known, "nobody's number"),
        (Books(outcomes, cases[:1]), ledger, known, "nobody's number"),
        (books, ledger, replace(known, meanings=[meaning]), "nobody's number"),
        (books, ledger, replace(known, meanings=[action]), "nobody's number"),
        (books, ledger, replace(known, calls=known.calls[7:]), "was down"),
        (books, ledger, call(lambda c: c["request_no"] == 6, called_at=at(100.9)), "was down"),
        (outcome(direct, state="FAILED"), ledger, known, "payments to accounts"),
        (outcome(direct, ended_at=late), ledger, known, "payments to accounts"),
        (books, ledger, answer(first, observed_at=NOW + timedelta(seconds=110)), "in the order they came"),
        (books, ledger, answer(second, observed_at=NOW + timedelta(seconds=100)), "in the order they came"),
        (books, ledger, replace(known, places=known.places + Counter({"worker.log": 1})), "beside the parties"),
        (books, ledger, replace(known, places=Counter({"outbox.instruction_parties": 1})), "beside the parties"),
    ]
    for found, effects, everything, said in planted:
        wrong = broken_aliases(found, effects, everything, script)
        assert any(said in check for check in wrong), (said, wrong)


def test_numbers_are_nearest_ranks(script: Script) -> None:
    outcomes, cases, _ = good(script)
    found = numbers(Books(outcomes[:40], cases))
    assert (found.p50_ms, found.p99_ms, found.slowest_ms) == (20.0, 40.0, 40.0)
    assert found.ended_per_s == pytest.approx(38 / 0.038)


def test_a_child_that_ends_early_is_quoted(tmp_path: Path) -> None:
    child = Child("worker", ["worker"], directory=tmp_path, environment={})
    with pytest.raises(
        DemoFailed, match=r"(?s)worker ended with status 2 before it was ready.*worker\.log: .*Missing option"
    ):
        child.wait_ready(seconds=30)
    assert child.status == 2


@pytest.mark.parametrize(
    "answer",
    [
        _Answer(202, "", False),
        _Answer(401, "DPOP_REPLAYED", True),
        _Answer(403, "CERT_REVOKED", True),
        _Answer(401, "CERT_REVOKED", False),
    ],
)
def test_a_trial_that_is_not_refused_by_name_and_attested_does_not_hold(answer: _Answer) -> None:
    assert _refused("a revoked certificate", answer, "CERT_REVOKED").wrong == [str(answer)]


def test_a_trial_holds_when_it_ended_as_it_must() -> None:
    assert _refused("a revoked certificate", _Answer(401, "CERT_REVOKED", True), "CERT_REVOKED").wrong == []
    assert _answered("its own", _Answer(200, "", False), 200).wrong == []
    assert _answered("its own", _Answer(404, "", False), 200).wrong == ["404 , not attested"]
