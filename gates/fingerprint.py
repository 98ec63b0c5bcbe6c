"""The fingerprint of a schema: a text with one line for every object, and its SHA-256.

Two databases of one release have the same text whatever the order in which their objects were made, whoever migrated
them, which months they have partitions for, and however the looking session is set. What is compared is what
gates/fingerprint.sql asks the catalog. Any login that may connect can read all of it but one thing: what ALTER SYSTEM
or the configuration files changed only a superuser sees, and `unseen` says when it was not looked at.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg import Connection
from psycopg.rows import TupleRow

QUERY = Path(__file__).with_suffix(".sql")
# What the deparsed texts of the catalog depend on.
_SETTINGS = {
    "search_path": "pg_catalog",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "row_security": "off",
    "jit": "off",
}
# Server settings that change what the schema's code does or what its commits promise; tuning is not drift.
_PROMISES = (
    "allow_system_table_mods", "array_nulls", "backslash_quote", "check_function_bodies", "createrole_self_grant",
    "data_sync_retry", "default_transaction_deferrable", "default_transaction_isolation",
    "default_transaction_read_only", "event_triggers", "fsync", "full_page_writes", "ignore_checksum_failure",
    "ignore_invalid_pages", "ignore_system_indexes", "lo_compat_privileges", "local_preload_libraries",
    "restrict_nonsystem_relation_kind", "row_security", "search_path", "session_preload_libraries",
    "session_replication_role", "standard_conforming_strings", "synchronous_commit", "transform_null_equals",
    "zero_damaged_pages",
)  # fmt: skip
# The last file that names a setting wins; the server may not have read it again yet.
_FILES = """
select f.name, coalesce(case s.vartype when 'bool' then f.setting::boolean::text end, f.setting)
from (select distinct on (lower(x.name)) lower(x.name) as name, x.setting from pg_catalog.pg_file_settings as x
  where lower(x.name) = any (%s) order by lower(x.name), x.seqno desc) as f
join pg_catalog.pg_settings as s on lower(s.name) = f.name
where case s.vartype when 'bool' then f.setting::boolean is distinct from s.boot_val::boolean
  else f.setting is distinct from s.boot_val end
"""
# In no file: given to the server when it was started.
_COMMAND_LINE = """
select s.name, case s.vartype when 'bool' then s.setting::boolean::text else s.setting end
from pg_catalog.pg_settings as s
where lower(s.name) = any (%s) and s.source = 'command line' and s.setting is distinct from s.boot_val
"""
_MAY_READ_FILES = (
    "select pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'select')"
    " and pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'execute')"
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a schema is.

    Attributes:
        text: one line for each object, sorted by bytes.
        server_version_num: of the server that deparsed it; texts of two majors are not compared.
        unseen: what this login may not read, so that it is not in the text.
    """

    text: str
    server_version_num: int
    unseen: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """SHA-256 over the text in UTF-8, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def take(connection: Connection[TupleRow]) -> Fingerprint:
    """Take the fingerprint of the database as the session's transaction sees it, leaving its settings as they were.

    Let that transaction be read-only and REPEATABLE READ, so that all of it is one state of the catalog.
    """
    with connection.transaction(force_rollback=True):
        for name, value in _SETTINGS.items():
            connection.execute("select pg_catalog.set_config(%s, %s, true)", (name, value))
        rows = connection.execute(QUERY.read_bytes()).fetchall()
        lines = set(_folded(rows))
        readable = connection.execute(_MAY_READ_FILES).fetchone()
        unseen: tuple[str, ...] = ()
        changed = connection.execute(_COMMAND_LINE, (list(_PROMISES),)).fetchall()
        if readable and readable[0]:
            changed += connection.execute(_FILES, (list(_PROMISES),)).fetchall()
        else:
            unseen = ("server settings of configuration files and ALTER SYSTEM (only a superuser sees them)",)
        lines |= {f"server setting {name} {value}" for name, value in changed}
    text = "".join(f"{line}\n" for line in sorted(lines, key=str.encode))
    return Fingerprint(text=text, server_version_num=connection.info.server_version, unseen=unseen)


def _folded(rows: Iterable[tuple[str | None, str | None, str]]) -> Iterator[str]:
    """Yield the lines; of the leaves of a parent the shape most of them have, and what others have or lack."""
    leaves: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for parent, leaf, line in rows:
        flat = " ".join(line.split())
        if parent is None or leaf is None:
            yield flat
        else:
            leaves[parent][leaf].add(flat.replace(leaf, f"{parent}_<month>"))
    for shapes in leaves.values():
        counted = Counter(frozenset(lines) for lines in shapes.values())
        usual = min(counted, key=lambda shape: (-counted[shape], sorted(shape)))
        yield from usual
        for leaf, lines in shapes.items():
            yield from (f"leaf {leaf} has {line}" for line in lines - usual)
            yield from (f"leaf {leaf} lacks {line}" for line in usual - lines)
