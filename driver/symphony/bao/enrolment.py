"""What a service starts with: where OpenBao is, who it is there, and a wrapped secret id that can be used once."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from symphony.bao.rights import WRAP_TTL_S
from symphony.bao.wire import Wire
from symphony.operator_error import OperatorError


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """Good for one login within WRAP_TTL_S seconds. Whoever unwraps it second learns that somebody was first."""

    address: str
    service: str
    role_id: str
    wrapped_secret_id: str = field(repr=False)


def issue_enrolment(wire: Wire, service: str) -> Enrolment:
    """Have OpenBao make a single-use secret id for the service, wrapped for WRAP_TTL_S seconds.

    Raises:
        BaoRefused, BaoUnavailable.
    """
    role = f"auth/approle/role/{service}"
    role_id = wire.call("get", f"{role}/role-id")["data"]["role_id"]
    wrapped = wire.write(f"{role}/secret-id", wrap_ttl=f"{WRAP_TTL_S}s")["wrap_info"]["token"]
    return Enrolment(address=wire.address, service=service, role_id=role_id, wrapped_secret_id=wrapped)


def write_enrolment(enrolment: Enrolment, path: Path) -> None:
    """Write it to a new file, mode 0600. Raises OperatorError: ENROLMENT_NOT_WRITTEN."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(asdict(enrolment), file)
    except OSError as error:
        raise OperatorError(
            "ENROLMENT_NOT_WRITTEN",
            thing=str(path),
            reason=error.strerror or type(error).__name__,
            next_action="name a file that does not exist, in a directory you may write to",
        ) from error


def take_enrolment(path: Path, *, service: str | None = None) -> Enrolment:
    """Read the file and remove it: it is of no use a second time. One that is for another service is left alone.

    Raises:
        OperatorError: ENROLMENT_INVALID, ENROLMENT_FOR_ANOTHER.
    """
    try:
        fields = json.loads(path.read_bytes())
        enrolment = Enrolment(**{name: str(value) for name, value in fields.items()})
        if service is not None and enrolment.service != service:
            raise OperatorError(
                "ENROLMENT_FOR_ANOTHER",
                thing=str(path),
                reason=f"it is an enrolment of {enrolment.service!r}, and this is {service}",
                next_action=f"symphony bao enrol {service} --out FILE",
            )
        path.unlink()
        return enrolment
    except (OSError, ValueError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no enrolment"
        raise OperatorError(
            "ENROLMENT_INVALID",
            thing=str(path),
            reason=reason or type(error).__name__,
            next_action="have a new one made: symphony bao enrol SERVICE --out FILE",
        ) from None
