"""Fixtures: one server a run, one database a module (`database_url`) or a test (`fresh_database`).

With `-n N` (pytest-xdist) the processes of a run share one server: the controller names its directory and stops it.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
import pytest
import structlog

from symphony.api import connection
from symphony.postgres_throwaway import Cluster, throwaway_directory

_DIRECTORY = pytest.StashKey[Path]()
# Modules that wait for processes and clocks begin first, so that the others run beside them.
_FIRST = (
    "test_worker", "test_worker_races", "test_postgres_provider", "test_migrate", "test_ingress_crashes",
    "test_negative_security", "test_claim_bounds", "test_rail_sandbox", "test_rail_faults",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """End on SIGTERM as on Ctrl-C, so that the fixtures stop what they started."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # How long an example takes is no finding, and each run tries the same ones.
    hypothesis.settings.register_profile(
        "symphony", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("symphony")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker process of pytest-xdist where the run's server lives."""
    if _DIRECTORY not in node.config.stash:
        node.config.stash[_DIRECTORY] = throwaway_directory()
    node.workerinput["cluster_directory"] = str(node.config.stash[_DIRECTORY])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server that the worker processes shared."""
    if _DIRECTORY in config.stash:
        Cluster(config.stash[_DIRECTORY]).stop()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest."""
    ranks = {name: rank for rank, name in enumerate(_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that a test runs in this process configures logging for it; the next test finds it as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook
    configured, configuration = structlog.is_configured(), structlog.get_config()
    yield
    root.handlers[:], root.level, sys.excepthook = before
    if configured:
        structlog.configure(**configuration)
    else:
        structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def _patience_with_the_server() -> Iterator[None]:
    """A test's own session may take its time to come about; those of the program (symphony…) are as they are."""
    options = connection._connection_options

    def patient(**given: Any) -> dict[str, Any]:
        ours = given["application_name"].startswith("symphony")
        return options(**given) | ({} if ours else {"connect_timeout": 30})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "_connection_options", patient)
        yield


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The server of this run, stopped and removed at its end."""
    shared = getattr(request.config, "workerinput", {}).get("cluster_directory")
    made = Cluster(Path(shared) if shared else None)
    try:
        made.start()
        yield made
    finally:
        if not shared:
            made.stop()


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A server of this test alone: to be stopped, or to be measured."""
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
    cluster.drop(name)


@pytest.fixture(scope="module")
def database(database_url: str) -> str:
    """The same URL under a shorter name."""
    return database_url


@pytest.fixture
def fresh_database(cluster: Cluster) -> Iterator[str]:
    """The superuser's URL of a database of this test: everything migrated, no data."""
    name = cluster.clone()
    yield cluster.server.url(name)
    cluster.drop(name)


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[str]:
    """The superuser's URL of a database of this test with nothing in it."""
    name = cluster.empty()
    yield cluster.server.url(name)
    cluster.drop(name)
