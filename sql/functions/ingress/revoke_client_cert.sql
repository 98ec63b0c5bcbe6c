create or replace function ingress.revoke_client_cert(p_cert_sha256 bytea, p_operator text, p_reason text) returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
begin
  perform ingress.bump_registry();
  v_now := core.now();
  if not exists (select from ingress.client_certs as c where c.cert_sha256 = p_cert_sha256) then
    perform core.raise_error('SN502', jsonb_build_object('cert_sha256', encode(p_cert_sha256, 'hex')));
  end if;
  insert into ingress.revoked_client_certs (cert_sha256, source, revoked_by, reason, revoked_at, commitment)
  values (p_cert_sha256, 'OPERATOR', p_operator, p_reason, v_now, core.commitment(array['ingress.revoked_client_certs',
    encode(p_cert_sha256, 'hex'), 'OPERATOR', p_operator, p_reason, core.epoch_us(v_now)]))
  on conflict do nothing;
  if not found then
    perform core.raise_error('SC502', jsonb_build_object('cert_sha256', encode(p_cert_sha256, 'hex')));
  end if;
  return v_now;
exception
  when not_null_violation or check_violation then
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.revoke_client_cert(bytea, text, text) owner to symphony_ingress_owner;
revoke all on function ingress.revoke_client_cert(bytea, text, text) from public;
comment on function ingress.revoke_client_cert(bytea, text, text) is
$$Ends a client certificate, for ever: what begins after the commit is refused, also over an open connection.
Callers: symphony_operator. Writes: revoked_client_certs, registry_state. Locks: the row of registry_state. Raises: SN502, SC502 revoked before, SV502. Idempotent: no.$$;
