"""The previous release is found by its commit, and what would break it is red in the state that shows it."""

from __future__ import annotations

import json
import subprocess
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from gates import exceptions
from gates.gate import NotApplicable, run
from gates.kept_rows import lost, rows_of
from gates.previous_release import check_commit, filled, named, previous_release
from gates.previous_states import previous_release_gates
from gates.release_digest import digest
from gates.site import ROOT, Site
from gates.tests.planted_checkout import PlantedCheckout
from symphony.operator_error import OperatorError
from symphony.postgres_throwaway import Cluster

GATES = {gate.id: gate for gate in previous_release_gates()}
EVENT = "functions/evidence/record_event.sql"
VIEW = "functions/evidence/reason_register.sql"


def verdicts(site: Site, *names: str) -> dict[str, list[tuple[str, str]]]:
    """What each gate found that is not excused; a gate that could not look fails the test."""
    results, _used = exceptions.apply(
        [run(GATES[name], site) for name in names], exceptions.load(ROOT), exceptions.today()
    )
    for result in results:
        assert result.verdict in ("PASS", "FAIL"), result.reason
    return {result.gate.id: [(f.object, f.detail) for f in result.findings] for result in results}


@pytest.fixture
def checkout(tmp_path: Path, cluster: Cluster) -> PlantedCheckout:
    return PlantedCheckout(tmp_path / "checkout", cluster)


# Which release


def test_this_checkout_names_a_release_that_git_has() -> None:
    tag, commit = named(ROOT)
    check_commit(ROOT, tag, commit)
    said = subprocess.run(["git", "-C", str(ROOT), "merge-base", "--is-ancestor", commit, "HEAD"], check=False)
    assert said.returncode == 0, "the previous release is not among the ancestors of this one"


def repository(root: Path) -> str:
    """Make a repository with one commit; return its id."""
    for arguments in (
        ["init", "--quiet"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--allow-empty", "-m", "t"],
    ):
        subprocess.run(["git", "-C", str(root), *arguments], check=True)
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(root: Path, previous: object) -> None:
    (root / "release.json").write_text(json.dumps({"release": "9.9.9", "previous": previous}), encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"previous": {"tag": "v1"}}', '{"previous": {"tag": "v1", "commit": "29fa455"}}', '{"previous": "HEAD~1"}'],
)  # fmt: skip
def test_a_release_file_that_names_none_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "release.json").write_text(text, encoding="utf-8")
    with pytest.raises(OperatorError) as refused:
        named(tmp_path)
    assert refused.value.code == "RELEASE_FILE_INVALID"


def test_no_release_file_is_an_error_and_no_release_is_not_applicable(tmp_path: Path, cluster: Cluster) -> None:
    site = Site(root=tmp_path, cluster=cluster)
    for gate in GATES.values():
        result = run(gate, site)
        assert (result.verdict, result.reason.partition(":")[0]) == ("ERROR", "RELEASE_FILE_INVALID")
    write(tmp_path, None)
    with pytest.raises(NotApplicable):
        named(tmp_path)
    assert {run(gate, site).verdict for gate in GATES.values()} == {"NOT_APPLICABLE"}


def test_a_commit_that_is_not_there_says_what_to_fetch(tmp_path: Path) -> None:
    repository(tmp_path)
    with pytest.raises(OperatorError) as refused:
        check_commit(tmp_path, "v1", "0" * 40)
    assert refused.value.code == "PREVIOUS_RELEASE_MISSING"
    assert "git fetch --tags --unshallow" in refused.value.next_action


def test_a_tag_must_point_to_the_commit(tmp_path: Path) -> None:
    commit = repository(tmp_path)
    check_commit(tmp_path, "v1", commit)  # a clone without tags
    subprocess.run(["git", "-C", str(tmp_path), "tag", "v1"], check=True)
    check_commit(tmp_path, "v1", commit)
    other = repository(tmp_path)
    with pytest.raises(OperatorError) as refused:
        check_commit(tmp_path, "v1", other)
    assert refused.value.code == "PREVIOUS_TAG_MOVED"


def test_a_digest_is_that_of_sha256sum(tmp_path: Path) -> None:
    for name in ("b.sql", "a.sql", "a_b.sql"):
        (tmp_path / name).write_text(name)
    command = "sha256sum a.sql a_b.sql b.sql | sha256sum"
    said = subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    files = {path.name: sha256(path.read_bytes()).digest() for path in tmp_path.iterdir()}
    assert digest(files).hex() == said.split()[0]


# What it does goes on working


@pytest.mark.slow
def test_this_release_keeps_the_previous_one_working(cluster: Cluster) -> None:
    assert verdicts(Site(cluster=cluster), *GATES) == {name: [] for name in GATES}


@pytest.mark.slow
def test_an_addition_is_green_everywhere(checkout: PlantedCheckout) -> None:
    checkout.migration(
        "alter table evidence.cases add column planted text; alter table outbox.payment_outbox_pending add column planted text default 'x';"
        " create table ops.planted (n integer primary key); alter table ops.planted owner to symphony_ops_owner;"
        " insert into core.reasons values ('PLANTED', 400, 'planted', 'none');"
    )
    checkout.function(
        "ops/planted.sql",
        "create or replace function ops.planted() returns integer language sql stable security definer"
        " set search_path = pg_catalog, pg_temp return 1;\nalter function ops.planted() owner to symphony_ops_owner;\n"
        "revoke all on function ops.planted() from public;\n",
    )
    assert verdicts(checkout.site, *GATES) == {name: [] for name in GATES}


