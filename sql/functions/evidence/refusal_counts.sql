create or replace view evidence.refusal_counts with (security_barrier = true) as
select c.count_id, c.level, c.reason_code, c.verify_code, host(c.peer_address) as peer_address, encode(c.cert_sha256, 'hex') as cert_sha256,
  c.participant_id, c.refusals, c.first_at, c.last_at, c.instance, c.recorded_at, encode(c.commitment, 'hex') as commitment, c.recorded_xid
from ingress.refusal_counts as c;
alter view evidence.refusal_counts owner to symphony_evidence_owner;
comment on view evidence.refusal_counts is
$$Refusals that were counted instead of attested: failed TLS handshakes and requests above the limit. peer_address is personal data (sql/README.md). Bound a time range with count_id as in evidence.attestations.
Callers: symphony_auditor. Read-only.$$;
