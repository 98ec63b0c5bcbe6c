create or replace function ingress.get_proof_rule() returns ingress.proof_rules
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_rule ingress.proof_rules;
begin
  select r.* into v_rule from ingress.proof_rules as r order by r.rule_version desc limit 1;
  if not found then
    v_rule.rule_version := 0;
    v_rule.proof_required := false;
    v_rule.signature_required := true;
    v_rule.mtls_token_use := 'single_use';
    v_rule.dpop_token_use := 'per_request_proof';
    v_rule.revocation_max_age_ms := 900000;
  end if;
  return v_rule;
end
$$;
alter function ingress.get_proof_rule() owner to symphony_ingress_owner;
revoke all on function ingress.get_proof_rule() from public;
comment on function ingress.get_proof_rule() is
$$What a request must prove, now. Version 0, before anything was published: proof is not required, and what is proved must hold.
Callers: ingress.refuse_unproven, ingress.publish_proof_rule, ingress.get_registry_state. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
