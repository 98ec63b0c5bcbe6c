"""What makes a revocation source useless for now. The state that was recorded stays, and becomes stale in time."""

from __future__ import annotations

from symphony.errors import SymphonyError


class RevocationRefused(SymphonyError):
    """A list or an answer that must not be believed.

    Attributes:
        code: CRL_* or OCSP_*, for scripts and tests.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class RevocationUnavailable(SymphonyError):
    """The source gave no answer in time, or none that is a document."""
