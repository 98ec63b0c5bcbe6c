create or replace function ingress.record_refusal_counts(p_counts ingress.refusal_count[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz := core.now();
  v_recorded integer;
  v_odd uuid[];
begin
  if cardinality(p_counts) not between 1 and 500 or p_counts is null then
    perform core.raise_error('SV401', jsonb_build_object('items', cardinality(p_counts), 'least', 1, 'most', 500));
  end if;
  select array_agg(u.count_id) into v_odd from unnest(p_counts) as u
  where (uuid_extract_version(u.count_id) = 7
    and uuid_extract_timestamp(u.count_id) between v_now - interval '31 days' and v_now + interval '1 hour'
    and u.level in ('CONNECTION', 'REQUEST') and exists (select from core.list_reasons() as r where r.reason_code = u.reason_code)
    and u.refusals >= 1 and ingress.is_instant(u.first_at) and ingress.is_instant(u.last_at) and u.first_at <= u.last_at
    and coalesce(octet_length(u.cert_sha256) = 32, true)
    and coalesce(u.participant_id !~ '[^A-Z0-9._-]' and length(u.participant_id) between 1 and 32, true)
    and length(u.instance) between 1 and 100) is not true;
  if v_odd is not null then
    perform core.raise_error('SV502', jsonb_build_object('counts', v_odd));
  end if;
  -- What is refused from here on is not the sender's fault, such as a month that has no partition yet: it is sent again.
  insert into ingress.refusal_counts (count_id, level, reason_code, verify_code, peer_address, cert_sha256, participant_id, refusals,
    first_at, last_at, instance, recorded_at, commitment)
  select u.count_id, u.level, u.reason_code, u.verify_code, u.peer_address, u.cert_sha256, u.participant_id, u.refusals, u.first_at,
    u.last_at, u.instance, v_now, core.commitment(array['ingress.refusal_counts', u.count_id::text, u.level, u.reason_code,
      u.verify_code::text, host(u.peer_address), encode(u.cert_sha256, 'hex'), u.participant_id, u.refusals::text,
      core.epoch_us(u.first_at), core.epoch_us(u.last_at), u.instance, core.epoch_us(v_now)])
  from unnest(p_counts) as u
  on conflict do nothing;
  get diagnostics v_recorded = row_count;
  return v_recorded;
end
$$;
alter function ingress.record_refusal_counts(ingress.refusal_count[]) owner to symphony_ingress_owner;
revoke all on function ingress.record_refusal_counts(ingress.refusal_count[]) from public;
comment on function ingress.record_refusal_counts(ingress.refusal_count[]) is
$$Records refusals that were counted instead of attested one by one; a count that was sent before is passed over. Returns how many were new.
Callers: symphony_ingest. Writes: refusal_counts. Locks: none. Raises: SV401 batch bounds, SV502 a count out of its form or too old, 23514 a month without partition (ops.ensure_partitions; repeat). Idempotent: yes, per count_id.$$;
