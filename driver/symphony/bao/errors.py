"""What can go wrong with OpenBao. No message holds a token, a secret or an answer's body."""

from __future__ import annotations

from symphony.errors import DatabaseUnavailable, SymphonyError


class BaoUnavailable(SymphonyError):
    """OpenBao gave no answer, or said that it cannot work now (sealed, standby, overloaded): try again later."""


class BaoRefused(SymphonyError):
    """OpenBao refused.

    Attributes:
        status: the HTTP status; 403 is «no such right or no such token», 404 «not there».
        said: OpenBao's own words, for an operator's terminal. It may quote what it was sent: never log it.
    """

    def __init__(self, what: str, *, status: int, said: str = "") -> None:
        super().__init__(f"OpenBao refused {what} with status {status}")
        self.status = status
        self.said = said


class EnrolmentRefused(SymphonyError):
    """The wrapped secret id of a service is of no use: spent, too old, or not the one that was issued."""


class LoginLeaseEnded(DatabaseUnavailable):
    """The leased database login is over and there is no other: answer 503 and write nothing."""


class RevocationFailed(SymphonyError):
    """OpenBao could not end a database login: the login may still work. Somebody must look now."""
