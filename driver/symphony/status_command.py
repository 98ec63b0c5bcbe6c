"""`symphony status`: is this database current, durable, established, and is work moving."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from symphony.api import ops
from symphony.api.connection import Connection
from symphony.api.ops import AppliedFile, HealthSample, Status
from symphony.capability import run_as
from symphony.migrate import DEFAULT_SQL_DIR
from symphony.migration_files import Sources, read
from symphony.migration_ledger import Applied, AppliedMigration
from symphony.migration_plan import GRANTS, compare
from symphony.operator_error import OperatorError
from symphony.policy_command import database_url_option

_PARTITIONS_AHEAD_MONTHS = 1
_OLDEST_DUE_S = 30.0  # the alert rule SymphonyOldestPendingAge


@dataclass(frozen=True, slots=True)
class Schema:
    """How far the migrations are: the last one applied, and what is pending or wrong."""

    version: int
    pending: tuple[str, ...]
    problem: str | None


@click.command("status")
@database_url_option
@click.option(
    "--sql-dir",
    type=click.Path(path_type=Path),
    default=DEFAULT_SQL_DIR,
    help="Folder with migrations/: the release to compare with.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(context: click.Context, /, *, database_url: str, sql_dir: Path, as_json: bool) -> None:
    """Tell how the database does (login: symphony_maintainer); exit status 1 when something is wrong."""

    async def work(connection: Connection) -> tuple[Status, Schema, list[HealthSample]]:
        sources = read(sql_dir)
        if not await ops.reports_status(connection):
            raise OperatorError(
                "SCHEMA_MISSING",
                thing=f"database {connection.info.dbname}",
                reason="it lacks Symphony's schema, or has an older one",
                next_action="run symphony migrate",
            )
        schema = schema_of(sources, await ops.applied_files(connection))
        return await ops.status(connection), schema, await ops.health(connection)

    found, schema, samples = run_as("symphony_maintainer", database_url, work)
    facts = facts_of(found, schema, samples)
    wrong = problems(found, schema, facts)
    if as_json:
        click.echo(json.dumps({"ok": not wrong, "problems": wrong, **facts}))
    else:
        for line in _lines(facts):
            click.echo(line)
        for problem in wrong:
            click.echo(f"WRONG       {problem}")
    context.exit(1 if wrong else 0)


def schema_of(sources: Sources, files: list[AppliedFile]) -> Schema:
    """Compare a release's files with those in force."""
    migrations = tuple(
        AppliedMigration(file.version, file.name or "", file.sha256) for file in files if file.version is not None
    )
    repeatables = {file.path: file.sha256 for file in files if file.version is None}
    granted_at = [file.applied_at for file in files if file.path == GRANTS]
    latest = max((file.applied_at for file in files if file.path != GRANTS), default=None)
    grants_are_last = bool(granted_at) and (latest is None or granted_at[0] >= latest)
    version = max((migration.version for migration in migrations), default=0)
    try:
        plan = compare(sources, Applied(migrations, repeatables, grants_are_last))
    except OperatorError as error:
        return Schema(version=version, pending=(), problem=str(error))
    return Schema(version=version, pending=tuple(plan.paths), problem=None)


