"""Structured logs: one JSON object a line on stderr, UTC times, a correlation id, nothing personal."""

from __future__ import annotations

import logging
import math
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final, TextIO
from uuid import UUID

import structlog

from symphony.errors import SymphonyError

REDACTED: Final = "[redacted]"
_MAX_TEXT: Final = 500
_MAX_ITEMS: Final = 50
_MAX_DEPTH: Final = 4
# A key is denied when it contains one of these stems anywhere: `debtor_account`, `accessToken`, `parties`.
_DENIED_STEMS: Final = (
    *("account", "alias", "assertion", "authoriz", "cookie", "credential", "creditor", "debtor", "dpop"),
    *("email", "msisdn", "parties", "passphrase", "passw", "payload", "remittance", "secret", "signature"),
    *("token",),
)
# ... or one of these as a word of its own: `party.name` is denied, `filename` and `certain` are not.
_DENIED_WORDS: Final = frozenset(
    {
        *("auth", "bearer", "body", "cert", "certificate", "dsn", "headers", "iban", "jwt", "name", "names"),
        *("params", "party", "phone", "proof", "raw", "uri", "url"),
    }
)
_DENIED_KEYS: Final = frozenset({"address", "content", "data", "document", "item", "query", "request", "response"})
_HARMLESS_KEYS: Final = frozenset({"signature_alg", "signature_key_id"})
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SECRETS_IN_TEXT: Final = (
    (re.compile(r"(?i)\b(bearer|dpop|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {REDACTED}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*){1,4}"), REDACTED),
    (re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key)(\s*[=:]\s*)\S+"), rf"\1\2{REDACTED}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@]+@"), rf"\1{REDACTED}@"),
)
type _Event = MutableMapping[str, Any]


def configure(service: str, *, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records as JSON lines to `stream` (default stderr).

    Records of other libraries keep their logger, level and text template: the values may be payloads.
    Uncaught exceptions become one such line too. Raises ValueError for an empty service name.
    """
    if not service:
        raise ValueError("the service name of the logs is empty; give one, for example 'worker'")
    target = sys.stderr if stream is None else stream

    def add_service(_: Any, __: str, event: _Event) -> _Event:
        event["service"] = service
        return event

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            add_service,
            describe_exception,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ForeignHandler()]
    root.setLevel(max(level, logging.WARNING))
    sys.excepthook = _log_uncaught


@contextmanager
def correlation(correlation_id: UUID | str) -> Iterator[None]:
    """Put `correlation_id` on every line logged inside, in this task and the tasks it starts."""
    with structlog.contextvars.bound_contextvars(correlation_id=str(correlation_id)):
        yield


def describe_exception(_: Any, __: str, event: _Event) -> _Event:
    """Replace `exc_info` by type, message and code locations; the message only of Symphony's own errors.

    Other libraries put rows, parameters and headers into their exceptions' texts, so those are never shown.
    """
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if error is True or (info and error is None):
        error = sys.exc_info()[1]
    if not isinstance(error, BaseException):
        return event
    event["error_type"] = _type_name(error)
    if isinstance(error, SymphonyError):
        event["error"] = str(error)
    if isinstance(error, BaseExceptionGroup):
        event["error_members"] = [_type_name(member) for member in error.exceptions]
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        event["sqlstate"] = sqlstate
    if error.__cause__ is not None:
        event["error_cause_type"] = _type_name(error.__cause__)
    event["error_at"] = _locations(error)
    return event


def redact(_: Any, __: str, event: _Event) -> _Event:
    """Redact denied keys at every depth, mask secrets in texts, remove control characters (CR, LF)."""
    return {_clean_text(str(key)): _clean(str(key), value, 0) for key, value in event.items()}


def _locations(error: BaseException) -> list[str]:
    places = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{PurePath(code.co_filename).name}:{traceback.tb_lineno}:{code.co_name}")
        traceback = traceback.tb_next
    return places[-8:]


def _type_name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _is_denied(key: str) -> bool:
    if key in _HARMLESS_KEYS or key.endswith("_sha256"):
        return False
    lower = key.lower()
    if lower in _DENIED_KEYS or any(stem in lower for stem in _DENIED_STEMS):
        return True
    return not _DENIED_WORDS.isdisjoint(word.lower() for word in _WORD.findall(key))


def _clean(key: str, value: Any, depth: int) -> Any:
    """What may be shown: numbers, ids, times and cleaned texts; of any other object only its type's name."""
    shown: Any = f"<{type(value).__qualname__}>"
    if value is not None and _is_denied(key):
        shown = REDACTED
    elif value is None or isinstance(value, bool | int):
        shown = value
    elif isinstance(value, float):
        shown = value if math.isfinite(value) else str(value)
    elif isinstance(value, datetime):
        shown = value.isoformat()
    elif isinstance(value, str | UUID | Decimal | PurePath | SymphonyError):
        shown = _clean_text(str(value))
    elif depth < _MAX_DEPTH and isinstance(value, Mapping):
        pairs = list(value.items())[:_MAX_ITEMS]
        shown = {_clean_text(str(name)): _clean(str(name), member, depth + 1) for name, member in pairs}
    elif depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        shown = [_clean(key, member, depth + 1) for member in list(value)[:_MAX_ITEMS]]
    return shown


def _clean_text(text: str) -> str:
    text = _CONTROL.sub(" ", text[: 2 * _MAX_TEXT])
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}..."


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        structlog.get_logger().critical("uncaught exception", exc_info=error)


class _ForeignHandler(logging.Handler):
    """Turns a record of another library into one of our lines, without the values put into its text."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"logger": record.name, "at_line": f"{record.module}:{record.lineno}"}
        if record.args:
            fields["template"] = str(record.msg)
        if record.exc_info and record.exc_info[1]:
            fields["exc_info"] = record.exc_info[1]
        structlog.get_logger().log(record.levelno, "library message", **fields)
