"""One request on its way: what is known of it so far, and the items the database is given."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from symphony.api.ingress import Item, Proof
from symphony.api.proxy import AliasAnswer
from symphony.instruction import INSTRUCTION_ID, Instruction
from symphony.resolver.aliases import Alias
from symphony.trust.access_token import AccessToken

NO_BODY_SHA256 = hashlib.sha256(b"").digest()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ProvenItem(Item):
    """An item with what must be used once: the items of one request share one proof. None in development.

    Attributes:
        alias: what its creditor is given by.
        answer: what the registry said of it, where it was asked already (policy SYNC).
    """

    proof: Proof | None = None
    alias: Alias | None = None
    answer: AliasAnswer | None = None


@dataclass(slots=True)
class Visit:
    """Filled step by step while a request is checked: whatever refuses it attests what was known by then.

    Attributes:
        participant_id: whose request it is, once a certificate of its own says so; None before.
        pop_mode: how possession was proved (`ingress.pop_mode`); NONE until it was.
        db_role: the database capability role the request, or its refusal, is recorded under.
        token: the access token, once it holds.
        proof: what the database must see once and only once; None before, and in development.
        body_sha256: over the raw bytes as received; of the empty string until a body was read.
        claimed_id: the instruction id that a body names which is not checked further yet.
        idempotency_key: the header's value, once it was found to have the right form.
    """

    correlation_id: uuid.UUID = field(default_factory=uuid.uuid4)
    received_at: datetime = field(default_factory=_now)
    verified_at: datetime | None = None
    participant_id: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    pop_mode: str = "NONE"
    db_role: str = "symphony_ingest"
    cert_sha256: bytes | None = None
    token_iss: str | None = None
    token_aud: str | None = None
    token_kid: str | None = None
    token_jti_sha256: bytes | None = None
    cnf: str | None = None
    signature_key_id: str | None = None
    signature_alg: str | None = None
    token: AccessToken | None = field(default=None, repr=False)
    proof: Proof | None = field(default=None, repr=False)
    body_sha256: bytes = NO_BODY_SHA256
    claimed_id: str | None = None
    idempotency_key: str | None = None

    def verified(self) -> None:
        """Keep when the sender's proofs were last seen to hold."""
        self.verified_at = _now()

    def item(self, instruction: Instruction, *, idempotency_key: str) -> ProvenItem:
        """The item of one instruction of an identified participant."""
        return self._item(
            instruction_id=instruction.instruction_id,
            idempotency_key=idempotency_key,
            rail=instruction.rail,
            currency=instruction.currency,
            amount_minor=instruction.amount_minor,
            creditor_participant_id=instruction.creditor_participant_id,
            end_to_end_id=instruction.end_to_end_id,
            purpose=instruction.purpose,
            uetr=instruction.uetr,
            alias=instruction.alias,
            parties=instruction.parties,
        )

    def rejected(self, reason_code: str, *, instruction_id: str | None, idempotency_key: str | None) -> Item:
        """The item that only attests a refusal decided here."""
        return self._item(instruction_id=instruction_id, idempotency_key=idempotency_key, reject_reason=reason_code)

    def read(self, instruction_id: str) -> Item:
        """The item that attests a reading of one instruction."""
        return self._item(instruction_id=instruction_id, idempotency_key=None)

    def _item(
        self,
        *,
        instruction_id: str | None,
        idempotency_key: str | None,
        rail: str | None = None,
        currency: str | None = None,
        amount_minor: int | None = None,
        creditor_participant_id: str | None = None,
        end_to_end_id: str | None = None,
        purpose: str | None = None,
        uetr: uuid.UUID | None = None,
        alias: Alias | None = None,
        parties: str | None = None,
        reject_reason: str | None = None,
    ) -> ProvenItem:
        return ProvenItem(
            participant_id=self.participant_id,
            tenant_id=self.tenant_id,
            instruction_id=instruction_id,
            idempotency_key=idempotency_key,
            rail=rail,
            currency=currency,
            amount_minor=amount_minor,
            creditor_participant_id=creditor_participant_id,
            end_to_end_id=end_to_end_id,
            purpose=purpose,
            uetr=uetr,
            requires_proxy=alias is not None,
            parties=parties,
            client_id=self.client_id,
            cert_sha256=self.cert_sha256,
            token_iss=self.token_iss,
            token_aud=self.token_aud,
            token_kid=self.token_kid,
            token_jti_sha256=self.token_jti_sha256,
            cnf=self.cnf,
            pop_mode=self.pop_mode,
            body_sha256=self.body_sha256,
            signature_key_id=self.signature_key_id,
            signature_alg=self.signature_alg,
            db_role=self.db_role,
            correlation_id=self.correlation_id,
            received_at=self.received_at,
            verified_at=self.verified_at or self.received_at,
            reject_reason=reject_reason,
            proof=self.proof,
            alias=alias,
        )


def claimed_id(document: object) -> str | None:
    """The instruction id a refused document names, when it has the right form, for the attestation."""
    value = document.get("instruction_id") if isinstance(document, dict) else None
    return value if isinstance(value, str) and INSTRUCTION_ID.matches(value) else None


def item_key(header_key: str, instruction_id: str, given: str | None) -> str:
    """The key of one item of a batch: its own, or one made of the header's key and the instruction's id."""
    if given is not None:
        return given
    derived = f"{header_key}/{instruction_id}"
    return derived if len(derived) <= 64 else hashlib.sha256(derived.encode()).hexdigest()


def without_fields(item: Item, *, reject_reason: str) -> Item:
    """The item that attests a refusal of this one and carries none of its payment fields."""
    return replace(
        item,
        rail=None,
        currency=None,
        amount_minor=None,
        creditor_participant_id=None,
        end_to_end_id=None,
        purpose=None,
        uetr=None,
        parties=None,
        reject_reason=reject_reason,
    )
