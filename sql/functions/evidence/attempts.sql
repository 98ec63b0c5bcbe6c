create or replace view evidence.attempts with (security_barrier = true) as
select a.participant_id, a.outbox_id, a.entry_no, a.attempt_no, a.state::text as state, a.action::text as action, a.reason_code,
  a.claimed_by, a.lease_token, a.rail, a.rail_code, a.rail_reference, a.echoed_amount_minor, a.echoed_currency,
  encode(a.request_sha256, 'hex') as request_sha256, encode(a.response_sha256, 'hex') as response_sha256, a.latency_us, a.recorded_at,
  encode(a.commitment, 'hex') as commitment, a.recorded_xid, a.resolution_id
from outbox.payment_outbox_attempts as a;
alter view evidence.attempts owner to symphony_evidence_owner;
comment on view evidence.attempts is
$$The attempt ledger as it stands: claims, outcomes, lost leases. Filter by participant_id and outbox_id.
Callers: symphony_auditor. Read-only.$$;
