"""What is to be applied: the files of a release compared with the ledger of a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from symphony import migration_ledger as ledger
from symphony.migration_files import CONTEXTS, Migration, Sources, SqlFile
from symphony.migration_ledger import Applied, Connection
from symphony.operator_error import OperatorError

GRANTS = "grants.sql"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be applied, and remarks that need a person but stop nothing."""

    migrations: tuple[Migration, ...]
    functions: tuple[SqlFile, ...]
    grants: SqlFile | None
    remarks: tuple[str, ...]

    @property
    def paths(self) -> list[str]:
        """The files to apply, in order."""
        files = [*(migration.file for migration in self.migrations), *self.functions]
        return [file.path for file in ([*files, self.grants] if self.grants else files)]


def compare(sources: Sources, applied: Applied) -> Plan:
    """Compare the files with the ledger.

    Raises:
        OperatorError: MIGRATION_MISSING, MIGRATION_EDITED, MIGRATION_OUT_OF_ORDER, MIGRATION_GAP.
    """
    by_version = {migration.version: migration for migration in sources.migrations}
    for row in applied.migrations:
        file = f"migrations/{row.version:04d}_{row.name}.sql"
        found = by_version.get(row.version)
        if found is None or found.name != row.name:
            raise OperatorError(
                "MIGRATION_MISSING",
                thing=file,
                reason="it is applied to this database but is not among the files",
                next_action="restore it under this name; what it did is undone by a new migration",
            )
        if found.file.sha256 != row.sha256:
            raise OperatorError(
                "MIGRATION_EDITED",
                thing=file,
                reason=f"applied with SHA-256 {row.sha256.hex()}, the file now has {found.file.sha256.hex()}",
                next_action="restore the file; what you want to change goes into a new migration",
            )
    done = {row.version for row in applied.migrations}
    pending = tuple(migration for migration in sources.migrations if migration.version not in done)
    _check_numbers(sources, pending, highest=max(done, default=0))
    functions = tuple(file for file in sources.functions if applied.repeatables.get(file.path) != file.sha256)
    present = {file.path for file in sources.functions} | {GRANTS}
    removed = sorted(set(applied.repeatables) - present)
    remarks = tuple(f"{path} was applied once and is gone: nothing is dropped by that" for path in removed)
    grants = sources.grants
    if grants and not (pending or functions):
        unchanged = applied.repeatables.get(GRANTS) == grants.sha256 and applied.grants_are_last
        grants = None if unchanged else grants
    return Plan(migrations=pending, functions=functions, grants=grants, remarks=remarks)


def _check_numbers(sources: Sources, pending: Sequence[Migration], *, highest: int) -> None:
    for migration in pending:
        if migration.version < highest:
            raise OperatorError(
                "MIGRATION_OUT_OF_ORDER",
                thing=migration.file.path,
                reason=f"it is new, but migration {highest:04d} is already applied",
                next_action=f"give it a number above {highest:04d}",
            )
    for expected, migration in enumerate(sources.migrations, start=1):
        if migration.version != expected:
            raise OperatorError(
                "MIGRATION_GAP",
                thing=migration.file.path,
                reason=f"there is no migration {expected:04d} before it",
                next_action="restore the missing file, or renumber the files that are not applied anywhere",
            )


async def plan(conn: Connection, sources: Sources) -> Plan:
    """Compare the files with this database; raises as `compare` does. Changes nothing."""
    compared = compare(sources, await ledger.read(conn, grants_path=GRANTS))
    orphans = await ledger.functions_of(conn, CONTEXTS) - sources.defined_functions()
    remarks = (f"function {schema}.{name} is in the database but in no file" for schema, name in sorted(orphans))
    return replace(compared, remarks=(*compared.remarks, *remarks))
