"""Where the database comes from: our own programs, a URL, or a container; one interface for all three."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, get_args
from urllib.parse import urlsplit, urlunsplit

from symphony.operator_error import OperatorError
from symphony.postgres import DATABASE, SUPERUSER, Server, Status
from symphony.postgres_binaries import unpacked

Kind = Literal["auto", "binaries", "url", "docker"]
KINDS: tuple[str, ...] = get_args(Kind)
IMAGE = "postgres:18"
_CONNECT_TIMEOUT_S = 3.0


class Provider(Protocol):
    """A database server that can be started, stopped, asked for, and reached by a URL."""

    name: str

    def start(self) -> list[str]:
        """Start the server unless it runs; return lines for people. Raises OperatorError."""

    def stop(self) -> list[str]:
        """Stop the server and wait; return lines for people. Raises OperatorError."""

    def status(self) -> Status:
        """Tell whether the server runs."""

    def url(self, dbname: str = DATABASE) -> str:
        """Return a URL that works as it is. Raises OperatorError."""


class UrlProvider:
    """A server that somebody else runs, named by DATABASE_URL. It is used, never started or stopped."""

    name = "url"

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        if parts.scheme not in ("postgresql", "postgres"):
            raise OperatorError(
                "DATABASE_URL_INVALID",
                thing="DATABASE_URL",
                reason="it does not begin with postgresql://",
                next_action="set it to postgresql://user:password@host:port/database",
            )
        self._url = database_url
        self._parts = parts
        self._port = parts.port or 5432
        self._host = parts.hostname or ""

    def start(self) -> list[str]:
        """Refuse: OperatorError NOT_OURS."""
        raise self._not_ours("started")

    def stop(self) -> list[str]:
        """Refuse: OperatorError NOT_OURS."""
        raise self._not_ours("stopped")

    def status(self) -> Status:
        """Tell whether something accepts connections at the URL's host and port."""
        where = f"{self._host or 'local socket'}:{self._port} (DATABASE_URL)"
        try:
            socket.create_connection((self._host or "127.0.0.1", self._port), timeout=_CONNECT_TIMEOUT_S).close()
        except OSError as error:
            detail = f"not reachable: {where}: {error.strerror or error}"
            return Status(provider=self.name, running=False, pid=None, port=self._port, detail=detail)
        detail = f"reachable: {where}"
        return Status(provider=self.name, running=True, pid=None, port=self._port, detail=detail)

    def url(self, dbname: str = "") -> str:
        """Return DATABASE_URL, with another database name when one is given."""
        if not dbname:
            return self._url
        return urlunsplit(self._parts._replace(path=f"/{dbname}"))

    def _not_ours(self, verb: str) -> OperatorError:
        return OperatorError(
            "NOT_OURS",
            thing="DATABASE_URL",
            reason=f"the server it names is not run by this command and cannot be {verb} by it",
            next_action="use that server's own tools, or unset DATABASE_URL to use a server of our own",
        )


