"""Who sends a request: the single seam that the zero-trust ingress replaces."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Protocol

from aiohttp.web import BaseRequest

from symphony.errors import SymphonyError
from symphony.ingress.problems import Refusal
from symphony.instruction import PARTICIPANT

PARTICIPANT_HEADER = "Symphony-Participant"


class StartRefused(SymphonyError):
    """The ingress must not start like this; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who was identified, and how; every field goes into the attestation.

    Attributes:
        pop_mode: how possession was proved (`ingress.pop_mode`).
        db_role: the database capability role chosen for the request.
    """

    participant_id: str
    tenant_id: str | None
    client_id: str | None
    pop_mode: str
    db_role: str
    cert_sha256: bytes | None = None
    token_iss: str | None = None
    token_aud: str | None = None
    token_kid: str | None = None
    token_jti_sha256: bytes | None = None
    cnf: str | None = None
    signature_key_id: str | None = None
    signature_alg: str | None = None


class Identifier(Protocol):
    """Identifies the sender of each request, every time anew."""

    async def identify(self, request: BaseRequest) -> Identity:
        """Return who sends the request; raises Refusal (IDENTITY_MISSING)."""
        ...


class DevelopmentIdentifier:
    """Believes the header Symphony-Participant. Only `identifier_for` makes one."""

    async def identify(self, request: BaseRequest) -> Identity:
        """Return the participant the header names; raises Refusal (IDENTITY_MISSING)."""
        participant_id = request.headers.get(PARTICIPANT_HEADER)
        if participant_id is None:
            raise Refusal("IDENTITY_MISSING", detail=f"no {PARTICIPANT_HEADER} header")
        if not PARTICIPANT.matches(participant_id):
            raise Refusal("IDENTITY_MISSING", detail=f"{PARTICIPANT_HEADER} is not {PARTICIPANT.says}")
        return Identity(
            participant_id=participant_id,
            tenant_id=None,
            client_id=f"dev:{participant_id}",
            pop_mode="DEV_HEADER",
            db_role="symphony_ingest",
        )


def identifier_for(*, dev: bool, host: str) -> Identifier:
    """Return the identifier to serve with; raises StartRefused without --dev, and with --dev off loopback."""
    if not dev:
        raise StartRefused(
            "the ingress cannot authenticate yet: authentication arrives with the zero-trust ingress;"
            " for development on this machine only, start it with --dev"
        )
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise StartRefused(
            f"--dev believes whoever connects, so it listens only on a loopback address and --host is {host};"
            " use --host 127.0.0.1"
        )
    return DevelopmentIdentifier()
