create or replace function proxy.claim_resolutions(p_worker text, p_limit integer, p_lease interval default '30 seconds')
returns table (participant_id text, outbox_id uuid, proxy_type text, accepted_at timestamptz, lease_token uuid, claimed_at timestamptz, lease_expires_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set enable_sort = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_now timestamptz;
  v_token uuid := gen_random_uuid();
  v_throttled text[];
begin
  perform core.require_session();
  if p_worker is null or length(p_worker) not between 1 and 64 or p_limit is null or p_limit not between 1 and 1000
    or p_lease is null or p_lease not between interval '1 second' and interval '10 minutes' then
    perform core.raise_error('SV302', jsonb_build_object('limit', p_limit, 'lease', p_lease));
  end if;
  v_throttled := proxy.list_throttled();
  v_now := core.now();
  return query
  with due as materialized (
    -- MATERIALIZED, because LIMIT ... FOR UPDATE SKIP LOCKED inside a join is not a limit.
    select q.ctid as place
    from proxy.resolution_queue as q
    where q.due_at <= v_now and q.deadline_at > v_now and q.participant_id <> all (v_throttled)
    order by q.outbox_id
    limit p_limit
    for update skip locked
  )
  update proxy.resolution_queue as q
  set claimed_by = p_worker, claimed_at = v_now, lease_token = v_token, lease_expires_at = v_now + p_lease, due_at = v_now + p_lease
  where q.ctid = any (array(select d.place from due as d))
  returning q.participant_id, q.outbox_id, q.proxy_type, q.accepted_at, q.lease_token, q.claimed_at, q.lease_expires_at;
end
$$;
alter function proxy.claim_resolutions(text, integer, interval) owner to symphony_proxy_owner;
revoke all on function proxy.claim_resolutions(text, integer, interval) from public;
comment on function proxy.claim_resolutions(text, integer, interval) is
$$Leases up to p_limit aliases to be resolved, oldest instruction first; a lost lease is due again when it ends, for asking a registry twice moves no money. Throttled participants and those past their deadline wait.
Callers: symphony_resolver. Writes: resolution_queue. Locks: queue rows with SKIP LOCKED. Raises: SV302 worker, limit (1..1000) or lease (1 s..10 min), SV003, SX004. Idempotent: no.$$;
