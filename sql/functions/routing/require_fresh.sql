create or replace function routing.require_fresh(
  p_before routing.current, p_next routing.current, p_now timestamptz, p_rules routing.rules) returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_gaining routing.colour := case when p_next.blue_weight_pct > p_before.blue_weight_pct then 'blue' else 'green' end;
  v_health routing.health;
begin
  if p_next.blue_weight_pct = p_before.blue_weight_pct then
    return;
  end if;
  v_health := routing.assess(p_colour => v_gaining, p_has_traffic => false, p_from => p_before.judged_to, p_to => p_now, p_rules => p_rules);
  if not routing.is_fresh(p_health => v_health, p_rules => p_rules) then
    perform core.raise_error('SC704', jsonb_build_object('colour', v_gaining, 'heartbeat_age_ms', v_health.heartbeat_age_ms));
  end if;
end
$$;
alter function routing.require_fresh(routing.current, routing.current, timestamptz, routing.rules) owner to symphony_routing_owner;
revoke all on function routing.require_fresh(routing.current, routing.current, timestamptz, routing.rules) from public;
comment on function routing.require_fresh(routing.current, routing.current, timestamptz, routing.rules) is
$$Refuses an act that would give more traffic to a colour nobody vouches for.
Callers: lift_override, abandon_canary. Writes: nothing. Locks: none. Raises: SC704. Idempotent: yes.$$;
