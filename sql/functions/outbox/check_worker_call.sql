create or replace function outbox.check_worker_call(p_worker text, p_items integer, p_lease interval default '1 minute') returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_worker is null or length(p_worker) not between 1 and 64 then
    perform core.raise_error('SV402');
  end if;
  if p_items is null or p_items not between 1 and 1000 then
    perform core.raise_error('SV401', jsonb_build_object('items', p_items, 'least', 1, 'most', 1000));
  end if;
  if p_lease is null or p_lease not between interval '1 second' and interval '10 minutes' then
    perform core.raise_error('SV403', jsonb_build_object('lease', p_lease));
  end if;
end
$$;
alter function outbox.check_worker_call(text, integer, interval) owner to symphony_outbox_owner;
revoke all on function outbox.check_worker_call(text, integer, interval) from public;
comment on function outbox.check_worker_call(text, integer, interval) is
$$Refuses unbounded batches, unnamed workers and odd leases.
Callers: the claim, completion, lease and repair functions. Writes: nothing. Locks: none. Raises: SV401, SV402, SV403. Idempotent: yes.$$;
