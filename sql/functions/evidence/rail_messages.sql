create or replace view evidence.rail_messages with (security_barrier = true) as
select m.participant_id, m.message_id, m.outbox_id, m.rail, m.phase::text as phase, m.rail_code, m.rail_reference,
  m.answer_class::text as answer_class, m.outcome, m.claimed_by, m.lease_token, m.echoed_amount_minor, m.echoed_currency,
  encode(m.request_sha256, 'hex') as request_sha256, encode(m.response_sha256, 'hex') as response_sha256, m.latency_us, m.recorded_at,
  encode(m.commitment, 'hex') as commitment, m.recorded_xid
from rails.rail_messages as m;
alter view evidence.rail_messages owner to symphony_evidence_owner;
comment on view evidence.rail_messages is
$$Exchanges with rails that ended no attempt, as they stand. Filter by participant_id and outbox_id.
Callers: symphony_auditor. Read-only.$$;
