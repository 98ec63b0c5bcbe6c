create or replace function routing.record_decision(
  p_now timestamptz, p_before routing.current, p_after routing.current, p_kind text, p_actor text, p_reason text,
  p_rules_version integer, p_facts jsonb) returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_id uuid := uuidv7();
begin
  insert into routing.routing_decisions (decision_id, kind, mode_before, mode_after, stable_colour, candidate_colour, blue_weight_before_pct,
    green_weight_before_pct, blue_weight_after_pct, green_weight_after_pct, actor, db_role, reason, rules_version, facts, decided_at, commitment)
  values (v_id, p_kind, p_before.mode, p_after.mode, p_after.stable_colour, p_after.candidate_colour, p_before.blue_weight_pct,
    p_before.green_weight_pct, p_after.blue_weight_pct, p_after.green_weight_pct, p_actor, session_user, p_reason, p_rules_version, p_facts, p_now,
    core.commitment(array['routing.routing_decisions', v_id::text, p_kind, p_before.mode::text, p_after.mode::text,
      p_after.stable_colour::text, p_after.candidate_colour::text, p_before.blue_weight_pct::text, p_before.green_weight_pct::text,
      p_after.blue_weight_pct::text, p_after.green_weight_pct::text, p_actor, session_user, p_reason, p_rules_version::text,
      core.canonical_json(p_facts), core.epoch_us(p_now)]));
  update routing.current as c set mode = p_after.mode, stable_colour = p_after.stable_colour, candidate_colour = p_after.candidate_colour,
    mode_since = case when p_after.mode = p_before.mode then p_before.mode_since else p_now end,
    blue_weight_pct = p_after.blue_weight_pct, green_weight_pct = p_after.green_weight_pct,
    weights_since = case when p_after.blue_weight_pct = p_before.blue_weight_pct then p_before.weights_since else p_now end,
    ladder_step = p_after.ladder_step, fallbacks = p_after.fallbacks, breached_in_row = p_after.breached_in_row,
    healthy_in_row = p_after.healthy_in_row, judged_to = p_after.judged_to, leave_after = p_after.leave_after,
    override_until = p_after.override_until, stale_noted = p_after.stale_noted, decision_id = v_id;
  return v_id;
end
$$;
alter function routing.record_decision(timestamptz, routing.current, routing.current, text, text, text, integer, jsonb) owner to symphony_routing_owner;
revoke all on function routing.record_decision(timestamptz, routing.current, routing.current, text, text, text, integer, jsonb) from public;
comment on function routing.record_decision(timestamptz, routing.current, routing.current, text, text, text, integer, jsonb) is
$$Writes one decision and moves the current state with it, in the caller's transaction and under its lock.
Callers: evaluate, begin_canary, abandon_canary, promote, override, lift_override. Writes: routing_decisions, current. Locks: the row of current, held by the caller. Raises: nothing. Idempotent: no.$$;
