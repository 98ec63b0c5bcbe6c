"""The Mojaloop Account Lookup client against a pretended switch, and both against the published OpenAPI."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import regex  # type: ignore[import-untyped]
import yaml
from aiohttp import ClientSession, web
from yarl import URL

from symphony.registries.mojaloop import MojaloopRegistry
from symphony.registries.mojaloop_parties import PARTY_ID_TYPES, PartyId, Unusable
from symphony.registries.registry import (
    Answer,
    FspiopOptions,
    RegistryMisconfigured,
    RegistryOptions,
    open_registry,
)
from symphony.resolver.aliases import SUPPORTED_TYPES, Alias, normalise
from tests.registry_process import question

REPOSITORY = Path(__file__).resolve().parents[2]
VECTORS = Path(os.environ.get("SYMPHONY_VECTORS", REPOSITORY.parent / "shared" / "vectors")) / "openapi"
OPENAPI = VECTORS / "mojaloop-fspiop-1.1.yaml"
needs_openapi = pytest.mark.skipif(
    not OPENAPI.is_file(), reason=f"no {OPENAPI.name}; point SYMPHONY_VECTORS at the directory that has openapi/"
)
CONTENT_TYPE = "application/vnd.interoperability.parties+json;version=1.1"
MSISDN = "260977123456"
PATH = f"/parties/MSISDN/{MSISDN}"
NAME = "Chanda Mwape"
PARTICIPANTS = {"bank-b": "ZM-BANK-B", "mmo.c": "ZM-MMO-C"}
Told = tuple[str, str | None, bool]
UNUSABLE: Told = ("TEMP_UNAVAILABLE", "PROXY_ANSWER_UNUSABLE", True)


@dataclass(frozen=True)
class Sent:
    """One HTTP request and its answer, as the switch saw it."""

    method: str
    raw_path: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer: bytes


@dataclass
class Calling:
    """A callback the switch is to make; `path` without /error."""

    body: object
    path: str | None = None
    error: bool = False
    delay_s: float = 0.0
    headers: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Switch:
    """A pretended Account Lookup: answers GET /parties as scripted, then calls back. Unknown parties are 3204."""

    base_url: str = ""
    callback_url: str = ""
    script: dict[str, tuple[int, bytes, list[Calling]]] = field(default_factory=dict)
    asked: list[Sent] = field(default_factory=list)
    called_back: list[Sent] = field(default_factory=list)
    calling: set[asyncio.Task[None]] = field(default_factory=set)
    running: int = 0
    most_running: int = 0

    def on(self, path: str, *calls: Calling, status: int = 202, body: bytes = b"") -> None:
        """Script what a GET of `path` leads to."""
        self.script[path] = status, body, list(calls)

    async def get(self, request: web.Request) -> web.Response:
        """GET /parties/..."""
        path = request.rel_url.raw_path.removeprefix("/als")
        status, body, calls = self.script.get(path, (202, b"", [Calling(error_body("3204"), error=True)]))
        for call in calls:
            task = asyncio.create_task(self.call_back(call.path or path, call))
            self.calling.add(task)
            task.add_done_callback(self.calling.discard)
        headers = dict(request.headers)
        self.asked.append(Sent("GET", path, headers, await request.read(), status, body))
        return web.Response(status=status, body=body, headers={"Content-Type": CONTENT_TYPE} if body else {})

    async def call_back(self, path: str, call: Calling) -> None:
        """PUT to the client's listener."""
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await asyncio.sleep(call.delay_s)
        self.running -= 1
        body = call.body if isinstance(call.body, bytes) else json.dumps(call.body).encode()
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Date": "Sun, 22 Nov 2026 07:00:00 GMT",
            "FSPIOP-Source": "bank-b",
            "FSPIOP-Destination": "payerfsp",
            **call.headers,
        }
        said = {name: value for name, value in headers.items() if value is not None}
        url = URL(f"{self.callback_url}{path}{'/error' if call.error else ''}", encoded=True)
        async with ClientSession() as session, session.put(url, data=body, headers=said) as response:
            answer = await response.read()
            self.called_back.append(Sent("PUT", url.raw_path, said, body, response.status, answer))

    async def quiet(self) -> None:
        """Wait until every callback is made."""
        while self.calling:
            await asyncio.gather(*self.calling)


