"""The commands `symphony submit` and `symphony sample`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import click
from yarl import URL

from symphony.client import Credentials
from symphony.instruction import PARTICIPANT, RAIL
from symphony.operator_error import reported
from symphony.submission.entry import Entry
from symphony.submission.jsonl import read_jsonl
from symphony.submission.pain001 import read_pain001
from symphony.submission.sample import write_jsonl, write_pain001
from symphony.submission.submit import Delivery, Report
from symphony.submission.submit import submit as deliver

_SHOWN = 20

type Format = Literal["jsonl", "pain001"]


def _check_url(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host or url.path not in ("", "/") or url.query_string:
        raise click.BadParameter("give scheme, host and port only, like http://127.0.0.1:8080")
    return value


def _check_participant(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not PARTICIPANT.matches(value):
        raise click.BadParameter(f"a participant must be {PARTICIPANT.says}")
    return value


def _check_rail(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not RAIL.matches(value):
        raise click.BadParameter(f"a rail must be {RAIL.says}")
    return value


def _read_mapping(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> dict[str, str]:
    if value is None:
        return {}
    try:
        mapping = json.loads(value.read_bytes())
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{value} is not readable JSON ({type(error).__name__})") from error
    if not isinstance(mapping, dict) or not all(
        isinstance(participant, str) and PARTICIPANT.matches(participant) for participant in mapping.values()
    ):
        raise click.BadParameter(f'{value} must be one JSON object like {{"AAAAZMLX": "ZM-BANK-B"}}')
    return mapping


@click.command("submit")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--url", required=True, callback=_check_url, help="Base URL of the ingress.")
@click.option("--participant", callback=_check_participant, help="Who sends, for an ingress that runs with --dev.")
@click.option(
    "--credentials",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of the sender's certificate and keys; makes tokens, proofs and signatures.",
)
@click.option(
    "--server-ca",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Whom to believe about the ingress (PEM), instead of server-ca.pem of the credentials.",
)
@click.option(
    "--rail",
    callback=_check_rail,
    help="Rail of every payment of a pain.001 file, and of JSON lines that name none.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["auto", "jsonl", "pain001"]),
    default="auto",
    show_default=True,
)
@click.option(
    "--participants",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_read_mapping,
    help="JSON object from creditor agent (BIC or clearing member id) to participant id, for pain.001.",
)
@click.option("--concurrency", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--batch", type=click.IntRange(1, 500), default=100, show_default=True)
@click.option("--tries", type=click.IntRange(1, 100), default=8, show_default=True, help="Tries for each batch.")
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@click.pass_context
def submit(
    context: click.Context,
    *,
    file: Path,
    url: str,
    participant: str | None,
    credentials: Path | None,
    server_ca: Path | None,
    rail: str | None,
    file_format: str,
    participants: dict[str, str],
    concurrency: int,
    batch: int,
    tries: int,
    as_json: bool,
) -> None:
    """Send the instructions of FILE (JSON Lines or pain.001) to an ingress.

    Bad lines are refused by number and reason and the good ones are sent. Run twice, it records nothing new.

    Exit status: 0 all recorded (now or before), 1 some could not be delivered, 2 some were refused.
    """
    if (participant is None) == (credentials is None):
        raise click.UsageError("give --credentials, or --participant for an ingress that runs with --dev")
    with reported():
        delivery = Delivery(
            url=url,
            participant=participant,
            credentials=_read_credentials(credentials, url=url, server_ca=server_ca),
            concurrency=concurrency,
            batch=batch,
            tries=tries,
        )
    found = _detect(file) if file_format == "auto" else file_format
    if found == "pain001":
        if rail is None:
            raise click.UsageError("a pain.001 file names no rail; give --rail")
        payments = read_pain001(file, rail=rail, now=datetime.now().astimezone(), participants=participants)
        report = _run(payments, payments.transactions, delivery)
    else:
        with file.open("rb") as stream:
            total = _count_lines(stream)
            report = _run(read_jsonl(stream, default_rail=rail), total, delivery)
    _print(report, file=file, file_format=found, as_json=as_json)
    context.exit(report.exit_code)


def _read_credentials(path: Path | None, *, url: str, server_ca: Path | None) -> Credentials | None:
    if path is None:
        if server_ca is not None:
            raise click.UsageError("--server-ca goes with --credentials")
        return None
    if not url.lower().startswith("https://"):
        raise click.UsageError("--credentials need an https --url: a token is not sent in the clear")
    return Credentials.read(path, origin=url, server_ca=server_ca)


def _detect(file: Path) -> str:
    """Tell the two formats apart: XML starts with `<`."""
    with file.open("rb") as stream:
        head = stream.read(1024)
    return "pain001" if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<") else "jsonl"


def _count_lines(stream: BinaryIO) -> int:
    total = sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
    stream.seek(0)
    return total


def _run(entries: Iterable[Entry], total: int, delivery: Delivery) -> Report:
    """Deliver under a progress bar on a terminal; without one, say nothing."""
    with click.progressbar(length=total, label="submit", file=sys.stderr, hidden=not sys.stderr.isatty()) as progress:
        return asyncio.run(_deliver(entries, delivery, progress.update))


async def _deliver(entries: Iterable[Entry], delivery: Delivery, on_progress: Callable[[int], None]) -> Report:
    try:
        return await deliver(entries, delivery, on_progress=on_progress)
    finally:
        if delivery.credentials is not None:
            await delivery.credentials.close()


def _print(report: Report, *, file: Path, file_format: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"file": file.name, "format": file_format, **asdict(report)}))
        return
    covered = sum(item.get("transactions", 1) for item in report.refused)
    click.echo(
        f"{file.name} ({file_format}): sent {report.sent}, recorded {report.recorded}, "
        f"replayed {report.replayed}, refused {covered}, failed {len(report.failed)} "
        f"in {report.elapsed_s:.1f} s"
    )
    for title, items in (("refused", report.refused), ("failed", report.failed)):
        for item in items[:_SHOWN]:
            click.echo(f"  {title}: {_sentence(item)}")
        if len(items) > _SHOWN:
            click.echo(f"  {title}: {len(items) - _SHOWN} more; --json lists all")


def _sentence(item: dict[str, Any]) -> str:
    names = ("payment_information_id", "end_to_end_id", "instruction_id")
    place = "".join(f", {name} {item[name]}" for name in names if name in item)
    scope = f"{item['scope']} on " if item.get("scope", "line") != "line" else ""
    iso_code = f" ({item['iso_code']})" if "iso_code" in item else ""
    pointer = f" at {item['pointer']}" if "pointer" in item else ""
    return f"{scope}line {item['line_no']}{place}: {item['reason_code']}{iso_code}{pointer}: {item['message']}"


@click.command("sample")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, path_type=Path))
@click.option("--format", "file_format", type=click.Choice(["jsonl", "pain001"]), required=True)
@click.option("--count", type=click.IntRange(1, 1_000_000), default=500, show_default=True)
@click.option("--blocks", type=click.IntRange(1, 1000), default=3, show_default=True, help="For pain001.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--rail", default="sandbox", show_default=True, callback=_check_rail, help="For jsonl.")
def sample(*, file: Path, file_format: Format, count: int, blocks: int, seed: int, rail: str) -> None:
    """Write COUNT fictional instructions to FILE.

    The same seed gives the same file (pain001: on the same day).
    """
    if file_format == "jsonl":
        write_jsonl(file, count=count, seed=seed, rail=rail)
    else:
        now = datetime.now().astimezone()
        write_pain001(file, count=count, blocks=min(blocks, count), seed=seed, now=now)
