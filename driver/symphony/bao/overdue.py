"""A revocation that failed must be seen: the database is asked, because OpenBao may be what failed."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from symphony.api.connection import Connection
from symphony.api.login_issuer import OverdueLogin, overdue_logins
from symphony.bao.rights import LOGIN_PREFIX


async def report_overdue(connection: Connection, *, grace_s: float, alarm: Callable[[OverdueLogin], None]) -> int:
    """Log and hand to `alarm` every leased login that is still there grace_s seconds after its end; how many.

    An operator's own revocation is told at once by RevocationFailed; this finds what OpenBao does by itself.
    Raises DatabaseUnavailable.
    """
    overdue = await overdue_logins(connection, login_prefix=LOGIN_PREFIX, grace_s=grace_s)
    for login in overdue:
        structlog.get_logger().error(
            "leased login overdue", login=login.login, valid_until=login.valid_until, sessions=login.sessions
        )
        alarm(login)
    return len(overdue)
