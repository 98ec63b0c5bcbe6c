"""A small file of refusal counts that the database has not taken yet: written through, read again at the next start."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from symphony.api.trust import RefusalCount
from symphony.errors import SymphonyError


class JournalRefused(SymphonyError):
    """The journal cannot be used; the message names it and says why."""


class RefusalJournal:
    """One JSON line a row, one process at a time. Every write is on the disk when it returns; it raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: int | None = None

    def open(self) -> list[RefusalCount]:
        """Take the journal for this process and return its rows; a line cut off by a crash is none.

        Raises: JournalRefused (another process has it, it cannot be read).
        """
        try:
            self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        except BlockingIOError as error:
            self.close()
            raise JournalRefused(f"{self._path} is used by another process; give each ingress its own") from error
        except OSError as error:
            self.close()
            raise JournalRefused(f"{self._path} cannot be used (errno {error.errno}); choose another path") from error
        rows = {row.count_id: row for row in map(_row, lines) if row is not None}
        return list(rows.values())

    def append(self, rows: Sequence[RefusalCount]) -> None:
        """Add rows at the end. The first newline ends what an earlier write may have left unfinished."""
        new = not self._path.exists()
        with open(self._path, "ab", opener=_private) as file:
            file.write(b"\n" + b"".join(map(_line, rows)))
            file.flush()
            os.fsync(file.fileno())
        if new:
            self._sync_directory()

    def replace(self, rows: Sequence[RefusalCount]) -> None:
        """Hold these rows instead of what it holds: all of them or, after a crash, all of the former."""
        beside = self._path.with_name(self._path.name + ".new")
        with open(beside, "wb", opener=_private) as file:
            file.write(b"".join(map(_line, rows)))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        self._sync_directory()

    def close(self) -> None:
        """Let another process have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _sync_directory(self) -> None:
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _line(row: RefusalCount) -> bytes:
    return json.dumps(asdict(row), default=_text).encode() + b"\n"


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def _row(line: bytes) -> RefusalCount | None:
    try:
        found: dict[str, Any] = json.loads(line)
        found["count_id"] = UUID(found["count_id"])
        found["cert_sha256"] = None if found["cert_sha256"] is None else bytes.fromhex(found["cert_sha256"])
        for name in ("first_at", "last_at"):
            found[name] = datetime.fromisoformat(found[name])
        return RefusalCount(**found)
    except (ValueError, KeyError, TypeError):
        return None
