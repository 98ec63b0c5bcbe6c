create or replace view evidence.client_certs with (security_barrier = true) as
select c.participant_id, c.client_id, encode(c.cert_sha256, 'hex') as cert_sha256, encode(c.issuer_sha256, 'hex') as issuer_sha256, c.serial,
  c.not_before, c.not_after, c.registered_by, c.reason, c.registered_at, encode(c.commitment, 'hex') as commitment, c.recorded_xid,
  r.source as revocation_source, r.revoked_by, r.reason as revocation_reason, r.revoked_at, encode(r.commitment, 'hex') as revocation_commitment,
  r.recorded_xid as revocation_xid
from ingress.client_certs as c
left join ingress.revoked_client_certs as r on r.cert_sha256 = c.cert_sha256;
alter view evidence.client_certs owner to symphony_evidence_owner;
comment on view evidence.client_certs is
$$Client certificates that were registered, by whom and why, and what ended them. cert_sha256 is the one an attestation names. revoked_at is when this database learned of it, which is later than the CA decided it; evidence.revocation_readings tells how much later it can be.
Callers: symphony_auditor. Read-only.$$;
