"""Attack: a login without any capability cannot take advisory locks (migrations wait for one; the lock table is finite)."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

_RUNNERS_LOCK = int.from_bytes(b"symphony", "big")
_LOCKS = (
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
)


@pytest.mark.parametrize("function", _LOCKS)
def test_no_capability_takes_an_advisory_lock(fresh_database: str, function: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("set role symphony_auditor")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"select pg_catalog.{function}({_RUNNERS_LOCK})".encode())
