create or replace function proxy.note_answers(p_resolutions proxy.resolution[], p_recorded proxy.recorded_resolution[]) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
as $$
begin
  -- Only ever forward in time, and of two answers of one claim the refusal counts; rows in key order, which is their lock order.
  insert into proxy.proxy_resolution_current as c (participant_id, proxy_type, proxy_hash, hash_key_id, status, beneficiary_participant_id,
    sealed_beneficiary, source, source_version, response_sha256, resolution_id, observed_at, expires_at)
  select distinct on (r.participant_id, r.proxy_type, r.proxy_hash) r.participant_id, r.proxy_type, r.proxy_hash, r.hash_key_id, r.status,
    r.beneficiary_participant_id, r.sealed_beneficiary, d.source, d.source_version, d.response_sha256, d.resolution_id, d.observed_at,
    coalesce(d.expires_at, d.observed_at)
  from unnest(p_resolutions) as r
  join unnest(p_recorded) as d on d.participant_id = r.participant_id and d.outbox_id = r.outbox_id and d.lease_token = r.lease_token
  where d.outcome in ('ADMIT', 'REFUSE') and r.cached_hash is distinct from r.proxy_hash
    -- Not sealed: asked of one provider only, so it says nothing to who names none (the alias may stand at several).
    and (r.status <> 'RESOLVED' or r.sealed_beneficiary is not null)
  order by r.participant_id, r.proxy_type, r.proxy_hash, d.observed_at desc, r.status desc
  on conflict (participant_id, proxy_type, proxy_hash) do update
  set hash_key_id = excluded.hash_key_id, status = excluded.status, beneficiary_participant_id = excluded.beneficiary_participant_id,
    sealed_beneficiary = excluded.sealed_beneficiary, source = excluded.source, source_version = excluded.source_version,
    response_sha256 = excluded.response_sha256, resolution_id = excluded.resolution_id, observed_at = excluded.observed_at, expires_at = excluded.expires_at
  where excluded.observed_at > c.observed_at or (excluded.observed_at = c.observed_at and excluded.status <> 'RESOLVED');
end
$$;
alter function proxy.note_answers(proxy.resolution[], proxy.recorded_resolution[]) owner to symphony_proxy_owner;
revoke all on function proxy.note_answers(proxy.resolution[], proxy.recorded_resolution[]) from public;
comment on function proxy.note_answers(proxy.resolution[], proxy.recorded_resolution[]) is
$$Takes recorded answers into the cache, never over a later one.
Callers: outbox.record_resolutions, last, because it locks what other participants' batches may wait for. Writes: proxy_resolution_current. Locks: cache rows, sorted. Raises: nothing. Idempotent: no.$$;
