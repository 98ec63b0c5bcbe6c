create or replace function routing.record_health(p_samples routing.health_sample_input[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_now timestamptz := core.now();
  v_rules routing.rules := routing.get_rules();
  v_rows integer;
begin
  if p_samples is null or cardinality(p_samples) not between 1 and 16 then
    perform core.raise_error('SV401', jsonb_build_object('items', cardinality(p_samples), 'least', 1, 'most', 16));
  end if;
  insert into routing.health_samples (colour, recorded_at, requests, errors, latency_count, latency_total_ms, queue_age_ms, rail_answers,
    rail_rejects, heartbeat_ok, read_back_ok, read_back_owed)
  select s.colour, v_now, coalesce(s.requests, 0), coalesce(s.errors, 0), coalesce(s.latency_count, 0), coalesce(s.latency_total_ms, 0),
    s.queue_age_ms, coalesce(s.rail_answers, 0), coalesce(s.rail_rejects, 0), s.heartbeat_ok, s.read_back_ok, coalesce(s.read_back_owed, false)
  from unnest(p_samples) as s;
  get diagnostics v_rows = row_count;
  delete from routing.health_samples as h
  where h.colour in ('blue', 'green') and (h.recorded_at < v_now - v_rules.sample_keep_ms * interval '1 millisecond'
    -- Of a clock that has been set back since; within seconds it may be another controller's, just now.
    or h.recorded_at > v_now + interval '5 seconds');
  return v_rows;
end
$$;
alter function routing.record_health(routing.health_sample_input[]) owner to symphony_routing_owner;
revoke all on function routing.record_health(routing.health_sample_input[]) from public;
comment on function routing.record_health(routing.health_sample_input[]) is
$$Records what was measured since the last call, at the database's time, and removes what is older than the rules keep or later than now.
Callers: symphony_router. Writes: health_samples. Locks: none beyond the rows. Raises: SV401 not 1 to 16 samples; 23502 without a colour, 23514 for impossible counts. Idempotent: no.$$;
