create or replace view evidence.reason_register with (security_barrier = true) as
select r.reason_code, r.http_status, r.meaning, r.next_action from core.reasons as r;
alter view evidence.reason_register owner to symphony_evidence_owner;
comment on view evidence.reason_register is
$$What every reason code means and what to do next.
Callers: symphony_auditor. Read-only.$$;
