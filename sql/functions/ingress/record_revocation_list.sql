create or replace function ingress.record_revocation_list(
  p_source text, p_issuer_sha256 bytea, p_list_number numeric, p_this_update timestamptz, p_next_update timestamptz,
  p_revoked_serials text[]) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
  v_revoked integer;
begin
  perform 1 from ingress.registry_state as s for update; -- one list after another, and no registration beside it
  v_now := core.now();
  if p_next_update <= v_now or p_this_update > v_now + interval '5 minutes' or p_revoked_serials is null
    or not (ingress.is_instant(p_this_update) and ingress.is_instant(p_next_update))
    or not (p_list_number between 0 and 1e49 - 1 and p_list_number = trunc(p_list_number)) then -- NaN and infinity are above
    perform core.raise_error('SV502', jsonb_build_object('this_update', p_this_update, 'next_update', p_next_update));
  elsif exists (
    select from ingress.revocation_sources as f where f.issuer_sha256 = p_issuer_sha256 and f.source = p_source
      and (f.this_update > p_this_update or f.list_number > p_list_number or (f.list_number is null) <> (p_list_number is null))) then
    perform core.raise_error('SC503', jsonb_build_object('source', p_source, 'list_number', p_list_number));
  end if;
  insert into ingress.revoked_client_certs (cert_sha256, source, revoked_by, reason, revoked_at, commitment)
  select c.cert_sha256, p_source, session_user, 'serial ' || c.serial, v_now, core.commitment(array['ingress.revoked_client_certs',
    encode(c.cert_sha256, 'hex'), p_source, session_user, 'serial ' || c.serial, core.epoch_us(v_now)])
  from ingress.client_certs as c
  where c.issuer_sha256 = p_issuer_sha256 and c.serial = any (p_revoked_serials)
  on conflict do nothing;
  get diagnostics v_revoked = row_count;
  if v_revoked > 0 then
    perform ingress.bump_registry();
  end if;
  insert into ingress.revocation_sources as f (issuer_sha256, source, list_number, this_update, next_update, checked_at)
  values (p_issuer_sha256, p_source, p_list_number, p_this_update, p_next_update, v_now)
  on conflict (issuer_sha256, source) do update set list_number = excluded.list_number, this_update = excluded.this_update,
    next_update = excluded.next_update, checked_at = excluded.checked_at;
  perform ingress.record_revocation_reading(p_source => p_source, p_issuer_sha256 => p_issuer_sha256, p_list_number => p_list_number,
    p_this_update => p_this_update, p_next_update => p_next_update, p_revoked_count => cardinality(p_revoked_serials), p_now => v_now);
  return v_revoked;
exception
  when not_null_violation or check_violation then
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.record_revocation_list(text, bytea, numeric, timestamptz, timestamptz, text[]) owner to symphony_ingress_owner;
revoke all on function ingress.record_revocation_list(text, bytea, numeric, timestamptz, timestamptz, text[]) from public;
comment on function ingress.record_revocation_list(text, bytea, numeric, timestamptz, timestamptz, text[]) is
$$Records a revocation list whose signature the caller has verified: the registered certificates on it end, and its issuer's list counts as read now, also where its source had been ended. For OCSP the answers of one round count as one list, without a number. Returns how many certificates newly ended.
Callers: symphony_maintainer. Writes: revoked_client_certs, revocation_sources, revocation_readings, registry_state. Locks: the row of registry_state. Raises: SV502 expired, from the future or incomplete, SC503 older than the recorded one. Idempotent: yes.$$;
