"""Who sends a request and may do what: the seam between development and the zero-trust ingress."""

from __future__ import annotations

import ipaddress
from typing import Final, Protocol

from aiohttp.web import BaseRequest

from symphony.errors import SymphonyError
from symphony.ingress.problems import Refusal
from symphony.ingress.visit import Visit
from symphony.instruction import PARTICIPANT
from symphony.trust.access_token import Capability

PARTICIPANT_HEADER = "Symphony-Participant"

ROLES: Final = {
    Capability.SUBMIT: "symphony_ingest",
    Capability.READ_OWN_STATUS: "symphony_status_reader",
    Capability.READ_EVIDENCE: "symphony_evidence_reader",
}
"""The database role of each capability: three roles, none a member of another."""


class StartRefused(SymphonyError):
    """The ingress must not start like this; the message says why and what to do."""


class Identifier(Protocol):
    """Checks the sender of each request, every time anew; every method raises Refusal.

    What a method finds it writes into the visit before it looks further, so a refusal attests what was known.
    """

    def admit(self, request: BaseRequest, visit: Visit) -> None:
        """Before any work: whether anything may be served now, and to this sender at this rate."""
        ...

    async def identify(self, request: BaseRequest, visit: Visit) -> None:
        """Before the body is read: certificate, access token, sender constraint."""
        ...

    def check_body(self, request: BaseRequest, body: bytes, visit: Visit) -> None:
        """After the body is read and before anything parses it: its digest and its signature."""
        ...

    def authorize(self, visit: Visit, capability: Capability) -> None:
        """Whether the sender may do this; chooses the database role."""
        ...


class DevelopmentIdentifier:
    """Believes the header Symphony-Participant. Only `development_identifier` makes one."""

    def admit(self, request: BaseRequest, visit: Visit) -> None:
        """Admit everybody."""

    async def identify(self, request: BaseRequest, visit: Visit) -> None:
        """Take the participant the header names; raises Refusal (IDENTITY_MISSING)."""
        participant_id = request.headers.get(PARTICIPANT_HEADER)
        if participant_id is None:
            raise Refusal("IDENTITY_MISSING", detail=f"no {PARTICIPANT_HEADER} header")
        if not PARTICIPANT.matches(participant_id):
            raise Refusal("IDENTITY_MISSING", detail=f"{PARTICIPANT_HEADER} is not {PARTICIPANT.says}")
        visit.participant_id = participant_id
        visit.client_id = f"dev:{participant_id}"
        visit.pop_mode = "DEV_HEADER"
        visit.verified()

    def check_body(self, request: BaseRequest, body: bytes, visit: Visit) -> None:
        """Believe it."""

    def authorize(self, visit: Visit, capability: Capability) -> None:
        """Allow everything."""
        visit.db_role = ROLES[capability]


def development_identifier(*, host: str) -> DevelopmentIdentifier:
    """Return the identifier that believes its clients; raises StartRefused off loopback."""
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
