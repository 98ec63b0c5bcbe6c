"""Bringing OpenBao to a wanted state: read, compare, write only what differs, and say so."""

from __future__ import annotations

from typing import Any

from symphony.bao.errors import BaoRefused
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError


class Desired:
    """Writes what differs; `changes` says what that was, and stays empty when nothing did."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.changes: list[str] = []

    def mount(self, path: str, kind: str, **options: Any) -> bool:
        """Have a secrets engine of this type there; true when it is new."""
        return self._mounted("sys/mounts", path, kind, options)

    def auth(self, path: str, kind: str) -> bool:
        """Have an auth method of this type there; true when it is new."""
        return self._mounted("sys/auth", path, kind, {})

    def document(self, path: str, wanted: dict[str, Any], *, replace: bool = False) -> bool:
        """Have these fields there; true when something was written.

        With `replace` the old document is deleted first: OpenBao keeps every field that a write leaves out.
        """
        found = self.wire.read(path)
        present = (found or {}).get("data") or {}
        if all(name in present and present[name] == value for name, value in wanted.items()):
            return False
        if found is not None and replace:
            self.wire.delete(path)
        self.wire.write(path, wanted)
        self.changes.append(path)
        return True

    def _mounted(self, place: str, path: str, kind: str, options: dict[str, Any]) -> bool:
        mounts = (self.wire.read(place) or {}).get("data") or {}
        found = mounts.get(f"{path}/")
        if found is None:
            self.wire.write(f"{place}/{path}", {"type": kind, **options})
            self.changes.append(f"{place}/{path}")
            return True
        wanted_version = options.get("options", {}).get("version")
        if found["type"] != kind or (wanted_version and (found.get("options") or {}).get("version") != wanted_version):
            raise OperatorError(
                "MOUNT_DIFFERS",
                thing=f"{path}/ at OpenBao",
                reason=f"it is of type {found['type']}, not {kind} (or of another version)",
                next_action="move what is there elsewhere (bao secrets move), then run this again",
            )
        return False


def as_operator_error(error: BaoRefused, *, thing: str) -> OperatorError:
    """What an operator is told when OpenBao refuses a step: its own words too."""
    return OperatorError(
        "BAO_REFUSED",
        thing=thing,
        reason=f"{error}: {error.said}" if error.said else str(error),
        next_action="correct the cause, or use a token that may do this, and run it again",
    )
