"""Fixtures of tests that move payments: an established cell, its books, and a sandbox rail.

A test module asks for them with `pytest_plugins = ("tests.payment_fixtures",)`. Database and rail are the module's;
books begin with the test, so what earlier tests did is not in them. A test leaves nothing queued behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from symphony import api
from symphony.api.connection import Connection
from tests.payments import Books, establish, policy_document
from tests.sandbox_process import SandboxProcess


@pytest.fixture(scope="module")
def rail_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """The module's sandbox rail."""
    ledger: Path = tmp_path_factory.mktemp("rail") / "rail.db"
    with SandboxProcess(ledger, "--synchronous", "off") as process:
        yield process


@pytest.fixture
def rail(rail_process: SandboxProcess) -> SandboxProcess:
    """The same rail without faults."""
    rail_process.set_faults()
    return rail_process


@pytest.fixture(scope="module")
def cell(database_url: str) -> str:
    """The URL of the module's database, established as a cell with a quick policy (version 1)."""

    async def establish_now() -> None:
        connection = await api.connect(database_url, application_name="test cell")
        async with connection:
            await establish(connection, policy_document())

    asyncio.run(establish_now())
    return database_url


@pytest.fixture
async def connection(cell: str) -> AsyncIterator[Connection]:
    """A superuser's connection to the cell."""
    opened = await api.connect(cell, application_name="test payments")
    async with opened:
        yield opened


@pytest.fixture
def books(cell: str) -> Books:
    """The judge's view of what this test does."""
    return Books.beginning_now(cell)
