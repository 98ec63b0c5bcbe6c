"""The search of the log scrub test: marked secrets, in every spelling that a program could write them in."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

PARTIES = "outbox.instruction_parties"
_SHORTEST = 8  # bytes of a marker: a shorter one would be found by chance
_TABLES = """
select n.nspname, c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'tap')
order by 1, 2
"""
_PARTIES = "select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass"


def spellings(secret: bytes) -> dict[str, bytes]:
    """How a secret may be written, by the name of the spelling.

    Base64 of a longer text holds one of three spellings of what is inside, without the characters at its ends.
    """
    if len(secret) < _SHORTEST:
        raise ValueError("a marker has at least 8 bytes")
    text = secret.decode("latin-1")
    found = {
        "raw": secret,
        "JSON": json.dumps(text)[1:-1].encode(),
        "hex": secret.hex().encode(),
        "URL": quote(secret, safe="").encode(),
        "URL, every byte": "".join(f"%{byte:02x}" for byte in secret).encode(),
    }
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + secret)
        inside = whole[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6]
        found[f"base64 at {offset}"] = inside
        found[f"base64url at {offset}"] = inside.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def search(places: Mapping[str, bytes], markers: Mapping[str, bytes]) -> list[tuple[str, str, str]]:
    """(place, marker, spelling) of everything found; the case of letters does not matter."""
    wanted = [
        (name, how, spelled.lower()) for name, secret in markers.items() for how, spelled in spellings(secret).items()
    ]
    return [
        (place, name, how)
        for place, content in places.items()
        for lowered in (content.lower(),)
        for name, how, spelled in wanted
        if spelled in lowered
    ]


def tables(dsn: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Every row of every table as text, by table: those that may hold no personal data, and the one that may."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        personal = {str(row[0]) for row in connection.execute(_PARTIES, (PARTIES,))}
        clean: dict[str, bytes] = {}
        parties: dict[str, bytes] = {}
        for schema, name in connection.execute(_TABLES).fetchall():
            query = sql.SQL("select t::text from {} as t").format(sql.Identifier(schema, name))
            content = "\n".join(row[0] for row in connection.execute(query)).encode()
            (parties if f"{schema}.{name}" in personal else clean)[f"{schema}.{name}"] = content
    return clean, parties


def files(paths: Iterable[Path]) -> dict[str, bytes]:
    """The content of files, by path."""
    return {str(path): path.read_bytes() for path in paths if path.is_file()}


def marker(kind: str) -> str:
    """A text of this kind that stands nowhere else."""
    return f"{kind}{os.urandom(8).hex()}"


# A child process begins with this: it logs everything, whatever its command asks for, and so do its libraries.
AT_DEBUG = """
import logging, structlog, symphony.logs
given = symphony.logs.configure
def configure(service, **options):
    given(service, **options | {"level": logging.DEBUG})
    logging.root.setLevel(logging.DEBUG)
    structlog.get_logger().debug("ours at debug")
    logging.getLogger("asyncio").debug("a library at debug")
symphony.logs.configure = configure
"""


def pem_parts(pem: bytes) -> dict[str, bytes]:
    """What must not be seen of a private key: its lines, and the DER behind them."""
    lines = [line for line in pem.splitlines() if line and not line.startswith(b"-----")]
    der = base64.b64decode(b"".join(lines))
    return {f"line {number}": line for number, line in enumerate(lines, 1) if len(line) >= _SHORTEST} | {"DER": der}


def token_parts(compact: str) -> dict[str, bytes]:
    """What must not be seen of a token or proof: its claims and its signature."""
    _, claims, signature = compact.split(".")
    return {"claims": claims.encode(), "signature": signature.encode()}


def named(prefix: str, parts: Mapping[Any, bytes]) -> dict[str, bytes]:
    """Markers under a common name."""
    return {f"{prefix} {name}": value for name, value in parts.items()}
