create or replace function ingress.register_client_cert(
  p_client_id text, p_cert_sha256 bytea, p_issuer_sha256 bytea, p_serial text, p_not_before timestamptz, p_not_after timestamptz,
  p_operator text, p_reason text) returns boolean
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
  if not (ingress.is_instant(p_not_before) and ingress.is_instant(p_not_after)) then
    perform core.raise_error('SV502', '{"member": "not_before"}');
  end if;
  perform ingress.bump_registry();
  v_now := core.now(); -- after the wait: a revocation list read before this does not speak of the certificate
  insert into ingress.client_certs (cert_sha256, client_id, participant_id, issuer_sha256, serial, not_before, not_after,
    registered_by, reason, registered_at, commitment)
  values (p_cert_sha256, p_client_id, v_participant_id, p_issuer_sha256, p_serial, p_not_before, p_not_after, p_operator, p_reason, v_now,
    core.commitment(array['ingress.client_certs', encode(p_cert_sha256, 'hex'), p_client_id, v_participant_id, encode(p_issuer_sha256, 'hex'),
      p_serial, core.epoch_us(p_not_before), core.epoch_us(p_not_after), p_operator, p_reason, core.epoch_us(v_now)]))
  on conflict do nothing;
  if found then
    return true;
  elsif not exists (
    select from ingress.client_certs as c where c.cert_sha256 = p_cert_sha256 and c.client_id = p_client_id
      and c.issuer_sha256 = p_issuer_sha256 and c.serial = p_serial) then
    perform core.raise_error('SC501', jsonb_build_object('cert_sha256', encode(p_cert_sha256, 'hex'), 'serial', p_serial));
  end if;
  return false;
exception
  when not_null_violation or check_violation then
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.register_client_cert(text, bytea, bytea, text, timestamptz, timestamptz, text, text) owner to symphony_ingress_owner;
revoke all on function ingress.register_client_cert(text, bytea, bytea, text, timestamptz, timestamptz, text, text) from public;
comment on function ingress.register_client_cert(text, bytea, bytea, text, timestamptz, timestamptz, text, text) is
$$Registers a client certificate for a client; true when it is new. It is accepted once its issuer's revocation list has been read after this.
Callers: symphony_operator. Writes: client_certs, registry_state. Locks: the row of registry_state. Raises: SN501, SV502, SC501 the certificate, or its issuer and serial, are registered otherwise. Idempotent: yes.$$;
