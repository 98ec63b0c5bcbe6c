create or replace function ingress.end_revocation_source(p_issuer_sha256 bytea, p_source text, p_operator text, p_reason text) returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
begin
  perform ingress.bump_registry(); -- no reading and no registration beside it
  v_now := core.now();
  if not exists (
    select from ingress.revocation_sources as f where f.issuer_sha256 = p_issuer_sha256 and f.source = p_source
      and not exists (select from ingress.ended_revocation_sources as e where e.issuer_sha256 = f.issuer_sha256 and e.source = f.source
        and e.ended_at >= f.checked_at)) then
    perform core.raise_error('SN503', jsonb_build_object('issuer_sha256', encode(p_issuer_sha256, 'hex'), 'source', p_source));
  elsif p_source = 'CRL' and exists (
    select from ingress.client_certs as c where c.issuer_sha256 = p_issuer_sha256 and c.not_after > v_now
      and not exists (select from ingress.revoked_client_certs as r where r.cert_sha256 = c.cert_sha256)) then
    perform core.raise_error('SC504', jsonb_build_object('issuer_sha256', encode(p_issuer_sha256, 'hex')));
  end if;
  insert into ingress.ended_revocation_sources (issuer_sha256, source, ended_by, reason, ended_at, commitment)
  values (p_issuer_sha256, p_source, p_operator, p_reason, v_now, core.commitment(array['ingress.ended_revocation_sources',
    encode(p_issuer_sha256, 'hex'), p_source, p_operator, p_reason, core.epoch_us(v_now)]));
  return v_now;
exception
  when not_null_violation or check_violation then
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.end_revocation_source(bytea, text, text, text) owner to symphony_ingress_owner;
revoke all on function ingress.end_revocation_source(bytea, text, text, text) from public;
comment on function ingress.end_revocation_source(bytea, text, text, text) is
$$Ends a revocation source that is read no more (a responder switched off, a CA replaced or recorded by mistake), so that its age stops nobody. What it revoked stays revoked. Recorded again after this it counts again: stop reading it first.
Callers: symphony_operator. Writes: ended_revocation_sources, registry_state. Locks: the row of registry_state. Raises: SN503 not recorded or ended before, SC504 the list of a CA with a usable certificate, SV502. Idempotent: no.$$;
