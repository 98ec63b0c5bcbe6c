"""Fixtures: one server a run, one database a module (`database_url`) or a test (`fresh_database`)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from tests.cluster import Cluster


def pytest_configure(config: pytest.Config) -> None:
    """End on SIGTERM as on Ctrl-C, so that the fixtures stop what they started."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server of this run, stopped and removed at its end."""
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def database_url(cluster: Cluster) -> Iterator[str]:
    """The superuser's URL of a database of this module: everything migrated, no data."""
    name = cluster.clone()
    yield cluster.server.url(name)
    cluster.server.drop_database(name)


@pytest.fixture(scope="module")
def database(database_url: str) -> str:
    """The same URL under a shorter name."""
    return database_url


@pytest.fixture
def fresh_database(cluster: Cluster) -> Iterator[str]:
    """The superuser's URL of a database of this test: everything migrated, no data."""
    name = cluster.clone()
    yield cluster.server.url(name)
    cluster.server.drop_database(name)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[str]:
    """The superuser's URL of a database of this test with nothing in it."""
    name = cluster.empty()
    yield cluster.server.url(name)
    cluster.server.drop_database(name)
