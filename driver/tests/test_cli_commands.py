"""The commands cell, trace and status against a real database, each with the login it is made for."""

from __future__ import annotations

import asyncio
import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
from click.testing import CliRunner

import symphony
from symphony import api
from symphony.api.ingress import Item
from symphony.cell_command import cell
from symphony.cli import main
from symphony.logins_command import logins
from symphony.migrate import DEFAULT_SQL_DIR
from symphony.status_command import status
from symphony.trace_command import trace
from tests.command_calls import SUFFIX, count, execute, run
from tests.payments import PARTICIPANTS, establish, item, policy_document
from tests.sandbox_process import PERSONAL

pytest_plugins = ("tests.login_fixtures",)


def test_a_cell_is_established_once_and_its_epoch_only_grows(fresh_database: str, urls: dict[str, str]) -> None:
    admin = urls["symphony_policy_admin"]
    for epoch in (1, 1, 2):
        done = run(cell, "establish", "--cell-id", "cell-1", "--epoch", epoch, url=admin)
        assert (done.exit_code, done.stdout) == (0, f"cell cell-1 is established, epoch {epoch}\n")
    for arguments in (("--cell-id", "cell-1", "--epoch", 1), ("--cell-id", "cell-2", "--epoch", 3)):
        refused = run(cell, "establish", *arguments, url=admin)
        assert refused.exit_code == 1
        assert "SC001" in refused.stderr
        assert "Establish with the same cell_id and a higher epoch" in refused.stderr
    assert count(fresh_database, "select max(epoch) from core.cell where cell_id = 'cell-1'") == 2


@pytest.mark.parametrize("cell_id", ["", "-a", "Cell", "a b", "x" * 33, "cell\n"])
def test_a_cell_id_has_a_form(cell_id: str) -> None:
    refused = run(cell, "establish", "--cell-id", cell_id, "--epoch", 1, url="postgresql://127.0.0.1:1/none")
    assert refused.exit_code == 2
    assert "1 to 32 of a-z, 0-9 and -" in refused.stderr


def test_a_command_refuses_the_login_of_another_capability(fresh_database: str, urls: dict[str, str]) -> None:
    for command, arguments, capability in (
        (cell, ("establish", "--cell-id", "cell-1", "--epoch", 1), "symphony_policy_admin"),
        (trace, ("I-1", "--participant", "ZM-BANK-A"), "symphony_auditor"),
        (status, (), "symphony_maintainer"),
    ):
        refused = run(command, *arguments, url=urls["symphony_ingest"])
        assert refused.exit_code == 1
        assert refused.stderr.startswith(f"Error: LOGIN_LACKS_CAPABILITY: login symphony_ingest_{SUFFIX}: ")
        assert capability in refused.stderr
    assert count(fresh_database, "select count(*) from core.cell") == 0


def record(url: str, *items: Item) -> list[str]:
    async def work() -> list[str]:
        connection = await api.connect(url, application_name="test")
        async with connection:
            return [found.decision for found in await api.ingress.accept(connection, items=items)]

    return asyncio.run(work())


def make_cell(url: str) -> None:
    async def work() -> None:
        connection = await api.connect(url, application_name="test")
        async with connection:
            await establish(connection, policy_document())

    asyncio.run(work())


def test_trace_tells_what_is_recorded_without_personal_data(fresh_database: str, urls: dict[str, str]) -> None:
    make_cell(fresh_database)
    assert record(urls["symphony_ingest"], item("I-1", amount_minor=12_550)) == ["ACCEPT"]
    told = run(trace, "I-1", "--participant", PARTICIPANTS[0], url=urls["symphony_auditor"])
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert lines[0] == f"I-1 of {PARTICIPANTS[0]}, 2 steps, times in UTC"
    assert [word for line in lines for word in line.split() if word in ("ATTESTATION", "INSTRUCTION")] == [
        "ATTESTATION",
        "INSTRUCTION",
    ]
    assert "amount 125.50 ZMW" in told.stdout
    assert max(map(len, lines)) <= 118
    whole = run(trace, "I-1", "--participant", PARTICIPANTS[0], "--json", url=urls["symphony_auditor"])
    steps = json.loads(whole.stdout)["steps"]
    assert [step["kind"] for step in steps] == ["ATTESTATION", "INSTRUCTION"]
    assert all(len(step["facts"]["commitment"]) == 64 for step in steps)
    for said in (told.output, whole.output):
        assert PERSONAL not in said


def test_trace_tells_of_an_instruction_that_was_only_refused(fresh_database: str, urls: dict[str, str]) -> None:
    make_cell(fresh_database)
    assert record(urls["symphony_ingest"], replace(item("I-2"), rail="other")) == ["REJECT"]
    told = run(trace, "I-2", "--participant", PARTICIPANTS[0], url=urls["symphony_auditor"])
    assert told.exit_code == 0, told.output
    assert "REJECT" in told.stdout
    assert "reason_code RAIL_NOT_ALLOWED" in told.stdout


