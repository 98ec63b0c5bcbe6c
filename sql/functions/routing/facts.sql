create or replace function routing.facts(
  p_from timestamptz, p_to timestamptz, p_after routing.current, p_stable routing.health, p_candidate routing.health) returns jsonb
language plpgsql stable security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return jsonb_strip_nulls(jsonb_build_object(
    'window_ms', round(extract(epoch from p_to - p_from) * 1000),
    'hold_ms', round(extract(epoch from p_after.leave_after - p_to) * 1000),
    'override_left_ms', round(extract(epoch from p_after.override_until - p_to) * 1000),
    'fallbacks', p_after.fallbacks, 'ladder_step', p_after.ladder_step,
    'stable', to_jsonb(p_stable) - 'colour' - 'verdict',
    'candidate', to_jsonb(p_candidate) - 'colour' - 'verdict'));
end
$$;
alter function routing.facts(timestamptz, timestamptz, routing.current, routing.health, routing.health) owner to symphony_routing_owner;
revoke all on function routing.facts(timestamptz, timestamptz, routing.current, routing.health, routing.health) from public;
comment on function routing.facts(timestamptz, timestamptz, routing.current, routing.health, routing.health) is
$$What a decision rested on: numbers only, nulls left out.
Callers: evaluate, begin_canary, abandon_canary, promote, override, lift_override. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
