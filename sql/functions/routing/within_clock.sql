create or replace function routing.within_clock(p_current routing.current, p_now timestamptz, p_rules routing.rules) returns routing.current
language plpgsql immutable security invoker
set search_path = pg_catalog, pg_temp
as $$
declare
  v_current routing.current := p_current;
begin
  v_current.judged_to := least(p_current.judged_to, p_now);
  v_current.override_until := case when p_current.override_until is not null then
    least(p_current.override_until, p_now + p_rules.override_max_ms * interval '1 millisecond') end;
  v_current.leave_after := case p_current.mode
    when 'FALLBACK_ACTIVE' then least(p_current.leave_after, p_now + p_rules.hold_down_max_ms * interval '1 millisecond')
    when 'COOLDOWN' then least(p_current.leave_after, p_now + p_rules.cooldown_ms * interval '1 millisecond') end;
  return v_current;
end
$$;
alter function routing.within_clock(routing.current, timestamptz, routing.rules) owner to symphony_routing_owner;
revoke all on function routing.within_clock(routing.current, timestamptz, routing.rules) from public;
comment on function routing.within_clock(routing.current, timestamptz, routing.rules) is
$$The state with no moment further ahead than the rules in force allow: after the clock was set back, or limits were lowered, judging goes on and what must end still ends.
Callers: evaluate. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
