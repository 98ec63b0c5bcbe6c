"""Every function was executed: what a run records, and what the gate makes of it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from gates.bodies_calls import ALWAYS_RAISE, CALLS, call_gates
from gates.bodies_catalog import managed_functions
from gates.gate import run
from gates.site import Site
from symphony.postgres_throwaway import Cluster

(GATE,) = call_gates()


def _site(root: Path, database_url: str, lines: list[str] | None) -> Site:
    if lines is not None:
        path = root.joinpath(*CALLS)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return Site(root=root, database_url=database_url)


def _all_called(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [f"{f.name} {f.fingerprint}" for f in managed_functions(connection) if not f.inlined]


def test_it_is_green_when_all_were_called_and_red_for_each_that_was_not(tmp_path: Path, database_url: str) -> None:
    lines = _all_called(database_url)
    assert run(GATE, _site(tmp_path, database_url, lines)).verdict == "PASS"
    result = run(GATE, _site(tmp_path, database_url, [line for line in lines if not line.startswith("outbox.judge ")]))
    assert [(f.object.partition("(")[0], f.detail) for f in result.findings] == [
        ("outbox.judge", "it was called never")
    ]


def test_a_call_of_another_definition_does_not_count(tmp_path: Path, database_url: str) -> None:
    site = _site(tmp_path, database_url, _all_called(database_url))
    with psycopg.connect(database_url) as connection:
        connection.execute("alter function outbox.judge cost 101")
        site.connection = connection
        (finding,) = GATE.findings(site)
        connection.rollback()
    assert finding.object.startswith("outbox.judge(")
    assert finding.detail == "it was called only with another definition"


def test_only_sql_functions_that_the_planner_may_inline_are_excused(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        excused = [f for f in managed_functions(connection) if f.inlined]
    assert {f.language for f in excused} == {"sql"}
    assert all(f.has_sql_body and not f.definer for f in excused)
    assert "core.commitment" in {f.name for f in excused}


RAISING = {
    "core.raise_error": ("select core.raise_error('SX003')", "SX003"),
    "core.refuse_change": ("truncate core.cell", "SX001"),
}


@pytest.mark.parametrize("name", ALWAYS_RAISE)
def test_what_is_excused_raises_and_so_is_never_counted(database_url: str, name: str) -> None:
    statement, sqlstate = RAISING[name]
    with psycopg.connect(database_url, autocommit=True) as connection:
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement.encode())
        assert refused.value.sqlstate == sqlstate
        connection.execute("select pg_stat_force_next_flush()")
        counted = connection.execute(
            "select funcid::regproc::text from pg_stat_user_functions where calls > 0"
        ).fetchall()
    assert (name,) not in counted


def test_without_a_run_it_is_not_applicable_and_a_broken_record_is_red(tmp_path: Path, database_url: str) -> None:
    assert run(GATE, _site(tmp_path, database_url, None)).verdict == "NOT_APPLICABLE"
    assert run(GATE, _site(tmp_path, database_url, [])).verdict == "ERROR"
    assert run(GATE, _site(tmp_path, database_url, ["outbox.judge"])).verdict == "ERROR"


def test_dropping_a_database_records_what_was_called_in_it(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls.txt"
    name = cluster.clone()
    open_session = psycopg.connect(cluster.server.url(name), autocommit=True)
    with psycopg.connect(cluster.server.url(name)) as connection:
        expected = {f.name: f.fingerprint for f in managed_functions(connection)}
        connection.execute("select core.canonical_json('[1]')")
        connection.rollback()  # a call counts, whatever becomes of its transaction
    open_session.execute("select * from ops.health()")
    monkeypatch.setenv("SYMPHONY_CALLS", str(calls))
    cluster.drop(name)
    open_session.close()
    lines = dict(line.split() for line in calls.read_text(encoding="ascii").splitlines())
    assert {"core.canonical_json", "core.canonical_number", "ops.health", "ops.table_health"} <= lines.keys()
    assert "outbox.judge" not in lines
    assert lines == {name: expected[name] for name in lines}


def test_without_the_variable_nothing_is_recorded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYMPHONY_CALLS", raising=False)
    monkeypatch.setattr(cluster, "_record_calls", lambda *_arguments: pytest.fail("recorded"))
    cluster.drop(cluster.empty())
