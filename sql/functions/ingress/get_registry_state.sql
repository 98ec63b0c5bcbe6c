create or replace function ingress.get_registry_state()
returns table (version bigint, proof_required boolean, signature_required boolean, revocation_fresh_until timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
  v_now timestamptz := core.now();
  v_rule ingress.proof_rules := ingress.get_proof_rule();
  v_nobody boolean; -- no certificate is usable: then any CA whose list is fresh will do, so that an ingress can start
begin
  v_nobody := not exists (select from ingress.client_certs as c where c.not_after > v_now
    and not exists (select from ingress.revoked_client_certs as r where r.cert_sha256 = c.cert_sha256));
  return query
  select s.version, v_rule.proof_required, v_rule.signature_required, (
    -- The freshest CA: one that is stale, or was replaced, stops its own certificates (ingress.judge_proofs) and nobody else.
    select max(i.fresh_until)
    from (
      select case when bool_or(f.source = 'CRL')
        then min(least(f.next_update, f.checked_at + make_interval(secs => v_rule.revocation_max_age_ms / 1000.0))) end as fresh_until
      from ingress.revocation_sources as f
      where not exists (select from ingress.ended_revocation_sources as e where e.issuer_sha256 = f.issuer_sha256 and e.source = f.source
          and e.ended_at >= f.checked_at)
        and (v_nobody or exists (select from ingress.client_certs as c where c.issuer_sha256 = f.issuer_sha256 and c.not_after > v_now
          and not exists (select from ingress.revoked_client_certs as r where r.cert_sha256 = c.cert_sha256)))
      group by f.issuer_sha256) as i)
  from ingress.registry_state as s;
end
$$;
alter function ingress.get_registry_state() owner to symphony_ingress_owner;
revoke all on function ingress.get_registry_state() from public;
comment on function ingress.get_registry_state() is
$$The registry's version, the rule in force, and until when what is known about revocations holds for at least one CA with usable certificates (null: for none a CRL was read). Past it everybody would be refused; before it ingress.judge_proofs decides for each certificate.
Callers: symphony_ingest (its poll), symphony_operator. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
