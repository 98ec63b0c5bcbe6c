"""Errors a caller can meet, and the one mapping from SQLSTATE to them."""

from __future__ import annotations

from typing import ClassVar


class SymphonyError(Exception):
    """Any error that Symphony itself reports."""


class DatabaseUnavailable(SymphonyError):
    """The database refused or ended the work and certainly recorded nothing: try again later."""


class OutcomeUnknown(SymphonyError):
    """The connection died without an answer: the work may be recorded. Ask again under the same key."""


class DatabaseRefused(SymphonyError):
    """A Symphony function raised a registered error (core.errors); nothing was written.

    Attributes:
        sqlstate: five characters, class letter S.
        detail: JSON text of the DETAIL field, free of personal data.
        hint: the next action.
    """

    http_status: ClassVar[int] = 500

    def __init__(self, *, sqlstate: str, message: str, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{sqlstate} {message}" + (f" ({hint})" if hint else ""))
        self.sqlstate = sqlstate
        self.message = message
        self.detail = detail
        self.hint = hint


class Invalid(DatabaseRefused):
    """The caller passed something that can never work."""

    http_status = 422


class NotAllowed(DatabaseRefused):
    """The caller may not do this."""

    http_status = 403


class NotFound(DatabaseRefused):
    """The named thing does not exist."""

    http_status = 404


class Conflict(DatabaseRefused):
    """The request contradicts what is already recorded."""

    http_status = 409


class LeaseLost(DatabaseRefused):
    """The lease is no longer the caller's; nothing was written."""

    http_status = 409


class RetryLater(DatabaseRefused):
    """Nothing is wrong with the request; it cannot be served now."""

    http_status = 503


class InvariantBroken(DatabaseRefused):
    """An invariant would be broken; the database refused."""

    http_status = 500


_BY_CLASS: dict[str, type[DatabaseRefused]] = {
    "SV": Invalid,
    "SA": NotAllowed,
    "SN": NotFound,
    "SC": Conflict,
    "SL": LeaseLost,
    "SR": RetryLater,
    "SX": InvariantBroken,
}


def from_sqlstate(sqlstate: str, *, message: str, detail: str | None, hint: str | None) -> DatabaseRefused:
    """Return the exception for a registered SQLSTATE, by its first two characters (S + disposition)."""
    kind = _BY_CLASS.get(sqlstate[:2], DatabaseRefused)
    return kind(sqlstate=sqlstate, message=message, detail=detail, hint=hint)
