create or replace function routing.begin_canary(p_candidate routing.colour, p_operator text, p_reason text) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_before routing.current;
  v_next routing.current;
  v_rules routing.rules;
  v_now timestamptz;
  v_complete boolean;
  v_health routing.health;
begin
  perform routing.require_named(p_actor => p_operator, p_reason => p_reason);
  if p_candidate is null then
    perform core.raise_error('SV705');
  end if;
  v_before := routing.lock_current();
  v_now := core.now();
  v_rules := routing.get_rules();
  v_complete := v_before.candidate_colour is not null and v_before.ladder_step > cardinality(v_rules.canary_ladder_pct);
  v_next := v_before;
  if v_complete then
    v_next.stable_colour := v_before.candidate_colour; -- the release that carried everything and stayed healthy
  end if;
  if v_before.override_until is not null then
    perform core.raise_error('SC702', jsonb_build_object('override_until', v_before.override_until));
  elsif p_candidate = v_next.stable_colour then
    perform core.raise_error('SC701', jsonb_build_object('stable_colour', v_next.stable_colour));
  elsif v_before.candidate_colour is not null and not v_complete then
    perform core.raise_error('SC703', jsonb_build_object('candidate_colour', v_before.candidate_colour, 'mode', v_before.mode));
  end if;
  v_health := routing.assess(p_colour => p_candidate, p_has_traffic => false, p_from => v_before.judged_to, p_to => v_now, p_rules => v_rules);
  if v_health.verdict = 'SICK' or not routing.is_fresh(p_health => v_health, p_rules => v_rules) then
    perform core.raise_error('SC704', jsonb_build_object('colour', p_candidate, 'heartbeat_age_ms', v_health.heartbeat_age_ms));
  end if;
  v_next.candidate_colour := p_candidate;
  v_next.ladder_step := 1;
  v_next.fallbacks := 0;
  v_next.breached_in_row := 0;
  v_next.healthy_in_row := 0;
  v_next.judged_to := v_now;
  v_next.stale_noted := false;
  v_next.blue_weight_pct := routing.planned_blue_weight(p_current => v_next, p_rules => v_rules);
  v_next.green_weight_pct := 100 - v_next.blue_weight_pct;
  return routing.record_decision(p_now => v_now, p_before => v_before, p_after => v_next, p_kind => 'CANARY_BEGUN', p_actor => p_operator,
    p_reason => p_reason, p_rules_version => v_rules.rules_version, p_facts => routing.facts(p_from => v_before.judged_to, p_to => v_now,
      p_after => v_next, p_stable => null, p_candidate => v_health));
end
$$;
alter function routing.begin_canary(routing.colour, text, text) owner to symphony_routing_owner;
revoke all on function routing.begin_canary(routing.colour, text, text) from public;
comment on function routing.begin_canary(routing.colour, text, text) is
$$Gives a colour the first step of the canary ladder. When the last canary's ladder is complete, its colour is the stable one from now on. Returns the decision's id.
Callers: symphony_operator. Writes: routing_decisions, current. Locks: the row of current. Raises: SV701 unnamed, SV705 no colour, SC701 the colour is stable, SC702 override in force, SC703 a canary is under way, SC704 no recent good heartbeat. Idempotent: no.$$;
