create or replace function routing.abandon_canary(p_operator text, p_reason text) returns uuid
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
  v_next := v_before;
  v_next.candidate_colour := null;
  v_next.mode := 'NORMAL';
  v_next.leave_after := null;
  v_next.ladder_step := 0;
  v_next.fallbacks := 0;
  v_next.breached_in_row := 0;
  v_next.healthy_in_row := 0;
  v_next.stale_noted := false;
  if v_next.override_until is null then -- a person's weights stay until their end
    v_next.blue_weight_pct := routing.planned_blue_weight(p_current => v_next, p_rules => v_rules);
    v_next.green_weight_pct := 100 - v_next.blue_weight_pct;
  end if;
  perform routing.require_fresh(p_before => v_before, p_next => v_next, p_now => v_now, p_rules => v_rules);
  return routing.record_decision(p_now => v_now, p_before => v_before, p_after => v_next, p_kind => 'CANARY_ABANDONED', p_actor => p_operator,
    p_reason => p_reason, p_rules_version => v_rules.rules_version, p_facts => routing.facts(p_from => v_now, p_to => v_now,
      p_after => v_next, p_stable => null, p_candidate => null));
end
$$;
alter function routing.abandon_canary(text, text) owner to symphony_routing_owner;
revoke all on function routing.abandon_canary(text, text) from public;
comment on function routing.abandon_canary(text, text) is
$$Ends a canary, whatever its mode or step, also a complete one that was not promoted: everything goes to the stable colour, and there is no candidate. Weights of an override stay until its end. Returns the decision's id.
Callers: symphony_operator. Writes: routing_decisions, current. Locks: the row of current. Raises: SV701 unnamed, SN702 no canary, SC704 the stable colour has no recent good heartbeat. Idempotent: no.$$;
