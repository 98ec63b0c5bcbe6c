create or replace function ingress.refuse_unproven(p_items ingress.item[], p_proofs ingress.proof[]) returns ingress.item[]
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule ingress.proof_rules;
  v_items ingress.item[] := p_items;
  v_reasons text[];
  r record;
begin
  -- A lock of its own statement: the rule read after it is in force until the commit, for ingress.publish_proof_rule waits.
  lock table ingress.proof_rules in row share mode;
  v_rule := ingress.get_proof_rule();
  if p_proofs is null then
    select array_agg(case when v_rule.proof_required and u.reject_reason is null then 'PROOF_MISSING' end order by u.n) into v_reasons
    from unnest(p_items) with ordinality as u(participant_id, tenant_id, instruction_id, idempotency_key, rail, currency,
      amount_minor, creditor_participant_id, end_to_end_id, purpose, uetr, requires_proxy, parties, client_id, cert_sha256,
      token_iss, token_aud, token_kid, token_jti_sha256, cnf, pop_mode, body_sha256, signature_key_id, signature_alg, db_role,
      correlation_id, received_at, verified_at, reject_reason, n);
  elsif cardinality(p_proofs) <> cardinality(p_items) then
    perform core.raise_error('SV503', jsonb_build_object('items', cardinality(p_items), 'proofs', cardinality(p_proofs)));
  else
    v_reasons := ingress.use_proofs(p_items => p_items, p_proofs => p_proofs, p_rule => v_rule,
      p_reasons => ingress.judge_proofs(p_items => p_items, p_proofs => p_proofs, p_rule => v_rule));
  end if;
  for r in select u.reason, u.n from unnest(v_reasons) with ordinality as u(reason, n) where u.reason is not null loop -- few, placed by number
    v_items[r.n].reject_reason := r.reason;
  end loop;
  return v_items;
end
$$;
alter function ingress.refuse_unproven(ingress.item[], ingress.proof[]) owner to symphony_ingress_owner;
revoke all on function ingress.refuse_unproven(ingress.item[], ingress.proof[]) from public;
comment on function ingress.refuse_unproven(ingress.item[], ingress.proof[]) is
$$The items, each that is not proven marked with the reason: ingress.judge_proofs, then ingress.use_proofs. Without proofs at all: PROOF_MISSING where the rule in force requires proof.
Callers: ingress.accept, ingress.accept_proven, ingress.attest_read. Writes: seen_jti. Locks: proof_rules ROW SHARE, then as ingress.use_proofs. Raises: SV503. Idempotent: no.$$;
