create or replace function routing.planned_blue_weight(p_current routing.current, p_rules routing.rules) returns smallint
language plpgsql immutable security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  v_candidate_pct smallint := 0;
begin
  if p_current.mode = 'NORMAL' and p_current.candidate_colour is not null then
    v_candidate_pct := p_rules.canary_ladder_pct[least(p_current.ladder_step, cardinality(p_rules.canary_ladder_pct))];
  end if;
  return case when p_current.stable_colour = 'blue' then 100 - v_candidate_pct else v_candidate_pct end;
end
$$;
alter function routing.planned_blue_weight(routing.current, routing.rules) owner to symphony_routing_owner;
revoke all on function routing.planned_blue_weight(routing.current, routing.rules) from public;
comment on function routing.planned_blue_weight(routing.current, routing.rules) is
$$The share of blue (percent) that mode and ladder step mean; outside NORMAL everything is on the stable colour.
Callers: weigh, begin_canary, abandon_canary, lift_override. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
