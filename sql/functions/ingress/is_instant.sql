create or replace function ingress.is_instant(p_at timestamptz) returns boolean
language sql immutable parallel safe
return p_at between timestamptz '0001-01-01 00:00:00Z' and timestamptz '9999-12-31 23:59:59Z';
alter function ingress.is_instant(timestamptz) owner to symphony_ingress_owner;
revoke all on function ingress.is_instant(timestamptz) from public;
comment on function ingress.is_instant(timestamptz) is
$$Whether a time is one that a certificate can name (RFC 5280 4.1.2.5.2) and a commitment can hold; infinity is not. Null for null.
Callers: ingress.register_client_cert, ingress.register_signature_key, ingress.record_revocation_list, ingress.record_refusal_counts. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
