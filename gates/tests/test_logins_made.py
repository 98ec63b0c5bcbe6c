"""Logins: a server that only our files have touched has none; one made by a migration or by the grants is red."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from gates.databases import migrate
from gates.gate import run
from gates.logins_made import login_gates
from gates.site import ROOT, Site
from gates.tests.conftest import Looked
from gates.tests.planted_checkout import PlantedCheckout

pytestmark = pytest.mark.slow  # many databases are built

(GATE,) = login_gates()
DO = "do $$ begin create role planted_login login; end $$;"


@pytest.mark.parametrize("place", ["migration", "grants"])
def test_a_login_made_by_a_file_is_red(looked_at: Looked, tmp_path: Path, place: str) -> None:
    cluster = looked_at.cluster
    checkout = PlantedCheckout(tmp_path / "checkout", cluster)
    if place == "migration":
        checkout.migration(DO)
    else:
        grants = checkout.site.sql_dir / "grants.sql"
        grants.write_text(grants.read_text(encoding="utf-8") + DO, encoding="utf-8")
    assert run(GATE, Site(database_url=looked_at.url, cluster=cluster)).verdict == "PASS"
    name = cluster.empty()
    try:
        migrate(cluster.server.url(name), checkout.site.sql_dir)
        result = run(GATE, Site(root=ROOT, database_url=cluster.server.url(name), cluster=cluster))
    finally:
        cluster.drop(name)
        with psycopg.connect(cluster.server.url("postgres"), autocommit=True) as connection:
            connection.execute("drop role planted_login")
    assert result.verdict == "FAIL"
    assert [found.object for found in result.findings] == ["role planted_login"]


def test_a_live_server_has_logins_of_its_own(looked_at: Looked) -> None:
    assert run(GATE, Site(database_url=looked_at.url)).verdict == "NOT_APPLICABLE"
