create or replace function routing.lift_override(p_operator text, p_reason text) returns uuid
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
  if v_before.override_until is null then
    perform core.raise_error('SN701');
  end if;
  v_next := v_before;
  v_next.override_until := null;
  v_next.stale_noted := false;
  v_next.blue_weight_pct := routing.planned_blue_weight(p_current => v_next, p_rules => v_rules);
  v_next.green_weight_pct := 100 - v_next.blue_weight_pct;
  perform routing.require_fresh(p_before => v_before, p_next => v_next, p_now => v_now, p_rules => v_rules);
  return routing.record_decision(p_now => v_now, p_before => v_before, p_after => v_next, p_kind => 'OVERRIDE_LIFTED', p_actor => p_operator,
    p_reason => p_reason, p_rules_version => v_rules.rules_version, p_facts => routing.facts(p_from => v_before.judged_to, p_to => v_now,
      p_after => v_next, p_stable => null, p_candidate => null));
end
$$;
alter function routing.lift_override(text, text) owner to symphony_routing_owner;
revoke all on function routing.lift_override(text, text) from public;
comment on function routing.lift_override(text, text) is
$$Ends an override before its time; the weights are again what mode and ladder mean. Returns the decision's id.
Callers: symphony_operator. Writes: routing_decisions, current. Locks: the row of current. Raises: SV701 unnamed, SN701 none in force, SC704 the colour that would gain traffic has no recent good heartbeat. Idempotent: no.$$;
