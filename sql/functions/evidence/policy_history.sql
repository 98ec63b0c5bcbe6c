create or replace view evidence.policy_history with (security_barrier = true) as
select p.policy_version, encode(p.checksum, 'hex') as checksum, p.status::text as status, p.content, p.proposed_by, p.proposed_at,
  p.activated_by, p.activated_at, p.retired_at
from policy.policy_versions as p;
alter view evidence.policy_history owner to symphony_evidence_owner;
comment on view evidence.policy_history is
$$Policy versions with content and checksum (SHA-256 of the RFC 8785 form of content). Callers: symphony_auditor. Read-only.$$;
