"""The sandbox registry's HTTP face: answers for resolvers; entries, faults and calls for the tests that judge."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web

from symphony.fault_rules import FaultRuleInvalid
from symphony.instruction import PARTICIPANT
from symphony.registry_sandbox.faults import Asked, FaultBook, FaultRule, read_rules
from symphony.registry_sandbox.store import ACTIVE, REVOKED, Entry, Store
from symphony.resolver.aliases import InvalidAlias, normalise
from symphony.strict_json import InvalidInput, read_json

MAX_QUESTIONS: Final = 100
_MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_MAX_ENTRIES: Final = 10_000
_MAX_PAGE: Final = 10_000
_OVERSIZE_BYTES: Final = 70_000
_HTTP_STATUS: Final = {"RESOLVED": 200, "NOT_FOUND": 404, "REVOKED": 410, "INVALID": 422, "UNAVAILABLE": 424}

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Refused(Exception):
    """A body the registry refuses; says which member, and no value."""


class SandboxApp:
    """The HTTP handlers over one store; `closing` ends the answers a fault holds back."""

    def __init__(self, store: Store, *, faults: FaultBook, latency_ms: int) -> None:
        self._store = store
        self._faults = faults
        self._latency_ms = latency_ms
        self.closing = asyncio.Event()

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_quiet_failures])
        app.add_routes(
            [
                web.post("/v1/resolve", self.resolve),
                web.post("/v1/resolve-many", self.resolve_many),
                web.post("/admin/entries", self.put_entries),
                web.post("/admin/faults", self.set_faults),
                web.get("/admin/faults", self.show_faults),
                web.get("/admin/calls", self.show_calls),
                web.get("/admin/stats", self.show_stats),
                web.get("/healthz", self.health),
            ]
        )
        return app

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/resolve {type, value, asked_by[, provider]}: 200 RESOLVED, 404, 410, 422, 424; 503 when down."""
        asked = [_read_asked(await _read(request))]
        down = await self._arrive(request, asked)
        if down is not None:
            return down
        status, raw = self._answer(self._store.next_request(), asked[0])
        return web.Response(status=_HTTP_STATUS[status], body=raw, content_type="application/json")

    async def resolve_many(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/resolve-many {questions: [...]}, 1 to 100: 200 with one answer a line, in their order."""
        body = await _read(request)
        questions = body.get("questions") if isinstance(body, dict) else None
        if not isinstance(questions, list) or not 1 <= len(questions) <= MAX_QUESTIONS:
            raise _Refused("questions")
        asked = [_read_asked(question) for question in questions]
        down = await self._arrive(request, asked)
        if down is not None:
            return down
        request_no = self._store.next_request()
        raw = b"\n".join(self._answer(request_no, one)[1] for one in asked)
        return web.Response(body=raw + b"\n", content_type="application/x-ndjson")

    async def put_entries(self, request: web.Request) -> web.StreamResponse:
        """POST /admin/entries: a list of {type, value, participant_id, account[, agent][, name][, state]}.

        `state` is ACTIVE, REVOKED, or GONE to forget the entry. The value may be written in any way.
        """
        body = await _read(request)
        if not isinstance(body, list) or not 1 <= len(body) <= _MAX_ENTRIES:
            raise _Refused("entries")
        entries = [_read_entry(entry) for entry in body]
        gone = [(e.type, e.value, e.participant_id) for e in entries if e.state == "GONE"]
        kept = [e for e in entries if e.state != "GONE"]
        if gone:
            self._store.remove(gone)
        if kept:
            self._store.put(kept)
        return _json({"entries": len(entries), "registry_version": self._store.version})

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        """POST /admin/faults: replace all rules; [] for none. 400 names the rule that cannot be used."""
        try:
            rules = read_rules(await request.read())
        except FaultRuleInvalid as refusal:
            return _json({"status": "INVALID", "reason": str(refusal)}, status=400)
        self._faults = FaultBook(rules)
        return _json({"rules": len(rules)})

    async def show_faults(self, request: web.Request) -> web.StreamResponse:
        """GET /admin/faults: the rules in force, with how many each picked and struck."""
        return _json(self._faults.describe())

    async def show_calls(self, request: web.Request) -> web.StreamResponse:
        """GET /admin/calls?after=CALL_NO&limit=N: every question asked, in order."""
        after, limit = request.query.get("after", "0"), request.query.get("limit", "1000")
        numbers = re.fullmatch(r"[0-9]{1,15}", after) and re.fullmatch(r"[0-9]{1,5}", limit)
        if not numbers or not 1 <= int(limit) <= _MAX_PAGE:
            raise _Refused("after, limit")
        rows = self._store.page(after=int(after), limit=int(limit))
        return _json({"calls": rows, "next_after": rows[-1]["call_no"] if len(rows) == int(limit) else None})

    async def show_stats(self, request: web.Request) -> web.StreamResponse:
        """GET /admin/stats: version, and counts of entries, requests, questions and answers."""
        return _json(self._store.stats())

    async def health(self, request: web.Request) -> web.StreamResponse:
        """GET /healthz."""
        return _json({"status": "OK"})

    async def _arrive(self, request: web.Request, asked: Sequence[Asked]) -> web.StreamResponse | None:
        """Take the registry's time; return what a request meets that finds it down."""
        fault = self._faults.strikes_request(asked)
        await self._wait(self._latency_ms + (fault.ms if fault is not None and fault.kind == "slow" else 0))
        if fault is None or fault.kind == "slow":
            return None
        request_no = self._store.next_request()
        for one in asked:
            self._record(request_no, one, "DOWN", fault)
        if fault.answer == "reset" and request.transport is not None:
            request.transport.abort()
        return _json({"error": "the registry is down"}, status=503)

    def _answer(self, request_no: int, asked: Asked) -> tuple[str, bytes]:
        """(status, body) of one question, as its fault wants it; recorded."""
        fault = self._faults.strikes_question(asked)
        kind = None if fault is None else fault.kind
        known = self._store.find(asked.type, asked.value)
        entries = [entry for entry in known if asked.provider in (None, entry.participant_id)]
        found = [_beneficiary(entry) for entry in entries if entry.state == ACTIVE]
        if kind == "moved" and fault is not None:
            found = [{**one, "participant_id": fault.participant_id} for one in found[:1]]
        elif kind == "several" and fault is not None:
            found += [{**one, "participant_id": fault.participant_id} for one in found[:1]]
        status = "RESOLVED" if found else "REVOKED" if entries else "NOT_FOUND"
        if not known and not _is_alias(asked):
            status = "INVALID"
        elif kind in ("revoked", "unavailable"):
            status = kind.upper()
        answer: dict[str, Any] = {"type": asked.type, "value": asked.value, "status": status}
        answer["beneficiaries"] = found if status == "RESOLVED" else []
        answer["registry_version"] = self._store.version
        if kind == "poisoned":
            answer["value"] = f"{asked.value[:-1]}{(ord(asked.value[-1]) + 1) % 10}"
        elif kind == "oversize":
            answer["padding"] = "x" * _OVERSIZE_BYTES
        raw = _body(answer)
        self._record(request_no, asked, status, fault)
        return status, raw[: len(raw) // 2] if kind == "malformed" else raw

    def _record(self, request_no: int, asked: Asked, answer: str, fault: FaultRule | None) -> None:
        self._store.record_call(
            request_no,
            asked_by=asked.asked_by,
            type_=asked.type,
            value=asked.value,
            provider=asked.provider,
            answer=answer,
            fault=None if fault is None else fault.kind,
        )

    async def _wait(self, ms: int) -> None:
        """Wait, or less when the process is closing."""
        if ms == 0:
            return
        try:
            async with asyncio.timeout(ms / 1000):
                await self.closing.wait()
        except TimeoutError:
            return


def _is_alias(asked: Asked) -> bool:
    """Only the one form of an alias is known; any other spelling is INVALID here."""
    try:
        return normalise(asked.type, asked.value).value == asked.value
    except InvalidAlias:
        return False


def _beneficiary(entry: Entry) -> dict[str, str | None]:
    members = {
        "participant_id": entry.participant_id,
        "account": entry.account,
        "agent": entry.agent,
        "name": entry.name,
    }
    return {name: value for name, value in members.items() if value is not None}


async def _read(request: web.Request) -> object:
    try:
        return read_json(await request.read())
    except InvalidInput:
        raise _Refused("body") from None


def _read_asked(body: object) -> Asked:
    if not isinstance(body, dict):
        raise _Refused("question")
    provider = body.get("provider")
    if provider is not None and not (isinstance(provider, str) and PARTICIPANT.matches(provider)):
        raise _Refused("provider")
    return Asked(_text(body, "type"), _text(body, "value"), _text(body, "asked_by"), provider)


def _read_entry(body: object) -> Entry:
    if not isinstance(body, dict):
        raise _Refused("entry")
    if not PARTICIPANT.matches(_text(body, "participant_id")):
        raise _Refused("participant_id")
    state = body.get("state", ACTIVE)
    if state not in (ACTIVE, REVOKED, "GONE"):
        raise _Refused("state")
    try:
        alias = normalise(_text(body, "type"), _text(body, "value"))
    except InvalidAlias:
        raise _Refused("value") from None
    agent, name = (_text(body, member) if member in body else None for member in ("agent", "name"))
    return Entry(alias.type, alias.value, body["participant_id"], _text(body, "account"), agent, name, state)


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 320:
        raise _Refused(name)
    return value


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_body(content), content_type="application/json")


def _body(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


@web.middleware
async def _quiet_failures(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """A failure answers with its kind: its text, which may quote a request, goes nowhere."""
    try:
        return await handler(request)
    except _Refused as refusal:
        return _json({"status": "REFUSED", "member": str(refusal)}, status=400)
    except web.HTTPException as known:
        return _json({"status": "REFUSED", "reason": known.reason}, status=known.status)
    except ConnectionError:
        raise
    except Exception as failure:
        return _json({"status": "ERROR", "reason": type(failure).__name__}, status=500)
