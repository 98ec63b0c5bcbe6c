create or replace function ingress.publish_proof_rule(
  p_proof_required boolean, p_signature_required boolean, p_mtls_token_use text, p_dpop_token_use text,
  p_revocation_max_age_ms integer, p_operator text, p_reason text) returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_now timestamptz;
  v_rule ingress.proof_rules;
begin
  -- One publisher at a time, and after every request that was judged by the rule before: its attestation is older than this rule.
  lock table ingress.proof_rules in exclusive mode;
  perform ingress.bump_registry();
  v_now := core.now();
  v_rule := ingress.get_proof_rule();
  if v_rule.proof_required and p_proof_required is distinct from true then
    perform core.raise_error('SA501', jsonb_build_object('rule_version', v_rule.rule_version));
  end if;
  insert into ingress.proof_rules (rule_version, proof_required, signature_required, mtls_token_use, dpop_token_use, revocation_max_age_ms,
    published_by, reason, published_at, commitment)
  values (v_rule.rule_version + 1, p_proof_required, p_signature_required, p_mtls_token_use, p_dpop_token_use, p_revocation_max_age_ms,
    p_operator, p_reason, v_now, core.commitment(array['ingress.proof_rules', (v_rule.rule_version + 1)::text, p_proof_required::text,
      p_signature_required::text, p_mtls_token_use, p_dpop_token_use, p_revocation_max_age_ms::text, p_operator, p_reason,
      core.epoch_us(v_now)]));
  return v_rule.rule_version + 1;
exception
  when not_null_violation or check_violation then
    perform core.raise_error('SV502', jsonb_build_object('sqlstate', sqlstate));
    return null;
end
$$;
alter function ingress.publish_proof_rule(boolean, boolean, text, text, integer, text, text) owner to symphony_ingress_owner;
revoke all on function ingress.publish_proof_rule(boolean, boolean, text, text, integer, text, text) from public;
comment on function ingress.publish_proof_rule(boolean, boolean, text, text, integer, text, text) is
$$Publishes what requests must prove from its commit on; returns the rule's version. Requiring proof cannot be taken back.
Callers: symphony_operator. Writes: proof_rules, registry_state. Locks: proof_rules EXCLUSIVE (waits for the transactions that judge requests, and they for it), then the row of registry_state. Raises: SV502 a member out of its form, SA501 proof waived. Idempotent: no.$$;
