create or replace view evidence.attestations with (security_barrier = true) as
select a.participant_id, a.attestation_id, a.decision::text as decision, a.reason_code, a.tenant_id, a.cell_id, a.cell_epoch,
  a.instruction_id, a.outbox_id, a.client_id, encode(a.cert_sha256, 'hex') as cert_sha256, a.token_iss, a.token_aud, a.token_kid,
  encode(a.token_jti_sha256, 'hex') as token_jti_sha256, a.cnf, a.pop_mode::text as pop_mode, encode(a.body_sha256, 'hex') as body_sha256,
  a.signature_key_id, a.signature_alg, a.policy_version, encode(a.policy_checksum, 'hex') as policy_checksum, a.db_role,
  a.correlation_id, a.received_at, a.verified_at, a.recorded_at, encode(a.commitment, 'hex') as commitment, a.recorded_xid
from ingress.ingress_attestations as a;
alter view evidence.attestations owner to symphony_evidence_owner;
comment on view evidence.attestations is
$$Every ingress decision, accepted or not. Bound a time range with attestation_id >= core.uuidv7_floor(from) and < core.uuidv7_floor(to).
Callers: symphony_auditor. Read-only.$$;
