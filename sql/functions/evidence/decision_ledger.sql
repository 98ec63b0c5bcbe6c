create or replace view evidence.decision_ledger with (security_barrier = true) as
select d.participant_id, d.case_id, d.decision, d.maker, d.checker, d.reason, d.decided_at, encode(d.commitment, 'hex') as commitment,
  d.recorded_xid
from evidence.case_decisions as d;
alter view evidence.decision_ledger owner to symphony_evidence_owner;
comment on view evidence.decision_ledger is
$$Decisions of cases as they were made, with commitment.
Callers: symphony_auditor. Read-only.$$;
