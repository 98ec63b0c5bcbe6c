create or replace function routing.step(
  p_now timestamptz, p_current routing.current, p_rules routing.rules, p_stable routing.health, p_candidate routing.health,
  out kind text, out reason text, out next routing.current)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_healthy boolean;
  v_breached boolean;
begin
  next := p_current;
  if p_current.judged_to + p_rules.window_ms * interval '1 millisecond' <= p_now then
    next.judged_to := p_now;
    if p_candidate.verdict is distinct from 'NONE' then -- too little traffic says nothing, neither for nor against
      next.breached_in_row := case when p_candidate.verdict = 'BREACHED' then least(p_current.breached_in_row + 1, 1000) else 0 end;
      next.healthy_in_row := case when p_candidate.verdict = 'HEALTHY' then least(p_current.healthy_in_row + 1, 1000) else 0 end;
    end if;
  end if;
  v_healthy := next.healthy_in_row >= p_rules.healthy_windows;
  reason := case
    when p_candidate.read_backs_missed > p_rules.heartbeat_misses_max then 'READ_BACK_FAILED'
    when p_candidate.heartbeats_missed > p_rules.heartbeat_misses_max then 'HEARTBEAT_MISSED'
    -- In COOLDOWN the benefit of the doubt is used up: the first breached window counts.
    when next.breached_in_row >= case when p_current.mode = 'NORMAL' then p_rules.breach_windows else 1 end then 'TWO_SIGNALS'
  end;
  v_breached := p_current.candidate_colour is not null and reason is not null and p_current.mode <> 'FALLBACK_ACTIVE';
  if v_breached then
    kind := 'FALLBACK';
    next.mode := 'FALLBACK_ACTIVE';
    next.ladder_step := 0;
    next.fallbacks := least(p_current.fallbacks + 1, 1000);
    next.leave_after := p_now + least(p_rules.hold_down_max_ms, p_rules.hold_down_ms * 2.0 ^ least(p_current.fallbacks, 40)) * interval '1 millisecond';
  elsif p_current.override_until <= p_now then
    kind := 'OVERRIDE_EXPIRED';
    reason := 'TIME_OVER';
    next.override_until := null;
  elsif reason is null and p_current.override_until is null and v_healthy and p_current.candidate_colour is not null
    and (p_current.leave_after is null or p_current.leave_after <= p_now) then
    reason := 'WINDOWS_HEALTHY';
    case
      when p_current.mode = 'FALLBACK_ACTIVE' then
        kind := 'COOLDOWN_BEGUN';
        next.mode := 'COOLDOWN';
        next.leave_after := p_now + p_rules.cooldown_ms * interval '1 millisecond';
      when p_current.mode = 'COOLDOWN' then
        kind := 'CANARY_RESUMED';
        next.mode := 'NORMAL';
        next.leave_after := null;
        next.ladder_step := 1;
      when p_current.ladder_step < cardinality(p_rules.canary_ladder_pct) then
        kind := 'CANARY_RAISED';
        next.ladder_step := p_current.ladder_step + 1;
      when p_current.ladder_step = cardinality(p_rules.canary_ladder_pct) then
        kind := 'CANARY_COMPLETED';
        next.ladder_step := p_current.ladder_step + 1;
        next.fallbacks := 0;
      else null;
    end case;
  end if;
  if kind is null then
    next.stale_noted := false;
    return;
  end if;
  next.breached_in_row := 0;
  next.healthy_in_row := 0;
  next.stale_noted := false;
end
$$;
alter function routing.step(timestamptz, routing.current, routing.rules, routing.health, routing.health) owner to symphony_routing_owner;
revoke all on function routing.step(timestamptz, routing.current, routing.rules, routing.health, routing.health) from public;
comment on function routing.step(timestamptz, routing.current, routing.rules, routing.health, routing.health) is
$$The state machine of routing in one place: what the health of the two colours makes of the state now; kind is null when nothing is to be decided. The weights that follow are routing.weigh's.
Under an override a breach still moves the mode, never the weights; the canary waits.
Callers: evaluate. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
