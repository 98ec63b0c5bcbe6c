"""What the HTTP bench measures: the ingress as it is in service, and 64 enrolled clients."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from symphony.bench.http_load import Target
from symphony.bench.load import PARTICIPANTS
from symphony.demo.processes import Children, Interruption
from symphony.demo.trust import Trust
from symphony.postgres_directory import free_port

_READY_S: Final = 30.0
_CLIENTS: Final = {f"bench-{number}": f"ZM-BENCH-{number}" for number in range(PARTICIPANTS)}


@dataclass(frozen=True, slots=True)
class BenchStage:
    """A running ingress; `trust` is None in development."""

    target: Target
    trust: Trust | None


@contextmanager
def bench_stage(dsn: str, *, dev: bool, say: Callable[[str], None]) -> Iterator[BenchStage]:
    """Start everything on a prepared database of a superuser; stop it at the end. Raises DemoFailed."""
    umask = os.umask(0o077)
    with tempfile.TemporaryDirectory(prefix="symphony-bench-http-") as folder:
        children = Children(Path(folder), Interruption())
        try:
            yield _development(children, dsn) if dev else _trusted(Path(folder), children, dsn)
        finally:
            children.stop(say)
            os.umask(umask)


def _development(children: Children, dsn: str) -> BenchStage:
    ingress = children.start(
        "ingress", "ingress", "--dev", "--port", "0", "--metrics-port", "0", database_url=dsn,
        environment={"SYMPHONY_ENVIRONMENT": "dev"},
    )  # fmt: skip
    port = ingress.wait_ready(seconds=_READY_S)["port"]
    return BenchStage(Target(url=f"http://127.0.0.1:{port}", pid=ingress.pid), None)


def _trusted(folder: Path, children: Children, dsn: str) -> BenchStage:
    trust = Trust(folder, children, operator="bench")
    trust.open_bao(dsn)
    senders = asyncio.run(_enrol(trust, dsn))
    maintain = trust.serve("maintain", "maintainer", dsn)
    maintain.wait_ready(seconds=_READY_S)
    asyncio.run(trust.wait_revocations_known(operator_url=dsn, seconds=_READY_S))
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    ingress = trust.serve("ingress", "ingress", dsn, "--port", str(port), *trust.ingress_options(origin=url))
    ingress.wait_ready(seconds=_READY_S)
    return BenchStage(Target(url=url, credentials=senders, origin=url, pid=ingress.pid), trust)


async def _enrol(trust: Trust, dsn: str) -> list[Path]:
    await trust.open_issuer()
    senders = await trust.register(_CLIENTS, operator_url=dsn)
    await trust.require_proof(operator_url=dsn)
    return [sender.path for sender in senders]
