create or replace view evidence.events with (security_barrier = true) as
select e.participant_id, e.event_id, e.kind, e.outbox_id, e.actor, e.facts, e.recorded_at, encode(e.commitment, 'hex') as commitment,
  e.recorded_xid
from evidence.evidence_events as e;
alter view evidence.events owner to symphony_evidence_owner;
comment on view evidence.events is
$$Evidence events as they stand: policy activations (kind POLICY_ACTIVATED, participant «-»), erasures, operator actions.
Callers: symphony_auditor. Read-only.$$;
