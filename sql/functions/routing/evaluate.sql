create or replace function routing.evaluate(p_actor text)
returns table (
  mode routing.mode, stable_colour routing.colour, candidate_colour routing.colour, blue_weight_pct smallint, green_weight_pct smallint,
  changed boolean, decision_id uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_stored routing.current;
  v_before routing.current;
  v_next routing.current;
  v_rules routing.rules;
  v_now timestamptz;
  v_from timestamptz;
  v_stable routing.health;
  v_candidate routing.health;
  v_step record;    -- what the state machine wants
  v_weighed record; -- what the heartbeats allow of it
  v_decision_id uuid;
begin
  perform routing.require_named(p_actor => p_actor, p_reason => 'evaluation');
  v_stored := routing.lock_current();
  v_now := core.now(); -- after the wait for the lock
  v_rules := routing.get_rules();
  v_before := routing.within_clock(p_current => v_stored, p_now => v_now, p_rules => v_rules);
  -- A window is never older than two: what a controller that was away had measured before does not count.
  v_from := greatest(v_before.judged_to, v_now - 2 * v_rules.window_ms * interval '1 millisecond');
  v_stable := routing.assess(p_colour => v_before.stable_colour, p_has_traffic => true, p_from => v_from, p_to => v_now, p_rules => v_rules);
  if v_before.candidate_colour is not null then
    v_candidate := routing.assess(p_colour => v_before.candidate_colour, p_has_traffic => case v_before.candidate_colour
      when 'blue' then v_before.blue_weight_pct else v_before.green_weight_pct end > 0, p_from => v_from, p_to => v_now, p_rules => v_rules);
  end if;
  v_step := routing.step(p_now => v_now, p_current => v_before, p_rules => v_rules, p_stable => v_stable, p_candidate => v_candidate);
  v_weighed := routing.weigh(p_current => v_before, p_rules => v_rules, p_stable => v_stable, p_candidate => v_candidate,
    kind => v_step.kind, next => v_step.next);
  v_next := v_weighed.next;
  if v_weighed.kind is not null then
    v_decision_id := routing.record_decision(p_now => v_now, p_before => v_before, p_after => v_next, p_kind => v_weighed.kind, p_actor => p_actor,
      p_reason => v_step.reason, p_rules_version => v_rules.rules_version, p_facts => routing.facts(p_from => v_from, p_to => v_now,
        p_after => v_next, p_stable => v_stable, p_candidate => v_candidate));
  elsif v_next is distinct from v_stored then
    update routing.current as c set judged_to = v_next.judged_to, breached_in_row = v_next.breached_in_row,
      healthy_in_row = v_next.healthy_in_row, leave_after = v_next.leave_after, override_until = v_next.override_until,
      stale_noted = v_next.stale_noted;
  end if;
  return query select v_next.mode, v_next.stable_colour, v_next.candidate_colour, v_next.blue_weight_pct, v_next.green_weight_pct,
    v_decision_id is not null, v_decision_id;
end
$$;
alter function routing.evaluate(text) owner to symphony_routing_owner;
revoke all on function routing.evaluate(text) from public;
comment on function routing.evaluate(text) is
$$Decides, under the lock of the one row and by the database's clock, what the samples mean: mode and weights to apply, whether this call decided something, and the decision's id.
Callers: symphony_router. Writes: routing_decisions, current. Locks: the row of current. Raises: SV701 unnamed, SV003, SX004. Idempotent: yes, a second call without news decides nothing.$$;
