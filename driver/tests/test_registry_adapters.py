"""The sandbox registry's client: what it asks, what it takes for an answer, what it refuses."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from symphony.instruction import TEXT
from symphony.registries.registry import (
    Answer,
    Beneficiary,
    FspiopOptions,
    NotABeneficiary,
    Question,
    Registry,
    RegistryMisconfigured,
    RegistryOptions,
    open_registry,
)
from symphony.resolver.aliases import normalise
from tests.raw_rail import RawServer, Reader, Writer, http_answer, raw_server
from tests.registry_process import ASKED_BY, PERSONAL, RegistryProcess, client, entry, mobile, question

ALIAS = mobile(1)
Told = tuple[str, str | None, bool]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    with RegistryProcess(tmp_path_factory.mktemp("registry") / "store.db") as process:
        process.put(*[entry(mobile(number)) for number in range(250)])
        yield process
    assert process.stderr() == ""


@pytest.fixture
def sandbox(shared: RegistryProcess) -> RegistryProcess:
    shared.set_faults()
    return shared


@pytest.fixture
async def registry(sandbox: RegistryProcess) -> AsyncIterator[Registry]:
    async with client(sandbox.base_url) as opened:
        yield opened


def told(answer: Answer) -> Told:
    return answer.status, answer.reason_code, answer.reached


async def asked_both_ways(registry: Registry, asked: Question) -> tuple[Answer, Answer]:
    """The answer of resolve, and of resolve_many among mates that must stay unharmed."""
    one = await registry.resolve(asked)
    before, among, after = await registry.resolve_many([question(mobile(100)), asked, question(mobile(101))])
    if among.reached:
        assert (before.status, after.status) == ("RESOLVED", "RESOLVED")
    return one, among


async def test_a_resolved_alias_is_a_creditor_with_its_evidence(sandbox: RegistryProcess, registry: Registry) -> None:
    version = sandbox.put(entry(mobile(2), agent="AGENTZMLU"), entry(mobile(3), name=None) | {"name": "Bwalya"})
    one, among = await asked_both_ways(registry, question(mobile(2)))
    assert told(one) == told(among) == ("RESOLVED", None, True)
    assert one.beneficiary_participant_id == among.beneficiary_participant_id == "ZM-BANK-B"
    expected = {"account": f"{PERSONAL}-{mobile(2)}", "agent": "AGENTZMLU", "name": f"{PERSONAL} of ZM-BANK-B"}
    assert one.beneficiary == among.beneficiary == rfc8785.dumps(expected).decode()
    assert one.source_version == version
    assert one.raw == among.raw
    assert json.loads(one.raw or b"")["registry_version"] == version
    assert 0 < one.latency_us < 20_000_000
    assert registry.name == "sandbox"


async def test_each_truth_of_the_registry_is_told(sandbox: RegistryProcess, registry: Registry) -> None:
    sandbox.put(entry(mobile(4), state="REVOKED"), entry(mobile(5)), entry(mobile(5), "ZM-C"))
    expected: list[tuple[Question, Told]] = [
        (question(mobile(999)), ("NOT_FOUND", "PROXY_NOT_FOUND", True)),
        (question(mobile(4)), ("REVOKED", "PROXY_REVOKED", True)),
        (question(mobile(5)), ("INVALID", "PROXY_AMBIGUOUS", True)),
        (question(mobile(5), provider="ZM-C"), ("RESOLVED", None, True)),
        (question(mobile(5), provider="ZM-D"), ("NOT_FOUND", "PROXY_NOT_FOUND", True)),
    ]
    for asked, answer in expected:
        for given_ in await asked_both_ways(registry, asked):
            assert told(given_) == answer
            assert given_.raw is not None
            assert given_.source_version == sandbox.stats()["version"]


# kind and parameters -> what the resolver is told
FAULTS: list[tuple[dict[str, Any], Told]] = [
    ({"kind": "slow", "ms": 40}, ("RESOLVED", None, True)),
    ({"kind": "slow", "ms": 40_000}, ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_TIMEOUT", False)),
    ({"kind": "down"}, ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", False)),
    ({"kind": "down", "answer": "reset"}, ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", False)),
    ({"kind": "unavailable"}, ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", True)),
    ({"kind": "revoked"}, ("REVOKED", "PROXY_REVOKED", True)),
    ({"kind": "moved", "participant_id": "ZM-C"}, ("RESOLVED", None, True)),
    ({"kind": "several", "participant_id": "ZM-C"}, ("INVALID", "PROXY_AMBIGUOUS", True)),
    ({"kind": "poisoned"}, ("TEMP_UNAVAILABLE", "PROXY_ANSWER_UNUSABLE", True)),
    ({"kind": "malformed"}, ("TEMP_UNAVAILABLE", "PROXY_ANSWER_UNUSABLE", True)),
    ({"kind": "oversize"}, ("TEMP_UNAVAILABLE", "PROXY_ANSWER_UNUSABLE", True)),
]


@pytest.mark.parametrize(("rule", "expected"), FAULTS)
async def test_each_fault_is_told_and_harms_no_mate(
    sandbox: RegistryProcess, registry: Registry, rule: dict[str, Any], expected: Told
) -> None:
    sandbox.set_faults({**rule, "value": ALIAS})
    async with client(sandbox.base_url, timeout_ms=2_000) as hasty:
        asked = hasty if expected[1] == "PROXY_REGISTRY_TIMEOUT" else registry
        answers = await asked_both_ways(asked, question(ALIAS))
    for answer in answers:
        assert told(answer) == expected
        if answer.status == "TEMP_UNAVAILABLE":
            assert (answer.beneficiary, answer.beneficiary_participant_id) == (None, None)
        if rule["kind"] == "moved":
            assert answer.beneficiary_participant_id == "ZM-C"
    sandbox.set_faults()
    assert (await registry.resolve(question(ALIAS))).status == "RESOLVED"


async def test_flapping_is_told_as_it_comes(sandbox: RegistryProcess, registry: Registry) -> None:
    sandbox.set_faults({"kind": "flapping", "good": 1, "bad": 2, "answer": "reset"})
    told_ = [(await registry.resolve(question(ALIAS))).reached for _ in range(6)]
    assert told_ == [True, False, False, True, False, False]


async def test_nobody_there_and_a_closed_client_are_unavailable(sandbox: RegistryProcess) -> None:
    expected = ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", False)
    async with client("http://127.0.0.1:9") as nobody:
        assert [told(one) for one in await asked_both_ways(nobody, question(ALIAS))] == [expected] * 2
    async with client(sandbox.base_url) as closed:
        pass
    assert told(await closed.resolve(question(ALIAS))) == expected
    assert [told(one) for one in await closed.resolve_many([question(ALIAS)])] == [expected]


async def test_many_go_in_hundreds_and_come_back_in_order(sandbox: RegistryProcess, registry: Registry) -> None:
    before = sandbox.stats()
    asked = [question(mobile(number)) for number in [*range(120, 250), *range(700, 820)]]
    answers = await registry.resolve_many(asked)
    assert [answer.status for answer in answers] == ["RESOLVED"] * 130 + ["NOT_FOUND"] * 120
    for one, answer in zip(asked, answers, strict=True):
        assert json.loads(answer.raw or b"")["value"] == one.alias.value
    after = sandbox.stats()
    assert after["requests"] - before["requests"] == 3
    assert after["questions"] - before["questions"] == 250
    assert await registry.resolve_many([]) == []


async def test_waiting_for_a_turn_is_not_the_registrys_time(sandbox: RegistryProcess) -> None:
    sandbox.set_faults({"kind": "slow", "ms": 500})
    async with client(sandbox.base_url, timeout_ms=3_500, max_connections=1) as registry:
        answers = await asyncio.gather(*[registry.resolve(question(mobile(number))) for number in range(10, 18)])
    assert [answer.status for answer in answers] == ["RESOLVED"] * 8
    assert max(answer.latency_us for answer in answers) < 3_500_000, "eight times 500 ms is more"


GOOD: dict[str, Any] = {
    "type": "MBNO",
    "value": ALIAS,
    "status": "RESOLVED",
    "beneficiaries": [{"participant_id": "ZM-B", "account": "1"}],
    "registry_version": "v1",
}
UNUSABLE: Told = ("TEMP_UNAVAILABLE", "PROXY_ANSWER_UNUSABLE", True)
ELSEWHERE: Told = ("TEMP_UNAVAILABLE", "PROXY_REGISTRY_UNAVAILABLE", False)  # not the registry that answers
ANSWERS: list[tuple[str, int, bytes | dict[str, Any], Told]] = [
    ("good", 200, GOOD, ("RESOLVED", None, True)),
    ("unknown member", 200, {**GOOD, "more": 1}, ("RESOLVED", None, True)),
    ("other type", 200, {**GOOD, "type": "SHID"}, UNUSABLE),
    ("other value", 200, {**GOOD, "value": mobile(2)}, UNUSABLE),
    ("other spelling", 200, {**GOOD, "value": ALIAS.removeprefix("+")}, UNUSABLE),
    ("no value", 200, {name: GOOD[name] for name in GOOD if name != "value"}, UNUSABLE),
    ("other value not found", 404, {**GOOD, "value": mobile(2), "status": "NOT_FOUND"}, UNUSABLE),
    ("status twice", 200, json.dumps(GOOD).encode()[:-1] + b',"status":"RESOLVED"}', UNUSABLE),
    ("not JSON", 200, b"OK", UNUSABLE),
    ("empty", 200, b"", UNUSABLE),
    ("not an object", 200, json.dumps([GOOD]).encode(), UNUSABLE),
    ("not UTF-8", 200, b'{"type":"\xff"}', UNUSABLE),
    ("nested", 200, b"[" * 10_000, UNUSABLE),
    ("too long", 200, {**GOOD, "padding": "x" * 20_000}, UNUSABLE),
    ("unknown status", 200, {**GOOD, "status": "MAYBE"}, UNUSABLE),
    ("status of another HTTP status", 200, {**GOOD, "status": "NOT_FOUND"}, UNUSABLE),
    ("nobody", 200, {**GOOD, "beneficiaries": []}, UNUSABLE),
    ("too many", 200, {**GOOD, "beneficiaries": GOOD["beneficiaries"] * 17}, UNUSABLE),
    ("no object", 200, {**GOOD, "beneficiaries": ["ZM-B"]}, UNUSABLE),
    ("no account", 200, {**GOOD, "beneficiaries": [{"participant_id": "ZM-B"}]}, UNUSABLE),
    ("no participant", 200, {**GOOD, "beneficiaries": [{"participant_id": "zm b", "account": "1"}]}, UNUSABLE),
    ("control in name", 200, {**GOOD, "beneficiaries": [{**GOOD["beneficiaries"][0], "name": "a\x00"}]}, UNUSABLE),
    ("bidi in name", 200, {**GOOD, "beneficiaries": [{**GOOD["beneficiaries"][0], "name": "a\u202eb"}]}, UNUSABLE),
    ("agent of 36", 200, {**GOOD, "beneficiaries": [{**GOOD["beneficiaries"][0], "agent": "x" * 36}]}, UNUSABLE),
    ("no version", 200, {**GOOD, "registry_version": 7}, UNUSABLE),
    ("long version", 200, {**GOOD, "registry_version": "v" * 65}, UNUSABLE),
    ("not this path", 404, b"<html>not found</html>", ELSEWHERE),
    ("not here", 404, {"status": "REFUSED"}, ELSEWHERE),
    ("redirected", 302, b"", ELSEWHERE),
    ("forbidden", 403, b"", ELSEWHERE),
    ("too many requests", 429, b"", ELSEWHERE),
    ("failed", 500, {"status": "ERROR"}, ELSEWHERE),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS]
)
async def test_only_an_answer_to_this_question_is_taken(
    status: int, body: bytes | dict[str, Any], expected: Told, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        while True:
            await server.read(reader)
            writer.write(http_answer(body, status=status))

    async with raw_server(converse) as server, client(server.base_url) as registry:
        answer = await registry.resolve(question(ALIAS, provider="ZM-B"))
        (many,) = await registry.resolve_many([question(ALIAS, provider="ZM-B")])
    (line, sent), (many_line, many_sent), *_ = server.requests
    assert (line, many_line) == ("POST /v1/resolve HTTP/1.1", "POST /v1/resolve-many HTTP/1.1")
    wanted = {"type": "MBNO", "value": ALIAS, "asked_by": ASKED_BY, "provider": "ZM-B"}
    assert json.loads(sent) == wanted
    assert json.loads(many_sent) == {"questions": [wanted]}
    assert told(answer) == expected
    if status == 200 and body not in (b"", {**GOOD, "status": "NOT_FOUND"}):
        assert told(many) == expected
    elif status != 200:
        assert told(many) == ELSEWHERE
    assert ALIAS not in caplog.text


@pytest.mark.parametrize("lines", [[], ["one"], ["one"] * 3, ["one", "x" * 2_000_000]])
async def test_lines_that_cannot_be_told_apart_are_asked_for_one_by_one(lines: list[str]) -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        while True:
            line, sent = await server.read(reader)
            if line.startswith("POST /v1/resolve-many"):
                writer.write(http_answer("\n".join(lines).encode()))
            elif (value := json.loads(sent)["value"]) == ALIAS:
                writer.write(http_answer({**GOOD, "value": mobile(3)}))
            else:
                writer.write(http_answer({**GOOD, "value": value}))

    async with raw_server(converse) as server, client(server.base_url) as registry:
        answers = await registry.resolve_many([question(ALIAS), question(mobile(2))])
    assert [told(one) for one in answers] == [UNUSABLE, ("RESOLVED", None, True)]
    assert len(server.requests) == 3


async def test_lines_in_another_order_are_refused_one_by_one() -> None:
    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        await server.read(reader)
        lines = [json.dumps({**GOOD, "value": mobile(number)}).encode() for number in (2, 1, 3)]
        writer.write(http_answer(b"\n".join(lines)))

    async with raw_server(converse) as server, client(server.base_url) as registry:
        answers = await registry.resolve_many([question(mobile(number)) for number in (1, 2, 3)])
    assert [told(one) for one in answers] == [UNUSABLE, UNUSABLE, ("RESOLVED", None, True)]


async def test_an_answer_given_twice_is_not_taken_for_the_next_question() -> None:
    numbers = itertools.count()

    async def converse(server: RawServer, reader: Reader, writer: Writer) -> None:
        while True:
            _, sent = await server.read(reader)
            answer = http_answer({**GOOD, "value": json.loads(sent)["value"]})
            writer.write(answer * 2 if next(numbers) == 0 else answer)

    async with raw_server(converse) as server, client(server.base_url, max_connections=1) as registry:
        first = await registry.resolve(question(mobile(1)))
        await asyncio.sleep(0.05)
        second = await registry.resolve(question(mobile(2)))
    assert (first.status, second.status) == ("RESOLVED", "RESOLVED")
    assert server.connections == 2


async def test_nothing_shows_an_alias_or_a_beneficiary(
    sandbox: RegistryProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    asked = question(ALIAS)
    async with client(sandbox.base_url) as registry:
        answers = [await registry.resolve(asked), *await registry.resolve_many([asked])]
        for rule in [rule for rule, _ in FAULTS if rule["kind"] != "slow"]:
            sandbox.set_faults(rule)
            answers.append(await registry.resolve(asked))
    shown = f"{asked!r} {answers!r} {Beneficiary('ZM-B', PERSONAL)!r} {caplog.text} {sandbox.stderr()}"
    assert ALIAS.removeprefix("+") not in shown
    assert PERSONAL not in shown


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "RESOLVED"},
        {"status": "NOT_FOUND"},
        {"status": "RESOLVED", "beneficiary": "{}", "beneficiary_participant_id": "ZM-B"},
        {"status": "RESOLVED", "beneficiary": "{}", "raw": b""},
        {"status": "NOT_FOUND", "reason_code": "PROXY_NOT_FOUND"},
        {"status": "NOT_FOUND", "reason_code": "PROXY_REVOKED", "raw": b""},
        {"status": "NOT_FOUND", "reason_code": "PROXY_NOT_FOUND", "raw": b"", "reached": False},
        {
            "status": "NOT_FOUND",
            "reason_code": "PROXY_NOT_FOUND",
            "raw": b"",
            "beneficiary": "{}",
            "beneficiary_participant_id": "B",
        },
        {"status": "MAYBE", "reason_code": "MAYBE", "raw": b""},
    ],
)
def test_an_answer_that_contradicts_itself_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="contradict each other"):
        Answer(latency_us=1, **changes)


@given(name=st.from_regex(TEXT.pattern, fullmatch=True), account=st.from_regex(r"[ -~]{1,64}", fullmatch=True))
def test_a_beneficiary_is_written_as_package_rfc8785_writes_it(name: str, account: str) -> None:
    expected = rfc8785.dumps({"account": account, "name": name}).decode()
    assert Beneficiary.read(participant_id="ZM-B", account=account, name=name).canonical() == expected


def test_a_refused_beneficiary_is_not_repeated() -> None:
    with pytest.raises(NotABeneficiary) as refusal:
        Beneficiary.read(participant_id="ZM-B", account=f"{PERSONAL}\n")
    assert str(refusal.value) == ""


@pytest.mark.parametrize(
    "base_url", ["", "127.0.0.1:1", "ftp://h", "http://u:p@h", "http://h?x=1", "http://h#x", "http://h:x"]
)
async def test_a_base_url_that_cannot_work_is_refused_without_repeating_it(base_url: str) -> None:
    with pytest.raises(RegistryMisconfigured, match="registry sandbox: base_url") as refusal:
        open_registry("sandbox", RegistryOptions(base_url=base_url))
    assert "u:p" not in str(refusal.value)


@pytest.mark.parametrize("name", ["timeout_ms", "max_connections", "keepalive_ms", "max_answer_bytes"])
def test_options_out_of_range_are_refused(name: str) -> None:
    changes: dict[str, Any] = {name: 0}
    with pytest.raises(RegistryMisconfigured, match=f"{name} is below 1"):
        RegistryOptions(base_url="http://h", **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fsp_id": ""}, "fsp_id"),
        ({"fsp_id": "a b"}, "fsp_id"),
        ({"callback_port": 70_000}, "callback_port"),
        ({"participants": {"payeefsp": "zm-b"}}, "no participant_id"),
        ({"participants": {"a": "ZM-B", "b": "ZM-B"}}, "two FSPIOP identifiers"),
    ],
)
def test_fspiop_options_out_of_range_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RegistryMisconfigured, match=said):
        FspiopOptions(**{"fsp_id": "payerfsp", **changes})


async def test_unknown_registries_and_missing_options_are_refused() -> None:
    with pytest.raises(RegistryMisconfigured, match=r"known registries: mojaloop, sandbox\. Check"):
        open_registry("nexus", RegistryOptions(base_url="http://h"))
    with pytest.raises(RegistryMisconfigured, match="fspiop is missing"):
        open_registry("mojaloop", RegistryOptions(base_url="http://h"))


async def test_the_client_is_what_the_protocol_says() -> None:
    def typed(registry: Registry) -> Registry:
        return registry

    async with client("http://127.0.0.1:9") as registry:
        assert typed(registry).name == "sandbox"
        assert (await registry.resolve(Question(normalise("SHID", "x"), ASKED_BY))).reached is False
