"""A development login per capability for tests.

A test module asks for it with `pytest_plugins = ("tests.login_fixtures",)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from symphony.api.logins import CAPABILITIES
from tests.command_calls import SUFFIX, create, execute


@pytest.fixture
def urls(fresh_database: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A login per capability on the test's database; dropped at the end."""
    done = create(fresh_database, "--dev", "--out", tmp_path / "logins.json")
    assert done.exit_code == 0, done.output
    yield json.loads((tmp_path / "logins.json").read_text())
    execute(fresh_database, *(f"drop role if exists {capability}_{SUFFIX}" for capability in CAPABILITIES))
