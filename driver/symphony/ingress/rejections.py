"""What is refused: attested one by one up to a limit, above it counted; told to the log either way."""

from __future__ import annotations

import structlog

from symphony.api.ingress import Decision, Item, Read
from symphony.errors import DatabaseUnavailable, OutcomeUnknown, RetryLater
from symphony.ingress.batcher import Overloaded, Unrecordable
from symphony.ingress.buckets import TokenBuckets
from symphony.ingress.lanes import Lanes
from symphony.ingress.problems import Problem, Refusal
from symphony.ingress.reasons import CONNECTION, COUNTED, REGISTERED
from symphony.ingress.refusal_counter import RefusalCounter
from symphony.ingress.settings import IngressSettings
from symphony.ingress.visit import Visit, without_fields
from symphony.metrics import Metrics

_ATTESTED = REGISTERED.keys() - COUNTED.keys() - CONNECTION.keys()


class Rejections:
    """Writes refusals to the ledger.

    Args:
        counter: takes what is above the limit, and what a database that is away cannot take; None in development.
    """

    def __init__(
        self, *, lanes: Lanes, settings: IngressSettings, metrics: Metrics, counter: RefusalCounter | None
    ) -> None:
        self._lanes = lanes
        self._metrics = metrics
        self._counter = counter
        self._log = structlog.get_logger()
        self._attestations = TokenBuckets(
            rate_per_s=settings.reject_attestations_per_s, burst=settings.reject_attestations_burst
        )
        self._refusals = TokenBuckets(
            rate_per_s=settings.refused_decisions_per_s, burst=settings.refused_decisions_burst
        )

    @property
    def counts(self) -> bool:
        """Whether what is not attested is counted in the database."""
        return self._counter is not None

    def wait_s(self, participant_id: str | None, *, of_aliases: bool = False) -> float:
        """Seconds until the participant may try again after too many refusals by the database; 0: now.

        Args:
            of_aliases: refusals for an alias registry that is away; they keep no other instruction waiting.
        """
        return self._refusals.wait_s(_charged(participant_id, of_aliases=of_aliases))

    def is_attested(self, reason_code: str) -> bool:
        """Whether a refusal for this reason belongs into the ledger."""
        return reason_code in _ATTESTED

    async def reject(
        self,
        refusal: Refusal,
        visit: Visit,
        instruction_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Problem:
        """Attest a refusal decided here; in a flood of its sender only count it. Raises what the database raises."""
        reason_code = refusal.reason_code
        attestation_id = None
        if self._attestations.take(_sender(visit)):
            item = visit.rejected(reason_code, instruction_id=instruction_id, idempotency_key=idempotency_key)
            try:
                attestation_id = (await self._lanes.submit(item)).attestation_id
            except (DatabaseUnavailable, RetryLater, Overloaded, Unrecordable, OutcomeUnknown):
                # Not in the ledger, or (OutcomeUnknown) perhaps: rather counted beside an attestation than nowhere.
                self.count(reason_code, visit)
                raise
            self._say(item, reason_code)
        else:
            self._metrics.ingress_shed_total.labels("reject_flood").inc()
            self.count(reason_code, visit)
        return Problem(
            reason_code=refusal.reason_code,
            correlation_id=visit.correlation_id,
            detail=refusal.detail,
            pointer=refusal.pointer,
            attestation_id=attestation_id,
        )

    async def unrecordable(self, item: Item) -> Decision:
        """Attest, without its fields, an item that the database cannot store."""
        return await self._lanes.submit(without_fields(item, reject_reason="ITEM_UNRECORDABLE"))

    def decided(self, item: Item, decision: Decision | Read) -> None:
        """The database refused, and attested it: its sender's next ones cost it."""
        of_aliases = decision.reason_code == "PROXY_REGISTRY_UNAVAILABLE"
        self._refusals.charge(_charged(item.participant_id, of_aliases=of_aliases))
        self._say(item, decision.reason_code)

    def count(self, reason_code: str, visit: Visit) -> None:
        """Count a refusal that is not attested."""
        if self._counter is not None:
            self._counter.note(
                reason_code, cert_sha256=visit.cert_sha256, participant_id=visit.participant_id, level="REQUEST"
            )

    def _say(self, item: Item, reason_code: str | None) -> None:
        self._log.info(
            "instruction refused",
            reason_code=reason_code,
            participant_id=item.participant_id,
            correlation_id=item.correlation_id,
        )


def _sender(visit: Visit) -> str:
    return visit.participant_id or "-" if visit.cert_sha256 is None else visit.cert_sha256.hex()


def _charged(participant_id: str | None, *, of_aliases: bool) -> str:
    return f"{participant_id or '-'}{' aliases' if of_aliases else ''}"
