"""Where the HAProxy program is, and its configuration for two colours."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from symphony.operator_error import OperatorError
from symphony.routing.haproxy import BACKEND

_CACHED: Final = Path(__file__).resolve().parents[3] / ".cache" / "haproxy" / "usr" / "sbin" / "haproxy"
_ADMIN: Final = Path("/usr/sbin/haproxy")  # where Debian puts it, which is not on everybody's PATH
COLOUR_HEADER: Final = "Symphony-Colour"

_TEXT: Final = """\
# Written by symphony. Loopback only; one process in the foreground; no master.
global
  stats socket {socket} mode 600 level admin
  maxconn 4096

defaults
  mode http
  timeout connect 1s
  timeout client 30s
  # Longer than the ingress waits for its database (13 s), so that it is the ingress that answers 503.
  timeout server 15s
  timeout queue 1s
  timeout http-request 5s
  # Only a connection that was never made is tried again, and then on the other colour: nothing had been sent.
  # A request that was sent and not answered may have been recorded: it is the client that sends it again, under
  # the same Idempotency-Key. So never add empty-response, response-timeout or all-retryable-errors here.
  retry-on conn-failure
  retries 1
  option redispatch 1

frontend payments
  bind 127.0.0.1:{port}
  default_backend {backend}

backend {backend}
  balance roundrobin
  # Readiness, not liveness: an ingress whose breaker is open says so, and gets nothing until it is closed.
  option httpchk GET /readyz
  http-check expect status 200
  http-response set-header {header} %[srv_name]
  default-server check inter 500ms fall 2 rise 2 pool-purge-delay 5s
  server blue {blue.address} port {blue.check_port} weight {blue_weight_pct}
  server green {green.address} port {green.check_port} weight {green_weight_pct}
"""


@dataclass(frozen=True, slots=True)
class Colour:
    """Where a colour listens: `address` is host:port of its service, `check_port` that of /readyz."""

    address: str
    check_port: int


def program() -> str:
    """The HAProxy program on PATH, in /usr/sbin, or where scripts/setup --test put it.

    Raises:
        OperatorError: HAPROXY_MISSING.
    """
    for candidate in (shutil.which("haproxy"), _ADMIN, _CACHED):
        if candidate is not None and Path(candidate).is_file():
            return str(candidate)
    raise OperatorError(
        "HAPROXY_MISSING",
        thing="haproxy",
        reason="it is neither on PATH nor in .cache/haproxy",
        next_action="run scripts/setup --test, or install the Debian package haproxy",
    )


def text(*, socket: Path, port: int, blue: Colour, green: Colour, blue_weight_pct: int = 100) -> str:
    """The configuration; the weights are those before the controller's first word."""
    return _TEXT.format(
        socket=socket,
        port=port,
        backend=BACKEND,
        header=COLOUR_HEADER,
        blue=blue,
        green=green,
        blue_weight_pct=blue_weight_pct,
        green_weight_pct=100 - blue_weight_pct,
    )
