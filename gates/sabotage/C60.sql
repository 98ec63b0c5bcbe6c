-- expects: core.now()
comment on function core.now() is 'The clock. Callers: every context. Writes: nothing. Locks: none. Idempotent: no.';
