"""logins: what a login may become, and the making of development logins (by a superuser or CREATEROLE)."""

from __future__ import annotations

import psycopg
from psycopg import errors, sql

from symphony.api.connection import Connection
from symphony.errors import DatabaseUnavailable
from symphony.operator_error import OperatorError

CAPABILITIES = (
    "symphony_ingest",
    "symphony_status_reader",
    "symphony_evidence_reader",
    "symphony_executor",
    "symphony_resolver",
    "symphony_operator",
    "symphony_policy_admin",
    "symphony_router",
    "symphony_sealer",
    "symphony_maintainer",
    "symphony_auditor",
)

_ATTRIBUTES = "login noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls"


async def may_act_as(connection: Connection, *, capability: str) -> bool | None:
    """Whether this login may SET ROLE to the capability; None when the cluster has no such role."""
    query = (
        "select pg_catalog.pg_has_role(session_user, r.oid, 'SET') from pg_catalog.pg_roles as r where r.rolname = %s"
    )
    try:
        cursor = await connection.execute(query, (capability,))
        row = await cursor.fetchone()
    except psycopg.Error as error:
        raise DatabaseUnavailable(f"the database did not say who we are: {type(error).__name__}") from error
    return bool(row[0]) if row else None


async def create_login(connection: Connection, *, login: str, capability: str, password: str) -> bool:
    """Make `login`, or renew it: this password, no attribute, member of exactly one capability.

    The membership is WITH INHERIT FALSE, SET TRUE, ADMIN FALSE: without SET ROLE the login can do nothing.
    The server gets a SCRAM-SHA-256 verifier (RFC 5803), never the password. Returns true when it is new.

    Raises:
        OperatorError: CAPABILITY_MISSING, LOGIN_NAME_TAKEN (a superuser, or a role that is no login),
            LOGIN_NOT_CREATED with PostgreSQL's reason.
    """
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    try:
        async with connection.transaction():
            exists = await _check_name(connection, login=login, capability=capability)
            verb = "alter" if exists else "create"
            statement = f"{verb} role {{}} with {_ATTRIBUTES} password {{}}"
            await connection.execute(sql.SQL(statement).format(sql.Identifier(login), sql.Literal(verifier.decode())))
            if exists:
                await _forget_the_past(connection, login=login)
            await connection.execute(
                sql.SQL("grant {} to {} with inherit false, set true, admin false").format(
                    sql.Identifier(capability), sql.Identifier(login)
                )
            )
    except psycopg.Error as error:
        raise OperatorError(
            "LOGIN_NOT_CREATED",
            thing=login,
            reason=(error.diag.message_primary or type(error).__name__).strip(),
            next_action=(
                "name a superuser, or a role with CREATEROLE and ADMIN on the capabilities, in --database-url"
                if isinstance(error, errors.InsufficientPrivilege)
                else "correct the cause and run it again"
            ),
        ) from error
    return not exists


async def _check_name(connection: Connection, *, login: str, capability: str) -> bool:
    cursor = await connection.execute(
        "select r.rolname, r.rolcanlogin and not r.rolsuper from pg_catalog.pg_roles as r where r.rolname = any (%s)",
        ([login, capability],),
    )
    found: dict[str, bool] = dict(await cursor.fetchall())
    if capability not in found:
        raise OperatorError(
            "CAPABILITY_MISSING",
            thing=capability,
            reason="this cluster has no such role",
            next_action="run symphony migrate first",
        )
    if found.get(login) is False:
        raise OperatorError(
            "LOGIN_NAME_TAKEN",
            thing=login,
            reason="it exists and is a superuser, or a role that is no login",
            next_action="choose another --suffix",
        )
    return login in found


async def _forget_the_past(connection: Connection, *, login: str) -> None:
    """Take every membership and setting from a login that existed."""
    role = sql.Identifier(login)
    await connection.execute(sql.SQL("alter role {} valid until 'infinity' connection limit -1").format(role))
    await connection.execute(sql.SQL("alter role {} reset all").format(role))
    cursor = await connection.execute(
        "select g.rolname, b.rolname from pg_catalog.pg_auth_members as m"
        " join pg_catalog.pg_roles as u on u.oid = m.member and u.rolname = %s"
        " join pg_catalog.pg_roles as g on g.oid = m.roleid"
        " join pg_catalog.pg_roles as b on b.oid = m.grantor",
        (login,),
    )
    for granted, grantor in await cursor.fetchall():
        await connection.execute(
            sql.SQL("revoke {} from {} granted by {} cascade").format(
                sql.Identifier(granted), role, sql.Identifier(grantor)
            )
        )
