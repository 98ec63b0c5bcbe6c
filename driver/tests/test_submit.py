"""`symphony submit`: everything delivered once, whatever the network does, and a report that says so."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from symphony.instruction import IDENTIFIER
from symphony.submission import command
from symphony.submission.entry import Entry, Ready, Refused
from symphony.submission.jsonl import read_jsonl
from symphony.submission.pain001 import Pain001
from symphony.submission.sample import PARTICIPANT_BY_AGENT, write_jsonl, write_pain001
from symphony.submission.submit import MAX_BODY_BYTES, Delivery, Report, submit
from tests.batch_ingress import BatchIngress, Trouble, answer, drop, some_unavailable, stall

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
async def ingress() -> AsyncIterator[BatchIngress]:
    async with BatchIngress().running() as running:
        yield running


def entry(number: int, **changes: Any) -> Ready:
    wire = {
        "instruction_id": f"INV-{number}",
        "rail": "sandbox",
        "amount": "1.00",
        "currency": "ZMW",
        "debtor": {"account": "1"},
        "creditor": {"account": "2"},
        **changes,
    }
    return Ready(number, wire, f"INV-{number}")


async def deliver(
    ingress: BatchIngress, entries: Iterable[Entry], *troubles: Trouble | None, **options: Any
) -> tuple[Report, list[float]]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    ingress.troubles.extend(troubles)
    options = {"url": ingress.url, "participant": "ZM-BANK-A", "concurrency": 1, **options}
    report = await submit(entries, Delivery(**options), randomness=random.Random(7), sleep=sleep)
    return report, waits


def counts(report: Report) -> tuple[int, int, int, int, int]:
    return report.sent, report.recorded, report.replayed, len(report.refused), len(report.failed)


async def test_everything_is_recorded_once_and_twice_records_nothing_new(ingress: BatchIngress) -> None:
    entries = [entry(number) for number in range(1, 1001)]
    first, _ = await deliver(ingress, entries, concurrency=8)
    assert counts(first) == (1000, 1000, 0, 0, 0)
    assert len(ingress.bodies) == 10
    assert ingress.most_at_once > 1
    second, _ = await deliver(ingress, entries, concurrency=3, batch=77)
    assert counts(second) == (1000, 0, 1000, 0, 0)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert len(ingress.recorded) == 1000


async def test_request_carries_identity_type_and_a_key_of_the_right_form(ingress: BatchIngress) -> None:
    await deliver(ingress, [entry(1)])
    (headers,) = ingress.headers
    assert headers["Symphony-Participant"] == "ZM-BANK-A"
    assert headers["Content-Type"] == "application/json"
    assert IDENTIFIER.matches(headers["Idempotency-Key"])


async def test_no_answer_after_recording_is_retried_under_the_same_keys(ingress: BatchIngress) -> None:
    report, waits = await deliver(ingress, [entry(1), entry(2)], drop(after_recording=True))
    assert counts(report) == (2, 0, 2, 0, 0)
    assert len(waits) == 1
    assert ingress.bodies[0] == ingress.bodies[1]
    assert report.exit_code == 0


async def test_no_answer_before_recording_and_a_stall_are_retried(ingress: BatchIngress) -> None:
    report, _ = await deliver(ingress, [entry(1)], drop(after_recording=False), stall(), timeout_ms=200)
    assert counts(report) == (1, 0, 1, 0, 0)


async def test_503_is_retried_after_what_it_asks_with_jitter_on_top(ingress: BatchIngress) -> None:
    busy = answer(503, {"reason_code": "OVERLOADED"}, **{"Retry-After": "3"})
    report, waits = await deliver(ingress, [entry(1)], busy, busy, answer(429), answer(502, b"<html>"))
    assert counts(report) == (1, 1, 0, 0, 0)
    assert 3 <= waits[0] <= 3.25
    assert 3 <= waits[1] <= 3.5
    assert 0 <= waits[2] <= 1
    assert len(set(waits)) == 4


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("9999", 60, 61),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 60, 61),
        ("soon", 0, 1),
        ("-5", 0, 1),
        ("9" * 400, 60, 61),
    ],
)
async def test_retry_after_in_every_form_is_bounded(
    ingress: BatchIngress, header: str, least: float, most: float
) -> None:
    _, waits = await deliver(ingress, [entry(1)], answer(503, None, **{"Retry-After": header}))
    assert least <= waits[0] <= most


async def test_only_unsettled_items_are_sent_again(ingress: BatchIngress) -> None:
    entries = [entry(1), entry(2), entry(3, debtor={"account": "REFUSE-ME"}), entry(4)]
    report, _ = await deliver(ingress, entries, some_unavailable(1, 3))
    assert [len(json.loads(body)["instructions"]) for body in ingress.bodies] == [4, 2]
    assert (report.recorded + report.replayed, len(report.refused), len(report.failed)) == (3, 1, 0)


async def test_refusals_carry_line_reason_and_pointer(ingress: BatchIngress) -> None:
    await deliver(ingress, [entry(1)])
    entries: list[Entry] = [
        Refused(7, "line", "JSON_INVALID", "not JSON"),
        entry(1, amount="2.00"),
        entry(3, debtor={"account": "REFUSE-ME"}),
        entry(4),
    ]
    report, _ = await deliver(ingress, entries)
    assert counts(report) == (3, 1, 0, 3, 0)
    assert report.exit_code == 2
    found = [(item["line_no"], item["reason_code"], item["by"], item.get("pointer")) for item in report.refused]
    assert found == [
        (1, "IDEMPOTENCY_CONFLICT", "ingress", None),
        (3, "LIMIT_CLIENT", "ingress", "/amount"),
        (7, "JSON_INVALID", "reader", None),
    ]
    assert report.refused[0]["message"] == "used with other content"


@pytest.mark.parametrize(
    ("trouble", "tries", "reason"),
    [
        (answer(503, {"reason_code": "DATABASE_UNAVAILABLE", "detail": "later"}), 3, "DATABASE_UNAVAILABLE"),
        (answer(401, {"reason_code": "NOT_AUTHENTICATED", "title": "who are you"}), 1, "NOT_AUTHENTICATED"),
        (answer(404, b"nothing here"), 1, "HTTP_404"),
        (answer(302, None, Location="http://127.0.0.1:9/"), 1, "HTTP_302"),
        (answer(200, b"[" * 100_000), 3, "UNREADABLE_ANSWER"),
        (answer(200, {"results": []}), 3, "UNREADABLE_ANSWER"),
        (answer(200, {"results": [1, 2]}), 3, "UNREADABLE_ANSWER"),
        (answer(200, ["x"]), 3, "UNREADABLE_ANSWER"),
        (drop(after_recording=False), 3, "NO_ANSWER"),
    ],
)
async def test_tries_are_bounded_and_what_is_left_is_named(
    ingress: BatchIngress, trouble: Trouble, tries: int, reason: str
) -> None:
    report, waits = await deliver(ingress, [entry(1), entry(2)], *[trouble] * 9, tries=3)
    assert counts(report) == (2, 0, 0, 0, 2)
    assert (len(ingress.bodies), len(waits)) == (tries, tries - 1)
    assert {item["reason_code"] for item in report.failed} == {reason}
    assert [item["line_no"] for item in report.failed] == [1, 2]
    assert report.exit_code == 1


async def test_nobody_listening_fails_every_line_and_raises_nothing() -> None:
    nobody = BatchIngress()
    async with nobody.running():
        pass
    report, _ = await deliver(nobody, [entry(n) for n in range(5)], tries=2)
    assert counts(report) == (5, 0, 0, 0, 5)


async def test_large_lines_close_a_batch_early(ingress: BatchIngress) -> None:
    large = {"x": "y" * 60_000}
    entries = [Ready(n, {**entry(n).wire, "large": large}, f"INV-{n}") for n in range(1, 21)]
    report, _ = await deliver(ingress, entries)
    assert report.recorded == 20
    assert len(ingress.bodies) > 1
    assert max(map(len, ingress.bodies)) < MAX_BODY_BYTES + 100


async def test_progress_counts_every_payment_once(ingress: BatchIngress) -> None:
    seen: list[int] = []
    ingress.troubles.append(some_unavailable(0))
    entries: list[Entry] = [entry(1), Refused(2, "block", "CONTROL_SUM", "wrong", transactions=5), entry(3)]

    async def no_wait(_: float) -> None:
        return

    delivery = Delivery(url=ingress.url, participant="ZM-BANK-A")
    await submit(entries, delivery, on_progress=seen.append, sleep=no_wait)
    assert sum(seen) == 7


async def run(*arguments: object) -> Result:
    options = [str(argument) for argument in arguments]
    return await asyncio.to_thread(CliRunner().invoke, command.submit, options)


async def test_command_with_a_json_lines_file(ingress: BatchIngress, tmp_path: Path) -> None:
    path = tmp_path / "salaries.jsonl"
    write_jsonl(path, count=250, seed=3)
    options = ("--url", ingress.url, "--participant", "ZM-BANK-A")
    first = await run(path, *options, "--json")
    assert first.exit_code == 0, first.output
    report = json.loads(first.stdout)
    assert first.stderr == ""
    assert (report["file"], report["format"], report["sent"], report["recorded"]) == (
        path.name,
        "jsonl",
        250,
        250,
    )
    with path.open("a") as stream:
        stream.write("oops\n")
    second = await run(path, *options)
    assert second.exit_code == 2
    assert "sent 250, recorded 0, replayed 250, refused 1, failed 0" in second.stdout
    assert "refused: line 251: JSON_INVALID" in second.stdout


async def test_command_with_a_pain001_file(ingress: BatchIngress, tmp_path: Path) -> None:
    path, mapping = tmp_path / "salaries.xml", tmp_path / "participants.json"
    write_pain001(path, count=30, blocks=3, seed=3, now=datetime.now().astimezone())
    mapping.write_text(json.dumps(PARTICIPANT_BY_AGENT))
    options = (
        "--url",
        ingress.url,
        "--participant",
        "ZM-BANK-A",
        "--rail",
        "sandbox",
        "--participants",
        mapping,
    )
    for recorded, replayed in ((30, 0), (0, 30)):
        result = await run(path, *options, "--json")
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        assert (report["format"], report["recorded"], report["replayed"]) == ("pain001", recorded, replayed)
    participants = {item["creditor"]["participant_id"] for item in ingress.recorded.values()}
    assert participants <= set(PARTICIPANT_BY_AGENT.values())
    path.write_text(path.read_text().replace("<NbOfTxs>30<", "<NbOfTxs>31<"))
    result = await run(path, *options)
    assert result.exit_code == 2
    assert "refused: file on line 4: NUMBER_OF_TRANSACTIONS (AM18) at /GrpHdr/NbOfTxs" in result.stdout
    assert "sent 0, recorded 0, replayed 0, refused 30" in result.stdout


async def test_command_says_when_lines_could_not_be_delivered(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, count=30, seed=3)
    nobody = BatchIngress()
    async with nobody.running():
        pass
    result = await run(path, "--url", nobody.url, "--participant", "ZM-BANK-A", "--tries", 1)
    assert result.exit_code == 1
    assert "failed: line 1, instruction_id SAMPLE-J3-000001: NO_ANSWER" in result.stdout
    assert "failed: 10 more" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "ftp://x", "--participant", "A"], "scheme, host and port"),
        (["--url", "http://127.0.0.1:1/v1", "--participant", "A"], "scheme, host and port"),
        (["--url", "http://127.0.0.1:1", "--participant", "zm"], "a participant must be"),
        (["--url", "http://127.0.0.1:1", "--participant", "A", "--rail", "R"], "a rail must be"),
        (["--url", "http://127.0.0.1:1", "--participant", "A", "--batch", "501"], "1<=x<=500"),
        (["--url", "http://127.0.0.1:1", "--participant", "A"], "give --rail"),
        (
            ["--url", "http://127.0.0.1:1", "--participant", "A", "--participants", "FILE"],
            "not readable JSON",
        ),
    ],
)
def test_command_refuses_wrong_options(arguments: list[str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "file.xml"
    path.write_text("\n  <Document/>")
    options = [str(path), *(str(path) if argument == "FILE" else argument for argument in arguments)]
    result = CliRunner().invoke(command.submit, options)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_samples_are_valid_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    write_jsonl(one, count=200, seed=5)
    write_jsonl(two, count=200, seed=5)
    write_jsonl(other, count=200, seed=6)
    assert one.read_bytes() == two.read_bytes() != other.read_bytes()
    with one.open("rb") as stream:
        lines = list(read_jsonl(stream))
    assert all(isinstance(line, Ready) for line in lines)
    write_pain001(two, count=200, blocks=7, seed=5, now=NOW)
    payments = list(Pain001(two.read_bytes(), rail="sandbox", now=NOW))
    assert len(payments) == 200
    assert all(isinstance(payment, Ready) for payment in payments)
    ids = {line.wire["instruction_id"] for line in lines + payments if isinstance(line, Ready)}
    assert len(ids) == 400
    with pytest.raises(ValueError, match="blocks"):
        write_pain001(two, count=2, blocks=3, seed=5, now=NOW)


@pytest.mark.parametrize("file_format", ["jsonl", "pain001"])
def test_sample_command_writes_a_readable_file(file_format: str, tmp_path: Path) -> None:
    path = tmp_path / "sample"
    result = CliRunner().invoke(command.sample, [str(path), "--format", file_format, "--count", "9"])
    assert result.exit_code == 0, result.output
    if file_format == "jsonl":
        with path.open("rb") as stream:
            assert len(list(read_jsonl(stream))) == 9
    else:
        later = datetime.now().astimezone()
        assert len(list(Pain001(path.read_bytes(), rail="sandbox", now=later))) == 9