def party_body(
    identifier: str = MSISDN,
    *,
    kind: str = "MSISDN",
    sub_id: str | None = None,
    fsp_id: str | None = "bank-b",
    **party: Any,
) -> dict[str, Any]:
    """A body of PUT /parties."""
    about = {"partyIdType": kind, "partyIdentifier": identifier, "partySubIdOrType": sub_id, "fspId": fsp_id}
    return {"party": {"partyIdInfo": {k: v for k, v in about.items() if v is not None}, "name": NAME, **party}}


def error_body(code: object) -> dict[str, Any]:
    """A body of PUT /parties/.../error."""
    return {"errorInformation": {"errorCode": code, "errorDescription": "as scripted"}}


def told(answer: Answer) -> Told:
    return answer.status, answer.reason_code, answer.reached


@asynccontextmanager
async def lookup(**changes: Any) -> AsyncIterator[tuple[Switch, MojaloopRegistry]]:
    """A switch and a client that know each other."""
    switch = Switch()
    app = web.Application()
    app.router.add_get("/als/parties/{rest:.+}", switch.get)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    switch.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/als"
    fspiop = FspiopOptions(fsp_id="payerfsp", participants=PARTICIPANTS)
    options = RegistryOptions(**{"base_url": switch.base_url, "timeout_ms": 30_000, "fspiop": fspiop, **changes})
    registry = open_registry("mojaloop", options)
    assert isinstance(registry, MojaloopRegistry)
    switch.callback_url = f"http://127.0.0.1:{registry.callback_port}"
    try:
        yield switch, registry
        await switch.quiet()
    finally:
        await registry.aclose()
        await runner.cleanup()


# our alias -> path, and the party id of the answer
KINDS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("MBNO", "0977123456", PATH, {}),
    ("EMAL", "a.b@example.com", "/parties/EMAIL/a.b%40example.com", {"kind": "EMAIL", "identifier": "a.b@example.com"}),
    (
        "PVTX",
        "1002345678",
        "/parties/PERSONAL_ID/1002345678/TAX_ID_NUMBER",
        {"kind": "PERSONAL_ID", "identifier": "1002345678", "sub_id": "TAX_ID_NUMBER"},
    ),
    (
        "NIDN",
        "123456/78/1",
        "/parties/PERSONAL_ID/123456%2F78%2F1/NATIONAL_REGISTRATION",
        {"kind": "PERSONAL_ID", "identifier": "123456/78/1", "sub_id": "NATIONAL_REGISTRATION"},
    ),
    ("COTX", "1002345678", "/parties/BUSINESS/1002345678", {"kind": "BUSINESS", "identifier": "1002345678"}),
    ("SHID", "$a/b%41?", "/parties/ALIAS/%24a%2Fb%2541%3F", {"kind": "ALIAS", "identifier": "$a/b%41?"}),
    ("EWAL", "error", "/parties/ACCOUNT_ID/error", {"kind": "ACCOUNT_ID", "identifier": "error"}),
]


def test_every_type_that_is_normalised_has_its_party_type() -> None:
    assert set(PARTY_ID_TYPES) == SUPPORTED_TYPES == {kind for kind, *_ in KINDS}
    with pytest.raises(Unusable):
        PartyId.of(Alias("TELE", "x"))


