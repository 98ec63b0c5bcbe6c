create or replace view evidence.response_classes with (security_barrier = true) as
select c.rail, c.version, c.phase::text as phase, c.rail_code, c.answer_class::text as answer_class, c.meaning, c.owner, c.published_by, c.published_at
from rails.response_classes as c;
alter view evidence.response_classes owner to symphony_evidence_owner;
comment on view evidence.response_classes is
$$What each answer of a rail means, by version; the highest version of a rail counts from its publication on.
Callers: symphony_auditor. Read-only.$$;
