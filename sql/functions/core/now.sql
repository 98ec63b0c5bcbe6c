create or replace function core.now() returns timestamptz
language sql volatile parallel safe
return clock_timestamp();
alter function core.now() owner to symphony_core_owner;
revoke all on function core.now() from public;
comment on function core.now() is
$$The clock: the database's wall clock, read once per call into a variable and never inside DML.
Callers: every context. Writes: nothing. Locks: none. Raises: nothing. Idempotent: no.$$;
