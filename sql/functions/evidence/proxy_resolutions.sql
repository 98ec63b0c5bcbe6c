create or replace view evidence.proxy_resolutions with (security_barrier = true) as
select r.participant_id, r.outbox_id, r.resolution_id, r.resolution_no, r.proxy_type, encode(r.proxy_hash, 'hex') as proxy_hash, r.hash_key_id,
  r.status::text as status, r.reason_code, r.beneficiary_participant_id, encode(r.beneficiary_commitment, 'hex') as beneficiary_commitment,
  r.source, r.source_version, r.from_cache, encode(r.response_sha256, 'hex') as response_sha256, r.observed_at, r.expires_at,
  r.expires_at > clock_timestamp() as may_be_believed, r.recorded_at - r.observed_at as age_when_recorded, r.latency_us, r.resolved_by, r.lease_token,
  r.recorded_at, encode(r.commitment, 'hex') as commitment, r.recorded_xid
from proxy.proxy_resolutions as r;
alter view evidence.proxy_resolutions owner to symphony_evidence_owner;
comment on view evidence.proxy_resolutions is
$$What registries said of aliases: which source in which version, when it was observed, how old it was when it was recorded, until when it may be believed. Filter by participant_id and outbox_id.
Callers: symphony_auditor. Read-only.$$;
comment on column evidence.proxy_resolutions.observed_at is 'Database clock, before the registry was asked; where resolved_by is ingress, when the request was received, by the ingress''s clock, and never later than the database''s.';
comment on column evidence.proxy_resolutions.may_be_believed is 'Now; whether it was when an instruction was dispatched: compare expires_at with the attempt (evidence.attempts.resolution_id).';
