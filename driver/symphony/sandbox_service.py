"""How a sandbox is served: on loopback only, one JSON line when it is ready, until SIGTERM."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click
from aiohttp import web

from symphony.fault_rules import FaultRuleInvalid
from symphony.operator_error import OperatorError

_HOST: Final = "127.0.0.1"


def read_faults[Rule](path: Path | None, read: Callable[[bytes], list[Rule]]) -> list[Rule]:
    """The fault rules of a file, none without one. Raises OperatorError: FAULTS_INVALID."""
    if path is None:
        return []
    try:
        return read(path.read_bytes())
    except (FaultRuleInvalid, OSError) as refusal:
        raise OperatorError(
            "FAULTS_INVALID", thing=str(path), reason=str(refusal), next_action="correct the file"
        ) from None


async def serve_sandbox(
    application: web.Application, *, port: int, closing: asyncio.Event, ready: Mapping[str, str], log: str
) -> None:
    """Serve until SIGTERM or SIGINT; `closing` is set before connections are waited for.

    Args:
        port: 0 picks a free one.
        ready: members of the ready line besides event, host, port and pid.
        log: name of the HTTP library's logger, silenced: it quotes malformed requests.

    Raises:
        OperatorError: PORT_IN_USE.
    """
    silent = logging.getLogger(log)
    silent.disabled = True
    runner = web.AppRunner(application, access_log=None, logger=silent, keepalive_timeout=75, shutdown_timeout=2)
    try:
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, port, backlog=1024).start()
        except OSError as trouble:
            raise OperatorError(
                "PORT_IN_USE",
                thing=f"{_HOST}:{port}",
                reason=os.strerror(trouble.errno or 0),
                next_action="choose another --port, or 0 for a free one",
            ) from None
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        line = {"event": "ready", "host": _HOST, "port": runner.addresses[0][1], **ready, "pid": os.getpid()}
        click.echo(json.dumps(line, separators=(",", ":")))
        await stop.wait()
    finally:
        closing.set()
        await runner.cleanup()
