create or replace function proxy.list_throttled(p_participant_ids text[] default null) returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
  v_misses proxy.miss_counts[] := array(
    select m from proxy.miss_counts as m
    where m.hour = date_trunc('hour', core.now(), 'UTC') and (p_participant_ids is null or m.participant_id = any (p_participant_ids)));
begin
  if cardinality(v_misses) = 0 then
    return '{}';
  end if;
  return array(
    select m.participant_id
    from unnest(v_misses) as m
    join policy.list_proxy_rules(p_participant_ids => array(select m.participant_id from unnest(v_misses) as m)) as r
      on r.participant_id = m.participant_id and m.misses >= r.misses_per_hour_max);
end
$$;
alter function proxy.list_throttled(text[]) owner to symphony_proxy_owner;
revoke all on function proxy.list_throttled(text[]) from public;
comment on function proxy.list_throttled(text[]) is
$$Participants (of those given, or all) whose aliases turned out to be nobody's too often within this hour.
Callers: ingress.alias_reasons, proxy.claim_resolutions. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
