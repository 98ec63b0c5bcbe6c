"""The pgTAP run itself: what fails is counted, and no trouble passes for success."""

from __future__ import annotations

from pathlib import Path

import pytest

from symphony.postgres_throwaway import PGTAP, Cluster
from tests.pgtap import counts, prove

GOOD = "begin; select plan(2); select ok(true, 'a'); select is(1, 1, 'b'); select * from finish(); rollback;\n"
BAD = "begin; select plan(2); select ok(true, 'a'); select ok(false, 'b'); select * from finish(); rollback;\n"
DIED = "begin; select plan(2); select ok(true, 'a'); select * from absent; select * from finish(); rollback;\n"
SHORT = "begin; select plan(2); select ok(true, 'a'); select * from finish(); rollback;\n"
AS_ANOTHER_ROLE = (
    "begin; create role tap_reader; select plan(1); set local role tap_reader;"
    " select throws_ok('create table public.t ()', '42501'); reset role; select * from finish(); rollback;\n"
)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([GOOD], (2, 0)),
        ([AS_ANOTHER_ROLE], (1, 0)),
        ([GOOD, BAD], (3, 1)),
        ([DIED], (1, 1)),
        ([SHORT], (1, 1)),
        ([""], (0, 1)),
        ([GOOD, BAD, DIED, SHORT, ""], (5, 4)),
    ],
)
def test_passed_and_failed_are_counted(
    cluster: Cluster, tmp_path: Path, files: list[str], expected: tuple[int, int]
) -> None:
    assert PGTAP.is_dir(), "run scripts/setup --test"
    paths = []
    for number, content in enumerate(files):
        paths.append(tmp_path / f"{number}.sql")
        paths[-1].write_text(content, encoding="utf-8")
    assert prove(cluster.server, cluster.clone(), paths) == expected


def test_a_summary_that_cannot_be_read_is_a_failure() -> None:
    assert counts("", succeeded=False) == (0, 1)
