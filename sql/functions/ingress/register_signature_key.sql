create or replace function ingress.register_signature_key(
  p_key_id text, p_client_id text, p_alg text, p_public_jwk text, p_active_from timestamptz, p_active_until timestamptz, p_operator text,
  p_reason text) returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
  v_participant_id text;
begin
  select c.participant_id into v_participant_id from ingress.clients as c where c.client_id = p_client_id;
  if not found then
    perform core.raise_error('SN501', jsonb_build_object('client_id', p_client_id));
  end if;
  if ingress.is_public_jwk(p_alg => p_alg, p_jwk => p_public_jwk) is not true then -- a member more may be the private key, and stays for ever
    perform core.raise_error('SV502', '{"member": "public_jwk"}');
  elsif not (ingress.is_instant(p_active_from) and coalesce(ingress.is_instant(p_active_until), true)) then
    perform core.raise_error('SV502', '{"member": "active_from"}');
  end if;
  perform ingress.bump_registry();
  v_now := core.now();
  insert into ingress.signature_keys (key_id, client_id, participant_id, alg, public_jwk, active_from, active_until, registered_by, reason,
    registered_at, commitment)
  values (p_key_id, p_client_id, v_participant_id, p_alg, p_public_jwk, p_active_from, p_active_until, p_operator, p_reason, v_now,
    core.commitment(array['ingress.signature_keys', p_key_id, p_client_id, v_participant_id, p_alg, p_public_jwk, core.epoch_us(p_active_from),
      core.epoch_us(p_active_until), p_operator, p_reason, core.epoch_us(v_now)]))
  on conflict do nothing;
  if found then
    return true;
  elsif not exists (
    select from ingress.signature_keys as k where k.key_id = p_key_id and k.client_id = p_client_id and k.alg = p_alg
      and k.public_jwk is not distinct from p_public_jwk and k.active_from = p_active_from
      and k.active_until is not distinct from p_active_until) then
    perform core.raise_error('SC501', jsonb_build_object('key_id', p_key_id));
  end if;
  return false;
exception
  when not_null_violation or check_violation or data_exception then -- also a JWK that no jsonb can hold
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.register_signature_key(text, text, text, text, timestamptz, timestamptz, text, text) owner to symphony_ingress_owner;
revoke all on function ingress.register_signature_key(text, text, text, text, timestamptz, timestamptz, text, text) from public;
comment on function ingress.register_signature_key(text, text, text, text, timestamptz, timestamptz, text, text) is
$$Registers a key of a client for signed requests; true when it is new. Its JWK is the public key of its algorithm and nothing else. A shared secret (hmac-sha256) has no public_jwk: it is in OpenBao.
Callers: symphony_operator. Writes: signature_keys, registry_state. Locks: the row of registry_state. Raises: SN501, SV502, SC501 the id is taken. Idempotent: yes.$$;
