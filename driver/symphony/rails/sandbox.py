"""Client adapter of the sandbox rail: one HTTP exchange per call, every outcome turned into a code."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from symphony.errors import SymphonyError
from symphony.money import InvalidMoney, from_minor, to_minor
from symphony.rails.adapter import (
    CONNECT_FAILED,
    CONNECTION_LOST,
    REFUSED_BEFORE_CALL,
    TIMEOUT,
    UNREADABLE_ANSWER,
    RailClaim,
    RailMisconfigured,
    RailOptions,
    RailReply,
    salted_sha256,
)
from symphony.strict_json import InvalidInput, read_json

_REJECT_CODE: Final = re.compile(r"[A-Z0-9]{1,8}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_RAIL_TEXT: Final = re.compile(r"[!-~]{1,64}")
_HEADERS: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the rail said, checked."""

    code: str
    rail_reference: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


class _Unsendable(SymphonyError):
    """The claim cannot be put on the wire; nothing was sent."""


class _Unreadable(Exception):
    """The answer cannot be trusted to be the answer to this request."""


@dataclass(slots=True)
class _Exchange:
    """What happened on the wire during one call."""

    sends_allowed: int
    sends: int = 0
    connection: ResponseHandler | None = None

    def distrust_connection(self) -> None:
        """Close the connection: an answer that is not ours shifts every later answer on it by one."""
        if self.connection is not None:
            self.connection.close()


_exchange: ContextVar[_Exchange] = ContextVar("symphony_rail_exchange")


class _SendLimit(aiohttp.ClientConnectionError):
    """The HTTP library tried to send a request more often than allowed."""


class _Connector(aiohttp.TCPConnector):
    """A pool that notes when a request gets a connection, the only moment from which bytes can leave.

    The library repeats requests by itself (idempotent methods on a dead pooled connection, redirects) and
    reuses a connection on which an unasked answer waits. Here a payment gets one clean connection, once.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's signature
    ) -> aiohttp.connector.Connection:
        exchange = _exchange.get()
        if exchange.sends >= exchange.sends_allowed:
            raise _SendLimit("this request has been sent already")
        connection = await super().connect(req, traces, timeout)
        while connection.protocol is not None and connection.protocol.should_close:
            connection.close()
            connection = await super().connect(req, traces, timeout)
        exchange.sends += 1
        exchange.connection = connection.protocol
        return connection


class SandboxRail:
    """The sandbox rail over HTTP (see symphony.rail_sandbox); needs a running event loop."""

    name: Final = "sandbox"

    def __init__(self, options: RailOptions) -> None:
        """Open the connection pool; raises RailMisconfigured for a base URL that cannot work."""
        self._payments = _payments_url(options.base_url)
        self._max_response_bytes = options.max_response_bytes
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=options.max_connections, keepalive_timeout=options.keepalive_ms / 1000),
            timeout=aiohttp.ClientTimeout(
                total=options.total_timeout_ms / 1000, connect=options.connect_timeout_ms / 1000
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
            skip_auto_headers=("User-Agent",),
            auto_decompress=False,
        )

    async def submit(self, claim: RailClaim) -> RailReply:
        """POST the payment once. Codes: ACCEPTED, REJECTED_<code>, UNAVAILABLE, REFERENCE_REUSED, PENDING,
        HTTP_<status> and those of symphony.rails.adapter."""
        try:
            body = _payment_body(claim)
        except SymphonyError:
            return RailReply(rail_code=REFUSED_BEFORE_CALL, request_sha256=salted_sha256(claim, b""), latency_us=0)
        return await self._call("POST", self._payments, claim=claim, body=body)

    async def query(self, claim: RailClaim) -> RailReply:
        """GET the payment's state by our reference. Codes: as submit and NOT_FOUND; never CONNECT_FAILED."""
        return await self._call("GET", self._payments / claim.reference, claim=claim, body=None)

    async def aclose(self) -> None:
        """Close the pool."""
        await self._session.close()

    async def _call(self, method: str, url: URL, *, claim: RailClaim, body: bytes | None) -> RailReply:
        exchange = _Exchange(sends_allowed=1 if method == "POST" else 2)
        request_sha256 = salted_sha256(claim, body if body is not None else f"GET {url.path}".encode())
        token = _exchange.set(exchange)
        started_ns = time.monotonic_ns()
        raw: bytes | None = None
        try:
            status, raw = await self._send(method, url, body)
            answer = _read_answer(status, raw, reference=claim.reference)
        except _Unreadable:
            exchange.distrust_connection()
            answer = _Answer(UNREADABLE_ANSWER)
        except (aiohttp.ClientError, OSError) as trouble:
            answer = _Answer(_trouble_code(trouble, sent=exchange.sends > 0, submitting=method == "POST"))
        finally:
            _exchange.reset(token)
        return RailReply(
            rail_code=answer.code,
            rail_reference=answer.rail_reference,
            echoed_amount_minor=answer.amount_minor,
            echoed_currency=answer.currency,
            request_sha256=request_sha256,
            response_sha256=None if raw is None else salted_sha256(claim, raw),
            latency_us=(time.monotonic_ns() - started_ns) // 1000,
        )

    async def _send(self, method: str, url: URL, body: bytes | None) -> tuple[int, bytes]:
        if self._session.closed:
            raise aiohttp.ClientConnectionError("the adapter is closed")
        async with self._session.request(method, url, data=body, allow_redirects=False) as response:
            chunks: list[bytes] = []
            size = 0
            async for chunk in response.content.iter_any():
                size += len(chunk)
                if size > self._max_response_bytes:
                    raise _Unreadable
                chunks.append(chunk)
            return response.status, b"".join(chunks)


