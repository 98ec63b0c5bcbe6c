create or replace function proxy.await_resolutions(p_awaiting proxy.awaiting[], p_worker text default null, p_lease_token uuid default null) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
begin
  insert into proxy.resolution_queue (participant_id, outbox_id, proxy_type, accepted_at, deadline_at, due_at, resolution_no,
    claimed_by, claimed_at, lease_token, lease_expires_at)
  select a.participant_id, a.outbox_id, a.proxy_type, a.accepted_at, v_now + r.pending_max_ms * interval '1 millisecond', v_now,
    (select count(*) from proxy.proxy_resolutions as p where p.participant_id = a.participant_id and p.outbox_id = a.outbox_id),
    p_worker, case when p_worker is not null then least(v_now, a.accepted_at) end, p_lease_token, case when p_worker is not null then v_now + interval '1 minute' end
  from unnest(p_awaiting) as a
  join policy.list_proxy_rules(p_participant_ids => array(select a.participant_id from unnest(p_awaiting) as a)) as r
    on r.participant_id = a.participant_id
  order by a.participant_id, a.outbox_id;
end
$$;
alter function proxy.await_resolutions(proxy.awaiting[], text, uuid) owner to symphony_proxy_owner;
revoke all on function proxy.await_resolutions(proxy.awaiting[], text, uuid) from public;
comment on function proxy.await_resolutions(proxy.awaiting[], text, uuid) is
$$Queues instructions whose alias must be resolved, due now; the policy's patience counts from now. With a worker they are leased to it, as of when they were received, for it has asked already (an ingress).
Callers: outbox.await_aliases, outbox.tend_resolutions. Writes: resolution_queue. Locks: none beyond the rows, sorted. Raises: 23505 when it waits already. Idempotent: no.$$;
