create or replace view evidence.case_ledger with (security_barrier = true) as
select c.participant_id, c.case_id, c.kind, c.outbox_id, c.facts, c.next_action, c.opened_at, encode(c.commitment, 'hex') as commitment,
  c.recorded_xid
from evidence.cases as c;
alter view evidence.case_ledger owner to symphony_evidence_owner;
comment on view evidence.case_ledger is
$$Cases as they were opened, with commitment. evidence.case_list shows them with their decisions.
Callers: symphony_auditor. Read-only.$$;
