create or replace function routing.promote(p_operator text, p_reason text) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before routing.current;
  v_next routing.current;
  v_rules routing.rules;
  v_now timestamptz;
begin
  perform routing.require_named(p_actor => p_operator, p_reason => p_reason);
  v_before := routing.lock_current();
  v_now := core.now();
  v_rules := routing.get_rules();
  if v_before.candidate_colour is null then
    perform core.raise_error('SN702');
  end if;
  if v_before.ladder_step <= cardinality(v_rules.canary_ladder_pct) then
    perform core.raise_error('SC703', jsonb_build_object('candidate_colour', v_before.candidate_colour, 'mode', v_before.mode));
  end if;
  v_next := v_before;
  v_next.stable_colour := v_before.candidate_colour;
  v_next.candidate_colour := null;
  v_next.ladder_step := 0;
  v_next.fallbacks := 0;
  v_next.breached_in_row := 0;
  v_next.healthy_in_row := 0;
  v_next.stale_noted := false;
  return routing.record_decision(p_now => v_now, p_before => v_before, p_after => v_next, p_kind => 'PROMOTED', p_actor => p_operator,
    p_reason => p_reason, p_rules_version => v_rules.rules_version, p_facts => routing.facts(p_from => v_now, p_to => v_now,
      p_after => v_next, p_stable => null, p_candidate => null));
end
$$;
alter function routing.promote(text, text) owner to symphony_routing_owner;
revoke all on function routing.promote(text, text) from public;
comment on function routing.promote(text, text) is
$$Makes the candidate that completed its ladder the stable colour; the other one gets nothing until a canary of it begins. The weights stay: the candidate has everything, or an override is in force. Returns the decision's id.
Callers: symphony_operator. Writes: routing_decisions, current. Locks: the row of current. Raises: SV701 unnamed, SN702 no canary, SC703 its ladder is not complete. Idempotent: no.$$;
