"""Schemathesis in a process of its own: generated requests over mutual TLS, and what it made of the answers.

`python -m tests.schemathesis_sender JOB` reads a job (JSON), runs one pass and writes its findings beside it. Kinds:
PROVEN: the document as it is, every request with real proofs for its exact bytes.
WITHIN_POLICY: valid requests alone, which the test's policy allows, so that instructions are really recorded.
UNPROVEN: every request as generated, and again with real proofs of which one is missing or bent, each in its turn.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import jsonschema_rs
import schemathesis
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from schemathesis.engine import events, from_schema

from symphony.client import Credentials
from symphony.client.proofs import DpopKey, RequestSigner
from symphony.client.tokens import Token, token_of
from symphony.ingress.openapi import document
from symphony.ingress.reasons import REASONS
from symphony.instruction_schema import ABOVE_THE_SCHEMA

PROVEN: Final = "proven"
WITHIN_POLICY: Final = "within policy"
UNPROVEN: Final = "unproven"
PROOFS: Final = ("Authorization", "DPoP", "Content-Digest", "Signature-Input", "Signature")
CONFLICTS: Final = {"IDEMPOTENCY_CONFLICT", "DUPLICATE_IN_BATCH", "INSTRUCTION_UNKNOWN"}
# What a request that is valid under the document may still be refused for.
UNDERSTOOD: Final = {
    WITHIN_POLICY: CONFLICTS,
    PROVEN: CONFLICTS
    | ABOVE_THE_SCHEMA
    | {"RAIL_NOT_ALLOWED", "CURRENCY_NOT_ALLOWED", "CREDITOR_PARTICIPANT_UNKNOWN", "LIMIT_TRANSACTION"},
}


class Prepared(Protocol):
    """What we need of a prepared request of `requests`."""

    method: str
    url: str
    headers: MutableMapping[str, Any]
    body: bytes | str | None


class GivenTokens:
    """Tokens made before the run: one for all requests with a DPoP key, or as many as requests need."""

    def __init__(self, texts: list[str], *, dpop: bool) -> None:
        self._texts = texts
        self._dpop = dpop

    async def token(self) -> Token:
        """Return a token for the next request."""
        return token_of(self._texts[0] if self._dpop else self._texts.pop(), dpop=self._dpop, use_until=0)

    async def close(self) -> None:
        """Nothing is open."""


class Proofs:
    """Puts proofs on each request as it will be sent; every eighth with a token bound to the certificate alone."""

    def __init__(self, job: dict[str, Any]) -> None:
        key, dpop_key = (load_pem_private_key(job[name].encode(), None) for name in ("signature_key", "dpop_key"))
        given: dict[str, Any] = {
            "origin": job["origin"],
            "signer": RequestSigner(keyid=job["keyid"], material=key),  # type: ignore[arg-type]
            "context": ssl.create_default_context(),  # the TLS is that of `requests`
        }
        self._dpop = Credentials(
            tokens=GivenTokens([job["dpop_token"]], dpop=True),
            dpop_key=DpopKey(dpop_key),  # type: ignore[arg-type]
            **given,
        )
        self._bearer = Credentials(tokens=GivenTokens(job["bearer_tokens"], dpop=False), dpop_key=None, **given)
        self._bearers: list[str] = job["bearer_tokens"]
        self._runner = asyncio.Runner()
        self._number = 0

    def __call__(self, request: Prepared) -> Prepared:
        """What `requests` calls last: change the headers of a request."""
        self._number += 1
        for name in PROOFS:
            request.headers.pop(name, None)
        request.headers.update(self._made(request, bearer=self._number % 8 == 0 and bool(self._bearers)))
        return request

    def bent(self, request: Prepared) -> Iterator[dict[str, str]]:
        """The headers of the same request with proofs of which one is left out, or has another character inside."""
        others = {name: value for name, value in request.headers.items() if name not in PROOFS}
        for name in PROOFS:
            for leave_out in (True, False):
                made = self._made(request)
                if name in made:  # without a body there is no digest
                    value = made.pop(name)
                    middle = len(value) // 2
                    if not leave_out:
                        made[name] = value[:middle] + ("A" if value[middle] != "A" else "B") + value[middle + 1 :]
                    yield others | made

    def _made(self, request: Prepared, *, bearer: bool = False) -> dict[str, str]:
        return self._runner.run(self._headers(request, self._bearer if bearer else self._dpop))

    async def _headers(self, request: Prepared, credentials: Credentials) -> dict[str, str]:
        body = request.body or b""
        address = urlsplit(request.url)
        key = request.headers.get("Idempotency-Key")
        key = key.decode("latin-1") if isinstance(key, bytes) else key
        if key is not None and not key.isascii():
            key = None  # has no canonical value to sign (RFC 9421 2.1); it is sent as generated
        made = await credentials.headers(
            request.method,
            address.path + (f"?{address.query}" if address.query else ""),
            body.encode() if isinstance(body, str) else body,
            None if key is None else key.strip(" \t"),
        )
        made.pop("Idempotency-Key", None)
        return made


class Findings:
    """Checks of our own beside those of schemathesis, and what they collect.

    Args:
        schema: the document the pass generates from.
    """

    def __init__(self, job: dict[str, Any], schema: dict[str, Any], proofs: Proofs) -> None:
        self.kind = job["kind"]
        self.bent: Counter[str] = Counter()
        self._proofs = proofs
        address = urlsplit(job["url"])
        context = ssl.create_default_context(cafile=job["server_ca"])
        context.load_cert_chain(job["client_pem"])
        self._connection = HTTPSConnection(str(address.hostname), address.port, timeout=30, context=context)
        self.recorded: dict[str, str] = {}
        item = schema["components"]["schemas"]["Batch"]["properties"]["instructions"]["items"]
        self._item = jsonschema_rs.validator_for(item)
        problem = schema["components"]["schemas"]["Problem"]
        self._problem = jsonschema_rs.validator_for(problem, validate_formats=True)

    def register(self) -> None:
        """Make them checks of every answer."""
        for check in (self.a_503_is_honest, self.what_is_valid_is_understood, self.each_item_is_judged, self.nobody):

            def run(_context: Any, response: Any, case: Any, check: Any = check) -> None:
                check(response, case)

            run.__name__ = check.__name__
            schemathesis.check(run)

    def a_503_is_honest(self, response: Any, _case: Any) -> None:
        """503 is the only 5xx: our problem, with a reason that says so and a time to come back."""
        if response.status_code >= 500:
            headers = {name: values[0] for name, values in response.headers.items()}
            self._honest(response.status_code, headers, json.loads(response.content or b"null"))

    def what_is_valid_is_understood(self, response: Any, case: Any) -> None:
        """A valid request is refused for what it asks, never for its form."""
        if self.kind != UNPROVEN and case.meta.generation.mode.is_positive and response.status_code >= 400:
            if response.request.method != case.operation.method.upper() or response.status_code == 503:
                return  # a probe of another method
            body = json.loads(response.content)
            assert body["reason_code"] in UNDERSTOOD[self.kind], body

    def each_item_is_judged(self, response: Any, case: Any) -> None:
        """What is answered with success has the documented form, item by item; its instructions are kept to look up."""
        if not 200 <= response.status_code < 300 or response.request.method != "POST":
            return
        answer, sent = json.loads(response.content), json.loads(response.request.body)
        if case.operation.definition.raw["operationId"] == "recordInstruction":
            sent, answer = {"instructions": [sent]}, {"results": [{"status": 202, **answer}]}
        assert sent.keys() == {"instructions"}
        assert isinstance(sent["instructions"], list)
        assert 1 <= len(sent["instructions"]) == len(answer["results"]) <= 500
        for item, result in zip(sent["instructions"], answer["results"], strict=True):
            if result["status"] == 202:
                self.recorded[result["instruction_id"]] = result["outbox_id"]
            if not self._item.is_valid(item):
                assert 400 <= result["status"] < 500, (item, result)
            elif result["status"] != 202:
                assert result["reason_code"] in UNDERSTOOD[self.kind], (item, result)

    def nobody(self, response: Any, case: Any) -> None:
        """Without whole proof nothing is answered but the document, and nobody learns what exists."""
        if self.kind != UNPROVEN or case.operation.definition.raw["operationId"] == "getOpenApi":
            return
        if response.status_code < 500:  # a_503_is_honest looks at the others
            self._refused(case, response.status_code, json.loads(response.content or b"null"))
        sent = response.request
        for headers in self._proofs.bent(sent):
            self._connection.request(sent.method, sent.path_url, sent.body, headers)
            answer = self._connection.getresponse()
            body = answer.read()
            self.bent[str(answer.status)] += 1
            problem = json.loads(body or b"null")
            if answer.status >= 500:
                self._honest(answer.status, {name.lower(): value for name, value in answer.getheaders()}, problem)
                continue
            assert answer.headers["Content-Type"] == "application/problem+json"
            self._refused(case, answer.status, problem)

    def _honest(self, status: int, headers: Mapping[str, str], body: Any) -> None:
        assert status == 503, (status, body)
        assert headers["content-type"] == "application/problem+json"
        assert int(headers["retry-after"]) >= 1
        if body is not None:  # the answer to HEAD has none
            self._problem.validate(body)
            assert REASONS[body["reason_code"]].status == 503

    def _refused(self, case: Any, status: int, body: Any) -> None:
        documented = {*case.operation.responses.status_codes, "405"}
        assert 400 <= status < 500, (status, body)
        assert str(status) in documented, (status, body)
        if body is not None:  # the answer to HEAD has none
            self._problem.validate(body)
            assert body["reason_code"] not in UNDERSTOOD[PROVEN], body


def generated_from(kind: str, hidden: str | None) -> dict[str, Any]:
    """The document that a pass generates from; without an answer that is hidden from it, to be found out."""
    schema = copy.deepcopy(document())
    schema["paths"]["/v1/instructions"]["post"]["responses"].pop(hidden, None)
    if kind == UNPROVEN:
        return schema
    for operations in schema["paths"].values():
        for operation in operations.values():  # the proofs are the sender's, so that none is generated
            parameters = operation.get("parameters", [])
            operation["parameters"] = [one for one in parameters if one["name"] not in PROOFS]
    if kind == WITHIN_POLICY:
        forms = schema["components"]["schemas"]
        for form in (forms["Instruction"], forms["Batch"]["properties"]["instructions"]["items"]):
            properties, creditor = form["properties"], form["properties"]["creditor"]
            properties["rail"], properties["currency"] = {"enum": ["sandbox"]}, {"enum": ["ZMW"]}
            properties["amount"]["pattern"] = r"^[1-9][0-9]{0,4}(\.[0-9]{1,2})?$"
            creditor["required"] = ["account"]
            creditor["properties"]["participant_id"] = {"enum": ["ZM-BANK-A", "ZM-BANK-B"]}
            creditor.pop("anyOf", None)
            creditor["properties"].pop("alias", None)
    return schema


def configuration(job: dict[str, Any]) -> schemathesis.Config:
    """All checks but those that are named here, each with its reason."""
    kind = job["kind"]
    refused = ["400", "401", "403", "404", "405", "409", "413", "415", "417", "422", "503"]
    phases = {"fuzzing", "stateful" if kind == WITHIN_POLICY else "coverage"}  # stateful follows the document's links
    if not job["coverage"]:
        phases -= {"coverage"}  # as many cases as the document has corners
    off = {"enabled": False}
    return schemathesis.Config.from_dict(
        {
            "seed": job["seed"],
            "base-url": job["url"],
            "tls-verify": job["server_ca"],
            "request-cert": job["client_pem"],
            "continue-on-failure": True,
            "cache": off,
            "generation": {
                "max-examples": job["examples"],
                "mode": "positive" if kind == WITHIN_POLICY else "all",
                "database": "none",
                "no-shrink": True,
            },
            "phases": {name: {"enabled": name in phases} for name in ("examples", "coverage", "fuzzing", "stateful")},
            "checks": {
                "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", 503]},
                "negative_data_rejection": {"expected-statuses": refused},
                # A status cannot tell a rail that the policy forbids (403, 422) from a form that is not understood:
                # what_is_valid_is_understood looks at the reason.
                "positive_data_acceptance": off,
            },
            "operations": [
                {
                    # A batch is answered 200 with a refusal for each item at fault: each_item_is_judged. Its Allow
                    # names GET too, because an instruction may have the id "batch" (GET /v1/instructions/{id}).
                    "include-operation-id": "recordInstructions",
                    "checks": {"negative_data_rejection": off, "allow_header_conformance": off},
                }
            ],
        }
    )


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run one pass and return its findings."""
    kind = job["kind"]
    generated = generated_from(kind, job["hidden"])
    schema = schemathesis.openapi.from_dict(generated, config=configuration(job))
    proofs = Proofs(job)
    findings = Findings(job, generated, proofs)
    findings.register()
    if kind != UNPROVEN:
        schema.auth.set_from_requests(proofs)  # type: ignore[arg-type]
    answers: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    failures: dict[str, str] = {}
    began = time.monotonic()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            failures[f"{event.label}: {event.info.title}"] = event.info.message
        if not isinstance(event, events.ScenarioFinished):
            continue
        for interaction in event.recorder.interactions.values():
            answers[str(interaction.response.status_code) if interaction.response else "none"] += 1
        for case_id, nodes in event.recorder.checks.items():
            for node in nodes:
                checks[node.name] += 1
                if node.failure_info is not None:
                    failure, seen = node.failure_info.failure, event.recorder.interactions.get(case_id)
                    body = seen.response.content if seen and seen.response else b""
                    failures.setdefault(
                        f"{node.name} {failure.operation} {failure.title}",
                        f"{failure.message}\n{node.failure_info.code_sample}\n{body!r}",
                    )
    return {
        "kind": kind,
        "answers": answers + findings.bent,
        "checks": checks,
        "failures": failures,
        "recorded": findings.recorded,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.with_suffix(".found").write_text(json.dumps(run(json.loads(path.read_text(encoding="utf-8")))))
