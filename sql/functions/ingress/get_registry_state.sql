create or replace function ingress.get_registry_state()
returns table (version bigint, proof_required boolean, signature_required boolean, revocation_fresh_until timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
  v_rule ingress.proof_rules := ingress.get_proof_rule();
begin
  return query
  select s.version, v_rule.proof_required, v_rule.signature_required, (
    select case when bool_or(f.source = 'CRL')
      then min(least(f.next_update, f.checked_at + make_interval(secs => v_rule.revocation_max_age_ms / 1000.0))) end
    from ingress.revocation_sources as f
    -- A CA that was replaced is read no more, and counts no more once nothing it issued can be used.
    where not exists (select from ingress.client_certs as c where c.issuer_sha256 = f.issuer_sha256)
      or exists (select from ingress.client_certs as c where c.issuer_sha256 = f.issuer_sha256 and c.not_after > v_now
        and not exists (select from ingress.revoked_client_certs as r where r.cert_sha256 = c.cert_sha256)))
  from ingress.registry_state as s;
end
$$;
alter function ingress.get_registry_state() owner to symphony_ingress_owner;
revoke all on function ingress.get_registry_state() from public;
comment on function ingress.get_registry_state() is
$$The registry's version, the rule in force, and until when what is known about revocations of usable certificates holds (null: no CRL was read).
Callers: symphony_ingest (its poll), symphony_operator. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
