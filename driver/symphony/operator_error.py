"""An error an operator can act on: what it is about, why, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from symphony.errors import SymphonyError


class OperatorError(SymphonyError):
    """A refusal that an operator meets on the command line.

    Attributes:
        code: a stable name in capitals, for scripts and tests.
        thing: what the refusal is about (a path, a port, a file).
        reason: why, in one sentence without a full stop.
        next_action: what to do next.
    """

    def __init__(self, code: str, *, thing: str, reason: str, next_action: str) -> None:
        super().__init__(f"{code}: {thing}: {reason}. Next: {next_action}.")
        self.code = code
        self.thing = thing
        self.reason = reason
        self.next_action = next_action


@contextmanager
def reported() -> Iterator[None]:
    """Turn a SymphonyError into click's one-line error (exit status 1)."""
    try:
        yield
    except SymphonyError as error:
        raise click.ClickException(str(error)) from error
