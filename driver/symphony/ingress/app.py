"""The HTTP application: four resources, the order of checks of DESIGN section 8, and every answer."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from urllib.parse import unquote

import structlog
from aiohttp.web import BaseRequest, Response

from symphony.api.ingress import Decision, Item
from symphony.errors import DatabaseUnavailable, OutcomeUnknown, RetryLater
from symphony.ingress import answers, openapi
from symphony.ingress.batch import answer_batch
from symphony.ingress.batcher import Overloaded, Unrecordable
from symphony.ingress.breaker import Breaker, BreakerOpen
from symphony.ingress.buckets import TokenBuckets
from symphony.ingress.framing import check_head, check_media, read_body
from symphony.ingress.identity import Identifier, Identity
from symphony.ingress.lanes import Lanes
from symphony.ingress.problems import REGISTERED, Problem, Refusal
from symphony.ingress.recorder import Recorder
from symphony.ingress.settings import IngressSettings
from symphony.ingress.visit import Visit, claimed_id, without_fields
from symphony.instruction import IDENTIFIER, InvalidInput, parse_instruction, read_json
from symphony.metrics import Metrics

ONE = "/v1/instructions"
BATCH = "/v1/instructions/batch"
OPENAPI = "/v1/openapi.json"
_HALT_RETRY_S = 30
_SHED_CAUSES = {
    "BREAKER_OPEN": "breaker",
    "OVERLOADED": "overload",
    "STOPPING": "stopping",
    "DATABASE_UNAVAILABLE": "database",
    "OUTCOME_UNKNOWN": "outcome_unknown",
    "TOO_MANY_REFUSALS": "refusals",
    "BODY_TIMEOUT": "body_timeout",
}


class Ingress:
    """Serves requests; `handle` never raises and answers 202 only for what the database has committed."""

    def __init__(
        self,
        *,
        settings: IngressSettings,
        identifier: Identifier,
        lanes: Lanes,
        breaker: Breaker,
        recorder: Recorder,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._identifier = identifier
        self._lanes = lanes
        self._breaker = breaker
        self._recorder = recorder
        self._metrics = metrics
        self._log = structlog.get_logger()
        self._body_timeout_s = settings.body_timeout_ms / 1000
        self._attestations = TokenBuckets(
            rate_per_s=settings.reject_attestations_per_s, burst=settings.reject_attestations_burst
        )
        self._refusals = TokenBuckets(
            rate_per_s=settings.refused_decisions_per_s, burst=settings.refused_decisions_burst
        )
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
            if request.raw_path == OPENAPI:  # needs no database, so no breaker
                return self._describe(request, visit)
            probe = self._breaker.enter()
            if request.method == "POST":
                return await self._post(request, visit)
            return await self._get(request, visit)
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

    async def _get(self, request: BaseRequest, visit: Visit) -> Response:
        check_head(request)
        path = request.raw_path
        if request.method != "GET" or not path.startswith(ONE + "/"):
            raise _no_such(path)
        identity = visit.identified(await self._identifier.identify(request))
        instruction_id = unquote(path[len(ONE) + 1 :])
        status = None
        if IDENTIFIER.matches(instruction_id):
            status = await self._recorder.status(participant_id=identity.participant_id, instruction_id=instruction_id)
        if status is None:
            raise Refusal("INSTRUCTION_UNKNOWN")
        body = answers.encode(answers.status_document(status))
        return answers.response(200, body, correlation_id=visit.correlation_id)

    async def _post(self, request: BaseRequest, visit: Visit) -> Response:
        document: object = None
        try:
            check_head(request)
            is_batch = request.raw_path == BATCH
            if not is_batch and request.raw_path != ONE:
                raise _no_such(request.raw_path)
            identity = visit.identified(await self._identifier.identify(request))
            key, body = await self._read(request, visit, identity, is_batch)
            document = _checked(read_json, body)
            if is_batch:
                results = await answer_batch(
                    document, key=key, visit=visit, record=self._record_one, reject=self._reject
                )
                return answers.response(200, results, correlation_id=visit.correlation_id)
            instruction = _checked(parse_instruction, document)
        except Refusal as refusal:
            if refusal.reason_code in REGISTERED:
                problem = await self._reject(refusal, visit, claimed_id(document), visit.idempotency_key)
                return self._problem(problem, refusal)
            raise
        decision = await self._record_one(visit.item(instruction, idempotency_key=key))
        return self._decided(instruction.instruction_id, decision, visit)

    async def _read(self, request: BaseRequest, visit: Visit, identity: Identity, is_batch: bool) -> tuple[str, bytes]:
        """The idempotency key and the body; the body first, so that every refusal attests its hash."""
        wait_s = self._refusals.wait_s(identity.participant_id)
        if wait_s > 0:
            raise Refusal("TOO_MANY_REFUSALS", retry_after_s=math.ceil(wait_s))
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
            return await self._attest_unrecordable(item)
        if decision.decision == "REJECT" and item.participant_id is not None:
            self._refusals.charge(item.participant_id)
            self._log_refusal(item, decision.reason_code)
        return decision

    async def _attest_unrecordable(self, item: Item) -> Decision:
        """Attest, without its fields, an item that the database cannot store; the client gets a 500."""
        return await self._lanes.submit(without_fields(item, reject_reason="ITEM_UNRECORDABLE"))

    async def _reject(
        self, refusal: Refusal, visit: Visit, instruction_id: str | None, idempotency_key: str | None
    ) -> Problem:
        """Attest a refusal decided here; when the participant's refusals are a flood, only count it."""
        attestation_id = None
        item = visit.rejected(refusal.reason_code, instruction_id=instruction_id, idempotency_key=idempotency_key)
        if self._attestations.take(visit.participant_id or "-"):
            attestation_id = (await self._lanes.submit(item)).attestation_id
            self._log_refusal(item, refusal.reason_code)
        else:
            self._metrics.ingress_shed_total.labels("reject_flood").inc()
        return Problem(
            reason_code=refusal.reason_code,
            correlation_id=visit.correlation_id,
            detail=refusal.detail,
            pointer=refusal.pointer,
            attestation_id=attestation_id,
        )

    def _decided(self, instruction_id: str, decision: Decision, visit: Visit) -> Response:
        if decision.decision == "REJECT":
            reason = decision.reason_code or "UNREGISTERED_REASON"
            retry_after_s = self._breaker.retry_after_s(minimum_s=_HALT_RETRY_S)
            return self._problem(
                Problem(
                    reason_code=reason,
                    correlation_id=visit.correlation_id,
                    attestation_id=decision.attestation_id,
                ),
                Refusal(reason, retry_after_s=retry_after_s if reason.startswith("HALTED_") else None),
            )
        body = answers.encode(answers.accepted_document(instruction_id, decision))
        replayed = ("Idempotency-Replayed", "true") if decision.decision == "REPLAY" else None
        return answers.response(202, body, correlation_id=visit.correlation_id, extra=replayed)

    def _refused(self, refusal: Refusal, visit: Visit) -> Response:
        cause = _SHED_CAUSES.get(refusal.reason_code)
        if cause is not None:
            self._metrics.ingress_shed_total.labels(cause).inc()
        problem = Problem(
            reason_code=refusal.reason_code,
            correlation_id=visit.correlation_id,
            detail=refusal.detail,
            pointer=refusal.pointer,
        )
        return self._problem(problem, refusal)

    def _problem(self, problem: Problem, refusal: Refusal) -> Response:
        retry_after_s = refusal.retry_after_s
        if retry_after_s is None and problem.status == 503:
            retry_after_s = self._breaker.retry_after_s()
        extra = None
        if refusal.allow is not None:
            extra = ("Allow", refusal.allow)
        elif problem.status == 401:
            extra = ("WWW-Authenticate", "Symphony-Participant")
        response = answers.response(
            problem.status,
            problem.body(),
            correlation_id=problem.correlation_id,
            media=answers.PROBLEM_JSON,
            retry_after_s=retry_after_s,
            extra=extra,
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
        if isinstance(error, OutcomeUnknown):
            return Refusal("OUTCOME_UNKNOWN")
        if isinstance(error, DatabaseUnavailable | RetryLater):
            return Refusal("DATABASE_UNAVAILABLE")
        reason = "ITEM_UNRECORDABLE" if isinstance(error, Unrecordable) else "INTERNAL_ERROR"
        self._log.error("request failed", reason_code=reason, correlation_id=visit.correlation_id, exc_info=error)
        return Refusal(reason)

    def _log_refusal(self, item: Item, reason_code: str | None) -> None:
        self._log.info(
            "instruction refused",
            reason_code=reason_code,
            participant_id=item.participant_id,
            correlation_id=item.correlation_id,
        )


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
