create or replace view evidence.halt_history with (security_barrier = true) as
select h.entry_id, h.halt_id, h.action, h.scope::text as scope, h.rail, h.participant_id, h.direction::text as direction, h.operator,
  h.reason, h.recorded_at, encode(h.commitment, 'hex') as commitment
from policy.halts as h;
alter view evidence.halt_history owner to symphony_evidence_owner;
comment on view evidence.halt_history is $$Every halt and lift with its operator and reason. Callers: symphony_auditor. Read-only.$$;
