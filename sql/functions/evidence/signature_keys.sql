create or replace view evidence.signature_keys with (security_barrier = true) as
select k.participant_id, k.client_id, k.key_id, k.alg, k.public_jwk, k.active_from, k.active_until, k.registered_by, k.reason, k.registered_at,
  encode(k.commitment, 'hex') as commitment, k.recorded_xid, r.retired_by, r.reason as retirement_reason, r.retired_at,
  encode(r.commitment, 'hex') as retirement_commitment, r.recorded_xid as retirement_xid
from ingress.signature_keys as k
left join ingress.retired_signature_keys as r on r.key_id = k.key_id;
alter view evidence.signature_keys owner to symphony_evidence_owner;
comment on view evidence.signature_keys is
$$Keys of signed requests that were registered, and what ended them. key_id is the signature_key_id of an attestation.
Callers: symphony_auditor. Read-only.$$;
