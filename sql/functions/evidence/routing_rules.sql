create or replace view evidence.routing_rules with (security_barrier = true) as
select r.rules_version, to_jsonb(r) - 'rules_version' - 'published_by' - 'reason' - 'published_at' as thresholds, r.published_by, r.reason,
  r.published_at
from routing.rules as r;
alter view evidence.routing_rules owner to symphony_evidence_owner;
comment on view evidence.routing_rules is
$$Every version of the routing thresholds (units in their names), who published it and why. Callers: symphony_auditor. Read-only.$$;
