"""What the ingress answered to a batch, read as far as it can be understood."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

TRY_AGAIN: Final = frozenset((408, 429, 500, 502, 503, 504))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, or none: results in item order, or why there are none and whether to try again."""

    results: list[dict[str, Any]] | None = None
    reason_code: str = ""
    message: str = ""
    try_again: bool = False
    retry_after_s: float = 0.0


def read_answer(
    status: int,
    raw: bytes,
    *,
    expected: int,
    retry_after: str | None,
    retry_after_cap_s: float,
    asked_again: bool = False,
) -> Answer:
    """Read the answer to a batch of `expected` instructions.

    Args:
        asked_again: the ingress refused this request and said what another one needs.
    """
    try:
        answer = json.loads(raw)
    except (ValueError, RecursionError):
        answer = None
    if status == 200:
        results = answer.get("results") if isinstance(answer, dict) else None
        if isinstance(results, list) and len(results) == expected and all(map(_is_result, results)):
            return Answer(results=results)
        said = "the ingress answered 200 without one result for each instruction; run again"
        return Answer(reason_code="UNREADABLE_ANSWER", message=said, try_again=True)
    problem = answer if isinstance(answer, dict) else {}
    wait_s = min(_seconds(retry_after), retry_after_cap_s)
    try_again = status in TRY_AGAIN or (asked_again and status == 401)
    return problem_of({**problem, "status": status}, try_again=try_again, retry_after_s=wait_s)


def problem_of(problem: dict[str, Any], *, try_again: bool, retry_after_s: float = 0.0) -> Answer:
    """Read a problem of RFC 9457."""
    reason = problem.get("reason_code")
    detail = problem.get("detail") or problem.get("title")
    return Answer(
        reason_code=reason[:64] if isinstance(reason, str) else f"HTTP_{problem['status']}",
        message=detail[:300] if isinstance(detail, str) else f"the ingress answered {problem['status']}",
        try_again=try_again,
        retry_after_s=retry_after_s,
    )


def _is_result(result: object) -> bool:
    return isinstance(result, dict) and isinstance(result.get("status"), int)


def _seconds(retry_after: str | None) -> float:
    """Return the wait a Retry-After header asks for (RFC 9110 section 10.2.3), 0 when there is none."""
    if retry_after is None:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