@pytest.mark.slow
def test_a_required_column_is_seen_only_by_the_old_functions(checkout: PlantedCheckout) -> None:
    checkout.migration("alter table evidence.evidence_events add column channel text not null;")
    checkout.replace(EVENT, "commitment)\n", "commitment, channel)\n")
    checkout.replace(EVENT, "core.epoch_us(v_now)]));", "core.epoch_us(v_now)]), 'x');")
    found = verdicts(checkout.site, "N01", "N02", "N03")
    assert found["N01"] == []
    assert found["N02"] == []
    assert any("channel" in detail for _thing, detail in found["N03"]), found["N03"]
    # And a database with rows cannot have it at all.
    result = run(GATES["N04"], checkout.site)
    assert result.verdict == "ERROR"
    assert "23502" in result.reason


@pytest.mark.slow
def test_a_renamed_column_is_seen_only_by_the_old_functions(checkout: PlantedCheckout) -> None:
    checkout.migration("alter table outbox.claim_gate rename column full_scan_at to looked_at;")
    for file in ("open_claim_gate", "claim_outbox_batch"):
        path = checkout.site.sql_dir / "functions" / "outbox" / f"{file}.sql"
        path.write_text(path.read_text().replace("full_scan_at", "looked_at"))
    found = verdicts(checkout.site, "N02", "N03", "N04")
    assert found["N02"] == []
    assert any("full_scan_at" in detail for _thing, detail in found["N03"]), found["N03"]
    lost_column = 'its rows cannot be read as before: column "full_scan_at" does not exist'
    assert ("table outbox.claim_gate", lost_column) in found["N04"]


@pytest.mark.slow
def test_a_view_may_gain_a_column(checkout: PlantedCheckout) -> None:
    checkout.replace(VIEW, "r.next_action from", "r.next_action, 'x'::text as planted from")
    assert verdicts(checkout.site, "N02", "N03") == {"N02": [], "N03": []}


@pytest.mark.slow
def test_an_overload_with_a_default_is_ambiguous(checkout: PlantedCheckout) -> None:
    checkout.function(
        "outbox/instruction_status_twice.sql",
        "create or replace function outbox.instruction_status(p_participant_id text, p_instruction_id text, p_more boolean default false)"
        " returns integer language sql stable security definer set search_path = pg_catalog, pg_temp return 1;\n"
        "alter function outbox.instruction_status(text, text, boolean) owner to symphony_outbox_owner;\n"
        "grant execute on function outbox.instruction_status(text, text, boolean) to symphony_ingest;\n",
    )
    checkout.replace(
        "grants.sql",
        "outbox.instruction_status(text, text),",
        "outbox.instruction_status(text, text), outbox.instruction_status(text, text, boolean),",
    )
    found = verdicts(checkout.site, "N01", "N02")
    assert ("function outbox.instruction_status(text, text, boolean)") in [thing for thing, _detail in found["N01"]]
    assert any("is not unique" in detail for _thing, detail in found["N02"]), found["N02"]
    assert run(GATES["N05"], checkout.site).verdict == "ERROR"  # the driver's own calls fail


@pytest.mark.slow
@pytest.mark.parametrize(
    ("migration", "thing"),
    [
        ("alter type outbox.lease add attribute note text;", "type outbox.lease"),
        ("alter type ingress.decision rename value 'REPLAY' to 'REPEAT';", "label ingress.decision 'REPLAY'"),
    ],
)
def test_a_changed_type_is_a_changed_signature(checkout: PlantedCheckout, migration: str, thing: str) -> None:
    checkout.migration(migration)
    assert thing in [found for found, _detail in verdicts(checkout.site, "N01")["N01"]]


@pytest.mark.slow
def test_a_renamed_parameter_and_a_grant_taken_away_are_changed_signatures(checkout: PlantedCheckout) -> None:
    checkout.replace("functions/outbox/repair_expired_leases.sql", "p_limit", "p_most")
    checkout.replace("grants.sql", "outbox.wake_executors(), ", "")
    found = dict(verdicts(checkout.site, "N01")["N01"])
    assert "p_limit" in found["function outbox.repair_expired_leases(integer)"]
    assert found["function outbox.wake_executors()"].startswith("gone")


@pytest.mark.slow
def test_a_migration_that_loses_or_changes_rows_is_seen(checkout: PlantedCheckout) -> None:
    checkout.migration(
        "delete from outbox.payment_outbox_pending where ctid = (select min(ctid) from outbox.payment_outbox_pending);\n"
        "update outbox.payment_outbox_in_flight set claimed_by = 'somebody else';"
    )
    found = dict(verdicts(checkout.site, "N04")["N04"])
    assert found["table outbox.payment_outbox_pending"].startswith("1 of ")
    assert found["table outbox.payment_outbox_in_flight"].startswith("1 of 1 rows lost or changed")
    assert "what was open" in found


@pytest.mark.slow
def test_the_filled_database_holds_every_state(cluster: Cluster) -> None:
    site = Site(cluster=cluster)
    name, seen = filled(site, previous_release(site))
    url = cluster.server.url(name)
    states = {state["state"] for state in seen["states"].values()}
    assert {"DISPATCHED", "FAILED", "VOIDED", "PENDING_MANUAL"} < states
    rows = rows_of(url)
    empty = {table for table, held in rows.items() if not held.digests}
    # What no driver of that release writes: aliases of keys.
    assert empty <= {"outbox.idempotency_key_aliases", "evidence.case_decisions", "policy.halts_in_force"}
    assert list(lost(rows, url)) == []
    with psycopg.connect(url) as connection:
        assert connection.execute("select max(version) from core.schema_migration").fetchone() == (7,)
