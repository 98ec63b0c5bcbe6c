"""What release this is, in digests: one definition for the drift check, the evidence and the release's manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from symphony.migration_files import Sources, SqlFile


def digest(files: Mapping[str, bytes]) -> bytes:
    """SHA-256 over the sorted lines «sha256  path» of the files, as `sha256sum | sort -k 2` would print them."""
    lines = "".join(f"{files[path].hex()}  {path}\n" for path in sorted(files, key=str.encode))
    return hashlib.sha256(lines.encode()).digest()


def migrations(sources: Sources) -> dict[str, bytes]:
    """SHA-256 by path of the numbered migrations."""
    return _by_path(migration.file for migration in sources.migrations)


def repeatables(sources: Sources) -> dict[str, bytes]:
    """SHA-256 by path of the function files and of grants.sql, which are applied again when they change."""
    return _by_path([*sources.functions, *([sources.grants] if sources.grants else [])])


def migrations_digest(sources: Sources) -> bytes:
    """The digest of all migrations of a release."""
    return digest(migrations(sources))


def functions_digest(sources: Sources) -> bytes:
    """The digest of all function files of a release and of its grants."""
    return digest(repeatables(sources))


def _by_path(files: Iterable[SqlFile]) -> dict[str, bytes]:
    return {file.path: file.sha256 for file in files}
