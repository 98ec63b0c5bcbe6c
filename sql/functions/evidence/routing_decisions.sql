create or replace view evidence.routing_decisions with (security_barrier = true) as
select d.decision_id, d.kind, d.mode_before::text as mode_before, d.mode_after::text as mode_after, d.stable_colour::text as stable_colour,
  d.candidate_colour::text as candidate_colour, d.blue_weight_before_pct, d.green_weight_before_pct, d.blue_weight_after_pct,
  d.green_weight_after_pct, d.actor, d.db_role, d.reason, d.rules_version, d.facts, d.decided_at, encode(d.commitment, 'hex') as commitment,
  d.recorded_xid
from routing.routing_decisions as d;
alter view evidence.routing_decisions owner to symphony_evidence_owner;
comment on view evidence.routing_decisions is
$$Every decision about which colour gets how much traffic: by whom, why, under which rules, on which numbers; order by decision_id.
Callers: symphony_auditor. Read-only.$$;
