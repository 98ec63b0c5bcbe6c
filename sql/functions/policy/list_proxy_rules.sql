create or replace function policy.list_proxy_rules(p_participant_ids text[])
returns table (participant_id text, mode text, ttl_ms integer, pending_max_ms integer, sync_budget_ms integer, misses_per_hour_max integer)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query
  select i.participant_id, coalesce(r.mode, 'DEFER'), coalesce(r.ttl_ms, 3600000), coalesce(r.pending_max_ms, 3600000),
    coalesce(r.sync_budget_ms, 1000), coalesce(r.misses_per_hour_max, 100)
  from (select distinct u.participant_id from unnest(p_participant_ids) as u(participant_id)) as i
  left join policy.participant_proxies as r
    on r.policy_version = (select v.policy_version from policy.policy_versions as v where v.status = 'ACTIVE')
    and r.participant_id = i.participant_id;
end
$$;
alter function policy.list_proxy_rules(text[]) owner to symphony_policy_owner;
revoke all on function policy.list_proxy_rules(text[]) from public;
comment on function policy.list_proxy_rules(text[]) is
$$How the participants' aliases are resolved under the ACTIVE policy, a row each; what the policy does not say is DEFER, an hour's life, an hour's patience, one second inside a request, 100 misses an hour. Times in milliseconds.
Callers: symphony_ingest, ingress.alias_reasons, proxy.await_resolutions, proxy.record_proxy_resolutions, proxy.list_throttled. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
