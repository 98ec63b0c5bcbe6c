create or replace function core.commitment(p_fields text[]) returns bytea
language sql stable parallel safe
return sha256(convert_to(array_to_json(p_fields)::text, 'UTF8'));
alter function core.commitment(text[]) owner to symphony_core_owner;
revoke all on function core.commitment(text[]) from public;
comment on function core.commitment(text[]) is
$$SHA-256 over the RFC 8785 array of the fields (strings and nulls; PostgreSQL's array_to_json writes exactly that form).
Callers: every context that writes a ledger. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
