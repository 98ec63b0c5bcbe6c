create or replace function routing.override(p_blue_weight_pct integer, p_operator text, p_reason text, p_for interval) returns uuid
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
  if p_blue_weight_pct is null or p_blue_weight_pct not between 0 and 100 then
    perform core.raise_error('SV703', jsonb_build_object('blue_weight_pct', p_blue_weight_pct));
  end if;
  v_before := routing.lock_current();
  v_now := core.now();
  v_rules := routing.get_rules();
  if p_for is null or p_for < interval '1 second' or p_for > v_rules.override_max_ms * interval '1 millisecond' then
    perform core.raise_error('SV704', jsonb_build_object('for', p_for, 'most_ms', v_rules.override_max_ms));
  end if;
  v_next := v_before;
  v_next.override_until := v_now + p_for;
  v_next.blue_weight_pct := p_blue_weight_pct;
  v_next.green_weight_pct := 100 - p_blue_weight_pct;
  v_next.stale_noted := false;
  return routing.record_decision(p_now => v_now, p_before => v_before, p_after => v_next, p_kind => 'OVERRIDE_SET', p_actor => p_operator,
    p_reason => p_reason, p_rules_version => v_rules.rules_version, p_facts => routing.facts(p_from => v_now, p_to => v_now,
      p_after => v_next, p_stable => null, p_candidate => null));
end
$$;
alter function routing.override(integer, text, text, interval) owner to symphony_routing_owner;
revoke all on function routing.override(integer, text, text, interval) from public;
comment on function routing.override(integer, text, text, interval) is
$$A person's weights, whatever the health, for a bounded time, in place of an override in force; evaluate still records a breach and takes the weights back afterwards. Returns the decision's id.
Callers: symphony_operator. Writes: routing_decisions, current. Locks: the row of current. Raises: SV701 unnamed, SV703 weight, SV704 duration. Idempotent: no.$$;
