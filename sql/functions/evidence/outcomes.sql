create or replace view evidence.outcomes with (security_barrier = true) as
select i.participant_id, i.outbox_id, i.instruction_id, i.sequence_id, i.rail, i.currency, i.amount_minor, i.policy_version,
  i.received_at, i.recorded_at, a.state::text as state, a.reason_code, a.rail_reference, a.attempt_no, a.recorded_at as ended_at,
  encode(i.commitment, 'hex') as receipt_hash, encode(a.commitment, 'hex') as outcome_commitment
from outbox.payment_instructions as i
left join outbox.payment_outbox_attempts as a on a.participant_id = i.participant_id and a.outbox_id = i.outbox_id
  and a.state in ('DISPATCHED', 'FAILED', 'VOIDED', 'PENDING_MANUAL');
alter view evidence.outcomes owner to symphony_evidence_owner;
comment on view evidence.outcomes is
$$Every recorded instruction with its one terminal outcome; state is null while it has none. Page by participant_id and outbox_id (which grows with time).
Callers: symphony_auditor. Read-only.$$;
comment on column evidence.outcomes.ended_at is 'When the terminal outcome was recorded, by the database clock; ended_at - recorded_at is the time to the outcome.';
