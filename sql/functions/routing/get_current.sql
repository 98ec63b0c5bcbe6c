create or replace function routing.get_current()
returns table (
  mode routing.mode, stable_colour routing.colour, candidate_colour routing.colour, blue_weight_pct smallint, green_weight_pct smallint,
  mode_since timestamptz, weights_since timestamptz, leave_after timestamptz, override_until timestamptz, ladder_step smallint,
  fallbacks smallint, rules_version integer, decision_id uuid)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
  select c.mode, c.stable_colour, c.candidate_colour, c.blue_weight_pct, c.green_weight_pct, c.mode_since, c.weights_since, c.leave_after,
    c.override_until, c.ladder_step, c.fallbacks, r.rules_version, c.decision_id
  from routing.current as c
  cross join routing.get_rules() as r;
end
$$;
alter function routing.get_current() owner to symphony_routing_owner;
revoke all on function routing.get_current() from public;
comment on function routing.get_current() is
$$The mode and the weights in force, since when, until when, and the last decision's id (null before the first).
Callers: symphony_router, symphony_operator. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