@pytest.mark.parametrize(("kind", "value", "path", "party"), KINDS, ids=[case[0] for case in KINDS])
async def test_each_type_is_asked_for_and_resolved(kind: str, value: str, path: str, party: dict[str, Any]) -> None:
    async with lookup() as (switch, registry):
        switch.on(path, Calling(party_body(**party)))
        answer = await registry.resolve(question(value, kind=kind))
        unknown = await registry.resolve(question("+260966000000"))
    assert told(answer) == ("RESOLVED", None, True)
    assert answer.beneficiary_participant_id == "ZM-BANK-B"
    account = party.get("identifier", MSISDN)
    assert json.loads(answer.beneficiary or "") == {"account": account, "name": NAME}
    assert answer.source_version == "fspiop-1.1"
    assert answer.raw == switch.called_back[0].body
    assert told(unknown) == ("NOT_FOUND", "PROXY_NOT_FOUND", True)
    assert unknown.raw == switch.called_back[1].body
    sent = switch.asked[0]
    assert (sent.raw_path, sent.body) == (path, b"")
    assert (sent.headers["Accept"], sent.headers["Content-Type"]) == (CONTENT_TYPE, CONTENT_TYPE)
    assert sent.headers["FSPIOP-Source"] == "payerfsp"
    assert "FSPIOP-Destination" not in sent.headers
    assert sent.headers["Date"].endswith(" GMT")
    assert abs(parsedate_to_datetime(sent.headers["Date"]).timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("provider", "fsp_id", "expected", "destination", "participant"),
    [
        (None, "bank-b", ("RESOLVED", None, True), None, "ZM-BANK-B"),
        (None, "other-fsp", ("RESOLVED", None, True), None, "OTHER-FSP"),
        (None, "other fsp", UNUSABLE, None, None),
        (None, None, UNUSABLE, None, None),
        (None, "x" * 33, UNUSABLE, None, None),
        ("ZM-BANK-B", "bank-b", ("RESOLVED", None, True), "bank-b", "ZM-BANK-B"),
        ("ZM-BANK-B", "mmo.c", ("NOT_FOUND", "PROXY_NOT_FOUND", True), "bank-b", None),
        ("OTHER-FSP", "other-fsp", ("RESOLVED", None, True), None, "OTHER-FSP"),
        ("OTHER-FSP", "bank-b", ("NOT_FOUND", "PROXY_NOT_FOUND", True), None, None),
    ],
)
async def test_the_provider_is_told_by_its_fspiop_identifier(
    provider: str | None, fsp_id: str | None, expected: Told, destination: str | None, participant: str | None
) -> None:
    async with lookup() as (switch, registry):
        switch.on(PATH, Calling(party_body(fsp_id=fsp_id)))
        answer = await registry.resolve(question(MSISDN, provider=provider))
    assert told(answer) == expected
    assert answer.beneficiary_participant_id == participant
    assert switch.asked[0].headers.get("FSPIOP-Destination") == destination


def bodies(code: str) -> Calling:
    return Calling(error_body(code), error=True)


