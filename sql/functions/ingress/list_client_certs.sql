create or replace function ingress.list_client_certs()
returns table (
  cert_sha256 bytea, client_id text, participant_id text, tenant_id text, issuer_sha256 bytea, serial text, not_before timestamptz,
  not_after timestamptz, registered_at timestamptz, revoked_at timestamptz, revocation_source text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  v_since timestamptz := core.now() - interval '1 day';
begin
  return query
  select c.cert_sha256, c.client_id, c.participant_id, t.tenant_id, c.issuer_sha256, c.serial, c.not_before, c.not_after, c.registered_at,
    r.revoked_at, r.source
  from ingress.client_certs as c
  left join ingress.revoked_client_certs as r on r.cert_sha256 = c.cert_sha256
  left join policy.list_tenants() as t on t.participant_id = c.participant_id
  where c.not_after > v_since
  order by c.registered_at, c.cert_sha256;
end
$$;
alter function ingress.list_client_certs() owner to symphony_ingress_owner;
revoke all on function ingress.list_client_certs() from public;
comment on function ingress.list_client_certs() is
$$Every registered client certificate that did not expire more than a day ago, with its end where it was ended before its time. All there ever were: evidence.client_certs.
Callers: symphony_ingest (its cache), symphony_operator, symphony_maintainer (what to ask OCSP about). Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
