create or replace view evidence.instructions with (security_barrier = true) as
select i.participant_id, i.outbox_id, i.sequence_id, i.attestation_id, i.instruction_id, i.idempotency_key, i.rail, i.currency,
  i.amount_minor, i.creditor_participant_id, i.end_to_end_id, i.purpose, i.uetr, i.requires_proxy, encode(i.payload_sha256, 'hex') as payload_sha256,
  encode(i.parties_commitment, 'hex') as parties_commitment, i.policy_version, i.limit_day, i.received_at, i.recorded_at,
  encode(i.commitment, 'hex') as commitment, i.recorded_xid
from outbox.payment_instructions as i;
alter view evidence.instructions owner to symphony_evidence_owner;
comment on view evidence.instructions is
$$The instruction ledger as it stands, with all that payload_sha256 and commitment are made of (sql/README.md, Commitments). Filter by participant_id and outbox_id.
Callers: symphony_auditor. Read-only.$$;
