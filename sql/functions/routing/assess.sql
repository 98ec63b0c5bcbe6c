create or replace function routing.assess(
  p_colour routing.colour, p_has_traffic boolean, p_from timestamptz, p_to timestamptz, p_rules routing.rules) returns routing.health
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_health routing.health;
  v_beat_at timestamptz;      -- the last good heartbeat
  v_read_back_at timestamptz; -- the last good read-back
  v_unproved boolean;         -- N-1 heartbeats are sent, and none was good lately
  v_fresh boolean;
  v_errors_high boolean;
  v_second_signal boolean;
begin
  select p_colour, coalesce(sum(s.requests), 0), coalesce(sum(s.errors), 0), round(100.0 * sum(s.errors) / nullif(sum(s.requests), 0), 2),
    round(sum(s.latency_total_ms)::numeric / nullif(sum(s.latency_count), 0), 1), max(s.queue_age_ms), coalesce(bool_or(s.read_back_owed), false),
    case when sum(s.rail_answers) >= p_rules.requests_min then round(100.0 * sum(s.rail_rejects) / sum(s.rail_answers), 2) end
  into v_health.colour, v_health.requests, v_health.errors, v_health.error_rate_pct, v_health.latency_mean_ms, v_health.queue_age_ms, v_unproved,
    v_health.rail_reject_rate_pct
  from routing.health_samples as s where s.colour = p_colour and s.recorded_at > p_from and s.recorded_at <= p_to;
  -- Nothing after p_to: a clock that was set back must not find tomorrow's good news.
  select s.recorded_at into v_beat_at from routing.health_samples as s
  where s.colour = p_colour and s.heartbeat_ok and s.recorded_at <= p_to order by s.recorded_at desc limit 1;
  select s.recorded_at into v_read_back_at from routing.health_samples as s
  where s.colour = p_colour and s.read_back_ok and s.recorded_at <= p_to order by s.recorded_at desc limit 1;
  -- Neither a controller that asks more often than the interval nor one that asks less often may count faster.
  select least(count(*) filter (where not s.heartbeat_ok), 1 + floor(extract(epoch from max(s.recorded_at) filter (where not s.heartbeat_ok)
      - min(s.recorded_at) filter (where not s.heartbeat_ok)) * 1000 / p_rules.heartbeat_interval_ms))
  into v_health.heartbeats_missed
  from routing.health_samples as s where s.colour = p_colour and s.recorded_at > coalesce(v_beat_at, '-infinity') and s.recorded_at <= p_to;
  select least(count(*), 1 + floor(extract(epoch from max(s.recorded_at) - min(s.recorded_at)) * 1000 / p_rules.heartbeat_interval_ms))
  into v_health.read_backs_missed
  from routing.health_samples as s
  where s.colour = p_colour and not s.read_back_ok and s.recorded_at > coalesce(v_read_back_at, '-infinity') and s.recorded_at <= p_to;
  v_health.heartbeat_age_ms := extract(epoch from p_to - v_beat_at) * 1000;
  v_fresh := routing.is_fresh(p_health => v_health, p_rules => p_rules);
  v_errors_high := v_health.error_rate_pct > p_rules.error_rate_max_pct;
  v_second_signal := coalesce(v_health.latency_mean_ms > p_rules.latency_mean_max_ms, false)
    or coalesce(v_health.queue_age_ms > p_rules.queue_age_max_ms, false)
    or coalesce(v_health.rail_reject_rate_pct > p_rules.rail_reject_rate_max_pct, false)
    -- Asked at HAProxy, and nothing recorded at the ingress: who refuses everything has no latency, and no excuse.
    or (v_health.requests >= p_rules.requests_min and v_health.latency_mean_ms is null);
  v_health.verdict := case
    when v_health.heartbeats_missed > p_rules.heartbeat_misses_max or v_health.read_backs_missed > p_rules.heartbeat_misses_max then 'SICK'
    when v_health.requests >= p_rules.requests_min and v_errors_high and v_second_signal then 'BREACHED'
    when v_health.requests < p_rules.requests_min and p_has_traffic then 'NONE'
    when not v_fresh or v_unproved or v_health.heartbeats_missed + v_health.read_backs_missed > 0 then 'UNCLEAR'
    when v_health.requests < p_rules.requests_min and not v_second_signal then 'HEALTHY' -- without traffic the heartbeats are all there is
    when not v_second_signal and v_health.error_rate_pct <= p_rules.error_rate_healthy_pct
      and coalesce(v_health.latency_mean_ms <= p_rules.latency_mean_healthy_ms, true) then 'HEALTHY'
    else 'UNCLEAR'
  end;
  return v_health;
end
$$;
alter function routing.assess(routing.colour, boolean, timestamptz, timestamptz, routing.rules) owner to symphony_routing_owner;
revoke all on function routing.assess(routing.colour, boolean, timestamptz, timestamptz, routing.rules) from public;
comment on function routing.assess(routing.colour, boolean, timestamptz, timestamptz, routing.rules) is
$$Adds up what was measured of a colour and gives the verdict. SICK: more misses in a row than forgiven, of the heartbeat or of the N-1 read-back. BREACHED: error rate AND (latency OR queue age OR rail rejects) above their maxima, or no batch recorded at all. HEALTHY: every signal below its healthy limit and the heartbeat good. NONE: too few requests to say. UNCLEAR: anything between, such as one bad signal alone.
Callers: evaluate, begin_canary, require_fresh. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
