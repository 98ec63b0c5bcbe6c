"""A service's way into the database: logins that OpenBao lends, kept alive beside the service's work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import structlog

from symphony.api.connection import Dsn
from symphony.bao.enrolment import take_enrolment
from symphony.bao.errors import BaoRefused
from symphony.bao.leased_login import LeasedLogin
from symphony.bao.rights import SERVICES
from symphony.bao.session import Session
from symphony.operator_error import OperatorError

_END_LIMIT_S: Final = 60.0
type Drain = Callable[[], Awaitable[None]]


class ServiceCredentials:
    """A service's session at OpenBao and one leased login for each capability it works as.

        credentials = await ServiceCredentials.open(path, service="ingress", place=place)
        pool = open_pool(credentials.dsn("symphony_ingest"), ...)
        credentials.on_replaced("symphony_ingest", pool.drain)
        try:
            await credentials.keep_while(serve(), stop=stop.set)
        finally:
            await credentials.close()

    A function from `dsn` gives the login of the moment: hand it to `connect` or `open_pool` wherever a URL goes.
    `check` before each request costs nothing and raises LoginLeaseEnded (a DatabaseUnavailable: answer 503) when any
    login has ended. OpenBao away: nothing changes until a lease ends; after it everything is refused until OpenBao is
    back. Login or token revoked: `run` and `keep_while` raise LoginLeaseEnded; the service must be enrolled anew.

    Attributes:
        session: for the service's other needs: secrets, certificates, keys.
    """

    def __init__(
        self, session: Session, *, place: str, capabilities: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.session = session
        self._drains: dict[str, list[Drain]] = {capability: [] for capability in capabilities}
        self._logins = {
            capability: LeasedLogin(
                session, capability=capability, place=place, on_replaced=self._drainer(capability), clock=clock
            )
            for capability in capabilities
        }

    @classmethod
    async def open(
        cls,
        enrolment_file: Path,
        *,
        service: str,
        place: str,
        capabilities: Sequence[str] | None = None,
        ca_file: str | None = None,
    ) -> Self:
        """Log in with the enrolment (which removes its file) and lease the first logins.

        Args:
            place: conninfo of the database without user and password.
            capabilities: all that the service may have by default (symphony.bao.rights.SERVICES).

        Raises:
            OperatorError: ENROLMENT_INVALID, ENROLMENT_FOR_ANOTHER, LOGIN_REFUSED. EnrolmentRefused, BaoUnavailable.
        """
        session = await Session.login(take_enrolment(enrolment_file, service=service), ca_file=ca_file)
        wanted = SERVICES[service].capabilities if capabilities is None else capabilities
        credentials = cls(session, place=place, capabilities=wanted)
        try:
            for login in credentials._logins.values():
                await login.open()
        except BaoRefused as error:
            await session.close()
            raise OperatorError(
                "LOGIN_REFUSED",
                thing=f"database login of {service}",
                reason=str(error),
                next_action="run symphony bao bootstrap with --database-url, enrol the service anew",
            ) from None
        except BaseException:
            await session.close()
            raise
        return credentials

    def dsn(self, capability: str) -> Dsn:
        """A function that gives the current login's conninfo and raises LoginLeaseEnded. KeyError: not leased."""
        return self._logins[capability].dsn

    def on_replaced(self, capability: str, drain: Drain) -> None:
        """Call this after each replacement, before the old login ends: a pool's `drain`."""
        self._drains[capability].append(drain)

    def check(self) -> None:
        """Raise LoginLeaseEnded unless every login still lasts."""
        for login in self._logins.values():
            login.check()

    @property
    def age_s(self) -> float:
        """Seconds since OpenBao last confirmed the login that it confirmed longest ago."""
        return max((login.age_s for login in self._logins.values()), default=0.0)

    async def run(self) -> NoReturn:
        """Keep every login alive until cancelled. Raises LoginLeaseEnded when one was revoked."""
        keepers = [asyncio.create_task(login.run()) for login in self._logins.values()]
        try:
            await asyncio.gather(*keepers)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
        raise AssertionError("a keeper of a login ended without a reason")

    async def keep_while[T](self, work: Coroutine[Any, Any, T], *, stop: Callable[[], None]) -> T:
        """Do `work` with the logins kept alive; when one is revoked, ask the work to stop and then raise.

        Work that goes on for 60 s after `stop` is cancelled. Raises LoginLeaseEnded and what the work raises.
        """
        doing = asyncio.create_task(work)
        keeping = asyncio.create_task(self.run())
        try:
            await asyncio.wait({doing, keeping}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                structlog.get_logger().critical(
                    "database login ended", next="find out who revoked it, enrol this service anew, start it again"
                )
                stop()
                await asyncio.wait({doing}, timeout=_END_LIMIT_S)
                keeping.result()
            return doing.result()
        finally:
            for task in (doing, keeping):
                task.cancel()
            await asyncio.gather(doing, keeping, return_exceptions=True)

    async def close(self) -> None:
        """Give everything back: the logins end with our token."""
        await self.session.close()

    def _drainer(self, capability: str) -> Drain:
        async def drain() -> None:
            for one in self._drains[capability]:
                try:
                    await one()
                except Exception as error:  # a pool that is closed; any other loses its sessions with the old login
                    structlog.get_logger().warning("a pool was not drained", error=error, capability=capability)

        return drain
