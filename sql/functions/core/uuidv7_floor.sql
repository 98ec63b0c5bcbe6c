create or replace function core.uuidv7_floor(p_at timestamptz) returns uuid
language sql immutable strict parallel safe
return (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
alter function core.uuidv7_floor(timestamptz) owner to symphony_core_owner;
revoke all on function core.uuidv7_floor(timestamptz) from public;
comment on function core.uuidv7_floor(timestamptz) is
$$The smallest value a UUIDv7 (RFC 9562 section 5.7) of that millisecond can have: partition bounds and time-range scans.
Callers: core.create_month_partition, symphony_auditor. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
