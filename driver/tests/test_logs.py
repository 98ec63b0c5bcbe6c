"""No secret, no personal data and no second line can get into the log."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import logging
import string
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

import symphony
from symphony import logs
from symphony.errors import DatabaseUnavailable, SymphonyError

SECRET = "Chanda-Mwila-0971234567"
DENIED = (
    *("parties", "party", "account", "debtor_account", "accountId", "debtoraccount", "creditor", "debtor"),
    *("name", "debtorName", "party.name", "alias", "alias.value", "token", "lease_token", "access-token"),
    *("authorization", "Authorization", "HTTP_AUTHORIZATION", "body", "request_body", "payload", "msisdn"),
    *("remittance", "password", "dsn", "database_url", "headers", "HEADERS", "signature", "cookie", "DPoP"),
    *("client_secret", "params", "iban", "item", "request"),
)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook)
    stream = io.StringIO()
    logs.configure("test", stream=stream)
    yield stream
    root.handlers[:], root.level, sys.excepthook = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().split("\n")[:-1]]


def test_one_line_has_time_in_utc_level_service_and_correlation_id(stream: io.StringIO) -> None:
    correlation_id = uuid.uuid4()
    with logs.correlation(correlation_id):
        structlog.get_logger().info("batch recorded", size=200, took_s=0.004, rail="sandbox")
    structlog.get_logger().info("outside")
    first, second = lines(stream)
    assert first.pop("at").endswith("Z")
    assert first == {
        "event": "batch recorded", "level": "info", "service": "test", "size": 200, "took_s": 0.004,
        "rail": "sandbox", "correlation_id": str(correlation_id),
    }  # fmt: skip
    assert "correlation_id" not in second


async def test_the_correlation_id_stays_with_its_task(stream: io.StringIO) -> None:
    async def one(correlation_id: uuid.UUID) -> None:
        with logs.correlation(correlation_id):
            await asyncio.sleep(0)
            structlog.get_logger().info("seen", expected=correlation_id)

    await asyncio.gather(*(one(uuid.uuid4()) for _ in range(20)))
    assert all(line["correlation_id"] == line["expected"] for line in lines(stream))


@pytest.mark.parametrize("key", DENIED)
@pytest.mark.parametrize("value", [SECRET, {"a": [SECRET]}, [SECRET], SECRET.encode(), 971234567, {SECRET}])
def test_denied_keys_are_redacted_at_every_depth(stream: io.StringIO, key: str, value: object) -> None:
    structlog.get_logger().info("x", **{key: value}, outer={"list": [{key: value}]})
    assert "Mwila" not in stream.getvalue()
    assert "71234567" not in stream.getvalue()
    (line,) = lines(stream)
    assert line[key] == logs.REDACTED
    assert line["outer"] == {"list": [{key: logs.REDACTED}]}


def test_ids_hashes_and_counts_stay_readable(stream: io.StringIO) -> None:
    fields: dict[str, object] = {
        "participant_id": "ZM-BANK-A", "instruction_id": "INV-1", "body_sha256": "ab" * 32, "items": 3,
        "request_id": "r1", "reason_code": "LIMIT", "filename": "a.xml", "ratio": 0.5, "none": None,
    }  # fmt: skip
    structlog.get_logger().info("x", **fields, when=datetime(2026, 1, 2, tzinfo=UTC), path=Path("a/b"))
    (line,) = lines(stream)
    assert {key: line[key] for key in fields} == fields
    assert (line["when"], line["path"]) == ("2026-01-02T00:00:00+00:00", "a/b")


def test_objects_show_only_their_type(stream: io.StringIO) -> None:
    class Claim:
        def __repr__(self) -> str:
            return SECRET

    structlog.get_logger().info("x", claim=Claim(), claims=[Claim()], worst=float("nan"))
    (line,) = lines(stream)
    assert "Mwila" not in stream.getvalue()
    assert line["worst"] == "nan"


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"dpop {SECRET}",
        f"token={SECRET} rest",
        f"password: {SECRET}",
        f"postgresql://user:{SECRET}@db:5432/x",
        f"eyJhbGciOiJFUzI1NiJ9.eyJzdWIi{SECRET}.c2ln{SECRET}",
    ],
)
def test_secrets_inside_texts_are_masked(stream: io.StringIO, text: str) -> None:
    structlog.get_logger().info(text, note=text)
    assert "Mwila" not in stream.getvalue()


def raise_foreign() -> None:
    raise KeyError(SECRET, {"account": SECRET})


def test_foreign_exceptions_show_type_and_place_but_never_their_text(stream: io.StringIO) -> None:
    log = structlog.get_logger()
    try:
        raise_foreign()
    except KeyError as error:
        log.exception("failed")
        log.error("failed", exc_info=error)
        log.error("failed", exc_info=sys.exc_info())
        log.error("failed", reason=error)
    assert "Mwila" not in stream.getvalue()
    for line in lines(stream)[:3]:
        assert line["error_type"] == "builtins.KeyError"
        assert line["error_at"][-1].endswith(":raise_foreign")
    assert lines(stream)[3]["reason"] == "<KeyError>"


def test_own_errors_show_their_text_their_cause_only_its_type(stream: io.StringIO) -> None:
    try:
        try:
            raise_foreign()
        except KeyError as error:
            raise DatabaseUnavailable("no database connection became free in time") from error
    except SymphonyError:
        structlog.get_logger().exception("flush failed")
    (line,) = lines(stream)
    assert "Mwila" not in stream.getvalue()
    assert line["error"] == "no database connection became free in time"
    assert line["error_cause_type"] == "builtins.KeyError"


def test_a_group_shows_the_types_of_its_members(stream: io.StringIO) -> None:
    group = ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(SECRET)])
    structlog.get_logger().error("failed", exc_info=group)
    assert "Mwila" not in stream.getvalue()
    assert lines(stream)[0]["error_members"] == ["builtins.ValueError", "builtins.KeyError"]


def test_other_libraries_keep_their_template_but_not_their_values(stream: io.StringIO) -> None:
    foreign = logging.getLogger("aiohttp.server")
    foreign.error("Error handling request from %s", SECRET)
    foreign.error(f"interpolated {SECRET}")
    try:
        raise_foreign()
    except KeyError:
        foreign.exception("Unhandled")
    first, second, third = lines(stream)
    assert "Mwila" not in stream.getvalue()
    assert first["template"] == "Error handling request from %s"
    assert (first["logger"], first["level"]) == ("aiohttp.server", "error")
    assert "template" not in second
    assert third["error_type"] == "builtins.KeyError"


def test_an_uncaught_exception_becomes_one_clean_line(stream: io.StringIO) -> None:
    try:
        raise_foreign()
    except KeyError as error:
        sys.excepthook(KeyError, error, error.__traceback__)
    assert "Mwila" not in stream.getvalue()
    assert lines(stream)[0]["event"] == "uncaught exception"


def test_an_empty_service_name_is_refused() -> None:
    with pytest.raises(ValueError, match="service name"):
        logs.configure("")


texts = st.text(max_size=40) | st.text(alphabet='\r\n\u2028\u2029\x00\x1b[{"}' + string.ascii_letters, max_size=40)


@settings(max_examples=150, deadline=None)
@given(event=texts, key=texts.filter(lambda key: key not in {"event", "exc_info", "stack_info"}), value=texts)
def test_no_text_can_start_a_second_line_or_break_the_json(event: str, key: str, value: str) -> None:
    stream = io.StringIO()
    logs.configure("test", stream=stream)
    structlog.get_logger().bind(**{key: value}).info(event, deep={"k": [value, {key: value}]})
    written = stream.getvalue()
    assert written.isascii()
    assert len(written.splitlines()) == 1
    assert isinstance(json.loads(written), dict)
    structlog.reset_defaults()


LOG_METHODS = {"debug", "info", "warning", "error", "critical", "exception"}


def test_every_message_in_the_package_is_a_constant() -> None:
    bad = []
    for path in sorted(Path(symphony.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr not in LOG_METHODS or "log" not in ast.unparse(node.func.value).lower():
                continue
            if not (node.args and isinstance(node.args[0], ast.Constant)):
                bad.append(f"{path.name}:{node.lineno}")
    assert bad == [], "write the message as a constant and the facts as keys, so that redaction sees them"
