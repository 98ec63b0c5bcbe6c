create or replace function ingress.retire_signature_key(p_key_id text, p_operator text, p_reason text) returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
begin
  perform ingress.bump_registry();
  v_now := core.now();
  if not exists (select from ingress.signature_keys as k where k.key_id = p_key_id) then
    perform core.raise_error('SN502', jsonb_build_object('key_id', p_key_id));
  end if;
  insert into ingress.retired_signature_keys (key_id, retired_by, reason, retired_at, commitment)
  values (p_key_id, p_operator, p_reason, v_now, core.commitment(array['ingress.retired_signature_keys', p_key_id, p_operator, p_reason,
    core.epoch_us(v_now)]))
  on conflict do nothing;
  if not found then
    perform core.raise_error('SC502', jsonb_build_object('key_id', p_key_id));
  end if;
  return v_now;
exception
  when not_null_violation or check_violation then
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.retire_signature_key(text, text, text) owner to symphony_ingress_owner;
revoke all on function ingress.retire_signature_key(text, text, text) from public;
comment on function ingress.retire_signature_key(text, text, text) is
$$Ends a key of signed requests before its time, for ever.
Callers: symphony_operator. Writes: retired_signature_keys, registry_state. Locks: the row of registry_state. Raises: SN502, SC502 retired before, SV502. Idempotent: no.$$;
