"""The HTTP application: its resources, the order of checks of DESIGN section 8, and every answer."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from urllib.parse import unquote

import structlog
from aiohttp.web import BaseRequest, Response

from symphony.api.ingress import Decision, Item, Read
from symphony.bao.errors import LoginLeaseEnded
from symphony.errors import DatabaseUnavailable, OutcomeUnknown, RetryLater
from symphony.ingress import answers, openapi
from symphony.ingress.aliases import AliasDesk
from symphony.ingress.batch import answer_batch, entries_of
from symphony.ingress.batcher import Overloaded, Unrecordable
from symphony.ingress.breaker import Breaker, BreakerOpen
from symphony.ingress.framing import check_head, check_media, read_body
from symphony.ingress.identity import Identifier
from symphony.ingress.lanes import Lanes
from symphony.ingress.problems import Problem, Refusal, challenge
from symphony.ingress.reasons import SHED_CAUSES
from symphony.ingress.recorder import Recorder
from symphony.ingress.rejections import Rejections
from symphony.ingress.settings import IngressSettings
from symphony.ingress.visit import ProvenItem, Visit, claimed_id
from symphony.instruction import IDENTIFIER, INSTRUCTION_ID, InvalidInput, parse_instruction, read_json
from symphony.metrics import Metrics
from symphony.trust.access_token import Capability

ONE = "/v1/instructions"
BATCH = "/v1/instructions/batch"
OPENAPI = "/v1/openapi.json"
EVIDENCE = "/evidence"
_HALT_RETRY_S = 30
_HOUR_S = 3_600


class Ingress:
    """Serves requests; `handle` never raises and answers 202 only for what the database has committed."""

    def __init__(
        self,
        *,
        settings: IngressSettings,
        identifier: Identifier,
        lanes: Lanes,
        aliases: AliasDesk,
        breaker: Breaker,
        recorder: Recorder,
        rejections: Rejections,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._identifier = identifier
        self._lanes = lanes
        self._aliases = aliases
        self._breaker = breaker
        self._recorder = recorder
        self._rejections = rejections
        self._metrics = metrics
        self._log = structlog.get_logger()
        self._body_timeout_s = settings.body_timeout_ms / 1000
        self._openapi = openapi.document_bytes()
        self.in_flight = 0
        self.stopping = False

    async def handle(self, request: BaseRequest) -> Response:
        """Answer one request."""
        visit = Visit()
        probe = False
        self.in_flight += 1
        try:
            if self.stopping:
                raise Refusal("STOPPING", close=True)
            if self.in_flight > self._settings.max_in_flight_requests:
                raise Refusal("OVERLOADED")
            self._identifier.admit(request, visit)
            if request.raw_path == OPENAPI:  # needs no database, so no breaker
                return self._describe(request, visit)
            probe = self._breaker.enter()
            return await self._serve(request, visit)
        except Exception as error:
            return self._refused(self._as_refusal(error, visit), visit)
        finally:
            self._breaker.leave(probe)
            self.in_flight -= 1

    def _describe(self, request: BaseRequest, visit: Visit) -> Response:
        check_head(request)
        if request.method != "GET":
            raise Refusal("METHOD_NOT_ALLOWED", allow="GET")
        return answers.response(200, self._openapi, correlation_id=visit.correlation_id)

    async def _serve(self, request: BaseRequest, visit: Visit) -> Response:
        try:
            check_head(request)
            path = request.raw_path
            if request.method == "POST" and path in (ONE, BATCH):
                await self._identifier.identify(request, visit)
                return await self._record(request, visit)
            if request.method == "GET" and path.startswith(ONE + "/"):
                await self._identifier.identify(request, visit)
                return await self._read(request, visit)
            raise _no_such(path)
        except Refusal as refusal:
            if not self._rejections.is_attested(refusal.reason_code):
                raise
            problem = await self._rejections.reject(refusal, visit, visit.claimed_id, visit.idempotency_key)
            if problem.attestation_id is None and self._rejections.counts:
                raise Refusal("REFUSALS_UNRECORDED", retry_after_s=1, close=True) from refusal
            self._shed(refusal)
            return self._problem(problem, refusal)

    async def _read(self, request: BaseRequest, visit: Visit) -> Response:
        """The state of an instruction, or what is recorded about it; the database attests either."""
        self._identifier.check_body(request, b"", visit)
        path = request.raw_path[len(ONE) + 1 :]
        evidence = path.endswith(EVIDENCE)
        instruction_id = unquote(path.removesuffix(EVIDENCE))
        self._identifier.authorize(visit, Capability.READ_EVIDENCE if evidence else Capability.READ_OWN_STATUS)
        self._wait_after_refusals(visit)
        if not INSTRUCTION_ID.matches(instruction_id):
            raise Refusal("INSTRUCTION_UNKNOWN")
        item = visit.read(instruction_id)
        document: dict[str, object] | None
        if evidence:
            decision, entries = await self._recorder.read_evidence(item)
            document = None if entries is None else answers.evidence_document(instruction_id, entries)
        else:
            decision, status = await self._recorder.read_status(item)
            document = None if status is None else answers.status_document(status)
        if document is None:
            self._rejections.decided(item, decision)
            return self._declined(decision, visit)
        return answers.response(200, answers.encode(document), correlation_id=visit.correlation_id)

    async def _record(self, request: BaseRequest, visit: Visit) -> Response:
        is_batch = request.raw_path == BATCH
        self._wait_after_refusals(visit)
        key, body = await self._body(request, visit, is_batch)
        self._identifier.check_body(request, body, visit)
        document = _checked(read_json, body)
        if is_batch:
            entries = entries_of(document)
            self._identifier.authorize(visit, Capability.SUBMIT)
            results = await answer_batch(
                entries,
                key=key,
                visit=visit,
                record=self._record_one,
                answered=self._answered,
                reject=self._rejections.reject,
            )
            return answers.response(200, results, correlation_id=visit.correlation_id)
        visit.claimed_id = claimed_id(document)
        instruction = _checked(parse_instruction, document)
        self._identifier.authorize(visit, Capability.SUBMIT)
        item = visit.item(instruction, idempotency_key=key)
        if item.alias is not None:
            (item,) = await self._answered([item])
        decision = await self._record_one(item)
        if decision.decision == "REJECT":
            return self._declined(decision, visit)
        answer = answers.encode(answers.accepted_document(instruction.instruction_id, decision))
        replayed = [("Idempotency-Replayed", "true")] if decision.decision == "REPLAY" else ()
        return answers.response(202, answer, correlation_id=visit.correlation_id, extra=replayed)

    def _wait_after_refusals(self, visit: Visit) -> None:
        wait_s = self._rejections.wait_s(visit.participant_id)
        if wait_s > 0:
            self._rejections.count("TOO_MANY_REFUSALS", visit)
            raise Refusal("TOO_MANY_REFUSALS", retry_after_s=math.ceil(wait_s))

    async def _answered(self, items: Sequence[ProvenItem]) -> list[ProvenItem]:
        """The items of one request that name aliases, with what the policy wants known of them before they go on."""
        wait_s = self._rejections.wait_s(items[0].participant_id, of_aliases=True)
        if wait_s > 0:
            raise Refusal("TOO_MANY_REFUSALS", retry_after_s=math.ceil(wait_s))
        return await self._aliases.answered(items)

    async def _body(self, request: BaseRequest, visit: Visit, is_batch: bool) -> tuple[str, bytes]:
        """The idempotency key and the body; the body first, so that every refusal attests its hash."""
        settings = self._settings
        max_bytes = settings.max_batch_body_bytes if is_batch else settings.max_body_bytes
        body = await read_body(request, max_bytes=max_bytes, timeout_s=self._body_timeout_s)
        visit.body_sha256 = hashlib.sha256(body).digest()
        check_media(request)
        key = request.headers.get("Idempotency-Key")
        if key is None:
            raise Refusal("IDEMPOTENCY_KEY_MISSING")
        if not IDENTIFIER.matches(key):
            raise Refusal("IDEMPOTENCY_KEY_INVALID")
        visit.idempotency_key = key
        return key, body

    async def _record_one(self, item: Item) -> Decision:
        try:
            decision = await self._lanes.submit(item)
        except Unrecordable as error:
            self._log.error("item unrecordable", correlation_id=item.correlation_id, exc_info=error)
            return await self._rejections.unrecordable(item)
        if decision.decision == "REJECT":
            self._rejections.decided(item, decision)
        return decision

    def _declined(self, decision: Decision | Read, visit: Visit) -> Response:
        """The answer to what the database refused."""
        reason = decision.reason_code or "UNREGISTERED_REASON"
        retry_after_s = None
        if reason.startswith("HALTED_"):
            retry_after_s = self._breaker.retry_after_s(minimum_s=_HALT_RETRY_S)
        elif reason == "PROXY_THROTTLED":  # misses are counted by the hour
            retry_after_s = self._breaker.retry_after_s(minimum_s=_HOUR_S - time.time() % _HOUR_S)
        problem = Problem(
            reason_code=reason, correlation_id=visit.correlation_id, attestation_id=decision.attestation_id
        )
        return self._problem(problem, Refusal(reason, retry_after_s=retry_after_s))

    def _refused(self, refusal: Refusal, visit: Visit) -> Response:
        self._shed(refusal)
        problem = Problem(
            reason_code=refusal.reason_code,
            correlation_id=visit.correlation_id,
            detail=refusal.detail,
            pointer=refusal.pointer,
        )
        return self._problem(problem, refusal)

    def _shed(self, refusal: Refusal) -> None:
        cause = SHED_CAUSES.get(refusal.reason_code)
        if cause is not None:
            self._metrics.ingress_shed_total.labels(cause).inc()

    def _problem(self, problem: Problem, refusal: Refusal) -> Response:
        retry_after_s = refusal.retry_after_s
        if retry_after_s is None and problem.status == 503:
            retry_after_s = self._breaker.retry_after_s()
        given = {
            "Allow": refusal.allow,
            "WWW-Authenticate": challenge(problem.reason_code),
            "DPoP-Nonce": refusal.nonce,
        }
        response = answers.response(
            problem.status,
            problem.body(),
            correlation_id=problem.correlation_id,
            media=answers.PROBLEM_JSON,
            retry_after_s=retry_after_s,
            extra=[(name, value) for name, value in given.items() if value is not None],
        )
        if refusal.close:
            response.force_close()
        return response

    def _as_refusal(self, error: Exception, visit: Visit) -> Refusal:
        """The refusal that an error means to the client; what is nobody's fault but ours is logged."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, BreakerOpen):
            return Refusal("BREAKER_OPEN", retry_after_s=error.retry_after_s)
        if isinstance(error, Overloaded):
            return Refusal("STOPPING" if self._lanes.closing else "OVERLOADED")
        if isinstance(error, LoginLeaseEnded):
            return Refusal("TRUST_LEASE_ENDED")
        if isinstance(error, OutcomeUnknown):
            return Refusal("OUTCOME_UNKNOWN")
        if isinstance(error, DatabaseUnavailable | RetryLater):
            return Refusal("DATABASE_UNAVAILABLE")
        reason = "ITEM_UNRECORDABLE" if isinstance(error, Unrecordable) else "INTERNAL_ERROR"
        self._log.error("request failed", reason_code=reason, correlation_id=visit.correlation_id, exc_info=error)
        return Refusal(reason)


def _no_such(path: str) -> Refusal:
    if path in (ONE, BATCH) or path.startswith(ONE + "/"):
        return Refusal("METHOD_NOT_ALLOWED", allow="POST" if path == ONE else "GET, POST" if path == BATCH else "GET")
    return Refusal("RESOURCE_UNKNOWN")


def _checked[A, B](read: Callable[[A], B], value: A) -> B:
    try:
        return read(value)
    except InvalidInput as error:
        refused = error
    raise Refusal(refused.reason_code, detail=refused.message, pointer=refused.pointer)
