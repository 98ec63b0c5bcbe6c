"""Commits that a test holds back or refuses: what stands between an instruction and its acknowledgement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from tests.ingress_bench import rows


@asynccontextmanager
async def commits_wait(dsn: str) -> AsyncIterator[None]:
    """Inside, every transaction that queued an instruction waits in its COMMIT until the block ends."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as holder:
        await holder.execute("select pg_advisory_lock(4711)")
        await at_commit(dsn, "perform pg_advisory_xact_lock(4711);")
        try:
            yield
        finally:
            await holder.execute("select pg_advisory_unlock(4711)")
            await nothing_at_commit(dsn)


async def at_commit(dsn: str, statement: str) -> None:
    """Let every transaction that queued an instruction run this PL/pgSQL statement in its COMMIT."""
    await rows(
        dsn,
        "create function public.test_at_commit() returns trigger language plpgsql security definer as"  # advisory locks are nobody's
        f" $$ begin {statement} return null; end $$",
    )
    await rows(
        dsn,
        "create constraint trigger test_at_commit after insert on outbox.payment_outbox_pending"
        " deferrable initially deferred for each row execute function public.test_at_commit()",
    )


async def nothing_at_commit(dsn: str) -> None:
    """Take away what `at_commit` brought."""
    await rows(dsn, "drop trigger test_at_commit on outbox.payment_outbox_pending")
    await rows(dsn, "drop function public.test_at_commit()")


async def waiting_backends(dsn: str) -> list[int]:
    """The ingress's server processes that wait for the lock of `commits_wait`."""
    found = await rows(
        dsn,
        "select pid from pg_stat_activity where application_name = 'symphony-ingress'"
        " and wait_event_type = 'Lock' and wait_event = 'advisory' and datname = current_database()",
    )
    return [pid for (pid,) in found]


async def until_waiting(dsn: str, number: int = 1) -> list[int]:
    """Wait until that many of the ingress's server processes hang in their COMMIT."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pids = await waiting_backends(dsn)
        if len(pids) >= number:
            return pids
        await asyncio.sleep(0.01)
    raise AssertionError("no ingress backend reached its commit")
