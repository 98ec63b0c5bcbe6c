"""INV-019 by hand: what an operator does with `symphony routing`, through the command and with the operator's login."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from symphony import api
from symphony.api import routing
from symphony.routing.operator_command import routing_group
from tests.routing_cell import kinds

pytest_plugins = ("tests.login_fixtures",)
NAMED = ("--operator", "A. Lice", "--reason", "test")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(routing_group, list(arguments))


def prepare(url: str, *, step: int, blue: int = 95) -> None:
    """A canary of green on that step, both colours alive, under rules that leave a command minutes."""
    asyncio.run(_patient_rules(url))
    with psycopg.connect(url) as connection:
        connection.execute(
            "select routing.record_health(array(select row(c, 0, 0, 0, 0, null, 0, 0, true, null, null)"
            "::routing.health_sample_input from unnest('{blue,green}'::routing.colour[]) as c))"
        )
        connection.execute(
            "update routing.current set candidate_colour = 'green', ladder_step = %s, blue_weight_pct = %s,"
            " green_weight_pct = 100 - %s",
            (step, blue, blue),
        )


async def _patient_rules(url: str) -> None:
    async with await api.connect(url, application_name="test") as connection:
        changes: dict[str, object] = {"heartbeat_interval_ms": 60_000, "sample_keep_ms": 400_000}
        await routing.publish_rules(connection, changes=changes, operator="test", reason="test")


def in_force(url: str) -> tuple[str, str | None, int]:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select stable_colour, candidate_colour, blue_weight_pct from routing.current"
        ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def test_a_canary_is_abandoned_by_name(fresh_database: str, urls: dict[str, str]) -> None:
    prepare(fresh_database, step=1)
    done = run("abandon", "--database-url", urls["symphony_operator"], *NAMED)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("canary abandoned, decision ")
    assert in_force(fresh_database) == ("blue", None, 100)
    assert kinds(fresh_database) == ["CANARY_ABANDONED"]


def test_a_complete_canary_is_promoted_by_name(fresh_database: str, urls: dict[str, str]) -> None:
    prepare(fresh_database, step=4, blue=0)
    refused = run("promote", "--database-url", urls["symphony_operator"], *NAMED)
    assert refused.exit_code == 1
    assert "SC703" in refused.output + refused.stderr
    assert kinds(fresh_database) == []
    prepare(fresh_database, step=5, blue=0)
    done = run("promote", "--database-url", urls["symphony_operator"], *NAMED)
    assert done.exit_code == 0, done.output
    assert in_force(fresh_database) == ("green", None, 0)
    assert kinds(fresh_database) == ["PROMOTED"]
    with psycopg.connect(fresh_database) as connection:
        row = connection.execute("select actor, db_role from evidence.routing_decisions").fetchone()
    assert row is not None
    assert row == ("A. Lice", psycopg.conninfo.conninfo_to_dict(urls["symphony_operator"])["user"])


@pytest.mark.parametrize("command", ["abandon", "promote"])
def test_a_controllers_login_is_no_operators(fresh_database: str, urls: dict[str, str], command: str) -> None:
    prepare(fresh_database, step=5, blue=0)
    refused = run(command, "--database-url", urls["symphony_router"], *NAMED)
    assert refused.exit_code == 1
    assert "LOGIN_LACKS_CAPABILITY" in refused.output + refused.stderr
    assert in_force(fresh_database) == ("blue", "green", 0)


def test_a_new_haproxy_begins_with_what_is_in_force(fresh_database: str, urls: dict[str, str], tmp_path: Path) -> None:
    prepare(fresh_database, step=3, blue=50)
    place = ("configuration", "--socket", str(tmp_path / "s"), "--port", "1", "--blue", "127.0.0.1:2",
             "--blue-check-port", "3", "--green", "127.0.0.1:4", "--green-check-port", "5")  # fmt: skip
    for asked, blue in (
        ((), 100), (("--blue-weight", "0"), 0), (("--database-url", urls["symphony_operator"]), 50),
        (("--database-url", urls["symphony_operator"], "--blue-weight", "70"), 70),
    ):  # fmt: skip
        done = run(*place, *asked)
        assert done.exit_code == 0, done.output
        assert f"server blue 127.0.0.1:2 port 3 weight {blue}\n" in done.output
        assert f"server green 127.0.0.1:4 port 5 weight {100 - blue}\n" in done.output
    assert run(*place, "--blue-weight", "101").exit_code == 2
