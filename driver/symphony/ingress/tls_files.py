"""The listener's certificate from files, for where OpenBao does not issue it; replaced files are taken up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import structlog

from symphony.errors import SymphonyError
from symphony.ingress.identity import StartRefused
from symphony.ingress.tls import TlsMaterial


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Three PEM files: the server's chain, its key, and the one CA of client certificates.

    Attributes:
        poll_s: how often a change of the files is looked for.
    """

    certificate: Path
    key: Path
    client_ca: Path
    poll_s: float = 30.0

    def material(self) -> TlsMaterial:
        """Read them; raises StartRefused."""
        try:
            certificate, key, authority = (path.read_bytes() for path in (self.certificate, self.key, self.client_ca))
        except OSError as error:
            raise StartRefused(
                f"{error.filename} cannot be read (errno {error.errno}); name the files in --tls-certificate, --tls-key"
                " and --client-ca"
            ) from None
        return TlsMaterial(certificate_pem=certificate, key_pem=key, client_ca_pem=authority)

    async def run(self, on_renewed: Callable[[TlsMaterial], None]) -> NoReturn:
        """Hand on what the files hold when it has changed; what is refused leaves the old one in use."""
        serving = await asyncio.to_thread(self.material)
        while True:
            await asyncio.sleep(self.poll_s)
            try:
                found = await asyncio.to_thread(self.material)
                if found != serving:
                    on_renewed(found)
                    serving = found
                    structlog.get_logger().info("tls files taken up")
            except SymphonyError as error:
                structlog.get_logger().error("tls files not taken up", error=error, next="correct them")
