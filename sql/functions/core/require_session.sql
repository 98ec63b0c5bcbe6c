create or replace function core.require_session() returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform core.raise_error('SV003', jsonb_build_object('isolation', current_setting('transaction_isolation')));
  end if;
  if current_setting('synchronous_commit') = 'off' then
    perform core.raise_error('SX004');
  end if;
end
$$;
alter function core.require_session() owner to symphony_core_owner;
revoke all on function core.require_session() from public;
comment on function core.require_session() is
$$Refuses sessions that could not keep a promise: another isolation level (a function that waits for a lock must then see what was committed meanwhile), or synchronous_commit off (a 202 would not be durable).
Callers: ingress.accept, ingress.accept_proven, ingress.attest_read, outbox.open_claim_gate, outbox.enqueue_payment_outbox, routing.lock_current. Writes: nothing. Locks: none. Raises: SV003, SX004. Idempotent: yes.$$;