@pytest.mark.parametrize(("instruction_id", "participant"), [("I-9", "ZM-BANK-A"), ("I-1", "ZM-BANK-B")])
def test_trace_of_what_is_not_recorded(
    fresh_database: str, urls: dict[str, str], instruction_id: str, participant: str
) -> None:
    make_cell(fresh_database)
    record(fresh_database, item("I-1"))
    refused = run(trace, instruction_id, "--participant", participant, url=urls["symphony_auditor"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert f"INSTRUCTION_UNKNOWN: instruction {instruction_id} of {participant}" in refused.stderr
    assert "Next: " in refused.stderr


def test_trace_refuses_a_malformed_id() -> None:
    refused = run(trace, "a b", "--participant", "ZM-BANK-A", url="postgresql://127.0.0.1:1/none")
    assert refused.exit_code == 2
    assert "INSTRUCTION_ID must be 1 to 64" in refused.stderr


def test_status_names_what_is_missing_and_then_finds_nothing_wrong(fresh_database: str, urls: dict[str, str]) -> None:
    maintainer = urls["symphony_maintainer"]
    before = run(status, url=maintainer)
    assert before.exit_code == 1
    wrong = [line for line in before.stdout.splitlines() if line.startswith("WRONG")]
    assert len(wrong) == 2
    assert "symphony cell establish" in wrong[0]
    assert "symphony policy activate" in wrong[1]
    make_cell(fresh_database)
    record(fresh_database, item("I-1"), item("I-2"))
    after = run(status, "--json", url=maintainer)
    assert after.exit_code == 0, after.output
    facts = json.loads(after.stdout)
    assert facts["ok"] is True
    assert (facts["queued"], facts["in_flight"], facts["policy_version"]) == (2, 0, 1)
    assert (facts["fsync"], facts["synchronous_commit"]) == ("on", "on")
    assert facts["partitions_ahead_months"] >= 1
    readable = run(status, url=maintainer)
    assert "queue       2 waiting" in readable.stdout
    assert "WRONG" not in readable.stdout


def test_status_compares_the_files_with_those_in_force(
    fresh_database: str, urls: dict[str, str], tmp_path: Path
) -> None:
    make_cell(fresh_database)
    sql_dir = tmp_path / "sql"
    shutil.copytree(DEFAULT_SQL_DIR, sql_dir)
    maintainer = urls["symphony_maintainer"]
    assert run(status, "--sql-dir", sql_dir, url=maintainer).exit_code == 0
    with (sql_dir / "functions" / "core" / "now.sql").open("a") as file:
        file.write("-- changed\n")
    pending = run(status, "--sql-dir", sql_dir, url=maintainer)
    assert pending.exit_code == 1
    assert "WRONG       2 files of sql/ are not applied; run symphony migrate" in pending.stdout  # and the grants
    with next((sql_dir / "migrations").glob("0002_*")).open("a") as file:
        file.write("-- changed\n")
    edited = run(status, "--sql-dir", sql_dir, url=maintainer)
    assert edited.exit_code == 1
    assert "MIGRATION_EDITED" in edited.stdout


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [("synchronous_commit = off", "synchronous_commit is off"), ("synchronous_commit = local", "local")],
)
def test_status_finds_a_setting_that_loses_payments(
    fresh_database: str, urls: dict[str, str], setting: str, wanted: str
) -> None:
    make_cell(fresh_database)
    execute(fresh_database, f"alter role symphony_maintainer_{SUFFIX} set {setting}")
    found = run(status, url=urls["symphony_maintainer"])
    assert found.exit_code == 1
    assert wanted in found.stdout
    assert "could be lost" in found.stdout


def test_status_finds_work_that_nobody_does(fresh_database: str, urls: dict[str, str]) -> None:
    make_cell(fresh_database)
    record(fresh_database, item("I-1"))
    execute(
        fresh_database,
        "update outbox.payment_outbox_pending set created_at = created_at - interval '1 minute',"
        " due_at = due_at - interval '1 minute'",
    )
    found = run(status, url=urls["symphony_maintainer"])
    assert found.exit_code == 1
    assert "an instruction has been due for 6" in found.stdout
    assert "see that a worker runs" in found.stdout


def test_status_of_a_database_without_our_schema(empty_database: str, urls: dict[str, str]) -> None:
    parts = urlsplit(urls["symphony_maintainer"])
    elsewhere = parts._replace(path=urlsplit(empty_database).path).geturl()
    refused = run(status, url=elsewhere)
    assert refused.exit_code == 1
    assert "SCHEMA_MISSING" in refused.stderr
    assert "symphony migrate" in refused.stderr


def test_a_database_that_is_away_is_one_line_without_the_password() -> None:
    away = "postgresql://nobody:hidden-word@127.0.0.1:1/none"
    for command, arguments in (
        (cell, ("establish", "--cell-id", "cell-1", "--epoch", 1)),
        (logins, ("create", "--dev")),
        (trace, ("I-1", "--participant", "ZM-BANK-A")),
        (status, ()),
    ):
        refused = run(command, *arguments, url=away)
        assert refused.exit_code == 1
        assert refused.stderr.startswith("Error: cannot connect to the database")
        assert refused.stderr.count("\n") == 1
        assert "hidden-word" not in refused.output


def test_every_command_is_wired_and_the_version_is_that_of_the_project() -> None:
    context = click.Context(main)
    for name in main.list_commands(context):
        shown = CliRunner().invoke(main, [name, "--help"])
        assert shown.exit_code == 0, f"{name}: {shown.output}"
    project = tomllib.loads((Path(symphony.__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert symphony.__version__ == project["version"]
    assert symphony.__version__ in CliRunner().invoke(main, ["--version"]).stdout
