"""The PostgreSQL server of one test run: started once, a migrated template, a clone per module."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import psycopg

from symphony.migrate import DEFAULT_SQL_DIR, apply
from symphony.operator_error import OperatorError
from symphony.postgres import Server
from symphony.postgres_binaries import service_account
from symphony.postgres_directory import check_reachable, free_port

PGTAP = Path(__file__).resolve().parents[2] / ".cache" / "pgtap"
TEMPLATE = "symphony_template"
_PREFIX = "symphony-test-"


def test_directory() -> Path:
    """Make a directory that the server's account can reach, named after this process.

    Directories of test runs that were killed are removed first, their servers stopped.
    """
    account = service_account()
    bases = [os.environ.get("SYMPHONY_TEST_DIR"), tempfile.gettempdir(), "/var/tmp"]  # noqa: S108
    for base in (Path(name).resolve() for name in bases if name):
        try:
            check_reachable(base / "x", account)
        except OperatorError:
            continue
        _remove_abandoned(base)
        made = Path(tempfile.mkdtemp(dir=base, prefix=f"{_PREFIX}{os.getpid()}-"))
        made.chmod(0o755)
        return made
    raise RuntimeError(f"the account {account.name} can reach none of {bases}; set SYMPHONY_TEST_DIR")


def _remove_abandoned(base: Path) -> None:
    for left in base.glob(f"{_PREFIX}*"):
        owner = left.name.removeprefix(_PREFIX).partition("-")[0]
        if left.stat().st_uid != os.geteuid() or not owner.isdigit() or Path(f"/proc/{owner}").exists():
            continue
        for version in left.glob("*/PG_VERSION"):
            Server(version.parent, 0).stop()
        shutil.rmtree(left, ignore_errors=True)


class Cluster:
    """One server with a template database: all of sql/ migrated, pgTAP in the schema tap."""

    def __init__(self) -> None:
        self.directory = test_directory()
        settings = {"shared_buffers": "128MB", "max_wal_size": "1GB"}
        if PGTAP.is_dir():
            # A copy, for the checkout may lie where the server's account cannot go.
            shutil.copytree(PGTAP, self.directory / "pgtap")
            settings["extension_control_path"] = f"{self.directory / 'pgtap'}:$system"
        self.server = Server(self.directory / "data", free_port(), settings=settings)
        self._numbers = itertools.count(1)
        self._template_ready = False

    def start(self) -> None:
        """Start the server; the template is made by the first clone."""
        self.server.start()

    def stop(self) -> None:
        """Stop the server and remove everything it had."""
        try:
            self.server.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def empty(self) -> str:
        """Create an empty database and return its name."""
        name = f"test_{next(self._numbers)}"
        self.server.create_database(name)
        return name

    def clone(self) -> str:
        """Create a copy of the template and return its name.

        Raises:
            OperatorError: what symphony migrate raises, when sql/ does not apply.
        """
        self.make_template()
        name = f"test_{next(self._numbers)}"
        self.server.create_database(name, template=TEMPLATE)
        return name

    def make_template(self) -> None:
        """Migrate the template once, and load pgTAP into it so that any role may call it."""
        if self._template_ready:
            return
        self.server.drop_database(TEMPLATE)
        self.server.create_database(TEMPLATE)
        url = self.server.url(TEMPLATE)
        if any((DEFAULT_SQL_DIR / "migrations").glob("*.sql")):
            asyncio.run(apply(url))
        if PGTAP.is_dir():
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create schema tap")
                connection.execute("create extension pgtap with schema tap")
                connection.execute("grant usage on schema tap to public")
                connection.execute("grant execute on all functions in schema tap to public")
        self._template_ready = True