class DockerProvider:
    """A `postgres:18` container made with testcontainers, kept after this process, its data in `data`.

    Nothing else about the server differs: 127.0.0.1, SCRAM, data checksums, durable settings.
    """

    name = "docker"

    def __init__(self, data: Path, port: int) -> None:
        self.data = data.resolve()
        self.port = port
        self._container = "symphony-" + hashlib.sha256(str(self.data).encode()).hexdigest()[:12]

    def start(self) -> list[str]:
        """Start the container unless it runs. Raises OperatorError: DOCKER_UNAVAILABLE, DOCKER_FAILED."""
        found = self._find()
        if found is not None and found.status == "running":
            return [f"already running: container {self._container}, port {self._port_of(found)}"]
        if found is not None:
            found.start()
            return [f"started: container {self._container}, port {self._port_of(found)}"]
        self._create()
        return [f"started: container {self._container} ({IMAGE}), port {self.port}, data {self.data}"]

    def stop(self) -> list[str]:
        """Stop the container and wait. Raises OperatorError: DOCKER_UNAVAILABLE."""
        found = self._find()
        if found is None or found.status != "running":
            return [f"not running: container {self._container}"]
        found.stop(timeout=60)
        return [f"stopped: container {self._container}"]

    def status(self) -> Status:
        """Tell whether the container runs. Raises OperatorError: DOCKER_UNAVAILABLE."""
        found = self._find()
        running = found is not None and found.status == "running"
        port = self._port_of(found) if running else None
        state = "running" if running else "not running"
        detail = f"{state}: container {self._container}, port {port or self.port}"
        return Status(provider=self.name, running=running, pid=None, port=port, detail=detail)

    def url(self, dbname: str = DATABASE) -> str:
        """Return a URL that works as it is. Raises OperatorError: DOCKER_UNAVAILABLE, NOT_RUNNING."""
        found = self._find()
        if found is None or found.status != "running":
            raise OperatorError(
                "NOT_RUNNING",
                thing=f"container {self._container}",
                reason="it is not running",
                next_action=f"symphony db start --provider docker --data {self.data} --port {self.port}",
            )
        environment = dict(entry.split("=", 1) for entry in found.attrs["Config"]["Env"])
        password = environment["POSTGRES_PASSWORD"]
        return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{self._port_of(found)}/{dbname}"

    def _client(self) -> Any:
        try:
            from testcontainers.core.docker_client import DockerClient

            client = DockerClient().client
            client.ping()
        except ImportError as error:
            raise self._unavailable("the package testcontainers is not installed", "scripts/setup --test") from error
        except Exception as error:  # the docker client raises its own, urllib3's and requests' errors
            raise self._unavailable(f"no Docker engine answers ({type(error).__name__})", "start Docker") from error
        return client

    def _unavailable(self, reason: str, action: str) -> OperatorError:
        return OperatorError(
            "DOCKER_UNAVAILABLE",
            thing=IMAGE,
            reason=reason,
            next_action=f"{action}, or use --provider binaries",
        )

    def _find(self) -> Any:
        found = self._client().containers.list(all=True, filters={"name": f"^/{self._container}$"})
        return found[0] if found else None

    def _port_of(self, container: Any) -> int:
        return int(container.attrs["HostConfig"]["PortBindings"]["5432/tcp"][0]["HostPort"])

    def _create(self) -> None:
        import secrets

        from testcontainers.core.config import testcontainers_config
        from testcontainers.postgres import PostgresContainer

        testcontainers_config.ryuk_disabled = True  # the container outlives this process on purpose
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        container = PostgresContainer(
            IMAGE, username=SUPERUSER, password=secrets.token_urlsafe(24), dbname=DATABASE, driver=None
        )
        container.with_name(self._container)
        container.with_env(
            "POSTGRES_INITDB_ARGS", "--data-checksums --locale-provider=builtin --builtin-locale=C.UTF-8"
        )
        container.with_volume_mapping(str(self.data), "/var/lib/postgresql", "rw")
        container.with_command("postgres -c max_connections=200 -c jit=off -c timezone=UTC -c track_functions=all")
        container.with_kwargs(ports={"5432/tcp": ("127.0.0.1", self.port)})
        try:
            container.start()
        except Exception as error:  # as in _client
            raise OperatorError(
                "DOCKER_FAILED",
                thing=IMAGE,
                reason=f"the container did not start ({type(error).__name__}: {error})",
                next_action=f"docker logs {self._container}",
            ) from error


def choose(
    kind: Kind,
    *,
    data: Path | None,
    port: int,
    environ: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
) -> Provider:
    """Return the provider: `auto` takes DATABASE_URL when set, then our programs, then a container.

    Raises:
        OperatorError: DATABASE_URL_MISSING, DATA_DIRECTORY_MISSING, and those of the provider chosen.
    """
    database_url = environ.get("DATABASE_URL", "")
    if kind == "url" or (kind == "auto" and database_url):
        if not database_url:
            raise OperatorError(
                "DATABASE_URL_MISSING",
                thing="--provider url",
                reason="DATABASE_URL is not set",
                next_action="set it to postgresql://user:password@host:port/database",
            )
        return UrlProvider(database_url)
    if data is None:
        raise OperatorError(
            "DATA_DIRECTORY_MISSING",
            thing="--data",
            reason="no data directory was named",
            next_action="add --data DIR (or set SYMPHONY_DATA), or set DATABASE_URL",
        )
    if kind == "docker":
        return DockerProvider(data, port)
    if kind == "auto":
        try:
            unpacked()
        except OperatorError as error:
            if error.code != "BINARIES_MISSING":
                raise
            return DockerProvider(data, port)
    return Server(data, port, settings=settings)
