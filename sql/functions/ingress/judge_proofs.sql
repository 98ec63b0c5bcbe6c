create or replace function ingress.judge_proofs(p_items ingress.item[], p_proofs ingress.proof[], p_rule ingress.proof_rules) returns text[]
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
declare
  v_now timestamptz := core.now();
  v_since timestamptz := v_now - make_interval(secs => p_rule.revocation_max_age_ms / 1000.0);
begin
  return (
    select array_agg(case
      when u.reject_reason is not null then null -- the ingress itself has refused it
      when u.pop_mode is null or u.pop_mode not in ('MTLS', 'DPOP', 'MTLS_DPOP') or u.cert_sha256 is null or u.client_id is null
        or u.token_iss is null or u.token_jti_sha256 is null or u.token_exp is null or u.correlation_id is null
        or (u.pop_mode <> 'MTLS' and (octet_length(u.dpop_jkt) is distinct from 32
          or octet_length(u.dpop_jti_sha256) is distinct from 32 or u.dpop_iat is null)) then 'PROOF_MISSING'
      when c.cert_sha256 is null then 'CERT_UNREGISTERED'
      when exists (select from ingress.revoked_client_certs as r where r.cert_sha256 = c.cert_sha256) then 'CERT_REVOKED'
      when c.client_id <> u.client_id or c.participant_id is distinct from u.participant_id then 'CERT_CLIENT_MISMATCH'
      when v_now < c.not_before then 'CERT_NOT_YET_VALID'
      when v_now > c.not_after then 'CERT_EXPIRED'
      -- Every source of its issuer that was not ended must be fresh, and a list read since the certificate was registered.
      when (select bool_and(f.next_update > v_now and f.checked_at > v_since)
          and bool_or(f.source = 'CRL' and f.checked_at > c.registered_at)
        from ingress.revocation_sources as f where f.issuer_sha256 = c.issuer_sha256
          and not exists (select from ingress.ended_revocation_sources as e where e.issuer_sha256 = f.issuer_sha256 and e.source = f.source
            and e.ended_at >= f.checked_at)) is not true then 'REVOCATION_STALE'
      when u.signature_key_id is null and p_rule.signature_required and u.rail is not null then 'SIGNATURE_MISSING'
      when u.pop_mode = 'MTLS' and p_rule.mtls_token_use = 'per_request_proof'
        and (u.signature_key_id is null or u.signature_nonce_sha256 is null) then 'PROOF_MISSING'
      when u.signature_key_id is null then case when u.signature_nonce_sha256 is not null then 'PROOF_MISSING' end
      when u.signature_created is null then 'PROOF_MISSING'
      when k.key_id is null or k.client_id <> u.client_id or v_now < k.active_from or v_now >= k.active_until
        or exists (select from ingress.retired_signature_keys as e where e.key_id = k.key_id) then 'SIGNATURE_KEY_UNKNOWN'
      when k.alg is distinct from u.signature_alg then 'SIGNATURE_ALGORITHM_REFUSED'
      end order by u.n)
    from unnest(p_items, p_proofs) with ordinality as u(participant_id, tenant_id, instruction_id, idempotency_key, rail, currency,
      amount_minor, creditor_participant_id, end_to_end_id, purpose, uetr, requires_proxy, parties, client_id, cert_sha256,
      token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256, signature_key_id, signature_alg, db_role,
      correlation_id, received_at, verified_at, reject_reason,
      token_exp, dpop_jkt, dpop_jti_sha256, dpop_iat, signature_nonce_sha256, signature_created, n)
    left join ingress.client_certs as c on c.cert_sha256 = u.cert_sha256
    left join ingress.signature_keys as k on k.key_id = u.signature_key_id);
end
$$;
alter function ingress.judge_proofs(ingress.item[], ingress.proof[], ingress.proof_rules) owner to symphony_ingress_owner;
revoke all on function ingress.judge_proofs(ingress.item[], ingress.proof[], ingress.proof_rules) from public;
comment on function ingress.judge_proofs(ingress.item[], ingress.proof[], ingress.proof_rules) is
$$Why each request is not believed, or null: its proof incomplete, its certificate unregistered, revoked, another client's or out of time, revocations not known freshly enough, its signature missing where the rule wants one, its key unknown or ended. By the registry as it is now and by the database's clock.
Callers: ingress.refuse_unproven. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