def facts_of(found: Status, schema: Schema, samples: list[HealthSample]) -> dict[str, Any]:
    """What is printed; ages are seconds."""

    def of(name: str) -> list[HealthSample]:
        return [sample for sample in samples if sample.name == name]

    def total(name: str) -> int:
        return int(sum(sample.value for sample in of(name)))

    def worst(name: str) -> float:
        return round(max((sample.value for sample in of(name)), default=0.0), 3)

    activated = found.policy_activated_at
    return {
        "migration": schema.version,
        "files_pending": list(schema.pending),
        "server_version": found.server_version,
        "standby": found.is_standby,
        "fsync": found.fsync,
        "synchronous_commit": found.synchronous_commit,
        "full_page_writes": found.full_page_writes,
        "data_checksums": found.data_checksums,
        "cell_id": found.cell_id,
        "cell_epoch": found.cell_epoch,
        "policy_version": found.policy_version,
        "policy_sha256": found.policy_checksum.hex() if found.policy_checksum else None,
        "policy_activated_at": activated.isoformat() if activated else None,
        "partitions_ahead_months": int(min((sample.value for sample in of("partitions_ahead_months")), default=0)),
        "queued": total("outbox_pending_depth"),
        "queued_enquiries": int(
            sum(s.value for s in of("outbox_pending_depth") if s.labels.get("action") == "ENQUIRE")
        ),
        "oldest_due_s": worst("oldest_pending_age_seconds"),
        "uncertain_oldest_s": worst("uncertain_oldest_age_seconds"),
        "in_flight": total("in_flight_leases"),
        "leases_expired": total("stuck_dispatching_count"),
        "cases_open": {sample.labels["kind"]: int(sample.value) for sample in of("cases_open")},
    }


def problems(found: Status, schema: Schema, facts: dict[str, Any]) -> list[str]:
    """What is wrong, each with the next action. Open cases are work for people, not a fault."""
    wrong: list[str] = []
    if schema.problem is not None:
        wrong.append(schema.problem)
    if schema.pending:
        wrong.append(f"{len(schema.pending)} files of sql/ are not applied; run symphony migrate")
    for name, value, bad in (
        ("fsync", found.fsync, ("off",)),
        ("full_page_writes", found.full_page_writes, ("off",)),
        ("synchronous_commit", found.synchronous_commit, ("off", "local")),
    ):
        if value in bad:
            wrong.append(f"{name} is {value}: an acknowledged payment could be lost; take the setting out")
    if found.cell_id is None:
        wrong.append("the database is no cell yet; run symphony cell establish")
    if found.policy_version is None:
        wrong.append("no policy is ACTIVE, so nothing is accepted; run symphony policy activate FILE")
    if facts["partitions_ahead_months"] < _PARTITIONS_AHEAD_MONTHS:
        wrong.append("next month has no partition; see that symphony maintain runs")
    if facts["oldest_due_s"] > _OLDEST_DUE_S:
        wrong.append(
            f"an instruction has been due for {facts['oldest_due_s']:.0f} s; see that a worker runs"
            " and that nothing is halted"
        )
    if facts["leases_expired"]:
        wrong.append(f"{facts['leases_expired']} leases have expired and are not taken back; see that a worker runs")
    return wrong


def _lines(facts: dict[str, Any]) -> list[str]:
    cases = ", ".join(f"{count} {kind}" for kind, count in sorted(facts["cases_open"].items())) or "none"
    cell = f"{facts['cell_id']}, epoch {facts['cell_epoch']}" if facts["cell_id"] else "not established"
    policy = "none is ACTIVE"
    if facts["policy_version"] is not None:
        policy = f"version {facts['policy_version']} since {facts['policy_activated_at']}"
        policy += f", SHA-256 {facts['policy_sha256']}"
    pending = len(facts["files_pending"])
    return [
        f"schema      migration {facts['migration']:04d}, {f'{pending} files pending' if pending else 'current'}",
        f"server      PostgreSQL {facts['server_version']}{', standby' if facts['standby'] else ''},"
        f" fsync {facts['fsync']}, synchronous_commit {facts['synchronous_commit']},"
        f" full_page_writes {facts['full_page_writes']}, data_checksums {facts['data_checksums']}",
        f"cell        {cell}",
        f"policy      {policy}",
        f"partitions  {facts['partitions_ahead_months']} months ahead",
        f"queue       {facts['queued']} waiting ({facts['queued_enquiries']} to enquire), oldest due"
        f" {facts['oldest_due_s']:.1f} s, oldest uncertain {facts['uncertain_oldest_s']:.1f} s",
        f"in flight   {facts['in_flight']}, expired {facts['leases_expired']}",
        f"cases open  {cases}",
    ]
