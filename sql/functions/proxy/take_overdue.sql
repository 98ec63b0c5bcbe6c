create or replace function proxy.take_overdue(p_limit integer) returns table (participant_id text, outbox_id uuid, reason_code text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
  v_throttled text[] := proxy.list_throttled();
begin
  return query
  with overdue as materialized (
    select q.ctid as place
    from proxy.resolution_queue as q
    where q.deadline_at <= v_now and coalesce(q.lease_expires_at, v_now) <= v_now
    order by q.deadline_at
    limit p_limit
    for update skip locked
  )
  delete from proxy.resolution_queue as q
  where q.ctid = any (array(select o.place from overdue as o))
  returning q.participant_id, q.outbox_id,
    coalesce((
      select r.reason_code from proxy.proxy_resolutions as r
      where r.participant_id = q.participant_id and r.outbox_id = q.outbox_id
      order by r.resolution_no desc limit 1), case when q.participant_id = any (v_throttled) then 'PROXY_THROTTLED' else 'PROXY_REGISTRY_UNAVAILABLE' end);
end
$$;
alter function proxy.take_overdue(integer) owner to symphony_proxy_owner;
revoke all on function proxy.take_overdue(integer) from public;
comment on function proxy.take_overdue(integer) is
$$Takes aliases out of the queue whose deadline has passed and that nobody is asking about, with the reason of the last answer that was none; if nobody was asked: PROXY_THROTTLED, or PROXY_REGISTRY_UNAVAILABLE.
Callers: outbox.tend_resolutions. Writes: resolution_queue. Locks: queue rows with SKIP LOCKED. Raises: nothing. Idempotent: yes.$$;
