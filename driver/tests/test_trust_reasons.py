"""The table of reasons: complete, registrable, used, and tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from symphony.ingress.reasons import REASONS
from symphony.trust.refusal import Reason, TrustRefused

TESTS = Path(__file__).parent
ROOM = TESTS.parent / "symphony" / "trust"
SOURCES = "".join(path.read_text(encoding="utf-8") for path in sorted(ROOM.glob("*.py")) if path.name != "refusal.py")
TESTED = "".join(path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("test_trust_*.py")))


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_can_be_registered_is_given_and_is_tested(reason: Reason) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{1,63}", reason.name)
    assert reason.http_status in (400, 401, 403, 503)
    assert reason.meaning
    assert reason.next_action
    assert reason.name not in REASONS or REASONS[reason.name].status == reason.http_status
    assert f"Reason.{reason.name}" in SOURCES
    assert f"Reason.{reason.name}" in TESTED


def test_challenges() -> None:
    """RFC 6750 3.1, RFC 9449 7.1 and 9."""
    said = {reason.name: reason.challenge_error for reason in Reason}
    assert said["DPOP_NONCE_REQUIRED"] == "use_dpop_nonce"
    assert said["TOKEN_SCOPE_INSUFFICIENT"] == "insufficient_scope"
    assert (said["DPOP_MALFORMED"], said["TOKEN_EXPIRED"]) == ("invalid_dpop_proof", "invalid_token")
    assert (said["DIGEST_MISSING"], said["CERT_EXPIRED"], said["AUTHORIZATION_MISSING"]) == (None, None, None)


def test_a_refusal_shows_its_code_and_detail() -> None:
    refusal = TrustRefused(Reason.TOKEN_EXPIRED, "exp is past")
    assert (refusal.reason_code, refusal.detail, str(refusal)) == (
        "TOKEN_EXPIRED",
        "exp is past",
        "TOKEN_EXPIRED: exp is past",
    )


def test_the_room_asks_nobody_for_the_time() -> None:
    """Clocks are injected; the one that is not would make a window nobody can test."""
    assert not re.search(r"\b(time\.time|datetime\.now|utcnow|monotonic)\b", SOURCES)
    assert not re.search(r"^(import|from) (random|secrets|time)\b", SOURCES, re.M)
