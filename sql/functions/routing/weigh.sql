create or replace function routing.weigh(
  p_current routing.current, p_rules routing.rules, p_stable routing.health, p_candidate routing.health,
  inout kind text, inout next routing.current)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_blue smallint := routing.planned_blue_weight(p_current => next, p_rules => p_rules);
  v_gains_stable boolean;
begin
  if kind is null or next.override_until is not null then
    return;
  end if;
  v_gains_stable := (v_blue > p_current.blue_weight_pct) = (p_current.stable_colour = 'blue');
  if v_blue <> p_current.blue_weight_pct
    and not routing.is_fresh(p_health => case when v_gains_stable then p_stable else p_candidate end, p_rules => p_rules) then
    -- Never towards a colour that nobody vouches for: say so once, stay, and try again at the next evaluation. The window
    -- stays unjudged, or it would look as if the breach were over.
    kind := case when not p_current.stale_noted then 'TARGET_STALE' end;
    next := p_current;
    next.stale_noted := true;
    return;
  end if;
  next.blue_weight_pct := v_blue;
  next.green_weight_pct := 100 - v_blue;
end
$$;
alter function routing.weigh(routing.current, routing.rules, routing.health, routing.health, text, routing.current) owner to symphony_routing_owner;
revoke all on function routing.weigh(routing.current, routing.rules, routing.health, routing.health, text, routing.current) from public;
comment on function routing.weigh(routing.current, routing.rules, routing.health, routing.health, text, routing.current) is
$$The weights a step means, unless a person's override is in force; a step that would send traffic to a stale colour becomes TARGET_STALE, once, and changes nothing.
Callers: evaluate. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
