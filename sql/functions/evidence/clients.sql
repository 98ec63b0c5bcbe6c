create or replace view evidence.clients with (security_barrier = true) as
select c.client_id, c.participant_id, c.registered_by, c.reason, c.registered_at, encode(c.commitment, 'hex') as commitment, c.recorded_xid
from ingress.clients as c;
alter view evidence.clients owner to symphony_evidence_owner;
comment on view evidence.clients is
$$The registered clients, each of one participant.
Callers: symphony_auditor. Read-only.$$;
