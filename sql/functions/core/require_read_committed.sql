create or replace function core.require_read_committed() returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    perform core.raise_error('SV003', jsonb_build_object('isolation', current_setting('transaction_isolation')));
  end if;
end
$$;
alter function core.require_read_committed() owner to symphony_core_owner;
revoke all on function core.require_read_committed() from public;
comment on function core.require_read_committed() is
$$Refuses other isolation levels where a function waits for a lock and must then see what was committed meanwhile.
Callers: ingress.accept, outbox.open_claim_gate, outbox.enqueue_payment_outbox. Writes: nothing. Locks: none. Raises: SV003. Idempotent: yes.$$;
