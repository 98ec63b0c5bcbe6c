create or replace function proxy.release_resolutions(p_worker text, p_leases proxy.lease[], p_wait interval default '0') returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_released integer;
begin
  if p_wait is null or p_wait not between interval '0' and interval '2 minutes' then
    perform core.raise_error('SV302', jsonb_build_object('wait', p_wait));
  end if;
  with held as materialized (
    select q.participant_id, q.outbox_id
    from unnest(p_leases) as l
    join proxy.resolution_queue as q on q.participant_id = l.participant_id and q.outbox_id = l.outbox_id
      and q.claimed_by = p_worker and q.lease_token = l.lease_token and q.lease_expires_at > v_now
    order by q.participant_id, q.outbox_id
    for update
  )
  update proxy.resolution_queue as q
  set claimed_by = null, claimed_at = null, lease_token = null, lease_expires_at = null, due_at = v_now + p_wait
  from held as h
  where q.participant_id = h.participant_id and q.outbox_id = h.outbox_id;
  get diagnostics v_released = row_count;
  return v_released;
end
$$;
alter function proxy.release_resolutions(text, proxy.lease[], interval) owner to symphony_proxy_owner;
revoke all on function proxy.release_resolutions(text, proxy.lease[], interval) from public;
comment on function proxy.release_resolutions(text, proxy.lease[], interval) is
$$Gives leases back unasked, for their registry is away: they keep their place and are due after p_wait (at most 2 minutes). Returns how many were still the worker's.
Callers: symphony_resolver. Writes: resolution_queue. Locks: the lease rows, sorted. Raises: SV302 wait out of bounds. Idempotent: yes.$$;