def _trouble_code(trouble: Exception, *, sent: bool, submitting: bool) -> str:
    """Name what the network did. Without a connection nothing left us, whatever the exception is called."""
    if submitting and not sent:
        return CONNECT_FAILED
    if isinstance(trouble, TimeoutError):
        return TIMEOUT
    if isinstance(trouble, aiohttp.ClientResponseError):
        return UNREADABLE_ANSWER
    return CONNECTION_LOST


def _payments_url(base_url: str) -> URL:
    try:
        url = URL(base_url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string or url.fragment:
        raise RailMisconfigured(
            "rail sandbox: base_url is not http(s)://host[:port][/path], or has a user, query or fragment; correct it"
        )
    return url / "payments"


def _payment_body(claim: RailClaim) -> bytes:
    """The raw bytes to POST.

    Raises:
        _Unsendable: no parties (erased), or ones that are not the contract's JSON.
        InvalidInput, InvalidMoney: as their modules say; none of them holds a value.
    """
    parties = read_json(claim.parties.encode("utf-8", "surrogatepass")) if claim.parties is not None else None
    creditor = parties.get("creditor") if isinstance(parties, dict) else None
    debtor = parties.get("debtor") if isinstance(parties, dict) else None
    if not isinstance(parties, dict) or not isinstance(creditor, dict) or not isinstance(debtor, dict):
        raise _Unsendable
    body = {
        "reference": claim.reference,
        "amount": from_minor(claim.amount_minor, claim.currency),
        "currency": claim.currency,
        "end_to_end_id": claim.end_to_end_id,
        "purpose": claim.purpose,
        "creditor": creditor,
        "debtor": debtor,
        "remittance": parties.get("remittance"),
    }
    if claim.creditor_participant_id is not None:
        body["creditor"] = {**creditor, "participant_id": claim.creditor_participant_id}
    present = {name: value for name, value in body.items() if value is not None}
    return json.dumps(present, ensure_ascii=False, separators=(",", ":")).encode()


def _read_answer(status: int, raw: bytes, *, reference: str) -> _Answer:
    """The rail's code and echo; a status the contract does not know is HTTP_<status> whatever its body says.

    Raises:
        _Unreadable: a known status with a body that is not the contract's, or another payment's reference.
    """
    answer = _read_object(raw)
    said = answer.get("status")
    expected = {404: "NOT_FOUND", 409: "REFERENCE_REUSED", 503: "UNAVAILABLE"}.get(status)
    if status != 200 and (expected is None or said != expected):
        return _Answer(f"HTTP_{status}")
    if answer.get("reference") != reference:
        raise _Unreadable
    if expected is not None:
        return _Answer(expected)
    if said == "PENDING":
        return _Answer("PENDING")
    if said == "REJECTED":
        return _Answer(f"REJECTED_{_text(answer, 'code', _REJECT_CODE)}")
    if said == "ACCEPTED":
        return _accepted(answer)
    raise _Unreadable


def _read_object(raw: bytes) -> Mapping[str, object]:
    """The answer's members; none when it is not one strict JSON object."""
    try:
        answer = read_json(raw)
    except InvalidInput:
        return {}
    return answer if isinstance(answer, dict) else {}


def _accepted(answer: Mapping[str, object]) -> _Answer:
    currency = _text(answer, "currency", _CURRENCY)
    try:
        amount_minor = to_minor(_text(answer, "amount", _RAIL_TEXT), currency)
    except InvalidMoney:
        raise _Unreadable from None
    return _Answer("ACCEPTED", _text(answer, "rail_reference", _RAIL_TEXT), amount_minor, currency)


def _text(answer: Mapping[str, object], name: str, pattern: re.Pattern[str]) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _Unreadable
    return value
