create or replace function core.hold_cell() returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A lock of its own statement: what is read afterwards is what is in force until the commit.
  lock table core.cell in row share mode;
end
$$;
alter function core.hold_cell() owner to symphony_core_owner;
revoke all on function core.hold_cell() from public;
comment on function core.hold_cell() is
$$Keeps the cell's epoch from being raised until this transaction ends.
Callers: ingress.accept, ingress.accept_proven, ingress.attest_read, outbox.enqueue_payment_outbox. Writes: nothing. Locks: core.cell ROW SHARE, which only core.establish_cell waits for. Raises: nothing. Idempotent: yes.$$;
