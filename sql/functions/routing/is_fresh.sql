create or replace function routing.is_fresh(p_health routing.health, p_rules routing.rules) returns boolean
language plpgsql immutable security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(p_health.heartbeat_age_ms <= p_rules.heartbeat_interval_ms * (p_rules.heartbeat_misses_max + 1), false);
end
$$;
alter function routing.is_fresh(routing.health, routing.rules) owner to symphony_routing_owner;
revoke all on function routing.is_fresh(routing.health, routing.rules) from public;
comment on function routing.is_fresh(routing.health, routing.rules) is
$$Whether somebody vouched for the colour lately: a good heartbeat within (misses forgiven + 1) intervals. Stale needs no bad news.
Callers: assess, weigh, begin_canary, require_fresh. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
