create or replace view evidence.reason_taxonomy with (security_barrier = true) as
select t.taxonomy_version, t.taxonomy_version = max(t.taxonomy_version) over () as in_force, t.reason_code, r.meaning, t.iso_code, t.iso_name,
  t.terminal, t.auto_retry, t.next_action, t.edition, t.published_by, t.published_at
from core.reason_taxonomy as t
join core.reasons as r on r.reason_code = t.reason_code;
alter view evidence.reason_taxonomy owner to symphony_evidence_owner;
comment on view evidence.reason_taxonomy is
$$What our reasons mean in ISO 20022 and what to do next, by version; the highest version counts from its publication on.
Callers: symphony_auditor, symphony_operator. Read-only.$$;
