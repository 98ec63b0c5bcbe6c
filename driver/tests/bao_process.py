"""A real OpenBao for tests, on a free loopback port; every secret it makes is kept, to be searched for in its logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from symphony.bao.bootstrap import Plan, bootstrap
from symphony.bao.enrolment import issue_enrolment
from symphony.bao.server import DevServer
from symphony.bao.session import Session
from symphony.bao.wire import Wire
from tests.stopped import stopped


@dataclass(slots=True)
class Bao:
    """A running server, its root, and every secret that the tests let it make."""

    server: DevServer
    root: Wire
    secrets: set[str] = field(default_factory=set)
    logged: StringIO = field(default_factory=StringIO)

    def bootstrap(self, *, database_url: str | None = None, **plan: Any) -> list[str]:
        """Bring it to the wanted state; what changed."""
        return asyncio.run(bootstrap(self.root, database_url=database_url, plan=Plan(**plan)))

    @asynccontextmanager
    async def session(self, service: str, *, timeout_s: float = 20.0) -> AsyncIterator[Session]:
        """Logged in as a service, by a wrapped secret id as in production."""
        enrolment = issue_enrolment(self.root, service)
        session = await Session.login(enrolment, timeout_s=timeout_s)
        self.secrets |= {enrolment.wrapped_secret_id, token_of(session)}
        try:
            yield session
        finally:
            await session.close()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """It does not answer: connections are accepted, nothing comes back."""
        with stopped(self.server.pid):
            yield

    def said(self) -> str:
        """Its log, its audit log and ours."""
        files = (self.server.log, self.server.audit_log)
        return "".join(path.read_text(errors="replace") for path in files) + self.logged.getvalue()


def token_of(session: Session) -> str:
    """The session's token, which nothing but a test looks at."""
    return str(session._wire._adapter.token)


@contextmanager
def running(data: Path | None = None, *, port: int = 0) -> Iterator[Bao]:
    """A server and its end."""
    server = DevServer(data, port)
    server.start()
    try:
        token = server.root_token()
        yield Bao(server, Wire(server.address, token=token), {token})
    finally:
        server.stop()
