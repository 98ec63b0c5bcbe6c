"""HAProxy's runtime socket: counters and weights of the two colours."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from symphony.api.routing import COLOURS
from symphony.errors import SymphonyError

BACKEND: Final = "ingress"
# Not hrsp_1xx: an interim answer (100 Continue) is not the answer, which may be lost after it.
_RESPONSES: Final = ("hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")


class HaproxyUnavailable(SymphonyError):
    """The runtime socket does not answer, or not as HAProxy does; the message names the socket."""


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One colour at HAProxy: its weight (percent), and what happened since HAProxy started.

    Attributes:
        started: requests given to the server.
        requests: those that have ended.
        errors: those that ended with a 5xx answer, or without any answer though the client was still there.
            Counted as started less answered, for HAProxy's own econ and eresp leave out a connection that was
            redispatched, and an answer that was cut off on a client's second request.
        process: which HAProxy process says so; another one has counted from 0 and has its file's weights.
    """

    weight_pct: int
    started: int
    requests: int
    errors: int
    process: str = ""


class RuntimeSocket:
    """Speaks with one HAProxy (documentation: Management Guide, section 9.3, Unix socket commands)."""

    def __init__(self, path: Path, *, timeout_s: float = 1.0) -> None:
        self._path = path
        self._timeout_s = timeout_s

    async def status(self) -> dict[str, ServerStatus]:
        """Counters and weights by colour; raises HaproxyUnavailable."""
        info, _, text = (await self._ask("show info;show stat")).partition("\n# ")
        rows = csv.DictReader(text.splitlines())
        try:
            said = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
            process = f"{said['Pid']} since {said.get('Start_time_sec')}"  # in a container every process is number 1
            found = {
                row["svname"]: _status(row, process)
                for row in rows
                if row["pxname"] == BACKEND and row["svname"] in COLOURS
            }
        except (KeyError, ValueError) as error:
            raise HaproxyUnavailable(f"HAPROXY_UNREACHABLE: {self._path}: its statistics are not understood") from error
        if set(found) != set(COLOURS):
            raise HaproxyUnavailable(
                f"HAPROXY_UNREACHABLE: {self._path}: its backend {BACKEND} lacks the servers {' and '.join(COLOURS)};"
                " start it with the configuration that symphony routing configuration prints"
            )
        return found

    async def set_weights(self, weights: Mapping[str, int]) -> None:
        """Set the weights (percent), the one that grows first, so that there is always somewhere to go."""
        for colour in sorted(weights, key=lambda colour: -weights[colour]):
            said = (await self._ask(f"set server {BACKEND}/{colour} weight {weights[colour]}")).strip()
            if said:
                raise HaproxyUnavailable(f"HAPROXY_UNREACHABLE: {self._path}: it refused a weight: {said[:200]}")

    async def _ask(self, command: str) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await asyncio.open_unix_connection(str(self._path))
                try:
                    writer.write(f"{command}\n".encode())
                    await writer.drain()
                    return (await reader.read()).decode()  # to the end: HAProxy closes after one command
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise HaproxyUnavailable(
                f"HAPROXY_UNREACHABLE: {self._path}: {type(error).__name__}; start HAProxy, or name its socket"
            ) from error


def _status(row: Mapping[str, str], process: str) -> ServerStatus:
    started = int(row["stot"])
    ended = started - int(row["scur"])
    unanswered = ended - sum(int(row[name]) for name in _RESPONSES) - int(row["cli_abrt"])
    return ServerStatus(
        weight_pct=int(row["weight"]),
        started=started,
        requests=ended,
        errors=int(row["hrsp_5xx"]) + max(unanswered, 0),
        process=process,
    )
