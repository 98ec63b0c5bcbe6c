create or replace function proxy.count_misses(p_participant_ids text[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_hour timestamptz := date_trunc('hour', core.now(), 'UTC');
begin
  insert into proxy.miss_counts as m (participant_id, hour, misses)
  select p.participant_id, v_hour, count(*)
  from unnest(p_participant_ids) as p(participant_id)
  group by p.participant_id
  order by p.participant_id
  on conflict (participant_id, hour) do update set misses = m.misses + excluded.misses;
end
$$;
alter function proxy.count_misses(text[]) owner to symphony_proxy_owner;
revoke all on function proxy.count_misses(text[]) from public;
comment on function proxy.count_misses(text[]) is
$$Counts one miss for each participant named, as often as it is named.
Callers: proxy.record_proxy_resolutions, ingress.alias_reasons. Writes: miss_counts. Locks: miss rows, sorted. Raises: nothing. Idempotent: no.$$;
