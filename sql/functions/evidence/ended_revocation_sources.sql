create or replace view evidence.ended_revocation_sources with (security_barrier = true) as
select e.source, encode(e.issuer_sha256, 'hex') as issuer_sha256, e.ended_by, e.reason, e.ended_at, encode(e.commitment, 'hex') as commitment, e.recorded_xid
from ingress.ended_revocation_sources as e;
alter view evidence.ended_revocation_sources owner to symphony_evidence_owner;
comment on view evidence.ended_revocation_sources is
$$Revocation sources that an operator ended, and why. A later reading of the same issuer and source brings it back.
Callers: symphony_auditor. Read-only.$$;