UNAVAILABLE: Told = ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", True)
CALLBACKS: list[tuple[str, Calling, Told]] = [
    ("3204", bodies("3204"), ("NOT_FOUND", "PROXY_NOT_FOUND", True)),
    ("3100", bodies("3100"), ("INVALID", "PROXY_INVALID", True)),
    ("3101", bodies("3101"), ("INVALID", "PROXY_INVALID", True)),
    *[(code, bodies(code), UNAVAILABLE) for code in ("1000", "1001", "2000", "2001", "2003", "2005", "3000", "3002")],
    *[(code, bodies(code), UNAVAILABLE) for code in ("3102", "3105", "3200", "3201", "3202", "3203", "3208")],
    ("2004", bodies("2004"), ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT", True)),
    *[(code, bodies(code), UNUSABLE) for code in ("4001", "5000", "5400", "9999", "320", "03204")],
    ("error code a number", Calling(error_body(3204), error=True), UNUSABLE),
    ("error without code", Calling({"errorInformation": {}}, error=True), UNUSABLE),
    ("party as an error", Calling(party_body(), error=True), UNUSABLE),
    ("error as a party", Calling(error_body("3204")), UNUSABLE),
    ("plus in the echo", Calling(party_body(f"+{MSISDN}")), ("RESOLVED", None, True)),
    ("plus in the path", Calling(party_body(), path=f"/parties/MSISDN/%2B{MSISDN}"), ("RESOLVED", None, True)),
    ("another party", Calling(party_body("260966123456")), UNUSABLE),
    ("another type", Calling(party_body(kind="ALIAS")), UNUSABLE),
    ("an unasked sub-id", Calling(party_body(sub_id="till 7")), UNUSABLE),
    ("no party", Calling({}), UNUSABLE),
    ("no identifier", Calling({"party": {"partyIdInfo": {"partyIdType": "MSISDN", "fspId": "bank-b"}}}), UNUSABLE),
    (
        "identifier a number",
        Calling({"party": {"partyIdInfo": {"partyIdType": "MSISDN", "partyIdentifier": 1}}}),
        UNUSABLE,
    ),
    ("not JSON", Calling(b"OK"), UNUSABLE),
    ("empty", Calling(b""), UNUSABLE),
    ("a list", Calling([party_body()]), UNUSABLE),
    ("member twice", Calling(json.dumps(party_body()).encode()[:-1] + b',"party":{}}'), UNUSABLE),
    ("name with NUL", Calling(party_body(name="a\x00")), UNUSABLE),
    ("name of 141", Calling(party_body(name="x" * 141)), UNUSABLE),
    ("name a number", Calling(party_body(name=7)), UNUSABLE),
    ("too long", Calling(party_body(extensionList={"extension": [{"key": "k", "value": "x" * 20_000}]})), UNUSABLE),
    ("other content type", Calling(party_body(), headers={"Content-Type": "application/json"}), UNUSABLE),
    (
        "ISO profile",
        Calling(
            party_body(),
            headers={"Content-Type": "application/vnd.interoperability.iso20022.parties+json;version=2.0"},
        ),
        UNUSABLE,
    ),
]


@pytest.mark.parametrize(("call", "expected"), [case[1:] for case in CALLBACKS], ids=[case[0] for case in CALLBACKS])
async def test_each_callback_has_its_answer(call: Calling, expected: Told) -> None:
    async with lookup() as (switch, registry):
        switch.on(PATH, call)
        answer = await registry.resolve(question(MSISDN))
    assert told(answer) == expected
    if expected == UNUSABLE:
        assert (answer.beneficiary, answer.beneficiary_participant_id) == (None, None)
    assert 0 < answer.latency_us < 15_000_000
    assert len(switch.asked) == 1


async def test_the_name_may_come_in_parts() -> None:
    parts = {"firstName": "Chanda", "lastName": "Mwape"}
    async with lookup() as (switch, registry):
        body = party_body(personalInfo={"complexName": parts})
        del body["party"]["name"]
        switch.on(PATH, Calling(body))
        answer = await registry.resolve(question(MSISDN))
        body["party"]["personalInfo"] = {"dateOfBirth": "1966-06-16"}
        without = await registry.resolve(question(MSISDN))
    assert json.loads(answer.beneficiary or "") == {"account": MSISDN, "name": NAME}
    assert json.loads(without.beneficiary or "") == {"account": MSISDN}


NOT_REACHED: Told = ("TEMP_UNAVAILABLE", "PROXY_ANSWER_UNUSABLE", False)
REFUSALS: list[tuple[int, bytes, Told]] = [
    (400, json.dumps(error_body("3100")).encode(), ("INVALID", "PROXY_INVALID", True)),
    (404, json.dumps(error_body("3204")).encode(), ("NOT_FOUND", "PROXY_NOT_FOUND", True)),
    (400, json.dumps(error_body("3105")).encode(), UNAVAILABLE),
    (403, json.dumps(error_body("3100")).encode(), NOT_REACHED),
    (401, b"", NOT_REACHED),
    (404, b"<html>", NOT_REACHED),
    (302, b"", NOT_REACHED),
    (200, json.dumps(party_body()).encode(), NOT_REACHED),
    (503, json.dumps(error_body("2003")).encode(), ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", False)),
    (500, json.dumps(error_body("3204")).encode(), ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", False)),
]


@pytest.mark.parametrize(("status", "body", "expected"), REFUSALS)
async def test_a_get_that_is_not_accepted_is_answered_at_once(status: int, body: bytes, expected: Told) -> None:
    async with lookup() as (switch, registry):
        switch.on(PATH, status=status, body=body)
        answer = await registry.resolve(question(MSISDN))
    assert told(answer) == expected
    assert answer.latency_us < 15_000_000, "not the 30 s that a callback would have been waited for"


async def test_without_a_callback_the_time_is_out_and_the_next_question_is_clean() -> None:
    async with lookup(timeout_ms=3_000) as (switch, registry):
        switch.on(PATH)
        silent = await registry.resolve(question(MSISDN))
        switch.on(PATH, Calling(party_body()))
        answer = await registry.resolve(question(MSISDN))
    assert told(silent) == ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT", False)
    assert silent.raw is None
    assert silent.latency_us >= 3_000_000
    assert told(answer) == ("RESOLVED", None, True)


async def test_one_silent_provider_is_not_the_registrys_end() -> None:
    async with lookup(timeout_ms=3_000) as (switch, registry):
        switch.on(PATH)
        silent, other = await registry.resolve_many([question(MSISDN), question("+260966000000")])
    assert told(silent) == ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT", True)
    assert told(other) == ("NOT_FOUND", "PROXY_NOT_FOUND", True)


async def test_a_callback_about_another_party_answers_nobody() -> None:
    async with lookup(timeout_ms=3_000) as (switch, registry):
        switch.on(PATH, Calling(party_body(), path="/parties/MSISDN/260966123456"))
        answer = await registry.resolve(question(MSISDN))
    assert told(answer) == ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT", True)
    assert [sent.status for sent in switch.called_back] == [200]


async def test_a_callback_for_another_fsp_or_path_is_refused_and_answers_nobody() -> None:
    async with lookup(timeout_ms=200) as (switch, registry):
        switch.on(
            PATH,
            Calling(party_body(), headers={"FSPIOP-Destination": "bank-b"}),
            Calling(party_body(), path="/parties/MSISDN"),
            Calling(party_body(), path=f"{PATH}/a/b"),
            Calling(party_body(), path="/parties/MSISDN/%ff"),
        )
        answer = await registry.resolve(question(MSISDN))
        await switch.quiet()
        async with ClientSession() as session, session.get(f"{switch.callback_url}{PATH}") as response:
            assert response.status == 405
    assert told(answer) == ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT", False)
    assert sorted(sent.status for sent in switch.called_back) == [400, 404, 404, 404]
    for sent in switch.called_back:
        assert MSISDN.encode() not in sent.answer


async def test_the_first_callback_counts_and_a_second_one_is_no_error() -> None:
    async with lookup() as (switch, registry):
        switch.on(PATH, Calling(party_body()))
        answer = await registry.resolve(question(MSISDN))
        await switch.quiet()
        await switch.call_back(PATH, Calling(party_body(fsp_id="mmo.c")))
    assert answer.beneficiary_participant_id == "ZM-BANK-B"
    assert [sent.status for sent in switch.called_back] == [200, 200]


async def test_a_callback_that_nobody_awaits_is_told_from_no_other() -> None:
    async with lookup() as (switch, registry):
        await registry.resolve(question("+260966000000"))
        await switch.call_back("/parties/MSISDN/260966000001", Calling(error_body("3204"), error=True))
    awaited, unawaited = switch.called_back
    assert (awaited.status, awaited.answer) == (unawaited.status, unawaited.answer) == (200, b"")


async def test_questions_about_one_party_go_one_after_the_other() -> None:
    async with lookup() as (switch, registry):
        switch.on(PATH, Calling(party_body(), delay_s=0.02))
        answers = await registry.resolve_many([question(MSISDN), question(MSISDN, provider="ZM-MMO-C")] * 3)
    assert [answer.status for answer in answers] == ["RESOLVED", "NOT_FOUND"] * 3
    assert (len(switch.asked), switch.most_running) == (6, 1)


async def test_a_cancelled_question_leaves_no_trace() -> None:
    async with lookup() as (switch, registry):
        switch.on(PATH)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await registry.resolve(question(MSISDN))
        switch.on(PATH, Calling(party_body()))
        assert told(await registry.resolve(question(MSISDN))) == ("RESOLVED", None, True)


async def test_exchanges_are_bounded_and_waiting_is_not_the_registrys_time() -> None:
    asked = [question(f"+2609660000{number:02d}") for number in range(16)]
    async with lookup(max_connections=2, timeout_ms=3_000) as (switch, registry):
        for one in asked:
            identifier = one.alias.value.removeprefix("+")
            switch.on(f"/parties/MSISDN/{identifier}", Calling(party_body(identifier), delay_s=0.4))
        answers = await registry.resolve_many(asked)
    assert [told(answer) for answer in answers] == [("RESOLVED", None, True)] * 16
    assert [json.loads(one.beneficiary or "")["account"] for one in answers] == [
        one.alias.value.removeprefix("+") for one in asked
    ]
    assert switch.most_running <= 2


async def test_nobody_there_and_a_closed_client_are_unavailable() -> None:
    expected = ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", False)
    async with lookup(base_url="http://127.0.0.1:9") as (_, registry):
        assert told(await registry.resolve(question(MSISDN))) == expected
    assert told(await registry.resolve(question(MSISDN))) == expected


async def test_a_callback_address_in_use_is_refused_at_the_start() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        fspiop = FspiopOptions(fsp_id="payerfsp", callback_port=taken.getsockname()[1])
        with pytest.raises(RegistryMisconfigured, match=r"callback address cannot be bound: .*choose another"):
            open_registry("mojaloop", RegistryOptions(base_url="http://127.0.0.1:9", fspiop=fspiop))
    with pytest.raises(RegistryMisconfigured, match="registry mojaloop: base_url"):
        open_registry("mojaloop", RegistryOptions(base_url="", fspiop=fspiop))
    with closing(socket.create_server(("127.0.0.1", fspiop.callback_port))):
        pass  # given back


async def test_nothing_shows_an_alias_or_a_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="symphony")
    caplog.set_level(logging.DEBUG, logger="asyncio")
    answers = []
    async with lookup() as (switch, registry):
        for _, call, _ in CALLBACKS:
            switch.on(PATH, call)
            answers.append(await registry.resolve(question(MSISDN)))
    shown = f"{answers!r} {PartyId.of(normalise('MBNO', MSISDN))!r} {caplog.text}"
    assert MSISDN not in shown
    assert NAME not in shown


class Contract:
    """The published OpenAPI as a judge of one request."""

    def __init__(self) -> None:
        self.document = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
        # As published no PersonalIdentifierType is valid here: each is a PartyIdentifier (1 to 128 characters) as well.
        sub_id = self.document["components"]["schemas"]["PartySubIdOrType"]
        sub_id["anyOf"] = sub_id.pop("oneOf")
        # Its patterns use \\p{...}, which JSON Schema has from ECMA 262 and Python's re has not.
        extend: Any = jsonschema.validators.extend
        self.validator = extend(jsonschema.Draft7Validator, {"pattern": _pattern})

    def check(self, sent: Sent) -> str:
        """Raise AssertionError or ValidationError unless path, headers, body and answer are the contract's."""
        (path,) = [path for path in self.document["paths"] if self.fits(path, sent.raw_path)]
        operation = self.document["paths"][path][sent.method.lower()]
        known = [*self.document["paths"][path].get("parameters", []), *operation.get("parameters", [])]
        parameters = [self.find(parameter) for parameter in known]
        given = {name.lower(): value for name, value in sent.headers.items()}
        for parameter in (one for one in parameters if one["in"] == "header"):
            value = given.get(parameter["name"].lower())
            assert value is not None or not parameter["required"], parameter["name"]
            if value is not None:
                self.validate(int(value) if parameter["schema"]["type"] == "integer" else value, parameter["schema"])
        if "requestBody" in operation:
            self.validate(json.loads(sent.body), self.schema(operation["requestBody"]))
        else:
            assert sent.body == b""
        response = self.find({str(status): said for status, said in operation["responses"].items()}[str(sent.status)])
        if "content" in response:
            self.validate(json.loads(sent.answer), self.schema(response))
        else:
            assert sent.answer == b""
        return str(path)

    def fits(self, template: str, raw_path: str) -> bool:
        if template.endswith("/error") != raw_path.endswith("/error"):
            return False
        return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), raw_path) is not None

    def find(self, maybe: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in maybe:
            return maybe
        found: Any = self.document
        for step in maybe["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return dict(found)

    def schema(self, holder: dict[str, Any]) -> dict[str, Any]:
        return dict(holder["content"]["application/json"]["schema"])

    def validate(self, instance: object, schema: dict[str, Any]) -> None:
        self.validator(
            {**schema, "components": self.document["components"]}
            if "$ref" not in schema
            else {"allOf": [schema], "components": self.document["components"]}
        ).validate(instance)


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Any:
    if isinstance(instance, str) and not regex.search(pattern, instance):
        yield jsonschema.ValidationError(f"does not match {pattern}")


@needs_openapi
async def test_both_directions_are_what_the_openapi_says() -> None:
    contract = Contract()
    async with lookup() as (switch, registry):
        for kind, value, path, party in KINDS:
            if kind != "EWAL":  # its value «error» cannot be told from the error path by a template
                switch.on(path, Calling(party_body(**party)))
                answer = await registry.resolve(question(value, kind=kind, provider="ZM-BANK-B"))
                assert answer.status == "RESOLVED"
                switch.on(path, Calling(error_body("3204"), error=True))
                assert (await registry.resolve(question(value, kind=kind))).status == "NOT_FOUND"
        switch.on(
            PATH, Calling(party_body(), headers={"FSPIOP-Destination": "bank-b"}), Calling(party_body(), delay_s=0.05)
        )
        assert (await registry.resolve(question(MSISDN))).status == "RESOLVED"
        switch.on(PATH, status=400, body=json.dumps(error_body("3100")).encode())
        assert (await registry.resolve(question(MSISDN))).status == "INVALID"
    paths = [contract.check(sent) for sent in [*switch.asked, *switch.called_back]]
    assert set(paths) == {
        "/parties/{Type}/{ID}",
        "/parties/{Type}/{ID}/{SubId}",
        "/parties/{Type}/{ID}/error",
        "/parties/{Type}/{ID}/{SubId}/error",
    }
    types = contract.document["components"]["schemas"]["PartyIdType"]["enum"]
    subs = contract.document["components"]["schemas"]["PersonalIdentifierType"]["enum"]
    assert all(kind in types and sub in (None, *subs) for kind, sub in PARTY_ID_TYPES.values())
    assert 400 in {sent.status for sent in switch.called_back}


@needs_openapi
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"body": json.dumps({"party": {}}).encode()}, jsonschema.ValidationError),
        ({"body": json.dumps(party_body(kind="TELEPHONE")).encode()}, jsonschema.ValidationError),
        ({"body": json.dumps(party_body(name="a\u0007")).encode()}, jsonschema.ValidationError),
        ({"body": json.dumps(party_body("x" * 129)).encode()}, jsonschema.ValidationError),
        ({"headers": {"Content-Type": CONTENT_TYPE, "FSPIOP-Source": "bank-b"}}, AssertionError),
        ({"status": 400, "answer": b'{"errorInformation":{"errorCode":"0"}}'}, jsonschema.ValidationError),
        ({"answer": b"{}"}, AssertionError),
        ({"status": 201}, KeyError),
    ],
)
def test_the_judge_refuses_what_is_not_the_contract(change: dict[str, Any], refusal: type[Exception]) -> None:
    headers = {"Content-Type": CONTENT_TYPE, "FSPIOP-Source": "bank-b", "Date": "Sun, 22 Nov 2026 07:00:00 GMT"}
    good = Sent("PUT", PATH, headers, json.dumps(party_body()).encode(), 200, b"")
    Contract().check(good)
    with pytest.raises(refusal):
        Contract().check(replace(good, **change))
