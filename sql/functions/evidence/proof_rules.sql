create or replace view evidence.proof_rules with (security_barrier = true) as
select r.rule_version, r.proof_required, r.signature_required, r.mtls_token_use, r.dpop_token_use, r.revocation_max_age_ms, r.published_by,
  r.reason, r.published_at, encode(r.commitment, 'hex') as commitment, r.recorded_xid
from ingress.proof_rules as r;
alter view evidence.proof_rules owner to symphony_evidence_owner;
comment on view evidence.proof_rules is
$$What requests had to prove, and from when on; before the first version nothing was required (development).
Callers: symphony_auditor. Read-only.$$;
