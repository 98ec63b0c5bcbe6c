"""login_issuer: the login with which OpenBao makes and ends logins, and the logins that should have ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import errors, sql

from symphony.api.connection import Connection
from symphony.api.logins import CAPABILITIES
from symphony.errors import DatabaseUnavailable
from symphony.operator_error import OperatorError

__all__ = ["CAPABILITIES", "OverdueLogin", "bring_issuer", "issuer_exists", "overdue_logins"]

_ATTRIBUTES = "login createrole noinherit nosuperuser nocreatedb noreplication nobypassrls"
_HAS_ATTRIBUTES = (
    "select r.rolcanlogin and r.rolcreaterole and not r.rolinherit and not r.rolcreatedb and not r.rolreplication"
    " and not r.rolbypassrls, r.rolsuper from pg_catalog.pg_roles as r where r.rolname = %s"
)
# What it may hand out it must not be able to use: ADMIN without INHERIT and SET, on each capability, and nothing else.
_MEMBERSHIPS = (
    "select g.rolname, b.rolname, m.admin_option and not m.inherit_option and not m.set_option"
    " from pg_catalog.pg_auth_members as m"
    " join pg_catalog.pg_roles as u on u.oid = m.member and u.rolname = %s"
    " join pg_catalog.pg_roles as g on g.oid = m.roleid and not pg_catalog.starts_with(g.rolname, %s)"
    " join pg_catalog.pg_roles as b on b.oid = m.grantor"
)
_OVERDUE = (
    "select r.rolname, r.rolvaliduntil,"
    " (select pg_catalog.count(*) from pg_catalog.pg_stat_activity as a where a.usesysid = r.oid)"
    " from pg_catalog.pg_roles as r where pg_catalog.starts_with(r.rolname, %s)"
    " and r.rolvaliduntil < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %s)"
    " order by r.rolvaliduntil, r.rolname"
)


@dataclass(frozen=True, slots=True)
class OverdueLogin:
    """A leased login that is still there although its time is over: its revocation failed, or never ran."""

    login: str
    valid_until: datetime
    sessions: int


async def issuer_exists(connection: Connection, *, login: str) -> bool:
    """Whether the database has a role of that name. Raises DatabaseUnavailable."""
    try:
        cursor = await connection.execute(_HAS_ATTRIBUTES, (login,))
        return await cursor.fetchone() is not None
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the database did not name its roles: {type(error).__name__}") from error


async def bring_issuer(connection: Connection, *, login: str, password: str | None, login_prefix: str) -> bool:
    """Have the issuer's login: CREATEROLE, ADMIN on every capability, able to use none; true when anything changed.

    A password makes the login or renews it; None is for one that exists. The server gets a SCRAM-SHA-256
    verifier (RFC 5803). Roles whose names begin with login_prefix are its own logins and left alone.

    Raises:
        OperatorError: ISSUER_NOT_READY with PostgreSQL's reason; ISSUER_IS_SUPERUSER.
    """
    try:
        async with connection.transaction():
            changed = await _bring_login(connection, login=login, password=password)
            return await _bring_memberships(connection, login=login, login_prefix=login_prefix) or changed
    except psycopg.Error as error:
        raise OperatorError(
            "ISSUER_NOT_READY",
            thing=login,
            reason=(error.diag.message_primary or type(error).__name__).strip(),
            next_action=(
                "name a superuser in --database-url"
                if isinstance(error, errors.InsufficientPrivilege)
                else "run symphony migrate first, correct the cause and run it again"
            ),
        ) from error


async def _bring_login(connection: Connection, *, login: str, password: str | None) -> bool:
    cursor = await connection.execute(_HAS_ATTRIBUTES, (login,))
    found = await cursor.fetchone()
    if found and found[1]:
        raise OperatorError(
            "ISSUER_IS_SUPERUSER",
            thing=login,
            reason="OpenBao must not hold a superuser's login",
            next_action="choose another --issuer",
        )
    if found and found[0] and password is None:
        return False
    statement = f"{'alter' if found else 'create'} role {{}} with {_ATTRIBUTES}"
    if password is None:
        await connection.execute(sql.SQL(statement).format(sql.Identifier(login)))
        return True
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    await connection.execute(
        sql.SQL(statement + " password {}").format(sql.Identifier(login), sql.Literal(verifier.decode()))
    )
    return True


async def _bring_memberships(connection: Connection, *, login: str, login_prefix: str) -> bool:
    cursor = await connection.execute(_MEMBERSHIPS, (login, login_prefix))
    held = await cursor.fetchall()
    right = {role for role, _, is_right in held if is_right}
    missing = [capability for capability in CAPABILITIES if capability not in right]
    for capability in missing:
        await connection.execute(
            sql.SQL("grant {} to {} with admin true, inherit false, set false").format(
                sql.Identifier(capability), sql.Identifier(login)
            )
        )
    wrong = [(role, grantor) for role, grantor, is_right in held if not is_right or role not in CAPABILITIES]
    for role, grantor in wrong:
        if role in missing and grantor == connection.info.user:
            continue  # the grant above has just corrected it
        await connection.execute(
            sql.SQL("revoke {} from {} granted by {}").format(
                sql.Identifier(role), sql.Identifier(login), sql.Identifier(grantor)
            )
        )
    return bool(missing or wrong)


async def overdue_logins(connection: Connection, *, login_prefix: str, grace_s: float) -> list[OverdueLogin]:
    """Logins whose VALID UNTIL is more than grace_s seconds past, by the database's clock, the oldest first.

    Any login may ask. Raises DatabaseUnavailable.
    """
    try:
        cursor = await connection.execute(_OVERDUE, (login_prefix, grace_s))
        return [OverdueLogin(*row) for row in await cursor.fetchall()]
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the database did not list overdue logins: {type(error).__name__}") from error
