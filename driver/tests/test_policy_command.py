"""The commands against a real database: activating, halting, lifting and publishing, twice and wrongly."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

import symphony
from symphony.policy_command import NO_ACTIVE_STATUS, policy_group
from symphony.policy_document import load_policy
from symphony.rails_command import rails_group

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "demo.policy.json"
SANDBOX = Path(symphony.__file__).parent / "rails" / "sandbox.responses.json"


def invoke(url: str, *arguments: str, operator: str | None = "Mutinta") -> Result:
    named = ["--operator", operator] if operator is not None else []
    group = rails_group if arguments[0] == "publish" else policy_group
    return CliRunner().invoke(group, [*arguments, *named, "--database-url", url])


def count(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def changed(path: Path, source: Path, **members: Any) -> str:
    path.write_text(json.dumps(json.loads(source.read_text()) | members))
    return str(path)


def test_activate_shows_one_active_version_and_twice_changes_nothing(fresh_database: str, tmp_path: Path) -> None:
    before = invoke(fresh_database, "show", operator=None)
    assert (before.exit_code, before.stdout) == (NO_ACTIVE_STATUS, "")
    assert "symphony policy activate" in before.stderr
    checksum = load_policy(DEMO).sha256.hex()
    for _ in range(2):
        done = invoke(fresh_database, "activate", str(DEMO))
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout == f"policy version 1 is ACTIVE, SHA-256 {checksum}\n"
    assert count(fresh_database, "select count(*) from policy.policy_versions") == 1
    assert count(fresh_database, "select count(*) from policy.participants") == 3
    shown = invoke(fresh_database, "show", operator=None)
    assert "policy version 1 is ACTIVE since " in shown.stdout
    assert checksum in shown.stdout

    second = changed(tmp_path / "2.json", DEMO, version=2, name="Zwölf € \U0001f600 \ufffd")
    assert invoke(fresh_database, "activate", second).exit_code == 0
    query = "select count(*) from policy.policy_versions where status = 'ACTIVE' and policy_version = 2"
    assert count(fresh_database, query) == 1


def test_the_same_version_with_other_content_is_refused(fresh_database: str, tmp_path: Path) -> None:
    assert invoke(fresh_database, "activate", str(DEMO)).exit_code == 0
    refused = invoke(fresh_database, "activate", changed(tmp_path / "1.json", DEMO, name="Other"))
    assert refused.exit_code == 1
    assert "SC201" in refused.stderr
    assert "Use a higher version number" in refused.stderr
    assert count(fresh_database, "select count(*) from policy.policy_versions") == 1
    assert count(fresh_database, "select count(*) from policy.policy_versions where content->>'name' = 'Other'") == 0


def test_halt_prints_its_id_and_lift_takes_it(fresh_database: str) -> None:
    assert invoke(fresh_database, "activate", str(DEMO)).exit_code == 0
    arguments = ["halt", "--scope", "PARTICIPANT", "--participant", "ZM-BANK-A", "--direction", "SEND"]
    halted = invoke(fresh_database, *arguments, "--reason", "exercise")
    assert (halted.exit_code, halted.stderr) == (0, "")
    halt_id = uuid.UUID(halted.stdout.strip())
    again = invoke(fresh_database, *arguments, "--reason", "exercise")
    assert again.exit_code == 1
    assert "SC202" in again.stderr
    assert count(fresh_database, "select count(*) from policy.halts_in_force") == 1
    assert invoke(fresh_database, "lift", str(halt_id), "--reason", "over").exit_code == 0
    gone = invoke(fresh_database, "lift", str(halt_id), "--reason", "over")
    assert gone.exit_code == 1
    assert "SN202" in gone.stderr
    assert count(fresh_database, "select count(*) from policy.halts_in_force") == 0
    assert count(fresh_database, "select count(*) from policy.halts") == 2


def test_publish_once_then_the_next_version_only(fresh_database: str, tmp_path: Path) -> None:
    first = invoke(fresh_database, "publish", str(SANDBOX))
    assert (first.exit_code, first.stderr) == (0, "")
    assert first.stdout.startswith("rail sandbox version 1: ")
    assert first.stdout.endswith(" classes published\n")
    assert "published already" in invoke(fresh_database, "publish", str(SANDBOX)).stdout
    skipped = invoke(fresh_database, "publish", changed(tmp_path / "3.json", SANDBOX, version=3))
    assert skipped.exit_code == 1
    assert "SC601" in skipped.stderr
    query = "select count(distinct version) from rails.response_classes where rail = 'sandbox'"
    assert count(fresh_database, query) == 1


@pytest.mark.parametrize("operator", ["", "  ", "a\nb", "x" * 101])
def test_an_operator_must_be_named(operator: str) -> None:
    refused = invoke("postgresql://127.0.0.1:1/none", "activate", str(DEMO), operator=operator)
    assert refused.exit_code == 2
    assert "1 to 100 printable characters" in refused.stderr


def test_a_database_that_is_away_is_one_line(tmp_path: Path) -> None:
    refused = invoke("postgresql://nobody:hidden-word@127.0.0.1:1/none", "activate", str(DEMO))
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: cannot connect to the database")
    assert "hidden-word" not in refused.stderr
