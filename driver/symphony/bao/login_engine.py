"""OpenBao's database engine: one role per capability, whose logins we make and end with our own SQL."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict

from symphony.api.connection import Connection
from symphony.api.login_issuer import bring_issuer, issuer_exists
from symphony.bao.desired import Desired
from symphony.bao.rights import DATABASE, LOGIN_PREFIX, statements
from symphony.operator_error import OperatorError

_PLUGIN = "postgresql-database-plugin"
_CONNECTION = f"{DATABASE}/config/symphony"


async def bring_login_engine(
    desired: Desired,
    connection: Connection,
    *,
    database_url: str,
    issuer: str,
    ttl_s: int,
    max_ttl_s: int,
    capabilities: Sequence[str],
) -> None:
    """Have the issuer's login in the database, the connection at OpenBao and a role per capability.

    The issuer's password is known to nobody: it is random, and OpenBao changes it at once.

    Raises:
        OperatorError: DATABASE_PLACE_INVALID, those of symphony.api.login_issuer. BaoRefused, BaoUnavailable.
    """
    wanted = {
        "plugin_name": _PLUGIN,
        "connection_url": _connection_url(connection, database_url),
        "username": issuer,
        "username_template": LOGIN_PREFIX + "{{.RoleName}}-{{random 20 | lowercase}}",
        "password_authentication": "scram-sha-256",
        "allowed_roles": sorted(capabilities),
    }
    await asyncio.to_thread(desired.mount, DATABASE, "database")
    configured = await asyncio.to_thread(_is_configured, desired, wanted)
    known = configured and await issuer_exists(connection, login=issuer)
    password = None if known else secrets.token_urlsafe(32)
    if await bring_issuer(connection, login=issuer, password=password, login_prefix=LOGIN_PREFIX):
        desired.changes.append(f"database login {issuer}")
    await asyncio.to_thread(_bring_roles, desired, wanted, password, capabilities, (ttl_s, max_ttl_s))


def _is_configured(desired: Desired, wanted: dict[str, Any]) -> bool:
    found = (desired.wire.read(_CONNECTION) or {}).get("data") or {}
    present = {**found.get("connection_details", {}), **found}
    return all(present.get(name) == value for name, value in wanted.items())


def _bring_roles(
    desired: Desired,
    wanted: dict[str, Any],
    password: str | None,
    capabilities: Sequence[str],
    lives_s: tuple[int, int],
) -> None:
    if password is not None:
        # Over an existing one: deleting it would leave the logins it made without anybody who can end them.
        desired.wire.write(_CONNECTION, {**wanted, "password": password, "verify_connection": True})
        desired.wire.write(f"{DATABASE}/rotate-root/symphony")
        desired.changes.append(_CONNECTION)
    for capability in capabilities:
        role = {
            "db_name": "symphony",
            "creation_statements": statements("create_login", capability=capability),
            "renew_statements": statements("renew_login"),
            "revocation_statements": statements("revoke_login"),
            "rollback_statements": statements("revoke_login"),
            "default_ttl": lives_s[0],
            "max_ttl": lives_s[1],
        }
        desired.document(f"{DATABASE}/roles/{capability}", role, replace=True)


def _connection_url(connection: Connection, database_url: str) -> str:
    """Where OpenBao finds the database: the place we are connected to, without a login."""
    info = connection.info
    if not info.host or info.host.startswith(("/", "@")):
        raise OperatorError(
            "DATABASE_PLACE_INVALID",
            thing="--database-url",
            reason="OpenBao reaches the database by TCP, and this names a socket",
            next_action="name a host",
        )
    kept = {k: str(v) for k, v in conninfo_to_dict(database_url).items() if k in ("sslmode", "sslrootcert")}
    kept.setdefault("sslmode", "prefer" if info.host in ("127.0.0.1", "::1", "localhost") else "verify-full")
    host = f"[{info.host}]" if ":" in info.host else info.host
    query = urlencode({**kept, "application_name": "openbao"}, quote_via=quote)
    return f"postgresql://{{{{username}}}}:{{{{password}}}}@{host}:{info.port}/{quote(info.dbname, safe='')}?{query}"
