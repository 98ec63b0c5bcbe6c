create or replace view evidence.refusals with (security_barrier = true) as
select a.participant_id, a.instruction_id, a.attestation_id, a.decision::text as decision, a.reason_code, a.client_id,
  encode(a.body_sha256, 'hex') as body_sha256, a.policy_version, a.correlation_id, a.received_at, a.recorded_at,
  encode(a.commitment, 'hex') as commitment, encode(a.cert_sha256, 'hex') as cert_sha256, encode(a.token_jti_sha256, 'hex') as token_jti_sha256,
  a.cnf, a.pop_mode::text as pop_mode, a.signature_key_id, a.signature_alg
from ingress.ingress_attestations as a
where a.decision = 'REJECT';
alter view evidence.refusals owner to symphony_evidence_owner;
comment on view evidence.refusals is
$$Requests that the ingress refused, with the reason and what the sender showed. Filter by participant_id and instruction_id. Before a client is identified client_id is null: join evidence.client_certs by cert_sha256 to learn whose certificate it was.
Callers: symphony_auditor. Read-only.$$;
