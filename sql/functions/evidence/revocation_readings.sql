create or replace view evidence.revocation_readings with (security_barrier = true) as
select r.reading_id, encode(r.issuer_sha256, 'hex') as issuer_sha256, r.source, r.list_number, r.this_update, r.next_update, r.revoked_count,
  r.recorded_at, encode(r.commitment, 'hex') as commitment, r.recorded_xid
from ingress.revocation_readings as r;
alter view evidence.revocation_readings owner to symphony_evidence_owner;
comment on view evidence.revocation_readings is
$$What was known about revocations at a time: the last row of each issuer and source before it. A row for each new list, and one in ten minutes while it stays the same.
Callers: symphony_auditor. Read-only.$$;
