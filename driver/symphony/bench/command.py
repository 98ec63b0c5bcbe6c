"""The command group `symphony bench`."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from symphony import api, migrate
from symphony.api import bench as sql
from symphony.bench import core, http, resolver
from symphony.operator_error import reported
from symphony.postgres import Server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _server(database_url: str | None, data: Path | None) -> Iterator[str]:
    """A database to measure: the given one, or a server of our own that is stopped afterwards."""
    if database_url is not None:
        yield database_url
        return
    with tempfile.TemporaryDirectory(prefix="symphony-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        server = Server(data or Path(folder) / "data", _free_port())
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()


def _say(line: str) -> None:
    click.echo(line, err=True)


@click.group()
def bench() -> None:
    """Measure, beside the machine's own limit, in one run."""


@bench.command("core")
@click.option("--database-url", default=None, help="An empty database of a superuser; default: a server of our own.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="Data directory for our own server.")
@click.option("--history", default=10_000_000, show_default=True, help="Historical attempts to load first.")
@click.option("--seconds", default=15.0, show_default=True, help="Seconds per phase.")
@click.option("--batch", type=click.IntRange(1, 500), default=200, show_default=True, help="Rows per call.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on standard output.")
def core_command(
    database_url: str | None, data: Path | None, history: int, seconds: float, batch: int, as_json: bool
) -> None:
    """The SQL API: record, drain, and both at once, over a history."""
    options = core.CoreOptions(history_attempts=history, seconds=seconds, batch=batch)
    with reported(), _server(database_url, data) as dsn:
        report = asyncio.run(_core(dsn, options))
    click.echo(json.dumps(report, indent=2) if as_json else _readable(report))


@bench.command("http")
@click.option("--database-url", default=None, help="An empty database of a superuser; default: a server of our own.")
@click.option("--seconds", default=10.0, show_default=True, help="Seconds per phase.")
@click.option("--dev", is_flag=True, help="The development header over plain HTTP, instead of everything on.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on standard output.")
def http_command(database_url: str | None, seconds: float, dev: bool, as_json: bool) -> None:
    """Single-instruction POSTs through the ingress, saturated and at half load, with everything on.

    Mutual TLS, tokens bound to certificate and DPoP key, signed bodies, certificates and logins from OpenBao.
    """
    with reported(), _server(database_url, None) as dsn:
        asyncio.run(migrate.apply(dsn))
        asyncio.run(http.prepare(dsn))
        report = {"bench": "http"} | http.run(dsn, seconds=seconds, dev=dev, say=_say)
    click.echo(json.dumps(report, indent=2) if as_json else _readable_http(report))


@bench.command("resolver")
@click.option("--database-url", default=None, help="An empty database of a superuser; default: a server of our own.")
@click.option("--aliases", type=click.IntRange(1_000, 900_000), default=20_000, show_default=True)
@click.option(
    "--seconds", default=5.0, show_default=True, help="Seconds of the limit, and of each probe of direct payments."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on standard output.")
def resolver_command(database_url: str | None, aliases: int, seconds: float, as_json: bool) -> None:
    """Aliases a second, uncached (a registry of 5 ms) and cached, and direct payments during a registry outage."""
    with reported(), _server(database_url, None) as dsn:
        report = {"bench": "resolver"} | resolver.run(dsn, aliases=aliases, seconds=seconds, say=_say)
    click.echo(json.dumps(report, indent=2) if as_json else _readable_resolver(report))


async def _core(dsn: str, options: core.CoreOptions) -> dict[str, Any]:
    attempts = await core.prepare(dsn, history_attempts=options.history_attempts, say=_say)
    report = await core.run(dsn, options, say=_say)
    async with await api.connect(dsn, application_name="bench settings") as connection:
        return {
            "bench": "core",
            "history_attempts": attempts,
            "server": await sql.settings(connection),
        } | report


def _readable(report: dict[str, Any]) -> str:
    lines = [f"history {report['history_attempts']:,} attempts, batch {report['batch']}"]
    lines.append(f"machine limit (plain batched INSERT)  {report['machine_limit']['rows_per_s']:>10,.0f}/s")
    for phase, key in (("record", "rows_per_s"), ("drain", "rows_per_s"), ("both_at_once", "payments_per_s")):
        found = report[phase]
        lines.append(
            f"{phase:<38}{found[key]:>10,.0f}/s  ratio {found['ratio_to_machine_limit']:.3f}"
            f"  p50 {found['batch_p50_ms']} ms  p99 {found['batch_p99_ms']} ms per batch"
            f"  {found['wal_bytes_per_row']:,.0f} B WAL, {found['rows_inserted_per_row']} rows each"
        )
    return "\n".join(lines)


def _readable_resolver(report: dict[str, Any]) -> str:
    outage = report["direct_during_outage"]
    lines = [f"machine limit (plain batched INSERT)  {report['machine_limit']['rows_per_s']:>10,.0f}/s"]
    lines += [
        f"{phase:<38}{report[phase]['per_s']:>10,.0f}/s  ratio {report[phase]['ratio_to_machine_limit']:.3f}"
        f"  floor {report[phase]['floor_per_s']:,}/s: {'held' if report[phase]['held'] else 'NOT HELD'}"
        for phase in ("uncached", "cached")
    ]
    lines += [
        f"direct payments, {name:<21}p50 {outage[key]['p50_ms']:>7.2f} ms  p99 {outage[key]['p99_ms']:>7.2f} ms"
        for name, key in (("nothing else", "calm"), ("registry outage", "outage"))
    ]
    return "\n".join(lines)


def _readable_http(report: dict[str, Any]) -> str:
    full, half, floor = report["saturation"], report["half_load"], report.get("floor")
    lines = [
        f"authentication: {report['authentication']}",
        f"machine limit (same server, nothing behind)  {report['machine_limit']['requests_per_s']:>8,.0f}/s",
        f"saturation, {report['connections']} connections                   {full['requests_per_s']:>8,.0f}/s"
        f"  ratio {full['ratio_to_machine_limit']:.3f}  p50 {full['p50_ms']} ms  p99 {full['p99_ms']} ms",
        f"per ingress core                             {full['requests_per_s_per_ingress_core']:>8,.0f}/s"
        f"  ({full['ingress_cpu_us_per_request']} us of CPU a request)",
        f"half load                                    {half['requests_per_s']:>8,.0f}/s"
        f"  p50 {half['p50_ms']} ms  p99 {half['p99_ms']} ms",
    ]
    if floor is not None:
        lines.append(
            f"floor: {floor['requests_per_s_per_ingress_core']}/s per ingress core,"
            f" p99 {floor['half_load_p99_ms']} ms at half load: {'held' if floor['held'] else 'NOT HELD'}"
        )
    lines += [f"  {name:<32}{us:>8.1f} us" for name, us in report.get("microseconds_per_check", {}).items()]
    return "\n".join(lines)
