create or replace function ingress.record_revocation_reading(
  p_source text, p_issuer_sha256 bytea, p_list_number numeric, p_this_update timestamptz, p_next_update timestamptz,
  p_revoked_count integer, p_now timestamptz) returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_last ingress.revocation_readings;
  v_reading_id uuid := uuidv7();
begin
  select r.* into v_last from ingress.revocation_readings as r
  where r.issuer_sha256 = p_issuer_sha256 and r.source = p_source order by r.recorded_at desc limit 1;
  -- A round of OCSP has no number and begins at another time each time: the same answers are no news.
  if v_last.recorded_at > p_now - interval '10 minutes' and v_last.list_number is not distinct from p_list_number
    and v_last.revoked_count = p_revoked_count and (p_list_number is null or v_last.this_update = p_this_update)
    and not exists (select from ingress.ended_revocation_sources as e where e.issuer_sha256 = p_issuer_sha256 and e.source = p_source
      and e.ended_at >= v_last.recorded_at) then
    return;
  end if;
  insert into ingress.revocation_readings (reading_id, issuer_sha256, source, list_number, this_update, next_update, revoked_count,
    recorded_at, commitment)
  values (v_reading_id, p_issuer_sha256, p_source, p_list_number, p_this_update, p_next_update, p_revoked_count, p_now,
    core.commitment(array['ingress.revocation_readings', v_reading_id::text, encode(p_issuer_sha256, 'hex'), p_source, p_list_number::text,
      core.epoch_us(p_this_update), core.epoch_us(p_next_update), p_revoked_count::text, core.epoch_us(p_now)]));
end
$$;
alter function ingress.record_revocation_reading(text, bytea, numeric, timestamptz, timestamptz, integer, timestamptz) owner to symphony_ingress_owner;
revoke all on function ingress.record_revocation_reading(text, bytea, numeric, timestamptz, timestamptz, integer, timestamptz) from public;
comment on function ingress.record_revocation_reading(text, bytea, numeric, timestamptz, timestamptz, integer, timestamptz) is
$$Keeps as evidence that a list was read: a new one at once, the same one at most once in ten minutes, and the first after its source was ended.
Callers: ingress.record_revocation_list. Writes: revocation_readings. Locks: none; its caller holds the row of registry_state. Raises: nothing. Idempotent: no.$$;
