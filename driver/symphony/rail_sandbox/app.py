"""The sandbox rail's HTTP face: payments for clients, faults and ledger for the tests that judge."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from symphony.fault_rules import FaultRuleInvalid
from symphony.rail_sandbox.decisions import NO_ANSWER, Answer, Decision, Desk
from symphony.rail_sandbox.faults import QUERY, SUBMIT, FaultBook, FaultRule, read_rules
from symphony.rail_sandbox.ledger import PAGED, Ledger, LedgerUnavailable, Payment
from symphony.strict_json import InvalidInput, read_json

_MAX_BODY_BYTES: Final = 65_536
_MAX_PAGE: Final = 5_000
_HOLD_MS: Final = 60_000
_REFERENCE: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_AMOUNT: Final = re.compile(r"[0-9]{1,16}(\.[0-9]{1,5})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_PARTICIPANT: Final = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _NotAPayment(Exception):
    """A body the rail refuses; holds the member's name and no value."""


class SandboxApp:
    """The HTTP handlers over one ledger; `closing` ends the calls a fault holds open."""

    def __init__(self, ledger: Ledger, desk: Desk) -> None:
        self._ledger = ledger
        self._desk = desk
        self.closing = asyncio.Event()

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_quiet_failures])
        app.add_routes(
            [
                web.post("/payments", self.submit),
                web.get("/payments/{reference}", self.query),
                web.post("/faults", self.set_faults),
                web.get("/faults", self.show_faults),
                web.get("/ledger", self.show_ledger),
                web.get("/stats", self.show_stats),
                web.get("/healthz", self.health),
            ]
        )
        return app

    async def submit(self, request: web.Request) -> web.StreamResponse:
        """POST /payments: 200 ACCEPTED or REJECTED, 409 REFERENCE_REUSED, 400 INVALID, 503 UNAVAILABLE."""
        raw = await request.read()
        try:
            payment = self._read_payment(raw)
        except _NotAPayment as refusal:
            await self._desk.note_invalid(phase=SUBMIT)
            return _json({"status": "INVALID", "member": str(refusal)}, status=400)
        decision = await self._desk.submit(payment)
        if decision.fault is not None and decision.fault.kind == "late_effect":
            await self._wait(decision.fault.ms or 0)
            decision = await self._desk.submit_late(payment)
        return await self._deliver(request, decision)

    async def query(self, request: web.Request) -> web.StreamResponse:
        """GET /payments/{reference}: 200 ACCEPTED, REJECTED or PENDING, 404 NOT_FOUND."""
        reference = request.match_info["reference"]
        if not _REFERENCE.fullmatch(reference):
            await self._desk.note_invalid(phase=QUERY)
            return _json({"status": "INVALID", "member": "reference"}, status=400)
        return await self._deliver(request, await self._desk.query(reference))

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        """POST /faults: replace all rules; [] for none. 400 names the rule that cannot be used."""
        try:
            rules = read_rules(await request.read())
        except FaultRuleInvalid as refusal:
            return _json({"status": "INVALID", "reason": str(refusal)}, status=400)
        self._desk.faults = FaultBook(rules)
        return _json({"rules": len(rules)})

    async def show_faults(self, request: web.Request) -> web.StreamResponse:
        """GET /faults: the rules in force, with how many calls each picked and struck."""
        return _json(self._desk.faults.describe())

    async def show_ledger(self, request: web.Request) -> web.StreamResponse:
        """GET /ledger?table=(executions, effects, rejections, calls)&after=ROW&limit=N: committed rows."""
        table = request.query.get("table", "executions")
        after, limit = request.query.get("after", "0"), request.query.get("limit", "1000")
        numbers = re.fullmatch(r"[0-9]{1,15}", after) and re.fullmatch(r"[0-9]{1,4}", limit)
        if table not in PAGED or not numbers or not 1 <= int(limit) <= _MAX_PAGE:
            reason = f"table is one of {', '.join(PAGED)}; after is a row number; limit is 1 to {_MAX_PAGE}"
            return _json({"status": "INVALID", "reason": reason}, status=400)
        rows = self._ledger.page(table, after=int(after), limit=int(limit))
        return _json({table: rows, "next_after": rows[-1]["row"] if len(rows) == int(limit) else None})

    async def show_stats(self, request: web.Request) -> web.StreamResponse:
        """GET /stats: counts of what is committed."""
        return _json(self._ledger.stats())

    async def health(self, request: web.Request) -> web.StreamResponse:
        """GET /healthz."""
        return _json({"status": "OK"})

    def _read_payment(self, raw: bytes) -> Payment:
        """Raises _NotAPayment with the member at fault."""
        try:
            body = read_json(raw)
        except InvalidInput:
            raise _NotAPayment("body") from None
        if not isinstance(body, dict):
            raise _NotAPayment("body")
        creditor, debtor = _party(body, "creditor"), _party(body, "debtor")
        participant_id = None
        if "participant_id" in creditor:
            participant_id = _member(creditor, "participant_id", _PARTICIPANT)
        end_to_end_id = body.get("end_to_end_id")
        amount = _member(body, "amount", _AMOUNT)
        if not amount.strip("0."):
            raise _NotAPayment("amount")
        return Payment(
            reference=_member(body, "reference", _REFERENCE),
            amount=amount,
            currency=_member(body, "currency", _CURRENCY),
            creditor_participant_id=participant_id,
            creditor_hash=self._hash(creditor),
            debtor_hash=self._hash(debtor),
            content_hash=self._hash(body),
            end_to_end_id=end_to_end_id if isinstance(end_to_end_id, str) else None,
        )

    def _hash(self, content: object) -> str:
        return self._ledger.hash(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())

    async def _deliver(self, request: web.Request, decision: Decision) -> web.StreamResponse:
        """Put the decision on the wire as its fault wants."""
        fault = decision.fault
        if fault is None:
            return _response(decision.answer)
        if fault.kind in NO_ANSWER:
            if fault.kind.startswith("timeout"):
                await self._hold(request, _HOLD_MS if fault.ms is None else fault.ms)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=504)
        if fault.kind == "slow":
            await self._wait(fault.ms or 0)
        if fault.kind == "duplicate_answer":
            return await self._answer_twice(request, decision.answer, fault)
        return _response(decision.answer)

    async def _answer_twice(self, request: web.Request, answer: Answer, fault: FaultRule) -> web.StreamResponse:
        """Answer, then (after `ms`, if told) write the same answer again unasked."""
        response = _response(answer)
        transport = request.transport
        await response.prepare(request)
        await response.write_eof()
        body = _body(answer.members)
        head = f"HTTP/1.1 {answer.http_status} Again\r\nContent-Type: application/json\r\n"
        again = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        if transport is not None:
            if fault.ms:
                asyncio.get_running_loop().call_later(fault.ms / 1000, _write_if_open, transport, again)
            else:
                _write_if_open(transport, again)
        return response

    async def _wait(self, ms: int) -> None:
        """Wait, or less when the process is closing."""
        try:
            async with asyncio.timeout(ms / 1000):
                await self.closing.wait()
        except TimeoutError:
            return

    async def _hold(self, request: web.Request, ms: int) -> None:
        """Keep the client waiting until it leaves, the time is over, or the process is closing."""
        loop = asyncio.get_running_loop()
        end = loop.time() + ms / 1000
        while loop.time() < end and request.transport is not None and not self.closing.is_set():
            await self._wait(20)


def _write_if_open(transport: asyncio.WriteTransport, data: bytes) -> None:
    if not transport.is_closing():
        transport.write(data)


def _party(body: dict[str, Any], name: str) -> dict[str, Any]:
    party = body.get(name)
    if not isinstance(party, dict) or not isinstance(party.get("account"), str):
        raise _NotAPayment(name)
    return party


def _member(body: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _NotAPayment(name)
    return value


def _response(answer: Answer) -> web.Response:
    if answer.garbage is not None:
        return web.Response(status=answer.http_status, body=answer.garbage, content_type="text/html")
    return _json(answer.members, status=answer.http_status)


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_body(content), content_type="application/json")


def _body(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


@web.middleware
async def _quiet_failures(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """A failure answers 500 with its kind: its text, which may quote a request, goes nowhere."""
    try:
        return await handler(request)
    except web.HTTPException as known:
        return _json({"status": "INVALID", "reason": known.reason}, status=known.status)
    except LedgerUnavailable:
        return _json({"status": "ERROR", "reason": "ledger unavailable"}, status=500)
    except ConnectionError:
        raise
    except Exception as failure:
        return _json({"status": "ERROR", "reason": type(failure).__name__}, status=500)
