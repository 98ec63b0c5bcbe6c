create or replace function core.epoch_us(p_at timestamptz) returns text
language sql stable parallel safe
return (extract(epoch from p_at) * 1000000)::bigint::text;
alter function core.epoch_us(timestamptz) owner to symphony_core_owner;
revoke all on function core.epoch_us(timestamptz) from public;
comment on function core.epoch_us(timestamptz) is
$$A time as decimal microseconds since 1970-01-01T00:00:00Z: the form in which times enter commitments.
Callers: every context. Writes: nothing. Locks: none. Raises: nothing. Idempotent: yes.$$;
