create or replace function proxy.record_proxy_resolutions(p_worker text, p_resolutions proxy.resolution[]) returns setof proxy.recorded_resolution
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_bitmapscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_now_us text := core.epoch_us(v_now);
  v_recorded proxy.recorded_resolution[];
begin
  with answered as materialized (
    select distinct on (r.participant_id, r.outbox_id) r.*
    from unnest(p_resolutions) as r
    order by r.participant_id, r.outbox_id
  ), placed as materialized (
    select a.*, q.place from answered as a
    cross join lateral ( -- OFFSET 0: key by key, whatever the statistics say
      select q.ctid as place from proxy.resolution_queue as q where q.participant_id = a.participant_id and q.outbox_id = a.outbox_id offset 0) as q
  ), fenced as (
    delete from proxy.resolution_queue as q
    using placed as a
    where q.ctid = a.place and q.participant_id = a.participant_id and q.outbox_id = a.outbox_id
      and q.claimed_by = p_worker and q.lease_token = a.lease_token and q.lease_expires_at > v_now and q.proxy_type = a.proxy_type
    returning q.accepted_at, q.deadline_at, q.resolution_no, q.tries, q.claimed_at, a.*
  ), judged as materialized (
    -- What the cache row says of a cached answer counts, not what the resolver says of it; if it is still the row whose beneficiary was opened.
    select f.*, case when f.cached_hash is null then f.claimed_at else c.observed_at end as observed_at,
      case when f.status <> 'RESOLVED' then null when f.cached_hash is null then f.claimed_at + l.ttl_ms * interval '1 millisecond'
        else least(c.expires_at, c.observed_at + l.ttl_ms * interval '1 millisecond') end as expires_at,
      coalesce(c.source, f.source) as said_by, case when f.cached_hash is null then f.source_version else c.source_version end as said_version,
      case when f.cached_hash is null then f.response_sha256 else c.response_sha256 end as said_sha256,
      case when f.cached_hash is not null and c.participant_id is null then 'STALE' when f.status = 'RESOLVED' then 'ADMIT'
        when f.status = 'TEMP_UNAVAILABLE' then 'RETRY' else 'REFUSE' end as outcome,
      uuidv7() as resolution_id
    from fenced as f
    join policy.list_proxy_rules(p_participant_ids => array(select r.participant_id from unnest(p_resolutions) as r)) as l on l.participant_id = f.participant_id
    left join lateral (
      select c.* from proxy.proxy_resolution_current as c
      where c.participant_id = f.participant_id and c.proxy_type = f.proxy_type and c.proxy_hash = f.cached_hash offset 0) as c
      on c.status = 'RESOLVED' and f.status = 'RESOLVED' and c.expires_at > v_now and c.beneficiary_participant_id = f.beneficiary_participant_id
      and sha256(c.sealed_beneficiary) = f.response_sha256 and c.observed_at + l.ttl_ms * interval '1 millisecond' > v_now
  ), written as (
    insert into proxy.proxy_resolutions (participant_id, resolution_id, outbox_id, resolution_no, proxy_type, proxy_hash, hash_key_id, status,
      reason_code, beneficiary_participant_id, beneficiary_commitment, source, source_version, from_cache, response_sha256,
      observed_at, expires_at, latency_us, resolved_by, lease_token, recorded_at, commitment)
    select j.participant_id, j.resolution_id, j.outbox_id, j.resolution_no + 1, j.proxy_type, j.proxy_hash, j.hash_key_id, j.status, j.reason_code,
      j.beneficiary_participant_id, j.beneficiary_commitment, j.said_by, j.said_version, j.cached_hash is not null, j.said_sha256, j.observed_at, j.expires_at,
      j.latency_us, p_worker, j.lease_token, v_now,
      core.commitment(array['proxy.proxy_resolutions', j.participant_id, j.resolution_id::text, j.outbox_id::text, (j.resolution_no + 1)::text,
        j.proxy_type, encode(j.proxy_hash, 'hex'), j.hash_key_id, j.status::text, j.reason_code, j.beneficiary_participant_id,
        encode(j.beneficiary_commitment, 'hex'), j.said_by, j.said_version, (j.cached_hash is not null)::text, encode(j.said_sha256, 'hex'),
        core.epoch_us(j.observed_at), core.epoch_us(j.expires_at), p_worker, j.lease_token::text, v_now_us])
    from judged as j
    where j.outcome <> 'STALE'
  ), queued_again as (
    insert into proxy.resolution_queue (participant_id, outbox_id, proxy_type, accepted_at, deadline_at, due_at, resolution_no, tries)
    select j.participant_id, j.outbox_id, j.proxy_type, j.accepted_at, j.deadline_at,
      -- A registry that is away is the resolver's breaker's to wait for; an alias that fails alone waits alone.
      case when j.outcome = 'RETRY' and j.reason_code <> 'PROXY_REGISTRY_UNAVAILABLE' then v_now + proxy.wait_before_next(j.tries) else v_now end,
      j.resolution_no + (j.outcome = 'RETRY')::integer, j.tries + (j.outcome = 'RETRY' and j.reason_code <> 'PROXY_REGISTRY_UNAVAILABLE')::integer
    from judged as j
    where j.outcome in ('RETRY', 'STALE')
  )
  select array_agg(row(j.participant_id, j.outbox_id, j.lease_token, j.outcome, j.reason_code, j.resolution_id, j.expires_at,
    j.beneficiary_participant_id, j.observed_at, j.said_by, j.said_version, j.said_sha256)::proxy.recorded_resolution)
  into v_recorded
  from judged as j;
  -- Before usage rows, as ingress.decide does it.
  perform proxy.count_misses(p_participant_ids => array(select r.participant_id from unnest(v_recorded) as r where r.outcome = 'REFUSE'));
  return query select r.* from unnest(v_recorded) as r;
end
$$;
alter function proxy.record_proxy_resolutions(text, proxy.resolution[]) owner to symphony_proxy_owner;
revoke all on function proxy.record_proxy_resolutions(text, proxy.resolution[]) from public;
comment on function proxy.record_proxy_resolutions(text, proxy.resolution[]) is
$$Ends leases with what was said of their aliases, fenced in one statement by participant, instruction, type, worker, token and an unexpired lease: a ledger row each, a miss counted for each REFUSE, and RETRY goes back to the queue (at once for PROXY_REGISTRY_UNAVAILABLE, else after a back-off of its own). An item without a returned row was not the worker's any more: nothing was written for it. Fresh answers count from before the registry was asked.
Callers: outbox.record_resolutions. Writes: proxy_resolutions, resolution_queue, miss_counts. Locks: the queue rows, then miss rows, each sorted. Raises: 23514, 23502 malformed answer. Idempotent: yes: a repeated answer finds no lease.$$;
